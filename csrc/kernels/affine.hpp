// z = W a + b of a wide layer, and W^T delta: register tiles of rows times packs of columns.
#pragma once

#include "tiles.hpp"

namespace deltarule::DELTARULE_ISA {

// Rows of x that a tile reads at one k. Strided rows are addressed from every third one, so that a dozen
// need four registers.
template <int MR, class T>
struct StridedRows {
  static constexpr int kBases = (MR + 2) / 3;
  const char* base[kBases];
  int64_t stride;  // in bytes

  StridedRows(const InputRows<T>& a, int64_t r, int64_t k) : stride(a.stride * int64_t(sizeof(T))) {
    for (int i = 0; i < kBases; ++i) base[i] = reinterpret_cast<const char*>(a.data + (r + 3 * i) * a.stride + k);
  }
  // The rows' values at one k, to f(row, value); then on to the next k.
  template <class F>
  void next(F f) {
    int64_t s = stride;
    asm("" : "+r"(s));  // or the compiler keeps one pointer per row, and spills them
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r) f(r, *reinterpret_cast<const T*>(base[r / 3] + r % 3 * s));
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) base[i] += sizeof(T);
  }
};

template <int MR, class T>
struct GatheredRows {
  const T* row_[MR];

  GatheredRows(const InputRows<T>& a, int64_t r, int64_t k) {
    for (int i = 0; i < MR; ++i) row_[i] = row(a, r + i) + k;
  }
  template <class F>
  void next(F f) {
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r) f(r, *row_[r]++);
  }
};

// Rows of W that come next, fetched while a tile is computed, some of them each kFetchTerms terms.
constexpr int64_t kFetchTerms = 8;
template <class T>
struct Ahead {
  const T* row;
  int64_t rows, ldw;

  template <int NP>
  void fetch(int64_t count) {
    for (const int64_t left = rows - count; rows > 0 && rows > left; --rows, row += ldw)
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) __builtin_prefetch(row + c * kLanes<T>, 0, 2);
  }
};

// One block of terms of z[r][j], for MR rows and NP packs of columns: a chain from 0, added to what z holds where
// `add`; else one that starts at b (or 0).
template <int MR, int NP, class T, class Rows>
static inline void affine_tile(int64_t first, int64_t last, Rows x, const T* W, int64_t ldw, Ahead<T> ahead, const T* b,
                               bool add, T* z, int64_t ldz) {
  constexpr int L = kLanes<T>;
  pack<T> acc[MR][NP];
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) acc[r][c] = b && !add ? load_pack(b + c * L) : pack<T>(T(0));
  const T* w_k = W + first * ldw;
  const int64_t rows_a_time = (ahead.rows * kFetchTerms + last - first - 1) / (last - first);
  for (int64_t k = first; k < last;) {
    ahead.template fetch<NP>(rows_a_time);
    for (const int64_t stop = smaller(k + kFetchTerms, last); k < stop; ++k, w_k += ldw) {
      pack<T> w[NP];
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) w[c] = load_pack(w_k + c * L);
      x.next([&](int r, T value) DELTARULE_INLINE { extend(value, w, acc[r]); });
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      T* to = z + r * ldz + c * L;
      if (add) acc[r][c] = load_pack(to) + acc[r][c];
      store(acc[r][c], to);
    }
}

// A panel of NP packs of columns for all rows: a block of W's rows stays near while the rows of x pass by, each
// tile of which fetches its part of the block that comes next, below or at the top of the next panel: the rows
// of a block lie on lines, often pages, of their own, which the processor does not prefetch.
template <int MR, int NP, class T>
static inline void affine_panel(int64_t rows, int64_t n_in, const InputRows<T>& a, const T* W, int64_t ldw,
                                bool is_last, const T* b, bool add, T* z, int64_t ldz) {
  constexpr int kLeastRows = MR > TileShape::rows_of_few ? TileShape::rows_of_few + 1 : 1;
  const int64_t tiles = (rows + MR - 1) / MR;
  for (int64_t first = 0; first < n_in; first += kFanInBlock) {
    const int64_t last = smaller(first + kFanInBlock, n_in);
    const bool below = last < n_in, further = add || first > 0;
    const T* next = below ? W + last * ldw : W + NP * kLanes<T>;
    const int64_t next_rows = below ? smaller(kFanInBlock, n_in - last) : is_last ? 0 : smaller(kFanInBlock, n_in);
    int64_t t = 0;
    row_tiles<MR, kLeastRows>(rows, [&](auto count, int64_t r) {
      constexpr int M = decltype(count)::value;
      const int64_t from = next_rows * t / tiles, to = next_rows * ++t / tiles;
      const Ahead<T> ahead{next + from * ldw, to - from, ldw};
      if (a.index)
        affine_tile<M, NP>(first, last, GatheredRows<M, T>(a, r, first), W, ldw, ahead, b, further, z + r * ldz, ldz);
      else
        affine_tile<M, NP>(first, last, StridedRows<M, T>(a, r, first), W, ldw, ahead, b, further, z + r * ldz, ldz);
    });
  }
}

