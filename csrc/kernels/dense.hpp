// Products of a layer: forward, backward-data (the same on the transposed weights) and weight gradient,
// as plain loops over a small tile of chains. The tile's shape is speed only: each chain is its own.
#pragma once

#include "kernels.hpp"
#include "scalar.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
static inline const T* row(const InputRows<T>& x, int64_t r) {
  return x.data + (x.index ? x.index[r] : r) * x.stride;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// acc[i][j] = the chain of a[i][k] W[k][j] over k in [first, last), continued from acc.
template <int MR, int NR, class T>
static inline void affine_chain(int64_t first, int64_t last, const T* const* a, const T* W, int64_t ldw,
                                T (&acc)[MR][NR]) {
  for (int64_t k = first; k < last; ++k)
#pragma GCC unroll 8
    for (int i = 0; i < MR; ++i)
      for (int j = 0; j < NR; ++j) acc[i][j] = fused(a[i][k], W[k * ldw + j], acc[i][j]);
}

template <int M, int N, class T>
static inline void add(T (&total)[M][N], const T (&acc)[M][N]) {
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) total[i][j] += acc[i][j];
}

template <int M, int N, class T>
static inline void store(const T (&total)[M][N], T* z, int64_t ldz) {
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) z[i * ldz + j] = total[i][j];
}

// z[i][j] for MR rows and NR columns.
template <int MR, int NR, class T>
static inline void affine_tile(int64_t n_in, const T* const* a, const T* W, int64_t ldw, const T* b,
                               T* z, int64_t ldz) {
  T total[MR][NR];
#pragma GCC unroll 8
  for (int i = 0; i < MR; ++i)
    for (int j = 0; j < NR; ++j) total[i][j] = b ? b[j] : T(0);
  affine_chain(0, smaller(kFanInBlock, n_in), a, W, ldw, total);
  for (int64_t first = kFanInBlock; first < n_in; first += kFanInBlock) {
    T acc[MR][NR] = {};
    affine_chain(first, smaller(first + kFanInBlock, n_in), a, W, ldw, acc);
    add(total, acc);
  }
  store(total, z, ldz);
}

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                   const T* b, T* z, int64_t ldz) {
  constexpr int kRows = 4, kColumns = kLanes<T>, kWide = 4 * kLanes<T>;
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    const T* tile[kRows] = {row(a, r), row(a, r + 1), row(a, r + 2), row(a, r + 3)};
    for (int64_t j = 0; j < n_out; j += kColumns)
      affine_tile<kRows, kColumns>(n_in, tile, W + j, ldw, b ? b + j : b, z + r * ldz + j, ldz);
  }
  for (; r < rows; ++r) {
    const T* tile[1] = {row(a, r)};
    int64_t j = 0;
    for (; j + kWide <= n_out; j += kWide)
      affine_tile<1, kWide>(n_in, tile, W + j, ldw, b ? b + j : b, z + r * ldz + j, ldz);
    for (; j < n_out; j += kColumns)
      affine_tile<1, kColumns>(n_in, tile, W + j, ldw, b ? b + j : b, z + r * ldz + j, ldz);
  }
}

