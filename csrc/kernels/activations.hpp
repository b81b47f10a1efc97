// Hidden activations: a value and its derivative side by side, then the loops over rows.
#pragma once

#include "kernels.hpp"
#include "mathematics.hpp"

namespace deltarule::DELTARULE_ISA {

// Each: value(z) = g(z), derivative(z, a) = g'(z) and curvature(z, a) = g''(z) where a = g(z), lane by lane. slope is
// leaky_relu's. At a kink the derivative is that of the side below, and the curvature 0.
template <class T>
DELTARULE_INLINE static inline pack<T> constant(double x) {
  return pack<T>(T(x));
}

struct Identity {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return z; }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T>, T) { return constant<T>(1); }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T>) { return constant<T>(0); }
};
struct Sigmoid {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return logistic(z); }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) {
    return a * (constant<T>(1) - a);
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T> a) {
    return a * (constant<T>(1) - a) * (constant<T>(1) - constant<T>(2) * a);
  }
};
struct Tanh {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return hyperbolic_tangent(z); }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) {
    return fused(-a, a, constant<T>(1));
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T> a) {
    return constant<T>(-2) * a * fused(-a, a, constant<T>(1));
  }
};
struct Relu {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) {
    return select(z < constant<T>(0), constant<T>(0), z);  // NaN passes
  }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) {
    return select(constant<T>(0) < a, constant<T>(1), constant<T>(0));
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T>) { return constant<T>(0); }
};
struct LeakyRelu {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T slope) {
    return select(constant<T>(0) < z, z, pack<T>(slope) * z);
  }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T slope) {
    return select(constant<T>(0) < a, constant<T>(1), pack<T>(slope));
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T>) { return constant<T>(0); }
};
struct Elu {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) {
    const auto positive = constant<T>(0) < z;
    return select(positive, z, exponential_minus_1(select(positive, constant<T>(0), z)));
  }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) {
    return select(constant<T>(0) < a, constant<T>(1), a + constant<T>(1));
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T> a) {
    return select(a < constant<T>(0), a + constant<T>(1), constant<T>(0));
  }
};
struct Softplus {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return softplus(z); }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T>, pack<T> a, T) {
    return -exponential_minus_1(-a);
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T>, pack<T> a) {
    const pack<T> m = exponential_minus_1(-a);
    return -m * (m + constant<T>(1));
  }
};
// 1/2 z (1 + tanh(c (z + d z^3))), c = sqrt(2 / pi)
struct Gelu {
  static constexpr double c = 0.79788456080286535588, d = 0.044715;
  template <class T> DELTARULE_INLINE static pack<T> gate(pack<T> z) {
    return hyperbolic_tangent(constant<T>(c) * z * fused(constant<T>(d), z * z, constant<T>(1)));
  }
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) {
    return constant<T>(0.5) * z * (constant<T>(1) + gate(z));
  }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T> z, pack<T>, T) {
    const pack<T> one = constant<T>(1), t = gate(z);
    const pack<T> inner = constant<T>(c) * fused(constant<T>(3 * d), z * z, one);
    return constant<T>(0.5) * fused(z * fused(-t, t, one), inner, one + t);
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T> z, pack<T>) {
    const pack<T> one = constant<T>(1), t = gate(z);
    const pack<T> inner = constant<T>(c) * fused(constant<T>(3 * d), z * z, one);
    const pack<T> slope_term = fused(constant<T>(3 * c * d) * z, z, -(t * z) * inner * inner);
    return fused(-t, t, one) * (inner + slope_term);
  }
};
struct Silu {
  template <class T> DELTARULE_INLINE static pack<T> value(pack<T> z, T) { return z * logistic(z); }
  template <class T> DELTARULE_INLINE static pack<T> derivative(pack<T> z, pack<T>, T) {
    const pack<T> s = logistic(z);
    return s * fused(z, constant<T>(1) - s, constant<T>(1));
  }
  template <class T> DELTARULE_INLINE static pack<T> curvature(pack<T> z, pack<T>) {
    const pack<T> s = logistic(z), one = constant<T>(1);
    return s * (one - s) * fused(z, one - constant<T>(2) * s, constant<T>(2));
  }
};

// Calls f with the activation's type.
template <class F>
static inline void with_activation(Activation g, F f) {
#define DELTARULE_CASE(name, type, ...) \
  case Activation::name: return f(type{});
  switch (g) { DELTARULE_ACTIVATIONS(DELTARULE_CASE) }
#undef DELTARULE_CASE
}

// n is a multiple of the lanes: rows are padded.
template <class T>
static void activate(Activation g, T slope, int64_t rows, int64_t n, const T* z, T* a, int64_t ld) {
  if (g == Activation::identity && z == a) return;
  with_activation(g, [=](auto function) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = r * ld; i < r * ld + n; i += kLanes<T>) store(function.value(load_pack(z + i), slope), a + i);
  });
}

template <class T>
static void activate_backward(Activation g, T slope, int64_t rows, int64_t n, const T* z, const T* a, T* delta,
                              int64_t ld) {
  if (g == Activation::identity) return;
  with_activation(g, [=](auto function) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = r * ld; i < r * ld + n; i += kLanes<T>)
        store(load_pack(delta + i) * function.derivative(load_pack(z + i), load_pack(a + i), slope), delta + i);
  });
}

template <class T>
static void activate_curvature(Activation g, int64_t rows, int64_t n, const T* z, const T* a, const T* z_dot,
                               const T* da, T* delta_dot, int64_t ld) {
  if (!is_curved(g)) return;
  with_activation(g, [=](auto function) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = r * ld; i < r * ld + n; i += kLanes<T>) {
        const pack<T> second_derivative = function.curvature(load_pack(z + i), load_pack(a + i)) * load_pack(z_dot + i);
        store(fused(load_pack(da + i), second_derivative, load_pack(delta_dot + i)), delta_dot + i);
      }
  });
}

}  // namespace deltarule::DELTARULE_ISA
