// The loss of each row, delta[L] = dL/dz[L], and the sum over the rows.
#pragma once

#include "architecture.hpp"
#include "batch.hpp"
#include "output.hpp"
#include "layer_values.hpp"

namespace deltarule {

// Sum of the weights of the batch: the divisor of the mean.
template <class T>
double total_weight(const Batch<T>& batch);

// The factor 1/N of the mean, 1 for the sum. A batch whose weights are all 0 contributes nothing.
inline double reduction_scale(const Architecture& architecture, double total) {
  if (!architecture.mean) return 1.0;
  return total > 0.0 ? 1.0 / total : 0.0;
}

// Rows [first, last) of the chunk after forward(): row_loss (unweighted) and delta[L], scaled.
// Returns the largest loss; NaN counts as infinite.
template <class T>
double loss_and_delta(const Architecture& architecture, const Batch<T>& chunk, int64_t first, int64_t last,
                      double scale, LayerValues<T>& state, double* row_loss);

// sum_r weight_r row_loss_r in the order of the contract: chains of kRowBlock rows from 0, summed in order
// within a super-block, super-blocks summed in order.
template <class T>
double weighted_sum(const Batch<T>& batch, const double* row_loss);

}  // namespace deltarule
