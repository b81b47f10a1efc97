// The registers of AVX-512 (F, DQ, VL).
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

template <class T>
struct vec;

template <>
struct vec<float> {
  using mask = __mmask16;
  static constexpr int width = 16;
  __m512 v;
};
template <>
struct vec<double> {
  using mask = __mmask8;
  static constexpr int width = 8;
  __m512d v;
};

static inline vec<float> load(const float* p) { return {_mm512_loadu_ps(p)}; }
static inline vec<double> load(const double* p) { return {_mm512_loadu_pd(p)}; }
static inline void store(vec<float> a, float* p) { _mm512_storeu_ps(p, a.v); }
static inline void store(vec<double> a, double* p) { _mm512_storeu_pd(p, a.v); }
// The lanes below n, and the lane i.
static inline __mmask16 first_mask(vec<float>, int64_t n) {
  return n <= 0 ? 0 : n >= 16 ? 0xffff : __mmask16((1u << n) - 1);
}
static inline __mmask8 first_mask(vec<double>, int64_t n) {
  return n <= 0 ? 0 : n >= 8 ? 0xff : __mmask8((1u << n) - 1);
}
static inline __mmask16 lane_is(vec<float>, int64_t i) { return uint64_t(i) < 16 ? __mmask16(1u << i) : 0; }
static inline __mmask8 lane_is(vec<double>, int64_t i) { return uint64_t(i) < 8 ? __mmask8(1u << i) : 0; }
static inline vec<float> load_masked(const float* p, __mmask16 m) { return {_mm512_maskz_loadu_ps(m, p)}; }
static inline vec<double> load_masked(const double* p, __mmask8 m) { return {_mm512_maskz_loadu_pd(m, p)}; }
static inline void store_masked(vec<float> a, float* p, __mmask16 m) { _mm512_mask_storeu_ps(p, m, a.v); }
static inline void store_masked(vec<double> a, double* p, __mmask8 m) { _mm512_mask_storeu_pd(p, m, a.v); }
static inline vec<double> load_double_masked(const double* p, __mmask8 m) { return load_masked(p, m); }
static inline vec<double> load_double_masked(const float* p, __mmask8 m) {
  return {_mm512_cvtps_pd(_mm256_maskz_loadu_ps(m, p))};
}

// Halving: lane i + lane i + half.
static inline float sum_lanes(vec<float> a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static inline double sum_lanes(vec<double> a) {
  const __m256d h = _mm256_add_pd(_mm512_castpd512_pd256(a.v), _mm512_extractf64x4_pd(a.v, 1));
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(h), _mm256_extractf128_pd(h, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
static inline float largest_lane(vec<float> a) { return _mm512_reduce_max_ps(a.v); }
static inline double largest_lane(vec<double> a) { return _mm512_reduce_max_pd(a.v); }

// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for a normal x > 0.
static inline vec<double> split_exponent(vec<double> x, vec<double>& k) {
  const __m512i bits = _mm512_castpd_si512(x.v), bias = _mm512_set1_epi64(int64_t{1023} << 52);
  const __m512i scaled = _mm512_add_epi64(_mm512_sub_epi64(bits, _mm512_set1_epi64(0x3fe6a09e667f3bcd)), bias);
  const __m512i n = _mm512_srli_epi64(scaled, 52);  // k + 1023, made a double in the mantissa of 2^52
  const __m512i in_2_52 = _mm512_or_si512(n, _mm512_set1_epi64(int64_t{0x433} << 52));
  k.v = _mm512_sub_pd(_mm512_castsi512_pd(in_2_52), _mm512_set1_pd(0x1p52 + 1023));
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_sub_epi64(bits, _mm512_slli_epi64(n, 52)), bias))};
}

static inline vec<float> broadcast(float x) { return {_mm512_set1_ps(x)}; }
static inline vec<double> broadcast(double x) { return {_mm512_set1_pd(x)}; }

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
static inline vec<double> fused(vec<double> a, vec<double> b, vec<double> c) {
  return {_mm512_fmadd_pd(a.v, b.v, c.v)};
}
static inline vec<float> add(vec<float> a, vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
static inline vec<double> add(vec<double> a, vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
static inline vec<float> subtract(vec<float> a, vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
static inline vec<double> subtract(vec<double> a, vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
static inline vec<float> multiply(vec<float> a, vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
static inline vec<double> multiply(vec<double> a, vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
static inline vec<float> divide(vec<float> a, vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
static inline vec<double> divide(vec<double> a, vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
static inline vec<float> square_root(vec<float> a) { return {_mm512_sqrt_ps(a.v)}; }
static inline vec<double> square_root(vec<double> a) { return {_mm512_sqrt_pd(a.v)}; }

static inline __mmask16 less(vec<float> a, vec<float> b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
static inline __mmask8 less(vec<double> a, vec<double> b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
static inline __mmask16 is_nan(vec<float> a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
static inline __mmask8 is_nan(vec<double> a) { return _mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q); }
static inline vec<float> select(__mmask16 m, vec<float> a, vec<float> b) { return {_mm512_mask_blend_ps(m, b.v, a.v)}; }
static inline vec<double> select(__mmask8 m, vec<double> a, vec<double> b) {
  return {_mm512_mask_blend_pd(m, b.v, a.v)};
}
static inline vec<float> bit_and(vec<float> a, vec<float> b) { return {_mm512_and_ps(a.v, b.v)}; }
static inline vec<double> bit_and(vec<double> a, vec<double> b) { return {_mm512_and_pd(a.v, b.v)}; }
static inline vec<float> and_not(vec<float> a, vec<float> b) { return {_mm512_andnot_ps(a.v, b.v)}; }
static inline vec<double> and_not(vec<double> a, vec<double> b) { return {_mm512_andnot_pd(a.v, b.v)}; }
static inline vec<float> bit_or(vec<float> a, vec<float> b) { return {_mm512_or_ps(a.v, b.v)}; }
static inline vec<double> bit_or(vec<double> a, vec<double> b) { return {_mm512_or_pd(a.v, b.v)}; }

// The bits of t, shifted into the exponent, added to those of a.
static inline vec<float> add_exponent(vec<float> a, vec<float> t) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), n))};
}
static inline vec<double> add_exponent(vec<double> a, vec<double> t) {
  const __m512i n = _mm512_slli_epi64(_mm512_castpd_si512(t.v), 52);
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a.v), n))};
}

}  // namespace deltarule::DELTARULE_ISA
