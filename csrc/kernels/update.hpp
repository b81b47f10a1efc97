// The update rule, and the scan for bad values.
#pragma once

#include "kernels.hpp"
#include "scalar.hpp"

namespace deltarule::DELTARULE_ISA {

// g <- g + weight_decay w; without momentum w <- w - lr g; with it v <- momentum v - lr g and
// w <- w + v, or Nesterov's w <- w + (momentum v - lr g) with the new v.
template <class T>
static void sgd(int64_t n, const SgdStep<T>& step, const T* g, T* w, T* v) {
  const T lr = step.lr, momentum = step.momentum, decay = step.weight_decay;
  if (momentum == T(0)) {
    for (int64_t i = 0; i < n; ++i) w[i] = fused(-lr, fused(decay, w[i], g[i]), w[i]);
  } else if (!step.nesterov) {
    for (int64_t i = 0; i < n; ++i) {
      v[i] = fused(momentum, v[i], -lr * fused(decay, w[i], g[i]));
      w[i] += v[i];
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const T descent = -lr * fused(decay, w[i], g[i]);
      v[i] = fused(momentum, v[i], descent);
      w[i] += fused(momentum, v[i], descent);
    }
  }
}

template <class T>
static int64_t first_outside(int64_t n, const T* x, T low, T high) {
  constexpr int64_t kChunk = 1024;
  for (int64_t first = 0; first < n; first += kChunk) {
    const int64_t last = first + kChunk < n ? first + kChunk : n;
    bits_t<T> outside = 0;
    for (int64_t i = first; i < last; ++i) outside |= (x[i] >= low) & (x[i] <= high) ? 0 : 1;
    if (outside)
      for (int64_t i = first; i < last; ++i)
        if (!(x[i] >= low && x[i] <= high)) return i;
  }
  return -1;
}

}  // namespace deltarule::DELTARULE_ISA
