// Dropout of rows of units: integers only decide, lane by lane.
#pragma once

#include "kernels.hpp"

namespace deltarule::DELTARULE_ISA {

// Chris Wellons' lowbias32.
static inline uint32_t scramble(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

// The finalizer of splitmix64.
static inline uint64_t scramble(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

template <class T>
static void drop(int64_t rows, int64_t n, uint64_t key, int64_t first_row, int64_t first_unit, uint32_t threshold,
                 T scale, const T* a, T* out, int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) {
    const auto row_key = static_cast<uint32_t>(scramble(key + static_cast<uint64_t>(first_row + r)));
    const T* a_r = a + r * ld;
    T* out_r = out + r * ld;
    for (int64_t j = 0; j < n; ++j) {
      const uint32_t number = scramble(row_key + static_cast<uint32_t>(first_unit + j) * 0x9e3779b9u);
      out_r[j] = number < threshold ? T(0) : a_r[j] * scale;
    }
  }
}

}  // namespace deltarule::DELTARULE_ISA
