// The update rule, and the scans for bad values.
#pragma once

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// 0 until a value that is not finite was seen, NaN from then on.
template <class T>
DELTARULE_INLINE static inline pack<T> look_at(const pack<T>& w, const pack<T>& seen) {
  return fused(w, pack<T>(T(0)), seen);
}

// w <- w - rate (g + decay w)
template <class T>
DELTARULE_INLINE static inline pack<T> plain_step(const pack<T>& minus_rate, const pack<T>& decay, const pack<T>& g,
                                                  const pack<T>& w) {
  return fused(minus_rate, fused(decay, w, g), w);
}

template <class T>
DELTARULE_INLINE static inline pack<T> sign(const pack<T>& w) {
  const pack<T> zero(T(0)), one(T(1));
  return select(w > zero, one, select(w < zero, pack<T>(T(-1)), zero));
}

template <class R, bool has_m, bool has_v, class T>
static pack<T> descend_row_by(int64_t n, const T* g, const Descent<T>& at, pack<T> seen) {
  const DescentStep<T> s = at.step;
  const pack<T> decay(s.decay), l1(s.l1);
  each_pack<T>(n, [&](int64_t j, int64_t count) {
    const pack<T> w = load_first(at.w + j, count);
    pack<T> g_j = fused(decay, w, load_pack(g + j)), m, v;
    if (s.l1 != T(0)) g_j = fused(l1, sign(w), g_j);
    if constexpr (has_m) m = load_first(at.m + j, count);
    if constexpr (has_v) v = load_first(at.v + j, count);
    const pack<T> new_w = R::step(s, g_j, w, m, v);
    if constexpr (has_m) store_first(m, at.m + j, count);
    if constexpr (has_v) {
      store_first(v, at.v + j, count);
      seen = look_at(v, seen);
    }
    store_first(new_w, at.w + j, count);
    seen = look_at(new_w, seen);
  });
  return seen;
}

// n parameters from at.w on; g is readable to a whole pack. Returns 0, or NaN where a new value is not finite.
template <class T>
static pack<T> descend_row(int64_t n, const T* g, const Descent<T>& at, pack<T> seen) {
#define DELTARULE_CASE(name, type, has_m, has_v) \
  case Rule::name: return descend_row_by<type, has_m, has_v>(n, g, at, seen);
  switch (at.step.rule) { DELTARULE_RULES(DELTARULE_CASE) }
#undef DELTARULE_CASE
  return seen;
}

template <class T>
static bool descend(int64_t rows, int64_t n, const T* G, int64_t ldg, const Descent<T>& descent) {
  pack<T> seen(T(0));
  for (int64_t i = 0; i < rows; ++i) seen = descend_row(n, G + i * ldg, descent.row(i), seen);
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
static double magnitude(int64_t n, const T* x) {
  constexpr int64_t L = kLanes<T>, kChains = 4;
  pack<T> sums[kChains];
  for (pack<T>& chain : sums) chain = pack<T>(T(0));
  int64_t i = 0;
  for (; i + kChains * L <= n; i += kChains * L)
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) sums[c] = sums[c] + absolute(load_pack(x + i + c * L));
  each_pack<T>(n - i, [&](int64_t j, int64_t count) { sums[0] = sums[0] + absolute(load_first(x + i + j, count)); });
  return double(sum((sums[0] + sums[1]) + (sums[2] + sums[3])));
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
