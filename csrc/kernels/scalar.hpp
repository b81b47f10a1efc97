// One lane: the operations that the functions are written in. Each is one IEEE operation, so that a
// vector version of them gives the same bits. Included inside an ISA namespace.
#pragma once

#include <math.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using type = int32_t;
  static constexpr int mantissa = 23;
  static constexpr int32_t bias = 127;
};
template <>
struct Bits<double> {
  using type = int64_t;
  static constexpr int mantissa = 52;
  static constexpr int64_t bias = 1023;
};

template <class T>
using bits_t = typename Bits<T>::type;

static inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
static inline double fused(double a, double b, double c) { return fma(a, b, c); }

template <class T>
static inline bits_t<T> to_bits(T x) {
  return __builtin_bit_cast(bits_t<T>, x);
}

template <class T>
static inline T from_bits(bits_t<T> x) {
  return __builtin_bit_cast(T, x);
}

template <class T>
static inline T absolute(T x) {
  return from_bits<T>(to_bits(x) & (~bits_t<T>(0) ^ (bits_t<T>(1) << (8 * sizeof(T) - 1))));
}

// |x| with the sign of s.
template <class T>
static inline T with_sign(T x, T s) {
  constexpr bits_t<T> sign = bits_t<T>(1) << (8 * sizeof(T) - 1);
  return from_bits<T>((to_bits(x) & ~sign) | (to_bits(s) & sign));
}

// x * 2^n for a result that is normal: n arrives as the float t = n + magic (see kMagic).
template <class T>
static inline T scale_by_power(T x, bits_t<T> n) {
  return from_bits<T>(to_bits(x) + (n << Bits<T>::mantissa));
}

// Adding 1.5 * 2^mantissa rounds to the nearest integer, whose value then stands in the low bits.
template <class T>
constexpr T kMagic = T(3) * (bits_t<T>(1) << (Bits<T>::mantissa - 1));

}  // namespace deltarule::DELTARULE_ISA
