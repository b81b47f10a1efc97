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
static inline vec<float> broadcast(float x) { return {_mm256_set1_ps(x)}; }
static inline vec<double> broadcast(double x) { return {_mm256_set1_pd(x)}; }

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
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

static inline __m256 less(vec<float> a, vec<float> b) { return _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ); }
static inline __m256d less(vec<double> a, vec<double> b) { return _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ); }
static inline __m256 is_nan(vec<float> a) { return _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q); }
static inline __m256d is_nan(vec<double> a) { return _mm256_cmp_pd(a.v, a.v, _CMP_UNORD_Q); }
static inline vec<float> select(__m256 m, vec<float> a, vec<float> b) {
  return {_mm256_blendv_ps(b.v, a.v, m)};
}
static inline vec<double> select(__m256d m, vec<double> a, vec<double> b) {
  return {_mm256_blendv_pd(b.v, a.v, m)};
}
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
