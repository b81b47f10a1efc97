// Products of a layer as plain loops: the numeric contract itself, and the oracle of the register tiles.
#pragma once

#include <math.h>

#include "kernels.hpp"
#include "pack.hpp"

namespace deltarule::DELTARULE_ISA {

static inline float chain_step(float a, float b, float acc) { return fmaf(a, b, acc); }
static inline double chain_step(double a, double b, double acc) { return fma(a, b, acc); }

template <class T>
static void affine(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W, int64_t ldw,
                   const T* b, T* z, int64_t ldz) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < n_out; ++j) {
      T total = b ? b[j] : T(0);
      for (int64_t first = 0; first < n_in; first += kFanInBlock) {
        T acc = first == 0 ? total : T(0);
        for (int64_t k = first; k < smaller(first + kFanInBlock, n_in); ++k)
          acc = chain_step(row(a, r)[k], W[k * ldw + j], acc);
        total = first == 0 ? acc : total + acc;
      }
      z[r * ldz + j] = total;
    }
}

template <class T>
static void affine_narrow(int64_t rows, int64_t n_in, int64_t n_out, InputRows<T> a, const T* W,
                          int64_t ldw, const T* b, T* z, int64_t ldz) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < n_out; ++j) {
      T lanes[L] = {};
      for (int64_t k = 0; k < (n_in + L - 1) / L * L; ++k) {
        const bool padding = k >= n_in;
        lanes[k % L] = chain_step(padding ? T(0) : row(a, r)[k], padding ? T(0) : W[j * ldw + k], lanes[k % L]);
      }
      z[r * ldz + j] = sum(load_pack(lanes)) + b[j];
    }
}

template <class T>
static void weight_gradient(int64_t rows, int64_t n_i, int64_t n_j, InputRows<T> P, InputRows<T> Q,
                            T* G, int64_t ldg) {
  for (int64_t i = 0; i < n_i; ++i)
    for (int64_t j = 0; j < n_j; ++j) {
      T total = T(0);
      for (int64_t first = 0; first < rows; first += kRowBlock) {
        T acc = T(0);
        for (int64_t r = first; r < smaller(first + kRowBlock, rows); ++r)
          acc = chain_step(row(P, r)[i], row(Q, r)[j], acc);
        total = total + acc;
      }
      G[i * ldg + j] = total;
    }
}

template <class T>
static void bias_gradient(int64_t rows, int64_t n, const T* delta, int64_t ld, T* G) {
  for (int64_t j = 0; j < n; ++j) {
    T total = T(0);
    for (int64_t first = 0; first < rows; first += kRowBlock) {
      T acc = T(0);
      for (int64_t r = first; r < smaller(first + kRowBlock, rows); ++r) acc += delta[r * ld + j];
      total = total + acc;
    }
    G[j] = total;
  }
}

}  // namespace deltarule::DELTARULE_ISA
