// The update rule, and the scan for bad values.
#pragma once

#include <math.h>

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// g <- g + weight_decay w; without momentum w <- w - lr g; with it v <- momentum v - lr g and
// w <- w + v, or Nesterov's w <- w + (momentum v - lr g) with the new v.
template <class T>
static bool sgd(int64_t n, const SgdStep<T>& step, const T* g, T* w, T* v) {
  using V = pack<T>;
  const V minus_lr(-step.lr), momentum(step.momentum), decay(step.weight_decay);
  const bool has_momentum = step.momentum != T(0);
  pack<T> largest_w(T(0));
  const auto put = [&](const V& new_w, int64_t i, int64_t count) {
    const V size = absolute(new_w);
    largest_w = select(size < V(T(INFINITY)), largest_w, V(T(INFINITY)));  // NaN too
    store_first(new_w, w + i, count);
  };
  each_pack<T>(n, [&](int64_t i, int64_t count) {
    const V w_i = load_first(w + i, count);
    const V g_i = fused(decay, w_i, load_first(g + i, count));
    if (!has_momentum) return put(fused(minus_lr, g_i, w_i), i, count);
    const V descent = minus_lr * g_i;
    const V v_i = fused(momentum, load_first(v + i, count), descent);
    store_first(v_i, v + i, count);
    put(w_i + (step.nesterov ? fused(momentum, v_i, descent) : v_i), i, count);
  });
  return largest(largest_w) < T(INFINITY);
}

// to[j][i] = from[i][j], in blocks that one register a row holds.
template <class T>
static void transpose(int64_t rows, int64_t columns, const T* from, int64_t ld_from, T* to, int64_t ld_to) {
  constexpr int64_t B = kTransposeBlock<T>;
  const int64_t whole_rows = rows / B * B, whole_columns = columns / B * B;
  for (int64_t i = 0; i < whole_rows; i += B)
    for (int64_t j = 0; j < whole_columns; j += B)
      transpose_block(from + i * ld_from + j, ld_from, to + j * ld_to + i, ld_to);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) to[j * ld_to + i] = from[i * ld_from + j];
}

template <class T>
static int64_t first_outside(int64_t n, const T* x, T low, T high) {
  constexpr int64_t kChunk = 1024;
  const auto inside = [=](T v) { return (v >= low) & (v <= high); };
  for (int64_t first = 0; first < n; first += kChunk) {
    const int64_t last = first + kChunk < n ? first + kChunk : n;
    int outside = 0;
    for (int64_t i = first; i < last; ++i) outside |= !inside(x[i]);
    if (outside)
      for (int64_t i = first; i < last; ++i)
        if (!inside(x[i])) return i;
  }
  return -1;
}

}  // namespace deltarule::DELTARULE_ISA