// All columns in panels of NP packs, the last of fewer.
template <int MR, int NP, class T>
static inline void affine_panels(int64_t rows, int64_t n_in, int64_t n_out, const InputRows<T>& a, const T* W,
                                 int64_t ldw, const T* b, bool add, T* z, int64_t ldz) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < n_out; j += NP * L)
    with_count<NP>(smaller(NP, (n_out - j) / L), [&](auto packs) {
      affine_panel<MR, decltype(packs)::value>(rows, n_in, a, W + j, ldw, j + NP * L >= n_out, b ? b + j : b, add,
                                               z + j, ldz);
    });
}

// One row alone: its panel of accumulators lies in the first cache level while W is read in storage order,
// a few rows at a time, which the processor prefetches.
template <class T>
static inline void affine_row(int64_t n_in, int64_t n_out, const T* a, const T* W, int64_t ldw, const T* b, bool add,
                              T* z) {
  constexpr int L = kLanes<T>, kPanel = 64, kTerms = 8;
  alignas(64) T chain[kPanel * L];
  for (int64_t left = 0; left < n_out; left += kPanel * L) {
    const int64_t columns = smaller(kPanel * L, n_out - left);
    for (int64_t first = 0; first < n_in; first += kFanInBlock) {
      const int64_t last = smaller(first + kFanInBlock, n_in);
      const bool further = add || first > 0;
      T* acc = further ? chain : z + left;
      for (int64_t j = 0; j < columns; j += L) store(b && !further ? load_pack(b + left + j) : pack<T>(T(0)), acc + j);
      for (int64_t k = first; k < last; k += kTerms)
        with_count<kTerms>(smaller(kTerms, last - k), [&](auto terms) {
          constexpr int N = decltype(terms)::value;
          const T* w = W + k * ldw + left;
          vec<T> x[N];
#pragma GCC unroll 8
          for (int i = 0; i < N; ++i) x[i] = broadcast(a[k + i]);
          for (int64_t j = 0; j < columns; j += L) {
            pack<T> sum = load_pack(acc + j);
#pragma GCC unroll 8
            for (int i = 0; i < N; ++i) {
              const pack<T> w_i = load_pack(w + i * ldw + j);
              sum = each<T>([&](int v) { return fused(x[i], w_i.r[v], sum.r[v]); });
            }
            store(sum, acc + j);
          }
        });
      for (int64_t j = 0; further && j < columns; j += L)
        store(load_pack(z + left + j) + load_pack(acc + j), z + left + j);
    }
  }
}

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw, const T* b,
                   bool add, T* z, int64_t ldz) {
  using S = TileShape;
  if (rows == 1 && n_out > S::packs_alone * kLanes<T>)
    affine_row(n_in, n_out, row(a, 0), W, ldw, b, add, z);
  else if (rows == 1)
    affine_panels<1, S::packs_alone>(rows, n_in, n_out, a, W, ldw, b, add, z, ldz);
  else if (rows <= S::rows_of_few)
    affine_panels<S::rows_of_few, S::packs_of_few>(rows, n_in, n_out, a, W, ldw, b, add, z, ldz);
  else
    affine_panels<S::rows, S::packs>(rows, n_in, n_out, a, W, ldw, b, add, z, ldz);
}

}  // namespace deltarule::DELTARULE_ISA
