// Products of a layer: forward, backward-data (the same on the transposed weights) and weight gradient,
// as plain loops over a few chains at a time. How many is speed only: each chain is its own.
#pragma once

#include "kernels.hpp"
#include "scalar.hpp"

namespace deltarule::DELTARULE_ISA {

template <class T>
static inline const T* row(const InputRows<T>& x, int64_t r) {
  return x.data + (x.index ? x.index[r] : r) * x.stride;
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// acc[r][j] continues its chain by K terms c[r][k] w[k][j], for j < n: the loop that the compiler turns
// into vectors over j.
template <int R, int K, class T>
static inline void extend_chains(int64_t n, const T (&c)[R][K], const T* const (&w)[K],
                                 T* const (&acc)[R]) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; ++j)
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      T chain = acc[r][j];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) chain = fused(c[r][k], w[k][j], chain);
      acc[r][j] = chain;
    }
}

// The same over terms [first, last): coefficient(r, k) and the row w(k), four terms at a time.
template <int R, class T, class Coefficient, class Row>
static inline void chains(int64_t n, int64_t first, int64_t last, Coefficient coefficient, Row w,
                          T* const (&acc)[R]) {
  int64_t k = first;
  for (; k + 4 <= last; k += 4) {
    T c[R][4];
    for (int r = 0; r < R; ++r)
      for (int i = 0; i < 4; ++i) c[r][i] = coefficient(r, k + i);
    extend_chains<R, 4, T>(n, c, {w(k), w(k + 1), w(k + 2), w(k + 3)}, acc);
  }
  for (; k < last; ++k) {
    T c[R][1];
    for (int r = 0; r < R; ++r) c[r][0] = coefficient(r, k);
    extend_chains<R, 1, T>(n, c, {w(k)}, acc);
  }
}

// Columns worked on at a time: their part of one block of W, or of delta, stays in the first cache level.
template <class T>
constexpr int64_t kPanel = 2 * kLanes<T>;

// One block of terms of R rows of z: the first starts at b, a later one is a chain of its own.
template <int R, class T>
static inline void affine_block(int64_t n, int64_t first, int64_t last, const T* const (&a)[R],
                                const T* W, int64_t ldw, const T* b, T* const (&z)[R]) {
  const auto coefficient = [&](int r, int64_t k) { return a[r][k]; };
  const auto w = [=](int64_t k) { return W + k * ldw; };
  T later[R][kPanel<T>] = {};
  T* acc[R];
  for (int r = 0; r < R; ++r) {
    acc[r] = first == 0 ? z[r] : later[r];
    if (first == 0)
      for (int64_t j = 0; j < n; ++j) z[r][j] = b ? b[j] : T(0);
  }
  chains<R, T>(n, first, last, coefficient, w, acc);
  if (first > 0)
    for (int r = 0; r < R; ++r)
      for (int64_t j = 0; j < n; ++j) z[r][j] += later[r][j];
}

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                   const T* b, T* z, int64_t ldz) {
  for (int64_t j = 0; j < n_out; j += kPanel<T>) {
    const int64_t n = smaller(kPanel<T>, n_out - j);
    const T* b_j = b ? b + j : nullptr;
    for (int64_t first = 0; first < n_in; first += kFanInBlock) {
      const int64_t last = smaller(first + kFanInBlock, n_in);
      int64_t r = 0;
      for (; r + 2 <= rows; r += 2)
        affine_block<2, T>(n, first, last, {row(a, r), row(a, r + 1)}, W + j, ldw, b_j,
                           {z + r * ldz + j, z + (r + 1) * ldz + j});
      if (r < rows) affine_block<1, T>(n, first, last, {row(a, r)}, W + j, ldw, b_j, {z + r * ldz + j});
    }
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

// The chains of one block of rows [first, last), for R columns of P and n of Q, added to G.
template <int R, class T>
static inline void gradient_block(int64_t n, int64_t first, int64_t last, const InputRows<T>& P,
                                  int64_t i, const InputRows<T>& Q, int64_t j, T* G, int64_t ldg) {
  const auto coefficient = [&](int c, int64_t r) { return row(P, r)[i + c]; };
  const auto q = [&](int64_t r) { return row(Q, r) + j; };
  T acc[R][kPanel<T>] = {};
  T* of[R];
  for (int c = 0; c < R; ++c) of[c] = acc[c];
  chains<R, T>(n, first, last, coefficient, q, of);
  for (int c = 0; c < R; ++c)
    for (int64_t k = 0; k < n; ++k) G[(i + c) * ldg + j + k] += acc[c][k];
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q,
                            T* G, int64_t ldg) {
  for (int64_t i = 0; i < n_i; ++i)
    for (int64_t j = 0; j < n_j; ++j) G[i * ldg + j] = T(0);
  for (int64_t first = 0; first < rows; first += kRowBlock) {
    const int64_t last = smaller(first + kRowBlock, rows);
    for (int64_t j = 0; j < n_j; j += kPanel<T>) {
      const int64_t n = smaller(kPanel<T>, n_j - j);
      int64_t i = 0;
      for (; i + 2 <= n_i; i += 2) gradient_block<2>(n, first, last, P, i, Q, j, G, ldg);
      if (i < n_i) gradient_block<1>(n, first, last, P, i, Q, j, G, ldg);
    }
  }
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