// The sum of the lanes, halved until one is left.
template <class T, int64_t N>
static inline T sum_by_halving(T (&lanes)[N]) {
#pragma GCC unroll 8
  for (int64_t half = N / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// sum_j term(j) over j < n: strided lanes from 0, a last row of lanes padded with zeros, then halving.
template <class T, class F>
static inline T lane_sum(int64_t n, F term) {
  T lanes[kLanes<T>] = {};
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>)
    for (int64_t i = 0; i < kLanes<T>; ++i) lanes[i] += term(j + i);
  for (int64_t i = 0; j < n; ++i, ++j) lanes[i] += term(j);
  return sum_by_halving(lanes);
}

template <class T>
static inline T dot(int64_t n, const T* x, const T* y) {
  T lanes[kLanes<T>] = {};
  int64_t k = 0;
  for (; k + kLanes<T> <= n; k += kLanes<T>)
    for (int64_t i = 0; i < kLanes<T>; ++i) lanes[i] = fused(x[k + i], y[k + i], lanes[i]);
  if (k < n)
    for (int64_t i = 0; i < kLanes<T>; ++i)
      lanes[i] = k + i < n ? fused(x[k + i], y[k + i], lanes[i]) : lanes[i] + T(0);
  return sum_by_halving(lanes);
}

template <class T>
static void affine_narrow(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W,
                          int64_t ldw, const T* b, T* z, int64_t ldz) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* x = row(a, r);
    for (int64_t j = 0; j < n_out; ++j) z[r * ldz + j] = dot(n_in, x, W + j * ldw) + b[j];
  }
}

// acc[i][j] = the chain of P[r][i] Q[r][j] over r in [first, last), continued from acc.
template <int MI, int NJ, class T>
static inline void gradient_chain(int64_t first, int64_t last, const InputRows<T>& P,
                                  const InputRows<T>& Q, T (&acc)[MI][NJ]) {
  for (int64_t r = first; r < last; ++r) {
    const T* p = row(P, r);
    const T* q = row(Q, r);
#pragma GCC unroll 8
    for (int i = 0; i < MI; ++i)
      for (int j = 0; j < NJ; ++j) acc[i][j] = fused(p[i], q[j], acc[i][j]);
  }
}

// G[i][j] for MI values of i and NJ of j.
template <int MI, int NJ, class T>
static inline void gradient_tile(int64_t rows, const InputRows<T>& P, const InputRows<T>& Q, T* G,
                                 int64_t ldg) {
  T total[MI][NJ] = {};
  gradient_chain(0, smaller(kRowBlock, rows), P, Q, total);
  for (int64_t first = kRowBlock; first < rows; first += kRowBlock) {
    T acc[MI][NJ] = {};
    gradient_chain(first, smaller(first + kRowBlock, rows), P, Q, acc);
    add(total, acc);
  }
  store(total, G, ldg);
}

template <class T>
static inline InputRows<T> from_column(InputRows<T> x, int64_t j) {
  return {x.data + j, x.stride, x.index};
}

template <int MI, class T>
static inline void gradient_rows(int64_t rows, int64_t n_j, InputRows<T> P, InputRows<T> Q, T* G,
                                 int64_t ldg) {
  int64_t j = 0;
  for (; j + kLanes<T> <= n_j; j += kLanes<T>)
    gradient_tile<MI, kLanes<T>>(rows, P, from_column(Q, j), G + j, ldg);
  for (; j < n_j; ++j) gradient_tile<MI, 1>(rows, P, from_column(Q, j), G + j, ldg);
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q,
                            T* G, int64_t ldg) {
  int64_t i = 0;
  for (; i + 4 <= n_i; i += 4) gradient_rows<4>(rows, n_j, from_column(P, i), Q, G + i * ldg, ldg);
  for (; i < n_i; ++i) gradient_rows<1>(rows, n_j, from_column(P, i), Q, G + i * ldg, ldg);
}

template <class T>
static void bias_gradient(int64_t rows, int64_t n, const T* delta, int64_t ld, T* G) {
  for (int64_t j = 0; j < n; ++j) G[j] = T(0);
  for (int64_t first = 0; first < rows; first += kRowBlock) {
    const int64_t last = smaller(first + kRowBlock, rows);
    for (int64_t j = 0; j < n; j += kLanes<T>) {
      T acc[kLanes<T>] = {};
      for (int64_t r = first; r < last; ++r)
        for (int64_t i = 0; i < kLanes<T>; ++i) acc[i] += delta[r * ld + j + i];
      for (int64_t i = 0; i < kLanes<T>; ++i) G[j + i] += acc[i];
    }
  }
}

}  // namespace deltarule::DELTARULE_ISA
