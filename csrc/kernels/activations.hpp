// Hidden activations: a value and its derivative side by side, then the loops over rows.
#pragma once

#include "kernels.hpp"
#include "mathematics.hpp"

namespace deltarule::DELTARULE_ISA {

// Each: value(z) = g(z), derivative(z, a) = g'(z) where a = g(z). slope is leaky_relu's.
struct Identity {
  template <class T> static T value(T z, T) { return z; }
  template <class T> static T derivative(T, T, T) { return T(1); }
};
struct Sigmoid {
  template <class T> static T value(T z, T) { return logistic(z); }
  template <class T> static T derivative(T, T a, T) { return a * (T(1) - a); }
};
struct Tanh {
  template <class T> static T value(T z, T) { return hyperbolic_tangent(z); }
  template <class T> static T derivative(T, T a, T) { return fused(-a, a, T(1)); }
};
struct Relu {
  template <class T> static T value(T z, T) { return z < T(0) ? T(0) : z; }
  template <class T> static T derivative(T, T a, T) { return a > T(0) ? T(1) : T(0); }
};
struct LeakyRelu {
  template <class T> static T value(T z, T slope) { return z > T(0) ? z : slope * z; }
  template <class T> static T derivative(T, T a, T slope) { return a > T(0) ? T(1) : slope; }
};
struct Elu {
  template <class T> static T value(T z, T) { return z > T(0) ? z : exponential_minus_1(z > T(0) ? T(0) : z); }
  template <class T> static T derivative(T, T a, T) { return a > T(0) ? T(1) : a + T(1); }
};
struct Softplus {
  template <class T> static T value(T z, T) { return softplus(z); }
  template <class T> static T derivative(T, T a, T) { return -exponential_minus_1(-a); }
};
// 1/2 z (1 + tanh(c (z + d z^3)))
struct Gelu {
  template <class T> static constexpr T c = T(0.79788456080286535588);  // sqrt(2 / pi)
  template <class T> static constexpr T d = T(0.044715);
  template <class T> static T gate(T z) { return hyperbolic_tangent(c<T> * z * fused(d<T>, z * z, T(1))); }
  template <class T> static T value(T z, T) { return T(0.5) * z * (T(1) + gate(z)); }
  template <class T> static T derivative(T z, T, T) {
    const T t = gate(z);
    const T inner = c<T> * fused(T(3) * d<T>, z * z, T(1));
    return T(0.5) * fused(z * fused(-t, t, T(1)), inner, T(1) + t);
  }
};
struct Silu {
  template <class T> static T value(T z, T) { return z * logistic(z); }
  template <class T> static T derivative(T z, T, T) {
    const T s = logistic(z);
    return s * fused(z, T(1) - s, T(1));
  }
};

// Calls f with the activation's type.
template <class F>
static inline void with_activation(Activation g, F f) {
  switch (g) {
    case Activation::identity: return f(Identity{});
    case Activation::sigmoid: return f(Sigmoid{});
    case Activation::tanh: return f(Tanh{});
    case Activation::relu: return f(Relu{});
    case Activation::leaky_relu: return f(LeakyRelu{});
    case Activation::elu: return f(Elu{});
    case Activation::softplus: return f(Softplus{});
    case Activation::gelu: return f(Gelu{});
    case Activation::silu: return f(Silu{});
  }
}

template <class T>
static void activate(Activation g, T slope, int64_t rows, int64_t n, const T* z, T* a, int64_t ld) {
  if (g == Activation::identity && z == a) return;
  with_activation(g, [=](auto function) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < n; ++j) a[r * ld + j] = function.value(z[r * ld + j], slope);
  });
}

template <class T>
static void activate_backward(Activation g, T slope, int64_t rows, int64_t n, const T* z, const T* a,
                              T* delta, int64_t ld) {
  if (g == Activation::identity) return;
  with_activation(g, [=](auto function) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < n; ++j) {
        const int64_t i = r * ld + j;
        delta[i] = delta[i] * function.derivative(z[i], a[i], slope);
      }
  });
}

}  // namespace deltarule::DELTARULE_ISA
