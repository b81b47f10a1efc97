// The rate of the fused multiply-add itself: the unit of every other speed.
#pragma once

#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// Independent chains of one register each: more than latency times units (8 on today's processors), and with
// their two constants within 16 registers.
constexpr int kPeakChains = 12;

template <class T>
int64_t peak(int64_t rounds, T* sink) {
  vec<T> c[kPeakChains];
  const vec<T> half = broadcast(T(0.5));  // c = c / 2 + 1/2: stays in [0, 1]
  for (int i = 0; i < kPeakChains; ++i) c[i] = broadcast(T(i) / kPeakChains);
  for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
    for (int i = 0; i < kPeakChains; ++i) c[i] = fused(c[i], half, half);
  vec<T> sum = c[0];
  for (int i = 1; i < kPeakChains; ++i) sum = add(sum, c[i]);
  *sink = sum_lanes(sum);
  return 2 * rounds * kPeakChains * vec<T>::width;
}

}  // namespace deltarule::DELTARULE_ISA
