// The step of the notes. Rows first: forward pass, loss, delta recursion; then parameters: gradient and update. A batch
// is taken in chunks of rows whose activations and deltas are kept at a time; the update comes with the last one.
#include "step.hpp"

#include <algorithm>
#include <cmath>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "magnitudes.hpp"
#include "parameter_phase.hpp"

namespace deltarule {

// Forward pass, loss and delta recursion of the rows that this thread takes. Returns the largest loss of a row.
template <class T>
static double propagate(Network<T>& network, const TeamThread& team, const Batch<T>& chunk, double scale,
                        StepState<T>& state, double* row_loss) {
  if (cuts_columns<T>(network.plan, chunk.rows, team.size()))
    return propagate_by_columns(network, team, chunk, scale, state, row_loss);
  const Architecture& architecture = network.architecture;
  LayerValues<T>& values = *network.workspace.values;
  double largest = 0.0;
  const BreakOff breaks_off = state.break_off(team, state.rows_broken_off);
  const int64_t tiles = row_tiles(network.plan, chunk.rows, team.size());
  for (int64_t t; (t = team.take(state.next_row_tile)) < tiles && !breaks_off();) {
    const int64_t first = chunk.rows * t / tiles, last = chunk.rows * (t + 1) / tiles;
    if (first == last) continue;
    if (state.check_finite && !is_finite(chunk, first, last)) return INFINITY;
    forward(architecture, network.theta, chunk, first, last, values, breaks_off);
    if (breaks_off()) break;
    largest = std::max(largest, loss_and_delta(architecture, chunk, first, last, scale, values, row_loss));
    backward(architecture, network.theta, chunk, first, last, values, breaks_off);
    if (state.guarded_update) state.magnitudes.fetch_add(magnitudes(architecture, chunk, first, last, values));
  }
  return largest;
}

// The gradient of the parameters that this thread takes over the chunk, super-block by super-block, added to that of
// the chunks before; with the batch's last super-block the update along it, unless there is none.
template <class T>
static void add_gradient(Network<T>& network, const TeamThread& team, const Batch<T>& chunk, bool is_first,
                         const Update<T>* update, StepState<T>& state) {
  const Plan& plan = network.plan;
  Workspace<T>& work = network.workspace;
  T* scratch = work.tile_scratch.get() + plan.tile_elements * team.rank();
  const auto tiles = static_cast<int64_t>(plan.tiles.size());
  const BreakOff breaks_off = update ? BreakOff() : state.break_off(team, state.gradient_broken_off);
  for (int64_t t; (t = team.take(state.next_parameter_tile)) < tiles && !breaks_off();) {
    const ParameterTile& tile = plan.tiles[t];
    if (update) add_penalty(network, t, state);
    for (int64_t s = 0; s < chunk.rows; s += kSuperBlock) {
      const int64_t end = std::min(s + kSuperBlock, chunk.rows);
      T* so_far = is_first && s == 0 ? nullptr : work.gradient.get();
      if (!update || end < chunk.rows)
        tile_gradient(network.theta, tile, chunk, s, end, *work.values, *work.values, so_far != nullptr, scratch,
                      work.gradient.get());
      else if (!tile_descent(network.theta, tile, chunk, s, end, *work.values, *update, scratch, so_far))
        state.overflow.store(true);
    }
    if (state.clips && !update) work.tile_sums[t] = tile_square(network.theta, tile, work.gradient.get());
  }
}

template <class T>
StepEnd step(Network<T>& network, const TeamThread& team, const Batch<T>& batch, const Optimizer* optimizer,
             StepState<T>& state) {
  if (network.workspace.by_super_blocks) return step_by_super_blocks(network, team, batch, optimizer, state);
  const double scale = reduction_scale(network.architecture, total_weight(batch));
  for (int64_t first = 0; first < batch.rows; first += network.plan.chunk_rows) {
    const int64_t last = std::min(first + network.plan.chunk_rows, batch.rows);
    const Batch<T> chunk = batch.slice(first, last);
    const bool is_last = last == batch.rows;
    if (team.rank() == 0) state.reset_parameter_tiles();
    state.add_loss(propagate(network, team, chunk, scale, state, network.workspace.row_loss.get() + first));
    team.wait();
    if (const StepEnd end = end_of_rows(network, batch, is_last, state); end != StepEnd::complete) return end;
    ParameterPhase<T> phase(network, team, batch, is_last, optimizer, state);
    add_gradient(network, team, chunk, first == 0, phase.update(), state);
    if (const StepEnd end = phase.finish(); end != StepEnd::complete) return end;
  }
  return StepEnd::complete;
}

template <class T>
StepEnd end_of_rows(const Network<T>& network, const Batch<T>& batch, bool is_last, StepState<T>& state) {
  if (state.diverged.load()) return StepEnd::diverged;
  if (state.rows_broken_off.load()) return StepEnd::interrupted;
  if (is_last && state.largest_loss.load() * std::max(total_weight(batch), 1.0) >= 0x1p1000 &&
      !std::isfinite(weighted_sum(batch, network.workspace.row_loss.get())))
    return state.diverged.store(true), StepEnd::diverged;
  return state.may_overflow() ? StepEnd::may_overflow : StepEnd::complete;
}

#define DELTARULE_INSTANTIATE(T)                                                                           \
  template StepEnd step(Network<T>&, const TeamThread&, const Batch<T>&, const Optimizer*, StepState<T>&); \
  template StepEnd end_of_rows(const Network<T>&, const Batch<T>&, bool, StepState<T>&);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
