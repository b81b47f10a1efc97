// Output functions, a row at a time: y_hat = O(z), and O'(z) where it is elementwise.
//
// Rows of z are padded to whole packs.
#pragma once

#include "activations.hpp"
#include "kernels.hpp"
#include "mathematics.hpp"

namespace deltarule::DELTARULE_ISA {

// Maximum and sum of the softmax of a row: y_hat_j = e^(z_j - highest) / sum.
template <class T>
struct SoftmaxRow {
  T highest = 0, sum = 1;
};

template <class T>
static inline SoftmaxRow<T> softmax_row(int64_t n, const T* z, T* e) {
  pack<T> most(T(-INFINITY));
  each_pack<T>(n, [&](int64_t j, int64_t count) {
    const pack<T> z_j = first_lanes(load_pack(z + j), count, T(-INFINITY));
    most = select(most < z_j, z_j, most);
  });
  const T highest = largest(most);
  pack<T> lanes(T(0));
  each_pack<T>(n, [&](int64_t j, int64_t count) {
    const pack<T> e_j = first_lanes(exponential(load_pack(z + j) - pack<T>(highest)), count, T(0));
    lanes = lanes + e_j;
    store(e_j, e + j);
  });
  const T total = sum(lanes);
  each_pack<T>(n, [&](int64_t j, int64_t) { store(load_pack(e + j) / pack<T>(total), e + j); });
  return {highest, total};
}

// The output exp, which no hidden layer has.
struct Exponential {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return exponential(z); }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) { return a; }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T> a) { return a; }
};

// Calls f with the type of an elementwise output.
template <class F>
static inline void with_elementwise(Output output, F f) {
  if (output == Output::exp) return f(Exponential{});
  with_activation(static_cast<Activation>(output), f);
}

template <class T, class F>
static inline void map_row(int64_t n, const T* z, T* y_hat, F f) {
  each_pack<T>(n, [&](int64_t j, int64_t) { store(f(load_pack(z + j)), y_hat + j); });
}

// y_hat = O(z) of an elementwise output. Compiled once, as is `slopes`: with every function in it, it is long.
template <class T>
[[gnu::noinline]] static void values(const OutputLayer<T>& layer, int64_t n, const T* z, T* y_hat) {
  with_elementwise(layer.output, [=, slope = layer.slope](auto function) {
    map_row(n, z, y_hat, [=](pack<T> v) { return function.value(v, slope); });
  });
}

// y_hat is padded as z is.
template <class T>
static inline SoftmaxRow<T> output_row(const OutputLayer<T>& layer, int64_t n, const T* z, T* y_hat) {
  if (layer.output == Output::softmax) return softmax_row(n, z, y_hat);
  values(layer, n, z, y_hat);
  return {};
}

// O'(z) of an elementwise output, from z and y_hat; it may take the place of either.
template <class T>
[[gnu::noinline]] static void slopes(const OutputLayer<T>& layer, int64_t n, const T* z, const T* y_hat, T* to) {
  with_elementwise(layer.output, [=, slope = layer.slope](auto function) {
    each_pack<T>(n, [=](int64_t j, int64_t) {
      store(function.derivative(load_pack(z + j), load_pack(y_hat + j), slope), to + j);
    });
  });
}

// y_hat is the user's and not padded, so the row is computed in z's place.
template <class T>
static void output(const OutputLayer<T>& layer, int64_t rows, int64_t n, T* z, int64_t ldz, T* y_hat, int64_t ldy) {
  for (int64_t r = 0; r < rows; ++r) {
    T* z_r = z + r * ldz;
    output_row(layer, n, z_r, z_r);
    each_pack<T>(n, [=](int64_t j, int64_t count) { store_first(load_pack(z_r + j), y_hat + r * ldy + j, count); });
  }
}

}  // namespace deltarule::DELTARULE_ISA
