// Products of a layer in register tiles: MR rows of packs of chains at a time, a broadcast times packs of
// W. The tile is speed only: each chain is its own, and the same as the plain loops'.
#pragma once

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// TileShape, set by the ISA's file from its registers (accumulators, the packs of W, one broadcast), gives
// rows and packs of a tile; those for few rows, which are wider, and serve the weight gradient too; the packs
// for one row alone, which wants as many chains as the latency of an fma takes; rows and outputs of a dot.

// acc[r][c] += x * w[c]
template <class T, int NP>
static inline void extend(T x, const pack<T> (&w)[NP], pack<T> (&acc)[NP]) {
  const vec<T> x_lanes = broadcast(x);
#pragma GCC unroll 8
  for (int c = 0; c < NP; ++c)
#pragma GCC unroll 4
    for (int i = 0; i < pack<T>::registers; ++i)
      acc[c].r[i] = fused(x_lanes, w[c].r[i], acc[c].r[i]);
}

// Rows of x that a tile reads at one k. Strided rows are addressed from every third one, so that a dozen
// need four registers.
template <int MR, class T>
struct StridedRows {
  static constexpr int kBases = (MR + 2) / 3;
  const char* base[kBases];
  int64_t stride;  // in bytes

  StridedRows(const InputRows<T>& a, int64_t r, int64_t k) : stride(a.stride * int64_t(sizeof(T))) {
    for (int i = 0; i < kBases; ++i)
      base[i] = reinterpret_cast<const char*>(a.data + (r + 3 * i) * a.stride + k);
  }
  // The rows' values at one k, to f(row, value); then on to the next k.
  template <class F>
  void next(F f) {
    int64_t s = stride;
    asm("" : "+r"(s));  // or the compiler keeps a pointer a row, and spills them
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

// One block of terms of z[r][j], for MR rows and NP packs of columns: the first block starts at b (or 0),
// a later one is a chain of its own, added to what the ones before it gave. What lies `ahead` of W is
// fetched on the way.
template <int MR, int NP, class T, class Rows>
static inline void affine_tile(int64_t first, int64_t last, Rows x, const T* W, int64_t ldw, int64_t ahead,
                               const T* b, T* z, int64_t ldz) {
  constexpr int L = kLanes<T>;
  pack<T> acc[MR][NP];
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) acc[r][c] = first == 0 && b ? load_pack(b + c * L) : pack<T>(T(0));
  const T* w_k = W + first * ldw;
  for (int64_t k = first; k < last; ++k, w_k += ldw) {
    pack<T> w[NP];
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      w[c] = load_pack(w_k + c * L);
      if (MR > 1) __builtin_prefetch(w_k + ahead + c * L, 0, 3);
    }
    x.next([&](int r, T value) __attribute__((always_inline)) { extend(value, w, acc[r]); });
  }
#pragma GCC unroll 16
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      T* to = z + r * ldz + c * L;
      if (first != 0) acc[r][c] = load_pack(to) + acc[r][c];
      store(acc[r][c], to);
    }
}

// Calls f with the row counts of balanced tiles of at most MR rows, as compile-time constants.
template <int MR, class F>
static inline void row_tiles(int64_t rows, F f) {
  const int64_t tiles = (rows + MR - 1) / MR;
  for (int64_t t = 0, r = 0; t < tiles; ++t) {
    const int64_t count = rows * (t + 1) / tiles - r;
    with_count<MR>(count, [&](auto constant) { f(constant, r); });
    r += count;
  }
}

// A panel of NP packs of columns for all rows: a block of W's rows stays in the first cache level while the
// rows of x pass by.
template <int MR, int NP, class T>
static inline void affine_panel(int64_t rows, int64_t n_in, const InputRows<T>& a, const T* W, int64_t ldw,
                                const T* b, T* z, int64_t ldz) {
  for (int64_t first = 0; first < n_in; first += kFanInBlock) {
    const int64_t last = smaller(first + kFanInBlock, n_in);
    // The rows of a block lie on lines, often pages, of their own, which the processor does not foresee:
    // the last rows of x fetch the block that comes next, below or at the top of the next panel.
    const int64_t next = last < n_in ? kFanInBlock * ldw : NP * kLanes<T> - first * ldw;
    row_tiles<MR>(rows, [&](auto count, int64_t r) {
      constexpr int M = decltype(count)::value;
      const int64_t ahead = r + M == rows ? next : 0;
      if (a.index)
        affine_tile<M, NP>(first, last, GatheredRows<M, T>(a, r, first), W, ldw, ahead, b, z + r * ldz, ldz);
      else
        affine_tile<M, NP>(first, last, StridedRows<M, T>(a, r, first), W, ldw, ahead, b, z + r * ldz, ldz);
    });
  }
}

// All columns in panels of NP packs, the last of fewer.
template <int MR, int NP, class T>
static inline void affine_panels(int64_t rows, int64_t n_in, int64_t n_out, const InputRows<T>& a, const T* W,
                                 int64_t ldw, const T* b, T* z, int64_t ldz) {
  constexpr int L = kLanes<T>;
  for (int64_t j = 0; j < n_out; j += NP * L)
    with_count<NP>(smaller(NP, (n_out - j) / L), [&](auto packs) {
      affine_panel<MR, decltype(packs)::value>(rows, n_in, a, W + j, ldw, b ? b + j : b, z + j, ldz);
    });
}

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                   const T* b, T* z, int64_t ldz) {
  using S = TileShape;
  if (rows == 1)
    affine_panels<1, S::packs_alone>(rows, n_in, n_out, a, W, ldw, b, z, ldz);
  else if (rows <= S::rows_of_few)
    affine_panels<S::rows_of_few, S::packs_of_few>(rows, n_in, n_out, a, W, ldw, b, z, ldz);
  else
    affine_panels<S::rows, S::packs>(rows, n_in, n_out, a, W, ldw, b, z, ldz);
}

