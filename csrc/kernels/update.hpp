// The update rule, and the scans for bad values.
#pragma once

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// g <- g + weight_decay w; without momentum w <- w - lr g; with it v <- momentum v - lr g and
// w <- w + v, or Nesterov's w <- w + (momentum v - lr g) with the new v.
template <class T>
struct DescentStep {
  using V = pack<T>;
  V minus_lr, momentum, decay;
  bool nesterov;

  explicit DescentStep(const SgdStep<T>& s)
      : minus_lr(-s.lr), momentum(s.momentum), decay(s.weight_decay), nesterov(s.nesterov) {}

  V plain(const V& g, const V& w) const { return fused(minus_lr, fused(decay, w, g), w); }
  V with_momentum(const V& g, const V& w, V& v) const {
    const V descent = minus_lr * fused(decay, w, g);
    v = fused(momentum, v, descent);
    return w + (nesterov ? fused(momentum, v, descent) : v);
  }
};

// 0 until a value that is not finite was seen, NaN from then on.
template <class T>
static inline pack<T> look_at(const pack<T>& w, const pack<T>& seen) {
  return fused(w, pack<T>(T(0)), seen);
}

// n parameters from w on, whose velocity, or null, is at v; g is readable to a whole pack. Returns what was seen.
template <class T>
static pack<T> descend_row(const DescentStep<T>& step, int64_t n, const T* g, T* w, T* v, pack<T> seen) {
  each_pack<T>(n, [&](int64_t j, int64_t count) {
    const pack<T> g_j = load_pack(g + j), w_j = load_first(w + j, count);
    pack<T> v_j = v ? load_first(v + j, count) : g_j;
    const pack<T> new_w = v ? step.with_momentum(g_j, w_j, v_j) : step.plain(g_j, w_j);
    if (v) store_first(v_j, v + j, count);
    store_first(new_w, w + j, count);
    seen = look_at(new_w, seen);
  });
  return seen;
}

template <class T>
static bool descend(int64_t rows, int64_t n, const T* G, int64_t ldg, const Descent<T>& descent) {
  const DescentStep<T> step(descent.step);
  pack<T> seen(T(0));
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = i * descent.ld;
    seen = descend_row(step, n, G + i * ldg, descent.w + row, descent.v ? descent.v + row : nullptr, seen);
  }
  return sum(seen) == T(0);
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
static bool all_finite(int64_t n, const T* x) {
  constexpr int64_t L = kLanes<T>, kChains = 8;
  pack<T> seen[kChains];
  for (pack<T>& chain : seen) chain = pack<T>(T(0));
  int64_t i = 0;
  for (; i + kChains * L <= n; i += kChains * L)
#pragma GCC unroll 8
    for (int c = 0; c < kChains; ++c) seen[c] = look_at(load_pack(x + i + c * L), seen[c]);
  each_pack<T>(n - i, [&](int64_t j, int64_t count) { seen[0] = look_at(load_first(x + i + j, count), seen[0]); });
  for (int c = 1; c < kChains; ++c) seen[0] = seen[0] + seen[c];
  return sum(seen[0]) == T(0);
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
