// The registers of AArch64's Advanced SIMD (NEON).
#pragma once

#include <arm_neon.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

template <class T>
struct vec;

template <>
struct vec<float> {
  using mask = uint32x4_t;
  static constexpr int width = 4;
  float32x4_t v;
};
template <>
struct vec<double> {
  using mask = uint64x2_t;
  static constexpr int width = 2;
  float64x2_t v;
};

static inline vec<float> load(const float* p) { return {vld1q_f32(p)}; }
static inline vec<double> load(const double* p) { return {vld1q_f64(p)}; }
static inline void store(vec<float> a, float* p) { vst1q_f32(p, a.v); }
static inline void store(vec<double> a, double* p) { vst1q_f64(p, a.v); }
static inline vec<float> broadcast(float x) { return {vdupq_n_f32(x)}; }
static inline vec<double> broadcast(double x) { return {vdupq_n_f64(x)}; }

// The lanes below n, and the lane i.
static inline uint32x4_t first_mask(vec<float>, int64_t n) {
  const int32x4_t lane = {0, 1, 2, 3};
  const int most = n < 0 ? 0 : n > 4 ? 4 : int(n);
  return vcltq_s32(lane, vdupq_n_s32(most));
}
static inline uint64x2_t first_mask(vec<double>, int64_t n) {
  const int64x2_t lane = {0, 1};
  return vcltq_s64(lane, vdupq_n_s64(n));
}
static inline uint32x4_t lane_is(vec<float>, int64_t i) {
  const int32x4_t lane = {0, 1, 2, 3};
  const int at = i < 0 || i > 3 ? -1 : int(i);
  return vceqq_s32(lane, vdupq_n_s32(at));
}
static inline uint64x2_t lane_is(vec<double>, int64_t i) {
  const int64x2_t lane = {0, 1};
  return vceqq_s64(lane, vdupq_n_s64(i));
}
// NEON has no masked loads: a lane that is off is not read, since its memory may not be allocated.
static inline vec<float> load_masked(const float* p, uint32x4_t m) {
  float32x4_t v = vdupq_n_f32(0);
  if (vgetq_lane_u32(m, 0)) v = vld1q_lane_f32(p, v, 0);
  if (vgetq_lane_u32(m, 1)) v = vld1q_lane_f32(p + 1, v, 1);
  if (vgetq_lane_u32(m, 2)) v = vld1q_lane_f32(p + 2, v, 2);
  if (vgetq_lane_u32(m, 3)) v = vld1q_lane_f32(p + 3, v, 3);
  return {v};
}
static inline vec<double> load_masked(const double* p, uint64x2_t m) {
  float64x2_t v = vdupq_n_f64(0);
  if (vgetq_lane_u64(m, 0)) v = vld1q_lane_f64(p, v, 0);
  if (vgetq_lane_u64(m, 1)) v = vld1q_lane_f64(p + 1, v, 1);
  return {v};
}
static inline void store_masked(vec<float> a, float* p, uint32x4_t m) {
  if (vgetq_lane_u32(m, 0)) vst1q_lane_f32(p, a.v, 0);
  if (vgetq_lane_u32(m, 1)) vst1q_lane_f32(p + 1, a.v, 1);
  if (vgetq_lane_u32(m, 2)) vst1q_lane_f32(p + 2, a.v, 2);
  if (vgetq_lane_u32(m, 3)) vst1q_lane_f32(p + 3, a.v, 3);
}
static inline void store_masked(vec<double> a, double* p, uint64x2_t m) {
  if (vgetq_lane_u64(m, 0)) vst1q_lane_f64(p, a.v, 0);
  if (vgetq_lane_u64(m, 1)) vst1q_lane_f64(p + 1, a.v, 1);
}
static inline vec<double> load_double_masked(const double* p, uint64x2_t m) { return load_masked(p, m); }
static inline vec<double> load_double_masked(const float* p, uint64x2_t m) {
  float32x2_t v = vdup_n_f32(0);
  if (vgetq_lane_u64(m, 0)) v = vld1_lane_f32(p, v, 0);
  if (vgetq_lane_u64(m, 1)) v = vld1_lane_f32(p + 1, v, 1);
  return {vcvt_f64_f32(v)};
}

static inline vec<float> fused(vec<float> a, vec<float> b, vec<float> c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
static inline vec<double> fused(vec<double> a, vec<double> b, vec<double> c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
static inline vec<float> add(vec<float> a, vec<float> b) { return {vaddq_f32(a.v, b.v)}; }
static inline vec<double> add(vec<double> a, vec<double> b) { return {vaddq_f64(a.v, b.v)}; }
static inline vec<float> subtract(vec<float> a, vec<float> b) { return {vsubq_f32(a.v, b.v)}; }
static inline vec<double> subtract(vec<double> a, vec<double> b) { return {vsubq_f64(a.v, b.v)}; }
static inline vec<float> multiply(vec<float> a, vec<float> b) { return {vmulq_f32(a.v, b.v)}; }
static inline vec<double> multiply(vec<double> a, vec<double> b) { return {vmulq_f64(a.v, b.v)}; }
static inline vec<float> divide(vec<float> a, vec<float> b) { return {vdivq_f32(a.v, b.v)}; }
static inline vec<double> divide(vec<double> a, vec<double> b) { return {vdivq_f64(a.v, b.v)}; }
static inline vec<float> square_root(vec<float> a) { return {vsqrtq_f32(a.v)}; }
static inline vec<double> square_root(vec<double> a) { return {vsqrtq_f64(a.v)}; }

static inline uint32x4_t less(vec<float> a, vec<float> b) { return vcltq_f32(a.v, b.v); }
static inline uint64x2_t less(vec<double> a, vec<double> b) { return vcltq_f64(a.v, b.v); }
static inline uint32x4_t is_nan(vec<float> a) { return vmvnq_u32(vceqq_f32(a.v, a.v)); }
static inline uint64x2_t is_nan(vec<double> a) {
  return vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(vceqq_f64(a.v, a.v))));
}
static inline vec<float> select(uint32x4_t m, vec<float> a, vec<float> b) { return {vbslq_f32(m, a.v, b.v)}; }
static inline vec<double> select(uint64x2_t m, vec<double> a, vec<double> b) { return {vbslq_f64(m, a.v, b.v)}; }

