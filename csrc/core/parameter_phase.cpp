#include "parameter_phase.hpp"

#include <cmath>
#include <numeric>

#include "loss.hpp"

namespace deltarule {

template <class T>
void add_penalty(Network<T>& network, int64_t t, const StepState<T>& state) {
  if (!state.penalizes) return;
  const ParameterTile& tile = network.plan.tiles[t];
  network.workspace.tile_sums[network.plan.tiles.size() + t] =
      tile.is_bias ? 0.0 : tile_square(network.theta, tile, network.theta.values());
}

// The factor of the whole gradient by which its norm is at most max_norm; NaN where the norm is not finite.
template <class T>
static Clipping clipping(const Network<T>& network, double max_norm) {
  const std::vector<double>& sums = network.workspace.tile_sums;
  const std::vector<ParameterTile>& tiles = network.plan.tiles;
  const auto n_tiles = static_cast<int64_t>(tiles.size());
  double scale = 1.0, squares = std::accumulate(sums.begin(), sums.begin() + n_tiles, 0.0);
  if (!std::isfinite(squares)) {  // with this scale the squares of every finite gradient have a finite sum
    scale = 0x1p-600, squares = 0.0;
    for (const ParameterTile& tile : tiles)
      squares += tile_square(network.theta, tile, network.workspace.gradient.get(), scale);
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return {NAN, NAN};
  if (!(norm > max_norm * scale)) return {};
  return {max_norm * scale / norm, std::sqrt(max_norm * scale) / std::sqrt(norm)};
}

template <class T>
bool descend_tiles(Network<T>& network, const TeamThread& team, double max_norm, const Update<T>& update,
                   StepState<T>& state) {
  const Clipping clip = state.clips ? clipping(network, max_norm) : Clipping{};
  if (std::isnan(clip.factor)) return state.overflow.store(true), false;
  T* gradient = network.workspace.gradient.get();
  const auto tiles = static_cast<int64_t>(network.plan.tiles.size());
  for (int64_t t; (t = team.take(state.next_descent_tile)) < tiles;) {
    const ParameterTile& tile = network.plan.tiles[t];
    add_penalty(network, t, state);
    if (clip.factor != 1.0) scale_tile(network.theta, tile, clip, gradient);
    if (!tile_descent(network.theta, tile, update, gradient)) state.overflow.store(true);
  }
  return true;
}

template <class T>
ParameterPhase<T>::ParameterPhase(Network<T>& network, const TeamThread& team, const Batch<T>& batch, bool is_last,
                                  const Optimizer* optimizer, StepState<T>& state)
    : network_(network), team_(team), batch_(batch), is_last_(is_last), optimizer_(optimizer), state_(state) {
  if (team.rank() == 0) {
    state.next_row_tile.store(0);
    if (is_last) state.loss_sum = weighted_sum(batch, network.workspace.row_loss.get());
  }
  if (!optimizer || !is_last) return;
  update_.emplace(*optimizer, total_weight(batch), network.optimizer_state);
  comes_after_ = state.clips || updates_after_gradient(network.theta.count(), batch.rows, team.size());
}

template <class T>
StepEnd ParameterPhase<T>::finish() {
  bool finite = true;
  if (comes_after_) {
    team_.wait();  // the gradient is whole
    if (state_.gradient_broken_off.load()) return StepEnd::interrupted;
    finite = descend_tiles(network_, team_, optimizer_->max_norm, *update_, state_);
  }
  if (team_.rank() == 0) {
    if (is_last_) state_.end_step(batch_.rows);
    state_.poll();
  }
  team_.wait();
  if (team_.rank() == 0 && update_ && finite) {
    if (optimizer_->kind == Optimizer::Kind::adam) ++network_.optimizer_state.steps;
    const std::vector<double>& sums = network_.workspace.tile_sums;
    if (state_.penalizes)
      state_.loss_sum +=
          optimizer_->weight_decay / 2.0 * std::accumulate(sums.begin() + network_.plan.tiles.size(), sums.end(), 0.0);
  }
  if (!finite) return StepEnd::diverged;
  if (state_.gradient_broken_off.load()) return StepEnd::interrupted;
  return is_last_ || !state_.stop.load() ? StepEnd::complete : StepEnd::interrupted;
}

#define DELTARULE_INSTANTIATE(T)                                                                        \
  template void add_penalty(Network<T>&, int64_t, const StepState<T>&);                                 \
  template bool descend_tiles(Network<T>&, const TeamThread&, double, const Update<T>&, StepState<T>&); \
  template class ParameterPhase<T>;
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
