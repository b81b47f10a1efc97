// The functions a network is made of, by name. C headers only: the ISA files include this.
#pragma once

#include <stdint.h>

namespace deltarule {

enum class Activation : int32_t { identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, gelu, silu };

// Whether g''(z) is other than 0 anywhere.
constexpr bool is_curved(Activation g) {
  return g != Activation::identity && g != Activation::relu && g != Activation::leaky_relu;
}

enum class Output : int32_t { identity, sigmoid, tanh, softmax, exp };

enum class Loss : int32_t {
  squared_error,
  sum_squared_error,
  mean_squared_error,
  binary_cross_entropy,
  cross_entropy,
  absolute_error,
  huber,
  poisson
};

}  // namespace deltarule
