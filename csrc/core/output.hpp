// The last layer as its kernels take it.
#pragma once

#include "architecture.hpp"
#include "kernels/dispatch.hpp"

namespace deltarule {

template <class T>
OutputLayer<T> output_layer(const Architecture& architecture) {
  return {architecture.output, static_cast<T>(architecture.leaky_slope)};
}

template <class T>
OutputLoss<T> output_loss(const Architecture& architecture) {
  return {output_layer<T>(architecture), architecture.loss, static_cast<T>(architecture.huber_delta)};
}

}  // namespace deltarule
