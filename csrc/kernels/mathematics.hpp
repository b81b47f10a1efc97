// exp, expm1, log, log1p, sigmoid, tanh: the core's own, since libm's bits move with the processor.
// One operation sequence for every ISA, no branches, explicit fma. Subnormal results are flushed to zero.
// Accuracy: tests/core/test_mathematics.py.
#pragma once

#include <float.h>
#include <math.h>

#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
struct Constants;

template <>
struct Constants<float> {
  static constexpr float log2_e = 0x1.715476p+0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  // adding it rounds to the nearest integer, whose value then stands in the low bits
  static constexpr float magic = 0x1.8p+23f;
  // exp overflows above the first, and is subnormal (hence 0) below the second
  static constexpr float exp_highest = 0x1.62e42ep+6f, exp_lowest = -0x1.5d589ep+6f;
  // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, error 3e-9 of e^r
  static constexpr float exp[] = {0x1p-1f, 0x1.55548ep-3f, 0x1.55545ep-5f, 0x1.123b92p-7f, 0x1.6db47ep-10f};
  // (log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2, |s| <= 0.1717, error 2e-7
  static constexpr float log[] = {0x1.55555cp-1f, 0x1.997be8p-2f, 0x1.2ef104p-2f};
};

template <>
struct Constants<double> {
  static constexpr double log2_e = 0x1.71547652b82fep+0, ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double magic = 0x1.8p+52;
  static constexpr double exp_highest = 0x1.62e42fefa39efp+9, exp_lowest = -0x1.6232bdd7abcd2p+9;
  // error 4e-18 of e^r
  static constexpr double exp[] = {0x1.000000000000cp-1,  0x1.5555555555561p-3,  0x1.555555554ffeap-5,
                                   0x1.111111110d609p-7,  0x1.6c16c185b70efp-10, 0x1.a01a01baf2b03p-13,
                                   0x1.a0199667de669p-16, 0x1.71dddfa6ff6b2p-19, 0x1.28b072bc56b8ep-22,
                                   0x1.af85c26aff576p-26};
  // error 4e-16
  static constexpr double log[] = {0x1.5555555555558p-1, 0x1.999999999514ep-2, 0x1.2492492e1b70ap-2,
                                   0x1.c71c62b2513b4p-3, 0x1.7462c2a5ad000p-3, 0x1.39fc9fcbe0189p-3,
                                   0x1.2b6d4dcf535bcp-3};
};

template <class T, int N>
DELTARULE_INLINE static inline pack<T> horner(const T (&c)[N], pack<T> x) {
  pack<T> p(c[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) p = fused(p, x, pack<T>(c[i]));
  return p;
}

// x = n ln 2 + r with |r| <= ln 2 / 2 and n an integer; t holds n in its low bits.
template <class T>
DELTARULE_INLINE static inline pack<T> reduce(pack<T> x, pack<T>& t) {
  using C = Constants<T>;
  using V = pack<T>;
  t = fused(x, V(C::log2_e), V(C::magic));
  const V n = t - V(C::magic);
  return fused(n, V(-C::ln2_low), fused(n, V(-C::ln2_high), x));
}

template <class T>
DELTARULE_INLINE static inline pack<T> exponential(pack<T> x) {
  using C = Constants<T>;
  using V = pack<T>;
  V t;
  const V r = reduce(x, t);
  const V p = fused(fused(horner(C::exp, r), r, V(T(1))), r, V(T(1)));
  V y = add_exponent(p, t);
  y = select(V(C::exp_highest) < x, V(T(INFINITY)), y);
  y = select(x < V(C::exp_lowest), V(T(0)), y);
  return keep_nan(x, y);
}

// e^x - 1 for x <= 0.
template <class T>
DELTARULE_INLINE static inline pack<T> exponential_minus_1(pack<T> x) {
  using V = pack<T>;
  const V lowest(T(-40));  // e^-40 is below half an ulp of 1 in either type
  V t;
  const V r = reduce(select(x < lowest, lowest, x), t);
  const V s = fused(horner(Constants<T>::exp, r), r * r, r);  // e^r - 1
  const V power = add_exponent(V(T(1)), t);
  return keep_nan(x, fused(power, s, power - V(T(1))));
}

// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)], plus k ln 2.
template <class T>
DELTARULE_INLINE static inline pack<T> log_near_1(pack<T> f, pack<T> k) {
  using C = Constants<T>;
  using V = pack<T>;
  const V s = f / (V(T(2)) + f);
  const V half_square = V(T(0.5)) * f * f;
  const V z = s * s;
  const V remainder = z * horner(C::log, z);
  const V correction = fused(s, half_square + remainder, k * V(C::ln2_low));
  return fused(k, V(C::ln2_high), f - (half_square - correction));
}

// log(1 + x) for x in [0, 1].
template <class T>
DELTARULE_INLINE static inline pack<T> logarithm_of_1_plus(pack<T> x) {
  using V = pack<T>;
  const auto large = V(T(0.41421356)) < x;
  const V f = select(large, V(T(0.5)) * (x - V(T(1))), x);
  return log_near_1(f, select(large, V(T(1)), V(T(0))));
}

// log(x); -inf at 0, NaN below.
DELTARULE_INLINE static inline pack<double> logarithm(pack<double> x) {
  using V = pack<double>;
  V k;
  const V m = each<double>([&](int i) { return split_exponent(x.r[i], k.r[i]); });
  V y = log_near_1(m - V(1.0), k);
  y = select(x < V(DBL_MAX), y, select(V(DBL_MAX) < x, x, y));  // infinity
  y = select(x < V(DBL_MIN), select(x < V(0.0), V(NAN), V(-INFINITY)), y);
  return keep_nan(x, y);
}
static inline double logarithm(double x) {
  double line[kLanes<double>];
  store(logarithm(pack<double>(x)), line);
  return line[0];
}

template <class T>
DELTARULE_INLINE static inline pack<T> logistic(pack<T> x) {
  using V = pack<T>;
  const V e = exponential(-absolute(x));
  return select(x < V(T(0)), e, V(T(1))) / (V(T(1)) + e);
}

template <class T>
DELTARULE_INLINE static inline pack<T> hyperbolic_tangent(pack<T> x) {
  using V = pack<T>;
  const V m = exponential_minus_1(V(T(-2)) * absolute(x));
  return with_sign(m / (V(T(2)) + m), x);
}

// log(1 + e^x)
template <class T>
DELTARULE_INLINE static inline pack<T> softplus(pack<T> x) {
  using V = pack<T>;
  const V positive = select(x < V(T(0)), V(T(0)), x);
  return positive + logarithm_of_1_plus(exponential(-absolute(x)));
}

}  // namespace deltarule::DELTARULE_ISA
