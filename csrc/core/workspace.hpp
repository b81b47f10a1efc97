// The memory of the passes that train, reserved before a parallel region and kept from call to call.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "architecture.hpp"
#include "layer_values.hpp"
#include "parameters.hpp"
#include "plan.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

template <class T>
struct Workspace {
  // By rows: what the forward pass leaves for the backward pass. A chunk for the whole team; or, where the step goes by
  // super-blocks, one super-block per thread.
  std::unique_ptr<LayerValues<T>> values;
  std::vector<LayerValues<T>> thread_values;
  bool by_super_blocks = false;  // of the two, the one that was reserved last
  Buffer<double> row_loss;       // unweighted, of each row of the batch

  // By parameters; gradients are laid out as theta's values.
  Buffer<T> gradient;               // so far, or the one to return
  Buffer<T> partial_gradients;      // of super-blocks
  int64_t n_partial_gradients = 0;  // how many there is room for
  Buffer<T> tile_scratch;           // the gradient of one parameter tile per thread
  std::vector<double> tile_sums;    // per parameter tile: |gradient|^2, then |W|^2

  // Of products with derivatives by theta.
  std::unique_ptr<LayerValues<T>> tangents;
  std::unique_ptr<Parameters<T>> theta_dot;

  // A step on that many rows by that many threads.
  void reserve_step(const Architecture& architecture, const Plan& plan, const Parameters<T>& theta, int64_t rows,
                    int threads, bool dropout);
  void reserve_values(const Architecture& architecture, int64_t rows, bool dropout);
  void reserve_gradient(const Parameters<T>& theta);
  void reserve_scratch(const Plan& plan, int64_t rows, int threads);
  // H v or its Gauss-Newton part of a chunk of that many rows.
  void reserve_tangents(const Architecture& architecture, int64_t rows);

 private:
  void reserve_super_blocks(const Architecture& architecture, const Plan& plan, const Parameters<T>& theta,
                            int64_t rows, int threads, bool dropout);

  int64_t row_loss_size_ = 0;
  int tile_scratch_threads_ = 0;
};

}  // namespace deltarule
