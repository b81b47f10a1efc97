// The functions a network is made of, by name. C headers only: the ISA files include this.
#pragma once

#include <stdint.h>

namespace deltarule {

enum class Activation : int32_t { identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, gelu, silu };

// Whether g''(z) is other than 0 anywhere.
constexpr bool is_curved(Activation g) {
  return g != Activation::identity && g != Activation::relu && g != Activation::leaky_relu;
}

// Of the last layer: every activation, by its number, and two more.
enum class Output : int32_t { identity, sigmoid, tanh, relu, leaky_relu, elu, softplus, gelu, silu, softmax, exp };
static_assert(static_cast<int32_t>(Output::silu) == static_cast<int32_t>(Activation::silu));

// Whether y_hat_j depends on z_j alone.
constexpr bool is_elementwise(Output output) { return output != Output::softmax; }

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