// Dots of MR rows with NO rows of W.
template <int MR, int NO, class T>
static inline void dot_tile(int64_t n_in, const T* const* a, const T* W, int64_t ldw, const T* b, T* z,
                            int64_t ldz) {
  constexpr int L = kLanes<T>;
  pack<T> acc[MR][NO];
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) acc[r][o] = pack<T>(T(0));
  const auto step = [&](auto load_k) {
    pack<T> x[MR];
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) x[r] = load_k(a[r]);
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) {
      const pack<T> w = load_k(W + o * ldw);
#pragma GCC unroll 8
      for (int r = 0; r < MR; ++r) acc[r][o] = fused(x[r], w, acc[r][o]);
    }
  };
  int64_t k = 0;
  for (; k + L <= n_in; k += L) step([k](const T* p) { return load_pack(p + k); });
  if (k < n_in) step([k, n_in](const T* p) { return load_first(p + k, n_in - k); });
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
    for (int o = 0; o < NO; ++o) z[r * ldz + o] = sum(acc[r][o]) + b[o];
}

template <class T>
static void affine_narrow(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W,
                          int64_t ldw, const T* b, T* z, int64_t ldz) {
  row_tiles<TileShape::dot_rows>(rows, [&](auto count, int64_t r) {
    constexpr int MR = decltype(count)::value;
    const T* tile[MR];
    for (int i = 0; i < MR; ++i) tile[i] = row(a, r + i);
    for (int64_t o = 0; o < n_out; o += TileShape::dot_outputs)
      with_count<TileShape::dot_outputs>(smaller(TileShape::dot_outputs, n_out - o), [&](auto outputs) {
        dot_tile<MR, decltype(outputs)::value>(n_in, tile, W + o * ldw, ldw, b + o, z + r * ldz + o, ldz);
      });
  });
}

// One chain of rows [first, last): G[i][j] += sum_r P[r][i] Q[r][j] for MI values of i, NP packs of j, of
// which the last may hold fewer columns (`tail` of them, 0: whole).
template <int MI, int NP, bool kGathered, class T>
static inline void gradient_tile(int64_t first, int64_t last, const InputRows<T>& P, int64_t i,
                                 const InputRows<T>& Q, int64_t j, int64_t tail, T* G, int64_t ldg) {
  constexpr int L = kLanes<T>;
  const auto row_of = [](const InputRows<T>& x, int64_t r) {
    return kGathered ? row(x, r) : x.data + r * x.stride;
  };
  pack<T> acc[MI][NP];
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) acc[m][c] = pack<T>(T(0));
  for (int64_t r = first; r < last; ++r) {
    const T* p = row_of(P, r) + i;
    const T* q_r = row_of(Q, r) + j;
    pack<T> q[NP];
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) q[c] = NP == 1 && tail ? load_first(q_r, tail) : load_pack(q_r + c * L);
#pragma GCC unroll 16
    for (int m = 0; m < MI; ++m) extend(p[m], q, acc[m]);
  }
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      T* to = G + (i + m) * ldg + j + c * L;
      store(load_pack(to) + acc[m][c], to);
    }
}

template <bool kGathered, class T>
static inline void gradient_rows(int64_t first, int64_t last, int64_t n_i, int64_t n_j, const InputRows<T>& P,
                                 const InputRows<T>& Q, T* G, int64_t ldg) {
  constexpr int L = kLanes<T>, NP = TileShape::packs_of_few;
  const int64_t whole = n_j / L * L;
  for (int64_t j = 0; j < whole; j += NP * L)
    with_count<NP>(smaller(NP, (whole - j) / L), [&](auto packs) {
      row_tiles<TileShape::rows_of_few>(n_i, [&](auto m, int64_t i) {
        gradient_tile<decltype(m)::value, decltype(packs)::value, kGathered>(first, last, P, i, Q, j, 0, G, ldg);
      });
    });
  if (whole < n_j)
    row_tiles<TileShape::rows_of_few>(n_i, [&](auto m, int64_t i) {
      gradient_tile<decltype(m)::value, 1, kGathered>(first, last, P, i, Q, whole, n_j - whole, G, ldg);
    });
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q,
                            T* G, int64_t ldg) {
  for (int64_t i = 0; i < n_i; ++i)
    for (int64_t j = 0; j < n_j; j += kLanes<T>) store(pack<T>(T(0)), G + i * ldg + j);
  for (int64_t first = 0; first < rows; first += kRowBlock) {
    const int64_t last = smaller(first + kRowBlock, rows);
    if (P.index || Q.index)
      gradient_rows<true>(first, last, n_i, n_j, P, Q, G, ldg);
    else
      gradient_rows<false>(first, last, n_i, n_j, P, Q, G, ldg);
  }
}

template <class T>
static void bias_gradient(int64_t rows, int64_t n, const T* delta, int64_t ld, T* G) {
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    pack<T> total(T(0));
    for (int64_t first = 0; first < rows; first += kRowBlock) {
      const int64_t last = smaller(first + kRowBlock, rows);
      pack<T> acc(T(0));
      for (int64_t r = first; r < last; ++r) acc = acc + load_pack(delta + r * ld + j);
      total = total + acc;
    }
    store(total, G + j);
  }
}

}  // namespace deltarule::DELTARULE_ISA
