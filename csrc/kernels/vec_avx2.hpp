// The registers of AVX2 with FMA.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

template <class T>
struct vec;

template <>
struct vec<float> {
  using mask = __m256;
  static constexpr int width = 8;
  __m256 v;
};
template <>
struct vec<double> {
  using mask = __m256d;
  static constexpr int width = 4;
  __m256d v;
};

static inline vec<float> load(const float* p) { return {_mm256_loadu_ps(p)}; }
static inline vec<double> load(const double* p) { return {_mm256_loadu_pd(p)}; }
static inline void store(vec<float> a, float* p) { _mm256_storeu_ps(p, a.v); }
static inline void store(vec<double> a, double* p) { _mm256_storeu_pd(p, a.v); }
// The lanes below n, and the lane i.
static inline __m256 first_mask(vec<float>, int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int most = n < 0 ? 0 : n > 8 ? 8 : int(n);
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(most), lane));
}
static inline __m256d first_mask(vec<double>, int64_t n) {
  return _mm256_castsi256_pd(_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
}
static inline __m256 lane_is(vec<float>, int64_t i) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int at = i < 0 || i > 7 ? -1 : int(i);
  return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_set1_epi32(at), lane));
}
static inline __m256d lane_is(vec<double>, int64_t i) {
  return _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_set1_epi64x(i), _mm256_setr_epi64x(0, 1, 2, 3)));
}
static inline vec<float> load_masked(const float* p, __m256 m) {
  return {_mm256_maskload_ps(p, _mm256_castps_si256(m))};
}
static inline vec<double> load_masked(const double* p, __m256d m) {
  return {_mm256_maskload_pd(p, _mm256_castpd_si256(m))};
}
static inline void store_masked(vec<float> a, float* p, __m256 m) {
  _mm256_maskstore_ps(p, _mm256_castps_si256(m), a.v);
}
static inline void store_masked(vec<double> a, double* p, __m256d m) {
  _mm256_maskstore_pd(p, _mm256_castpd_si256(m), a.v);
}
static inline vec<double> load_double_masked(const double* p, __m256d m) { return load_masked(p, m); }
static inline vec<double> load_double_masked(const float* p, __m256d m) {
  const __m256i wide = _mm256_castpd_si256(m);
  const __m128i even = _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(_mm256_castsi256_si128(wide)),
                                                       _mm_castsi128_ps(_mm256_extracti128_si256(wide, 1)), 0x88));
  return {_mm256_cvtps_pd(_mm_maskload_ps(p, even))};
}

// Halving: lane i + lane i + half.
static inline float sum_lanes(vec<float> a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static inline double sum_lanes(vec<double> a) {
  const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
static inline float largest_lane(vec<float> a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}
static inline double largest_lane(vec<double> a) {
  const __m128d s = _mm_max_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
  return _mm_cvtsd_f64(_mm_max_sd(s, _mm_unpackhi_pd(s, s)));
}

// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for a normal x > 0.
static inline vec<double> split_exponent(vec<double> x, vec<double>& k) {
  const __m256i bits = _mm256_castpd_si256(x.v), bias = _mm256_set1_epi64x(int64_t{1023} << 52);
  const __m256i scaled = _mm256_add_epi64(_mm256_sub_epi64(bits, _mm256_set1_epi64x(0x3fe6a09e667f3bcd)), bias);
  const __m256i n = _mm256_srli_epi64(scaled, 52);  // k + 1023, made a double in the mantissa of 2^52
  const __m256i in_2_52 = _mm256_or_si256(n, _mm256_set1_epi64x(int64_t{0x433} << 52));
  k.v = _mm256_sub_pd(_mm256_castsi256_pd(in_2_52), _mm256_set1_pd(0x1p52 + 1023));
  return {_mm256_castsi256_pd(_mm256_add_epi64(_mm256_sub_epi64(bits, _mm256_slli_epi64(n, 52)), bias))};
}

static inline vec<float> broadcast(float x) { return {_mm256_set1_ps(x)}; }
static inline vec<double> broadcast(double x) { return {_mm256_set1_pd(x)}; }

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
static inline vec<double> fused(vec<double> a, vec<double> b, vec<double> c) {
  return {_mm256_fmadd_pd(a.v, b.v, c.v)};
}
static inline vec<float> add(vec<float> a, vec<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
static inline vec<double> add(vec<double> a, vec<double> b) { return {_mm256_add_pd(a.v, b.v)}; }
static inline vec<float> subtract(vec<float> a, vec<float> b) { return {_mm256_sub_ps(a.v, b.v)}; }
static inline vec<double> subtract(vec<double> a, vec<double> b) { return {_mm256_sub_pd(a.v, b.v)}; }
static inline vec<float> multiply(vec<float> a, vec<float> b) { return {_mm256_mul_ps(a.v, b.v)}; }
static inline vec<double> multiply(vec<double> a, vec<double> b) { return {_mm256_mul_pd(a.v, b.v)}; }
static inline vec<float> divide(vec<float> a, vec<float> b) { return {_mm256_div_ps(a.v, b.v)}; }
static inline vec<double> divide(vec<double> a, vec<double> b) { return {_mm256_div_pd(a.v, b.v)}; }
static inline vec<float> square_root(vec<float> a) { return {_mm256_sqrt_ps(a.v)}; }
static inline vec<double> square_root(vec<double> a) { return {_mm256_sqrt_pd(a.v)}; }

static inline __m256 less(vec<float> a, vec<float> b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
static inline __m256d less(vec<double> a, vec<double> b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ); }
static inline __m256 is_nan(vec<float> a) { return _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q); }
static inline __m256d is_nan(vec<double> a) { return _mm256_cmp_pd(a.v, a.v, _CMP_UNORD_Q); }
static inline vec<float> select(__m256 m, vec<float> a, vec<float> b) { return {_mm256_blendv_ps(b.v, a.v, m)}; }
static inline vec<double> select(__m256d m, vec<double> a, vec<double> b) { return {_mm256_blendv_pd(b.v, a.v, m)}; }
static inline vec<float> bit_and(vec<float> a, vec<float> b) { return {_mm256_and_ps(a.v, b.v)}; }
static inline vec<double> bit_and(vec<double> a, vec<double> b) { return {_mm256_and_pd(a.v, b.v)}; }
static inline vec<float> and_not(vec<float> a, vec<float> b) { return {_mm256_andnot_ps(a.v, b.v)}; }
static inline vec<double> and_not(vec<double> a, vec<double> b) { return {_mm256_andnot_pd(a.v, b.v)}; }
static inline vec<float> bit_or(vec<float> a, vec<float> b) { return {_mm256_or_ps(a.v, b.v)}; }
static inline vec<double> bit_or(vec<double> a, vec<double> b) { return {_mm256_or_pd(a.v, b.v)}; }

// The bits of t, shifted into the exponent, added to those of a.
static inline vec<float> add_exponent(vec<float> a, vec<float> t) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), n))};
}
static inline vec<double> add_exponent(vec<double> a, vec<double> t) {
  const __m256i n = _mm256_slli_epi64(_mm256_castpd_si256(t.v), 52);
  return {_mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a.v), n))};
}

}  // namespace deltarule::DELTARULE_ISA
