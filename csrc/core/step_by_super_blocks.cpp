// The step of a batch of many rows on few parameters: each thread takes whole super-blocks, with values and a gradient
// of their own; the gradients are summed in the order of the super-blocks, as many at a time as there is room for.
#include <algorithm>
#include <cmath>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "magnitudes.hpp"
#include "parameter_phase.hpp"
#include "step.hpp"

namespace deltarule {

// Forward pass, loss, delta recursion and gradient of a super-block, in the memory of this thread. Returns the largest
// loss of a row.
template <class T>
static double super_block(Network<T>& network, const TeamThread& team, const Batch<T>& block, double scale,
                          StepState<T>& state, double* row_loss, T* gradient) {
  const Architecture& architecture = network.architecture;
  const Plan& plan = network.plan;
  LayerValues<T>& values = network.workspace.thread_values[static_cast<size_t>(team.rank())];
  T* scratch = network.workspace.tile_scratch.get() + plan.tile_elements * team.rank();
  double largest = 0.0;
  for (int64_t first = 0; first < block.rows; first += plan.row_tile) {
    const int64_t last = std::min(first + plan.row_tile, block.rows);
    if (state.check_finite && !is_finite(block, first, last)) return INFINITY;
    forward(architecture, network.theta, block, first, last, values);
    largest = std::max(largest, loss_and_delta(architecture, block, first, last, scale, values, row_loss));
    backward(architecture, network.theta, block, first, last, values);
    if (state.guarded_update) state.magnitudes.fetch_add(magnitudes(architecture, block, first, last, values));
  }
  for (const ParameterTile& tile : plan.tiles)
    tile_gradient(network.theta, tile, block, 0, block.rows, values, values, false, scratch, gradient);
  return largest;
}

// The gradient of the parameters that this thread takes: the sum of those of the super-blocks, in order, added to the
// one so far; then the update along it, unless there is none.
template <class T>
static void add_gradients(Network<T>& network, const TeamThread& team, int64_t blocks, bool is_first,
                          const Update<T>* update, StepState<T>& state) {
  const Plan& plan = network.plan;
  Parameters<T>& theta = network.theta;
  Workspace<T>& work = network.workspace;
  const auto tiles = static_cast<int64_t>(plan.tiles.size());
  for (int64_t t; (t = team.take(state.next_parameter_tile)) < tiles;) {
    const ParameterTile& tile = plan.tiles[t];
    const int64_t columns = padded<T>(tile.columns());
    for (int64_t i = tile.first; i < tile.last; ++i) {
      const int64_t row = theta.row_offset(tile, i);
      T* G = work.gradient.get() + row;
      if (is_first) std::copy_n(work.partial_gradients.get() + row, columns, G);
      for (int64_t b = is_first ? 1 : 0; b < blocks; ++b) {
        const T* partial = work.partial_gradients.get() + b * theta.storage() + row;
        for (int64_t j = 0; j < columns; ++j) G[j] += partial[j];
      }
    }
    if (state.clips && !update) work.tile_sums[t] = tile_square(theta, tile, work.gradient.get());
    if (!update) continue;
    add_penalty(network, t, state);
    if (!tile_descent(theta, tile, *update, work.gradient.get())) state.overflow.store(true);
  }
}

template <class T>
StepEnd step_by_super_blocks(Network<T>& network, const TeamThread& team, const Batch<T>& batch,
                             const Optimizer* optimizer, StepState<T>& state) {
  Workspace<T>& work = network.workspace;
  const double scale = reduction_scale(network.architecture, total_weight(batch));
  const int64_t blocks = (batch.rows + kSuperBlock - 1) / kSuperBlock;
  for (int64_t first = 0; first < blocks; first += work.n_partial_gradients) {
    const int64_t count = std::min(work.n_partial_gradients, blocks - first);
    const bool is_last = first + count == blocks;
    if (team.rank() == 0) state.reset_parameter_tiles();
    for (int64_t b; (b = team.take(state.next_row_tile)) < count;) {
      const int64_t row = (first + b) * kSuperBlock, end = std::min(row + kSuperBlock, batch.rows);
      state.add_loss(super_block(network, team, batch.slice(row, end), scale, state, work.row_loss.get() + row,
                                 work.partial_gradients.get() + b * network.theta.storage()));
    }
    team.wait();
    if (const StepEnd end = end_of_rows(network, batch, is_last, state); end != StepEnd::complete) return end;
    ParameterPhase<T> phase(network, team, batch, is_last, optimizer, state);
    add_gradients(network, team, count, first == 0, phase.update(), state);
    if (const StepEnd end = phase.finish(); end != StepEnd::complete) return end;
  }
  return StepEnd::complete;
}

template StepEnd step_by_super_blocks(Network<float>&, const TeamThread&, const Batch<float>&, const Optimizer*,
                                      StepState<float>&);
template StepEnd step_by_super_blocks(Network<double>&, const TeamThread&, const Batch<double>&, const Optimizer*,
                                      StepState<double>&);

}  // namespace deltarule
