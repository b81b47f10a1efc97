// Transposition of small blocks in AVX2 registers; AVX-512 has no better way for blocks of this size.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace deltarule::DELTARULE_ISA {

// Rows and columns that transpose_block takes.
template <class T>
constexpr int64_t kTransposeBlock = sizeof(T) == 4 ? 8 : 4;

static inline void transpose_block(const float* from, int64_t ld_from, float* to, int64_t ld_to) {
  __m256 r[8], pairs[8], fours[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * ld_from);
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int h = 0; h < 2; ++h) {
      fours[i + 2 * h] = _mm256_shuffle_ps(pairs[i + h], pairs[i + 2 + h], 0x44);
      fours[i + 2 * h + 1] = _mm256_shuffle_ps(pairs[i + h], pairs[i + 2 + h], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * ld_to, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * ld_to, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
  }
}

static inline void transpose_block(const double* from, int64_t ld_from, double* to, int64_t ld_to) {
  __m256d r[4], pairs[4];
  for (int i = 0; i < 4; ++i) r[i] = _mm256_loadu_pd(from + i * ld_from);
  for (int i = 0; i < 4; i += 2) {
    pairs[i] = _mm256_unpacklo_pd(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_pd(r[i], r[i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    _mm256_storeu_pd(to + i * ld_to, _mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x20));
    _mm256_storeu_pd(to + (i + 2) * ld_to, _mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x31));
  }
}

}  // namespace deltarule::DELTARULE_ISA
