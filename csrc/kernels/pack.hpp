// A cache line of lanes: as many registers as it takes on this ISA. Everything above is written once over
// packs, and each operation is one IEEE operation per lane, so the bits do not depend on the registers.
#pragma once

#include "kernels.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
struct pack {
  static constexpr int lanes = kLanes<T>;
  static constexpr int registers = lanes / vec<T>::width;
  vec<T> r[registers];

  pack() = default;
  explicit pack(T x) {
    for (vec<T>& v : r) v = broadcast(x);
  }
};

template <class T>
struct mask {
  typename vec<T>::mask r[pack<T>::registers];
};

// Applies f to every register.
template <class T, class F>
DELTARULE_INLINE static inline pack<T> each(F f) {
  pack<T> c;
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::registers; ++i) c.r[i] = f(i);
  return c;
}

template <class T>
DELTARULE_INLINE static inline pack<T> load_pack(const T* p) {
  return each<T>([=](int i) { return load(p + i * vec<T>::width); });
}
template <class T>
DELTARULE_INLINE static inline void store(const pack<T>& a, T* p) {
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::registers; ++i) store(a.r[i], p + i * vec<T>::width);
}

// The lanes below n.
template <class T>
DELTARULE_INLINE static inline mask<T> first(int64_t n) {
  mask<T> m;
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::registers; ++i) m.r[i] = first_mask(vec<T>{}, n - i * vec<T>::width);
  return m;
}

// The first n lanes from memory, 0 beyond; and back.
template <class T>
DELTARULE_INLINE static inline pack<T> load_first(const T* p, int64_t n) {
  if (n >= pack<T>::lanes) return load_pack(p);
  const mask<T> m = first<T>(n);
  return each<T>([&](int i) { return load_masked(p + i * vec<T>::width, m.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline void store_first(const pack<T>& a, T* p, int64_t n) {
  if (n >= pack<T>::lanes) return store(a, p);
  const mask<T> m = first<T>(n);
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::registers; ++i) store_masked(a.r[i], p + i * vec<T>::width, m.r[i]);
}

// The first n values of T, at most eight, as doubles, 0 beyond.
template <class T>
DELTARULE_INLINE static inline pack<double> load_double(const T* p, int64_t n) {
  const mask<double> m = first<double>(n);
  return each<double>([&](int i) { return load_double_masked(p + i * vec<double>::width, m.r[i]); });
}

template <class T>
DELTARULE_INLINE static inline pack<T> operator+(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return add(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> operator-(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return subtract(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> operator*(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return multiply(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> operator/(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return divide(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> fused(const pack<T>& a, const pack<T>& b, const pack<T>& c) {
  return each<T>([&](int i) { return fused(a.r[i], b.r[i], c.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> square_root(const pack<T>& a) {
  return each<T>([&](int i) { return square_root(a.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> operator&(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return bit_and(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> operator|(const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return bit_or(a.r[i], b.r[i]); });
}
template <class T>
DELTARULE_INLINE static inline pack<T> add_exponent(const pack<T>& a, const pack<T>& t) {
  return each<T>([&](int i) { return add_exponent(a.r[i], t.r[i]); });
}

template <class T>
DELTARULE_INLINE static inline mask<T> operator<(const pack<T>& a, const pack<T>& b) {
  mask<T> m;
#pragma GCC unroll 16
  for (int i = 0; i < pack<T>::registers; ++i) m.r[i] = less(a.r[i], b.r[i]);
  return m;
}
template <class T>
DELTARULE_INLINE static inline mask<T> operator>(const pack<T>& a, const pack<T>& b) {
  return b < a;
}
// Lanes of a where the mask is set, of b elsewhere.
template <class T>
DELTARULE_INLINE static inline pack<T> select(const mask<T>& m, const pack<T>& a, const pack<T>& b) {
  return each<T>([&](int i) { return select(m.r[i], a.r[i], b.r[i]); });
}

// y, but x where x is NaN.
template <class T>
DELTARULE_INLINE static inline pack<T> keep_nan(const pack<T>& x, const pack<T>& y) {
  return each<T>([&](int i) { return select(is_nan(x.r[i]), x.r[i], y.r[i]); });
}

template <class T>
DELTARULE_INLINE static inline pack<T> operator-(const pack<T>& a) {
  return pack<T>(T(-0.0)) - a;  // exact, zeros included
}
template <class T>
DELTARULE_INLINE static inline pack<T> absolute(const pack<T>& a) {
  return each<T>([&](int i) { return and_not(broadcast(T(-0.0)), a.r[i]); });
}
// |x| with the sign of s.
template <class T>
DELTARULE_INLINE static inline pack<T> with_sign(const pack<T>& x, const pack<T>& s) {
  return absolute(x) | (s & pack<T>(T(-0.0)));
}

// 1 in lane i, 0 elsewhere; all 0 where i is no lane.
template <class T>
DELTARULE_INLINE static inline pack<T> unit(int64_t i) {
  return each<T>(
      [=](int k) { return select(lane_is(vec<T>{}, i - k * vec<T>::width), broadcast(T(1)), broadcast(T(0))); });
}

// The lanes below n of a, `other` from there on.
template <class T>
DELTARULE_INLINE static inline pack<T> first_lanes(const pack<T>& a, int64_t n, T other) {
  return n >= pack<T>::lanes ? a : select(first<T>(n), a, pack<T>(other));
}

// The registers folded into one by halves: f(register i, register i + half).
template <class T, class F>
DELTARULE_INLINE static inline vec<T> fold(const pack<T>& a, F f) {
  vec<T> r[pack<T>::registers];
  for (int i = 0; i < pack<T>::registers; ++i) r[i] = a.r[i];
#pragma GCC unroll 8
  for (int half = pack<T>::registers / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) r[i] = f(r[i], r[i + half]);
  return r[0];
}

// The sum of the lanes, halved until one is left.
template <class T>
DELTARULE_INLINE static inline T sum(const pack<T>& a) {
  return sum_lanes(fold(a, [](vec<T> x, vec<T> y) { return add(x, y); }));
}

template <class T>
DELTARULE_INLINE static inline T largest(const pack<T>& a) {
  return largest_lane(fold(a, [](vec<T> x, vec<T> y) { return select(less(x, y), y, x); }));
}

template <class T>
static inline const T* row(const InputRows<T>& x, int64_t r) {
  return x.data + (x.index ? x.index[r] : r) * x.stride;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <int N>
struct count_constant {
  static constexpr int value = N;
};

// Calls f with n, which is in Least..N, as a compile-time constant.
template <int N, int Least = 1, class F>
static inline void with_count(int64_t n, F f) {
  if constexpr (N > Least) {
    if (n < N) return with_count<N - 1, Least>(n, f);
  }
  f(count_constant<N>{});
}

// f(column, how many of its lanes count) for the packs of n columns.
template <class T, class F>
static inline void each_pack(int64_t n, F f) {
  for (int64_t j = 0; j < n; j += pack<T>::lanes) f(j, n - j < pack<T>::lanes ? n - j : pack<T>::lanes);
}

// sum_j of the terms of n columns: strided lanes from 0, the last pack padded with zeros, then halving.
template <class T, class F>
static inline T lane_sum(int64_t n, F term) {
  pack<T> lanes(T(0));
  each_pack<T>(n, [&](int64_t j, int64_t count) { lanes = lanes + first_lanes(term(j, count), count, T(0)); });
  return sum(lanes);
}

}  // namespace deltarule::DELTARULE_ISA