static inline uint32x4_t bits(vec<float> a) { return vreinterpretq_u32_f32(a.v); }
static inline uint64x2_t bits(vec<double> a) { return vreinterpretq_u64_f64(a.v); }
static inline vec<float> from_bits(uint32x4_t a) { return {vreinterpretq_f32_u32(a)}; }
static inline vec<double> from_bits(uint64x2_t a) { return {vreinterpretq_f64_u64(a)}; }
static inline vec<float> bit_and(vec<float> a, vec<float> b) { return from_bits(vandq_u32(bits(a), bits(b))); }
static inline vec<double> bit_and(vec<double> a, vec<double> b) { return from_bits(vandq_u64(bits(a), bits(b))); }
static inline vec<float> and_not(vec<float> a, vec<float> b) { return from_bits(vbicq_u32(bits(b), bits(a))); }
static inline vec<double> and_not(vec<double> a, vec<double> b) { return from_bits(vbicq_u64(bits(b), bits(a))); }
static inline vec<float> bit_or(vec<float> a, vec<float> b) { return from_bits(vorrq_u32(bits(a), bits(b))); }
static inline vec<double> bit_or(vec<double> a, vec<double> b) { return from_bits(vorrq_u64(bits(a), bits(b))); }

// The bits of t, shifted into the exponent, added to those of a.
static inline vec<float> add_exponent(vec<float> a, vec<float> t) {
  return from_bits(vaddq_u32(bits(a), vshlq_n_u32(bits(t), 23)));
}
static inline vec<double> add_exponent(vec<double> a, vec<double> t) {
  return from_bits(vaddq_u64(bits(a), vshlq_n_u64(bits(t), 52)));
}

// x = m 2^k with m in [sqrt(1/2), sqrt(2)), for a normal x > 0.
static inline vec<double> split_exponent(vec<double> x, vec<double>& k) {
  const uint64x2_t bias = vdupq_n_u64(uint64_t{1023} << 52), sqrt_half = vdupq_n_u64(0x3fe6a09e667f3bcd);
  const uint64x2_t n = vshrq_n_u64(vaddq_u64(vsubq_u64(bits(x), sqrt_half), bias), 52);  // k + 1023
  k.v = vcvtq_f64_s64(vsubq_s64(vreinterpretq_s64_u64(n), vdupq_n_s64(1023)));
  return from_bits(vaddq_u64(vsubq_u64(bits(x), vshlq_n_u64(n, 52)), bias));
}

// Halving: lane i + lane i + half.
static inline float sum_lanes(vec<float> a) { return vpadds_f32(vadd_f32(vget_low_f32(a.v), vget_high_f32(a.v))); }
static inline double sum_lanes(vec<double> a) { return vpaddd_f64(a.v); }
// Not by vmaxq, which gives NaN and +0 where `less` keeps its first operand.
static inline float largest_lane(vec<float> a) {
  const vec<float> half{vextq_f32(a.v, a.v, 2)};
  const vec<float> b = select(less(a, half), half, a), neighbour{vextq_f32(b.v, b.v, 1)};
  return vgetq_lane_f32(select(less(b, neighbour), neighbour, b).v, 0);
}
static inline double largest_lane(vec<double> a) {
  const vec<double> half{vextq_f64(a.v, a.v, 1)};
  return vgetq_lane_f64(select(less(a, half), half, a).v, 0);
}

// Rows and columns that transpose_block takes.
template <class T>
constexpr int64_t kTransposeBlock = vec<T>::width;

static inline void transpose_block(const float* from, int64_t ld_from, float* to, int64_t ld_to) {
  float32x4_t r[4];
  for (int i = 0; i < 4; ++i) r[i] = vld1q_f32(from + i * ld_from);
  for (int h = 0; h < 2; ++h) {  // even columns, then odd ones: of two rows a pair, of two pairs a column
    const auto half = [h](float32x4_t a, float32x4_t b) { return h ? vtrn2q_f32(a, b) : vtrn1q_f32(a, b); };
    const float64x2_t above = vreinterpretq_f64_f32(half(r[0], r[1]));
    const float64x2_t below = vreinterpretq_f64_f32(half(r[2], r[3]));
    vst1q_f32(to + h * ld_to, vreinterpretq_f32_f64(vtrn1q_f64(above, below)));
    vst1q_f32(to + (h + 2) * ld_to, vreinterpretq_f32_f64(vtrn2q_f64(above, below)));
  }
}

static inline void transpose_block(const double* from, int64_t ld_from, double* to, int64_t ld_to) {
  const float64x2_t r0 = vld1q_f64(from), r1 = vld1q_f64(from + ld_from);
  vst1q_f64(to, vtrn1q_f64(r0, r1));
  vst1q_f64(to + ld_to, vtrn2q_f64(r0, r1));
}

}  // namespace deltarule::DELTARULE_ISA
