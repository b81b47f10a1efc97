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
static inline vec<float> broadcast(float x) { return {_mm512_set1_ps(x)}; }
static inline vec<double> broadcast(double x) { return {_mm512_set1_pd(x)}; }

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
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

static inline __mmask16 less(vec<float> a, vec<float> b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ);
}
static inline __mmask8 less(vec<double> a, vec<double> b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ);
}
static inline __mmask16 is_nan(vec<float> a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
static inline __mmask8 is_nan(vec<double> a) { return _mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q); }
static inline vec<float> select(__mmask16 m, vec<float> a, vec<float> b) {
  return {_mm512_mask_blend_ps(m, b.v, a.v)};
}
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
