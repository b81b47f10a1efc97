// One lane a register: any processor. fma is a library call where the instruction is missing.
#pragma once

#include <math.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

template <class T>
struct vec;

#define DELTARULE_SCALAR_VEC(T, Bits)                                                                                  \
  template <>                                                                                                          \
  struct vec<T> {                                                                                                      \
    using mask = bool;                                                                                                 \
    static constexpr int width = 1;                                                                                    \
    T v;                                                                                                               \
  };                                                                                                                   \
  static inline vec<T> load(const T* p) { return {*p}; }                                                               \
  static inline void store(vec<T> a, T* p) { *p = a.v; }                                                               \
  static inline bool first_mask(vec<T>, int64_t n) { return n > 0; }                                                   \
  static inline bool lane_is(vec<T>, int64_t i) { return i == 0; }                                                     \
  static inline vec<T> load_masked(const T* p, bool m) { return {m ? *p : T(0)}; }                                     \
  static inline void store_masked(vec<T> a, T* p, bool m) {                                                            \
    if (m) *p = a.v;                                                                                                   \
  }                                                                                                                    \
  static inline T sum_lanes(vec<T> a) { return a.v; }                                                                  \
  static inline T largest_lane(vec<T> a) { return a.v; }                                                               \
  static inline vec<T> broadcast(T x) { return {x}; }                                                                  \
  static inline vec<T> add(vec<T> a, vec<T> b) { return {a.v + b.v}; }                                                 \
  static inline vec<T> subtract(vec<T> a, vec<T> b) { return {a.v - b.v}; }                                            \
  static inline vec<T> multiply(vec<T> a, vec<T> b) { return {a.v * b.v}; }                                            \
  static inline vec<T> divide(vec<T> a, vec<T> b) { return {a.v / b.v}; }                                              \
  static inline bool less(vec<T> a, vec<T> b) { return a.v < b.v; }                                                    \
  static inline bool is_nan(vec<T> a) { return a.v != a.v; }                                                           \
  static inline vec<T> select(bool m, vec<T> a, vec<T> b) { return m ? a : b; }                                        \
  static inline vec<T> bit_and(vec<T> a, vec<T> b) {                                                                   \
    return {__builtin_bit_cast(T, Bits(__builtin_bit_cast(Bits, a.v) & __builtin_bit_cast(Bits, b.v)))};               \
  }                                                                                                                    \
  static inline vec<T> and_not(vec<T> a, vec<T> b) {                                                                   \
    return {__builtin_bit_cast(T, Bits(~__builtin_bit_cast(Bits, a.v) & __builtin_bit_cast(Bits, b.v)))};              \
  }                                                                                                                    \
  static inline vec<T> bit_or(vec<T> a, vec<T> b) {                                                                    \
    return {__builtin_bit_cast(T, Bits(__builtin_bit_cast(Bits, a.v) | __builtin_bit_cast(Bits, b.v)))};               \
  }                                                                                                                    \
  static inline vec<T> add_exponent(vec<T> a, vec<T> t) {                                                              \
    return {                                                                                                           \
        __builtin_bit_cast(T, Bits(__builtin_bit_cast(Bits, a.v) + (__builtin_bit_cast(Bits, t.v) << kMantissa<T>)))}; \
  }

template <class T>
constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52;

DELTARULE_SCALAR_VEC(float, uint32_t)
DELTARULE_SCALAR_VEC(double, uint64_t)
#undef DELTARULE_SCALAR_VEC

static inline vec<double> load_double_masked(const float* p, bool m) { return {m ? double(*p) : 0.0}; }
static inline vec<double> load_double_masked(const double* p, bool m) { return {m ? *p : 0.0}; }

// Rows and columns that transpose_block takes.
template <class T>
constexpr int64_t kTransposeBlock = 1;
template <class T>
static inline void transpose_block(const T* from, int64_t, T* to, int64_t) {
  *to = *from;
}

// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for a normal x > 0.
static inline vec<double> split_exponent(vec<double> x, vec<double>& k) {
  const uint64_t bits = __builtin_bit_cast(uint64_t, x.v), sqrt_half = 0x3fe6a09e667f3bcd;
  const uint64_t n = (bits - sqrt_half + (uint64_t{1023} << 52)) >> 52;
  k.v = double(int64_t(n) - 1023);
  return {__builtin_bit_cast(double, bits - ((n - 1023) << 52))};
}

static inline vec<float> square_root(vec<float> a) { return {__builtin_sqrtf(a.v)}; }
static inline vec<double> square_root(vec<double> a) { return {__builtin_sqrt(a.v)}; }

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) { return {fmaf(a.v, b.v, c.v)}; }
static inline vec<double> fused(vec<double> a, vec<double> b, vec<double> c) { return {fma(a.v, b.v, c.v)}; }

}  // namespace deltarule::DELTARULE_ISA
