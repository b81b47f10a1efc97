// Products of a layer as plain loops: the numeric contract itself, and the oracle of the register tiles.
#pragma once

#include <math.h>

#include "kernels.hpp"
#include "pack.hpp"
#include "update_rules.hpp"

namespace deltarule::DELTARULE_ISA {

static inline float chain_step(float a, float b, float acc) { return fmaf(a, b, acc); }
static inline double chain_step(double a, double b, double acc) { return fma(a, b, acc); }

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw, const T* b,
                   bool add, T* z, int64_t ldz) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < n_out; ++j) {
      T& total = z[r * ldz + j];
      for (int64_t first = 0; first < n_in; first += kFanInBlock) {
        const bool further = add || first > 0;
        T acc = b && !further ? b[j] : T(0);
        for (int64_t k = first; k < smaller(first + kFanInBlock, n_in); ++k)
          acc = chain_step(row(a, r)[k], W[k * ldw + j], acc);
        total = further ? total + acc : acc;
      }
    }
}

template <class T>
static void affine_narrow(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                          const T* b, bool add, T* z, int64_t ldz) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < n_out; ++j) {
      T lanes[L] = {};
      for (int64_t k = 0; k < (n_in + L - 1) / L * L; ++k) {
        const bool padding = k >= n_in;
        lanes[k % L] = chain_step(padding ? T(0) : row(a, r)[k], padding ? T(0) : W[j * ldw + k], lanes[k % L]);
      }
      T& total = z[r * ldz + j];
      total = sum(load_pack(lanes)) + (add ? total : b ? b[j] : T(0));
    }
}

// Row i of the sum over the rows, n_j columns, zeros up to a whole pack.
template <class T>
static void gradient_row(int64_t rows, int64_t i, int64_t n_j, const InputRows<T>& P, const InputRows<T>& Q, T* S) {
  for (int64_t j = 0; j < (n_j + kLanes<T> - 1) / kLanes<T> * kLanes<T>; ++j) {
    T total = T(0);
    for (int64_t first = 0; j < n_j && first < rows; first += kRowBlock) {
      T acc = T(0);
      for (int64_t r = first; r < smaller(first + kRowBlock, rows); ++r)
        acc = chain_step(row(P, r)[i], row(Q, r)[j], acc);
      total = total + acc;
    }
    S[j] = total;
  }
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, bool add, T* S,
                            T* G, int64_t ldg) {
  for (int64_t i = 0; i < n_i; ++i) {
    gradient_row(rows, i, n_j, P, Q, S);
    for (int64_t j = 0; j < n_j; ++j) G[i * ldg + j] = add ? G[i * ldg + j] + S[j] : S[j];
  }
}

template <class T>
static bool weight_descent(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q, T* S, const T* G,
                           int64_t ldg, const Descent<T>& descent) {
  pack<T> seen(T(0));
  for (int64_t i = 0; i < n_i; ++i) {
    gradient_row(rows, i, n_j, P, Q, S);
    for (int64_t j = 0; G && j < n_j; ++j) S[j] = G[i * ldg + j] + S[j];
    seen = descend_row(n_j, S, descent.row(i), seen);
  }
  return sum(seen) == T(0);
}

}  // namespace deltarule::DELTARULE_ISA
