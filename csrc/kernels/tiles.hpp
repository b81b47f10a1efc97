// Products of a layer in register tiles: MR rows of packs of chains at a time, a broadcast times packs of
// W. The tile is speed only: each chain is its own, and the same as the plain loops'.
#pragma once

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

// TileShape gives rows(packs), the rows of a tile so many packs wide, and the widest. Set by the ISA's file
// from its registers: rows * packs accumulators, the packs of W, one broadcast.

template <class T>
static inline const T* row(const InputRows<T>& x, int64_t r) {
  return x.data + (x.index ? x.index[r] : r) * x.stride;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

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

// z[r][j] for MR rows and NP packs of columns.
template <int MR, int NP, class T>
static void affine_tile(int64_t n_in, const T* const* a, const T* W, int64_t ldw, const T* b, T* z,
                        int64_t ldz) {
  constexpr int L = kLanes<T>;
  for (int64_t first = 0; first < n_in; first += kFanInBlock) {
    const int64_t last = smaller(first + kFanInBlock, n_in);
    pack<T> acc[MR][NP];
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) acc[r][c] = first == 0 && b ? load_pack(b + c * L) : pack<T>(T(0));
    const T* x[MR];
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r) x[r] = a[r];
    const T* w_k = W + first * ldw;
    for (int64_t k = first; k < last; ++k, w_k += ldw) {
      pack<T> w[NP];
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) w[c] = load_pack(w_k + c * L);
#pragma GCC unroll 16
      for (int r = 0; r < MR; ++r) extend(x[r][k], w, acc[r]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < MR; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) {
        T* to = z + r * ldz + c * L;
        store(first == 0 ? acc[r][c] : load_pack(to) + acc[r][c], to);
      }
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

template <int NP, class T>
static inline void affine_panel(int64_t rows, int64_t n_in, const InputRows<T>& a, const T* W, int64_t ldw,
                                const T* b, T* z, int64_t ldz) {
  row_tiles<TileShape::rows(NP)>(rows, [&](auto count, int64_t r) {
    constexpr int MR = decltype(count)::value;
    const T* tile[MR];
    for (int i = 0; i < MR; ++i) tile[i] = row(a, r + i);
    affine_tile<MR, NP>(n_in, tile, W, ldw, b, z + r * ldz, ldz);
  });
}

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                   const T* b, T* z, int64_t ldz) {
  constexpr int L = kLanes<T>;
  const auto offset = [](const T* p, int64_t j) { return p ? p + j : p; };
  int64_t j = 0;
  if (rows == 1)  // one row wants more chains beside each other than a tile is wide
    for (; j + TileShape::alone * L <= n_out; j += TileShape::alone * L) {
      const T* x[1] = {row(a, 0)};
      affine_tile<1, TileShape::alone>(n_in, x, W + j, ldw, offset(b, j), z + j, ldz);
    }
  while (j < n_out) {
    const int64_t packs = smaller(TileShape::widest, (n_out - j) / L);
    with_count<TileShape::widest>(packs, [&](auto count) {
      affine_panel<decltype(count)::value>(rows, n_in, a, W + j, ldw, offset(b, j), z + j, ldz);
    });
    j += packs * L;
  }
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
template <int MI, int NP, class T>
static inline void gradient_tile(int64_t first, int64_t last, const InputRows<T>& P, int64_t i,
                                 const InputRows<T>& Q, int64_t j, int64_t tail, T* G, int64_t ldg) {
  constexpr int L = kLanes<T>;
  pack<T> acc[MI][NP];
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) acc[m][c] = pack<T>(T(0));
  const auto chain = [&](auto load_q) {
    for (int64_t r = first; r < last; ++r) {
      const T* p = row(P, r) + i;
      const T* q_r = row(Q, r) + j;
      pack<T> q[NP];
#pragma GCC unroll 8
      for (int c = 0; c < NP; ++c) q[c] = load_q(q_r + c * L);
#pragma GCC unroll 16
      for (int m = 0; m < MI; ++m) extend(p[m], q, acc[m]);
    }
  };
  if (tail)
    chain([tail](const T* q) { return load_first(q, tail); });
  else
    chain([](const T* q) { return load_pack(q); });
#pragma GCC unroll 16
  for (int m = 0; m < MI; ++m)
#pragma GCC unroll 8
    for (int c = 0; c < NP; ++c) {
      T* to = G + (i + m) * ldg + j + c * L;
      store(load_pack(to) + acc[m][c], to);
    }
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q,
                            T* G, int64_t ldg) {
  constexpr int L = kLanes<T>;
  const int64_t whole = n_j / L * L;
  for (int64_t i = 0; i < n_i; ++i)
    for (int64_t j = 0; j < n_j; j += L) store(pack<T>(T(0)), G + i * ldg + j);
  for (int64_t first = 0; first < rows; first += kRowBlock) {
    const int64_t last = smaller(first + kRowBlock, rows);
    int64_t j = 0;
    while (j < whole) {
      const int64_t packs = smaller(TileShape::widest, (whole - j) / L);
      with_count<TileShape::widest>(packs, [&](auto count) {
        constexpr int NP = decltype(count)::value;
        row_tiles<TileShape::rows(NP)>(n_i, [&](auto m, int64_t i) {
          gradient_tile<decltype(m)::value, NP>(first, last, P, i, Q, j, 0, G, ldg);
        });
      });
      j += packs * L;
    }
    if (j < n_j)
      row_tiles<TileShape::rows(1)>(n_i, [&](auto m, int64_t i) {
        gradient_tile<decltype(m)::value, 1>(first, last, P, i, Q, j, n_j - j, G, ldg);
      });
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
