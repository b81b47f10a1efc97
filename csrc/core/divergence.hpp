// Where a batch diverges.
#pragma once

#include <cstdint>

#include "batch.hpp"
#include "network.hpp"

namespace deltarule {

// The first layer, from 1, where z or a of a sample with weight is not finite; 0: none. By a forward pass of its own.
template <class T>
int64_t layer_not_finite(const Network<T>& network, const Batch<T>& batch);

// The same as a call of its own. May throw NetworkBusy.
template <class T>
int64_t first_not_finite(const Network<T>& network, const Batch<T>& batch) {
  const Reading use(network.lock);
  return layer_not_finite(network, batch);
}

}  // namespace deltarule
