// One mini-batch: its loss and gradient, or a step of training.
#pragma once

#include <stdexcept>

#include "batch.hpp"
#include "network.hpp"
#include "runtime/interrupt.hpp"

namespace deltarule {

// The new parameters or the new optimizer state would not be finite; nothing has been updated.
class UpdateOverflow : public std::overflow_error {
 public:
  UpdateOverflow() : std::overflow_error("the update overflows") {}
};

// All may throw NetworkBusy, those that update the network NetworkRead.

// The loss and its gradient, laid out as theta. Where the loss is not finite it returns infinity, and where it is
// interrupted NaN; the gradient is then invalid.
template <class T>
double value_and_gradient(Network<T>& network, const Batch<T>& batch, T* gradient, int threads,
                          const Interrupt& interrupt);

// Returns the loss before the update. Where it is not finite, nothing is updated and NaN is returned. Throws
// UpdateOverflow. With `check_finite`, for which the rows of x must have no gaps, values of x that are not finite count
// as such a loss. Where it is interrupted, the update was done as a whole or not at all.
template <class T>
double train_step(Network<T>& network, const Batch<T>& batch, const Optimizer& optimizer, int threads,
                  bool check_finite, const Interrupt& interrupt);

// One update along a gradient, laid out as theta, of samples of that total weight. Throws UpdateOverflow.
template <class T>
void descend(Network<T>& network, const T* gradient, const Optimizer& optimizer, double total_weight);

}  // namespace deltarule
