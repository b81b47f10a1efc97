// The architecture of a network, by names and sizes: plain data, no arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/functions.hpp"

namespace deltarule {

struct Architecture {
  std::vector<int64_t> sizes;      // n_0 .. n_L
  std::vector<Activation> hidden;  // g of layers 1 .. L-1
  Output output;
  Loss loss;
  bool mean;  // reduction over the samples: mean, else sum
  double leaky_slope;
  double huber_delta;

  int64_t layers() const { return static_cast<int64_t>(sizes.size()) - 1; }
  int64_t n_inputs() const { return sizes.front(); }
  int64_t n_outputs() const { return sizes.back(); }
};

}  // namespace deltarule
