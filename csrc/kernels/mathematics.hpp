// exp, expm1, log, log1p, sigmoid, tanh: the core's own, since libm's bits move with the processor.
// One operation sequence for every ISA, no branches, explicit fma. Subnormal results are flushed to zero.
// Errors in units in the last place, largest found by tests/test_mathematics.py: exp 1, sigmoid and tanh 2.5.
#pragma once

#include "scalar.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float log2_e = 0x1.715476p+0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  // exp overflows above the first, and is subnormal (hence 0) below the second
  static constexpr float exp_highest = 0x1.62e42ep+6f, exp_lowest = -0x1.5d589ep+6f;
  // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, error 3e-9 of e^r
  static constexpr float exp[] = {0x1p-1f, 0x1.55548ep-3f, 0x1.55545ep-5f, 0x1.123b92p-7f,
                                  0x1.6db47ep-10f};
  // (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2, |s| <= 0.1717, error 2e-7
  static constexpr float log[] = {0x1.55555cp-1f, 0x1.997be8p-2f, 0x1.2ef104p-2f};
};

template <>
struct Constants<double> {
  static constexpr double log2_e = 0x1.71547652b82fep+0, ln2_high = 0x1.62e42feep-1,
                          ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_highest = 0x1.62e42fefa39efp+9, exp_lowest = -0x1.6232bdd7abcd2p+9;
  // error 4e-18 of e^r
  static constexpr double exp[] = {0x1.000000000000cp-1,  0x1.5555555555561p-3,
                                   0x1.555555554ffeap-5,  0x1.111111110d609p-7,
                                   0x1.6c16c185b70efp-10, 0x1.a01a01baf2b03p-13,
                                   0x1.a0199667de669p-16, 0x1.71dddfa6ff6b2p-19,
                                   0x1.28b072bc56b8ep-22, 0x1.af85c26aff576p-26};
  // error 4e-16
  static constexpr double log[] = {0x1.5555555555558p-1, 0x1.999999999514ep-2, 0x1.2492492e1b70ap-2,
                                   0x1.c71c62b2513b4p-3, 0x1.7462c2a5ad000p-3, 0x1.39fc9fcbe0189p-3,
                                   0x1.2b6d4dcf535bcp-3};
};

template <class T, int N>
static inline T horner(const T (&c)[N], T x) {
  T p = c[N - 1];
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) p = fused(p, x, c[i]);
  return p;
}

// x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer.
template <class T>
struct Reduced {
  bits_t<T> n;
  T r;
};

template <class T>
static inline Reduced<T> reduce(T x) {
  using C = Constants<T>;
  const T t = fused(x, C::log2_e, kMagic<T>);
  const T n = t - kMagic<T>;
  const T r = fused(n, -C::ln2_low, fused(n, -C::ln2_high, x));
  return {to_bits(t) - to_bits(kMagic<T>), r};
}

template <class T>
static inline T exponential(T x) {
  using C = Constants<T>;
  const Reduced<T> e = reduce(x);
  T y = scale_by_power(fused(fused(horner(C::exp, e.r), e.r, T(1)), e.r, T(1)), e.n);
  y = x > C::exp_highest ? T(INFINITY) : y;
  y = x < C::exp_lowest ? T(0) : y;
  return x != x ? x : y;
}

// e^x - 1 for x <= 0.
template <class T>
static inline T exponential_minus_1(T x) {
  const T bounded = x < T(-40) ? T(-40) : x;  // e^-40 is below half an ulp of 1 in either type
  const Reduced<T> e = reduce(bounded);
  const T power = scale_by_power(T(1), e.n);
  const T s = fused(horner(Constants<T>::exp, e.r), e.r * e.r, e.r);  // e^r - 1
  const T y = fused(power, s, power - T(1));
  return x != x ? x : y;
}

// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)], plus k ln 2.
template <class T>
static inline T log_near_1(T f, T k) {
  using C = Constants<T>;
  const T s = f / (T(2) + f);
  const T half_square = T(0.5) * f * f;
  const T z = s * s;
  const T remainder = z * horner(C::log, z);
  const T correction = fused(s, half_square + remainder, k * C::ln2_low);
  return fused(k, C::ln2_high, f - (half_square - correction));
}

// log(1 + x) for x in [0, 1].
template <class T>
static inline T logarithm_of_1_plus(T x) {
  const bool large = x > T(0.41421356);
  const T f = large ? T(0.5) * (x - T(1)) : x;
  return log_near_1(f, large ? T(1) : T(0));
}

// log(x); -inf at 0, NaN below.
static inline double logarithm(double x) {
  const int64_t sqrt_half = to_bits(0x1.6a09e667f3bcdp-1);
  const int64_t k = (to_bits(x) - sqrt_half) >> Bits<double>::mantissa;
  const double m = from_bits<double>(to_bits(x) - (k << Bits<double>::mantissa));
  const double y = log_near_1(m - 1.0, double(k));
  if (x == 0.0) return -INFINITY;
  if (x == INFINITY) return x;
  return x > 0.0 ? y : NAN;
}

template <class T>
static inline T logistic(T x) {
  const T e = exponential(-absolute(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

template <class T>
static inline T hyperbolic_tangent(T x) {
  const T m = exponential_minus_1(T(-2) * absolute(x));
  return with_sign(m / (T(2) + m), x);
}

// log(1 + e^x)
template <class T>
static inline T softplus(T x) {
  return (x < T(0) ? T(0) : x) + logarithm_of_1_plus(exponential(-absolute(x)));
}

}  // namespace deltarule::DELTARULE_ISA
