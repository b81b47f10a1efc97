// One mini-batch in two phases: forward, loss and delta by rows; gradient and update by parameters.
#include "step.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"

namespace deltarule {

template <class T>
void Network<T>::reserve(int64_t rows, int threads, bool drops) {
  by_super_blocks_ = goes_by_super_blocks(plan_, rows, threads);
  if (by_super_blocks_)
    reserve_super_blocks(rows, threads, drops);
  else
    reserve_state(std::min(rows, plan_.chunk_rows), drops);
  reserve_scratch(rows, threads);
  if ((rows > kSuperBlock || updates_apart(rows, 1)) && !gradient_) gradient_ = make_buffer<T>(theta_.storage());
}

// Whether the gradient comes first and the update along it after: where the two in one would take so long that nobody
// should wait for its end, as it cannot be broken off.
template <class T>
bool Network<T>::updates_apart(int64_t rows, int team) const {
  constexpr double kLong = 1e10;  // floating-point operations of a member
  const auto last_rows = static_cast<double>(std::min(rows, kSuperBlock));
  return 2.0 * last_rows * static_cast<double>(theta_.count()) > kLong * team;
}

template <class T>
void Network<T>::reserve_state(int64_t rows, bool drops) {
  if (state_ && state_->rows() >= rows && (state_->drops() || !drops)) return;
  state_.reset();  // before the larger one: the two need not live together
  state_ = std::make_unique<Activations<T>>(architecture_, rows, drops);
}

template <class T>
void Network<T>::reserve_scratch(int64_t rows, int threads) {
  if (row_loss_size_ < rows) {
    row_loss_ = make_buffer<double>(rows);
    row_loss_size_ = rows;
  }
  if (tile_scratch_threads_ < threads) {
    tile_scratch_ = make_buffer<T>(plan_.tile_elements * threads);
    tile_scratch_threads_ = threads;
  }
}

template <class T>
void Network<T>::reserve_super_blocks(int64_t rows, int threads, bool drops) {
  if (drops && !member_states_.empty() && !member_states_[0].drops()) member_states_.clear();
  while (member_states_.size() < static_cast<size_t>(threads))
    member_states_.emplace_back(architecture_, kSuperBlock, drops);
  const int64_t blocks = std::min(plan_.partial_gradients, (rows + kSuperBlock - 1) / kSuperBlock);
  if (partial_gradients_room_ >= blocks) return;
  partial_gradients_ = make_buffer<T>(blocks * theta_.storage());
  partial_gradients_room_ = blocks;
}

template <class T>
void Network<T>::reserve_for(const Optimizer& optimizer) {
  memory_.prepare(optimizer, theta_.storage());
  if (optimizer.max_norm > 0.0 && !gradient_) gradient_ = make_buffer<T>(theta_.storage());
  tile_sums_.resize(2 * plan_.tiles.size());
}

// Whether rows [first, last) of x are, where they lie without gaps.
template <class T>
static bool is_finite(const Batch<T>& chunk, int64_t first, int64_t last) {
  return kernels<T>().all_finite((last - first) * chunk.x.stride, chunk.x.data + first * chunk.x.stride);
}

// Adds |a[0]| .. |a[L-1]|, the 1 that the biases have, and |delta[1]| .. |delta[L]| of rows [first, last) to the sum
// that foresees an overflow; what else the state holds of these rows may be added, too.
template <class T>
void Network<T>::sum_magnitudes(const Batch<T>& chunk, int64_t first, int64_t last, Activations<T>& state,
                                Shared& shared) const {
  const int64_t rows = last - first, n_in = architecture_.n_inputs();
  const InputRows<T> x = chunk.slice(first, last).x;
  double sum = static_cast<double>(rows);
  if (x.stride == n_in)
    sum += kernels<T>().magnitude(rows * n_in, x.data);
  else
    for (int64_t r = 0; r < rows; ++r) sum += kernels<T>().magnitude(n_in, x.data + r * x.stride);
  if (rows == state.rows()) {
    sum += kernels<T>().magnitude(state.elements(), state.data());
  } else {
    for (int64_t l = 1; l <= architecture_.layers(); ++l) {
      sum += kernels<T>().magnitude(rows * state.ld(l), state.delta(l, first));
      if (l < architecture_.layers()) sum += kernels<T>().magnitude(rows * state.ld(l), state.a(l, first));
    }
  }
  shared.magnitudes.fetch_add(sum);
}

// Forward, loss and delta recursion of the rows that this member takes. Returns the largest loss of a row.
template <class T>
double Network<T>::row_phase(const Member& team, const Batch<T>& chunk, double scale, Shared& shared,
                             double* row_loss) {
  if (cuts_columns<T>(plan_, chunk.rows, team.size()))
    return row_phase_by_columns(team, chunk, scale, shared, row_loss);
  double largest = 0.0;
  const BreakOff breaks_off = shared.break_off(team, shared.rows_broken_off);
  const int64_t tiles = row_tiles(plan_, chunk.rows, team.size());
  for (int64_t t; (t = team.take(shared.next_row_tile)) < tiles && !breaks_off();) {
    const int64_t r = chunk.rows * t / tiles, end = chunk.rows * (t + 1) / tiles;
    if (r == end) continue;
    if (shared.looks && !is_finite(chunk, r, end)) return INFINITY;
    forward(architecture_, theta_, chunk, r, end, *state_, breaks_off);
    if (breaks_off()) break;
    largest = std::max(largest, loss_and_delta(architecture_, chunk, r, end, scale, *state_, row_loss));
    backward(architecture_, theta_, chunk, r, end, *state_, breaks_off);
    if (shared.foreseen) sum_magnitudes(chunk, r, end, *state_, shared);
  }
  return largest;
}

// The same for a few rows: each member takes columns of every layer, and some rows of the loss.
template <class T>
double Network<T>::row_phase_by_columns(const Member& team, const Batch<T>& chunk, double scale, Shared& shared,
                                        double* row_loss) {
  const int64_t L = architecture_.layers();
  const auto columns = [&](int64_t l) { return team.share(padded<T>(architecture_.sizes[l]), kColumns<T>); };
  InputRows<T> below = chunk.x;
  for (int64_t l = 1; l <= L; ++l) {
    const auto [left, right] = columns(l);
    T* a = state_->a(l, 0);
    forward_layer(architecture_, theta_, l, chunk.rows, below, left, right, state_->z(l, 0), a, state_->ld(l));
    if (chunk.dropout && l < L) chunk.dropout.apply(l, 0, chunk.rows, left, right, a, state_->fed(l, 0), state_->ld(l));
    team.wait();
    below = {state_->fed(l, 0), state_->ld(l), nullptr};
  }
  const auto [first, last] = team.share(chunk.rows, 1);
  double largest = loss_and_delta(architecture_, chunk, first, last, scale, *state_, row_loss);
  if (shared.looks && !is_finite(chunk, first, last)) largest = INFINITY;
  for (int64_t l = L - 1; l >= 1; --l) {
    team.wait();
    const auto [left, right] = columns(l);
    backward_layer(architecture_, theta_, l, chunk, 0, chunk.rows, left, right, *state_);
  }
  if (shared.foreseen) {
    team.wait();
    if (team.rank() == 0) sum_magnitudes(chunk, 0, chunk.rows, *state_, shared);
  }
  return largest;
}

// The gradient of the parameters that this member takes over the chunk, super-block by super-block, on top of what
// came before; and with the batch's last one the update along it, unless there is none.
template <class T>
void Network<T>::parameter_phase(const Member& team, const Batch<T>& chunk, bool is_first, const Update<T>* update,
                                 Shared& shared) {
  T* scratch = tile_scratch_.get() + plan_.tile_elements * team.rank();
  const int64_t tiles = static_cast<int64_t>(plan_.tiles.size());
  const BreakOff breaks_off = update ? BreakOff() : shared.break_off(team, shared.gradient_broken_off);
  for (int64_t t; (t = team.take(shared.next_parameter_tile)) < tiles && !breaks_off();) {
    const ParameterTile& tile = plan_.tiles[t];
    if (update) note_penalty(t, shared);
    for (int64_t s = 0; s < chunk.rows; s += kSuperBlock) {
      const int64_t end = std::min(s + kSuperBlock, chunk.rows);
      T* so_far = is_first && s == 0 ? nullptr : gradient_.get();
      if (!update || end < chunk.rows)
        tile_gradient(theta_, tile, chunk, s, end, *state_, *state_, so_far != nullptr, scratch, gradient_.get());
      else if (!tile_descent(theta_, tile, chunk, s, end, *state_, *update, scratch, so_far))
        shared.overflow.store(true);
    }
    if (shared.clips && !update) tile_sums_[t] = tile_square(theta_, tile, gradient_.get());
  }
}

// Whether the losses of the rows, all of them finite, have a finite sum: the same for every member.
template <class T>
bool Network<T>::has_sum(const Batch<T>& batch, const Shared& shared) const {
  const double weight = std::max(total_weight(batch), 1.0);
  if (shared.largest_loss.load() * weight < 0x1p1000) return true;
  return std::isfinite(weighted_sum(batch, row_loss_.get()));
}

// |W|^2 of a tile before it is updated, where that is part of the loss.
template <class T>
void Network<T>::note_penalty(int64_t t, const Shared& shared) {
  const ParameterTile& tile = plan_.tiles[t];
  if (shared.penalizes)
    tile_sums_[plan_.tiles.size() + t] = tile.is_bias ? 0.0 : tile_square(theta_, tile, theta_.values());
}

// What the gradient of the batch, whole, is multiplied by, so that its norm is at most max_norm; NaN where it has none.
template <class T>
Clipping Network<T>::clipping(double max_norm) const {
  const auto tiles = static_cast<int64_t>(plan_.tiles.size());
  double scale = 1.0, squares = std::accumulate(tile_sums_.begin(), tile_sums_.begin() + tiles, 0.0);
  if (!std::isfinite(squares)) {  // scaled, those of every finite gradient are
    scale = 0x1p-600, squares = 0.0;
    for (int64_t t = 0; t < tiles; ++t) squares += tile_square(theta_, plan_.tiles[t], gradient_.get(), scale);
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) return {NAN, NAN};
  if (!(norm > max_norm * scale)) return {};
  return {max_norm * scale / norm, std::sqrt(max_norm * scale) / std::sqrt(norm)};
}

// The update along the gradient of the batch, whole, clipped where the optimizer does. Returns whether the gradient has
// a norm: the same for every member.
template <class T>
bool Network<T>::descent(const Member& team, double max_norm, const Update<T>& update, Shared& shared) {
  const Clipping clip = shared.clips ? clipping(max_norm) : Clipping{};
  if (std::isnan(clip.factor)) return shared.overflow.store(true), false;
  const auto tiles = static_cast<int64_t>(plan_.tiles.size());
  for (int64_t t; (t = team.take(shared.next_descent_tile)) < tiles;) {
    const ParameterTile& tile = plan_.tiles[t];
    note_penalty(t, shared);
    if (clip.factor != 1.0) scale_tile(theta_, tile, clip, gradient_.get());
    if (!tile_descent(theta_, tile, update, gradient_.get())) shared.overflow.store(true);
  }
  return true;
}

// What follows a chunk's rows: its part of the gradient, and with the last chunk the loss and the update. Returns
// `complete` where the step goes on. After the barrier here a member may be in the next step's rows, which may set
// `diverged`: each goes by what it has found itself.
template <class T>
template <class Gradient>
auto Network<T>::finish_chunk(const Member& team, const Batch<T>& batch, bool is_last, Shared& shared,
                              const Optimizer* optimizer, Gradient add_gradient) -> StepEnd {
  bool finite = true;
  if (team.rank() == 0) {
    shared.next_row_tile.store(0);
    if (is_last) shared.loss_sum = weighted_sum(batch, row_loss_.get());
  }
  if (optimizer && is_last) {
    const Update<T> update(*optimizer, total_weight(batch), memory_);
    const bool is_apart = shared.clips || updates_apart(batch.rows, team.size());
    add_gradient(is_apart ? nullptr : &update);
    if (is_apart) {
      team.wait();  // the gradient is whole
      if (shared.gradient_broken_off.load()) return StepEnd::interrupted;
      finite = descent(team, optimizer->max_norm, update, shared);
    }
  } else {
    add_gradient(nullptr);
  }
  if (team.rank() == 0) {
    if (is_last) shared.time_step(batch.rows);
    shared.poll();
    if (is_last) shared.end_step();
  }
  team.wait();
  if (team.rank() == 0 && optimizer && is_last && finite) {
    if (optimizer->kind == Optimizer::Kind::adam) ++memory_.steps;
    if (shared.penalizes)
      shared.loss_sum += optimizer->weight_decay / 2.0 *
                         std::accumulate(tile_sums_.begin() + plan_.tiles.size(), tile_sums_.end(), 0.0);
  }
  if (!finite) return StepEnd::diverged;
  if (shared.gradient_broken_off.load()) return StepEnd::interrupted;
  return is_last || !shared.stop.load() ? StepEnd::complete : StepEnd::interrupted;
}

// One mini-batch: rows, then parameters, chunk by chunk. Nothing is updated unless it completes; without an optimizer
// the gradient is left in gradient_.
template <class T>
auto Network<T>::step(const Member& team, const Batch<T>& batch, Shared& shared, const Optimizer* optimizer)
    -> StepEnd {
  if (by_super_blocks_) return step_by_super_blocks(team, batch, shared, optimizer);
  const double scale = reduction_scale(architecture_, total_weight(batch));
  for (int64_t first = 0; first < batch.rows; first += plan_.chunk_rows) {
    const int64_t last = std::min(first + plan_.chunk_rows, batch.rows);
    const Batch<T> chunk = batch.slice(first, last);
    if (team.rank() == 0) shared.reset_parameter_tiles();
    shared.see(row_phase(team, chunk, scale, shared, row_loss_.get() + first));
    team.wait();
    if (shared.diverged.load()) return StepEnd::diverged;
    if (shared.rows_broken_off.load()) return StepEnd::interrupted;
    if (last == batch.rows && !has_sum(batch, shared)) return shared.diverged.store(true), StepEnd::diverged;
    if (shared.may_overflow()) return StepEnd::may_overflow;
    const auto add_gradient = [&](const Update<T>* update) {
      parameter_phase(team, chunk, first == 0, update, shared);
    };
    const StepEnd end = finish_chunk(team, batch, last == batch.rows, shared, optimizer, add_gradient);
    if (end != StepEnd::complete) return end;
  }
  return StepEnd::complete;
}

// Forward, loss, delta recursion and gradient of a super-block, in memory of this member's. Returns the largest loss
// of a row.
template <class T>
double Network<T>::super_block(const Member& team, const Batch<T>& block, double scale, Shared& shared,
                               double* row_loss, T* gradient) {
  Activations<T>& state = member_states_[static_cast<size_t>(team.rank())];
  T* scratch = tile_scratch_.get() + plan_.tile_elements * team.rank();
  double largest = 0.0;
  for (int64_t r = 0; r < block.rows; r += plan_.row_tile) {
    const int64_t end = std::min(r + plan_.row_tile, block.rows);
    if (shared.looks && !is_finite(block, r, end)) return INFINITY;
    forward(architecture_, theta_, block, r, end, state);
    largest = std::max(largest, loss_and_delta(architecture_, block, r, end, scale, state, row_loss));
    backward(architecture_, theta_, block, r, end, state);
    if (shared.foreseen) sum_magnitudes(block, r, end, state, shared);
  }
  for (const ParameterTile& tile : plan_.tiles)
    tile_gradient(theta_, tile, block, 0, block.rows, state, state, false, scratch, gradient);
  return largest;
}

// The gradient of the parameters that this member takes: those of the super-blocks in order, on top of what came
// before; then the update along it, unless there is none.
template <class T>
void Network<T>::sum_super_blocks(const Member& team, int64_t blocks, bool is_first, const Update<T>* update,
                                  Shared& shared) {
  const int64_t tiles = static_cast<int64_t>(plan_.tiles.size());
  for (int64_t t; (t = team.take(shared.next_parameter_tile)) < tiles;) {
    const ParameterTile& tile = plan_.tiles[t];
    const int64_t columns = padded<T>(tile.columns());
    for (int64_t i = tile.first; i < tile.last; ++i) {
      const int64_t row = theta_.row_offset(tile, i);
      T* G = gradient_.get() + row;
      if (is_first) std::copy_n(partial_gradients_.get() + row, columns, G);
      for (int64_t b = is_first ? 1 : 0; b < blocks; ++b) {
        const T* partial = partial_gradients_.get() + b * theta_.storage() + row;
        for (int64_t j = 0; j < columns; ++j) G[j] += partial[j];
      }
    }
    if (shared.clips && !update) tile_sums_[t] = tile_square(theta_, tile, gradient_.get());
    if (!update) continue;
    note_penalty(t, shared);
    if (!tile_descent(theta_, tile, *update, gradient_.get())) shared.overflow.store(true);
  }
}

// The step of a batch of many rows on few parameters, as many super-blocks at a time as there is room for gradients.
template <class T>
auto Network<T>::step_by_super_blocks(const Member& team, const Batch<T>& batch, Shared& shared,
                                      const Optimizer* optimizer) -> StepEnd {
  const double scale = reduction_scale(architecture_, total_weight(batch));
  const int64_t blocks = (batch.rows + kSuperBlock - 1) / kSuperBlock;
  for (int64_t first = 0; first < blocks; first += partial_gradients_room_) {
    const int64_t count = std::min(partial_gradients_room_, blocks - first);
    if (team.rank() == 0) shared.reset_parameter_tiles();
    for (int64_t b; (b = team.take(shared.next_row_tile)) < count;) {
      const int64_t row = (first + b) * kSuperBlock, end = std::min(row + kSuperBlock, batch.rows);
      shared.see(super_block(team, batch.slice(row, end), scale, shared, row_loss_.get() + row,
                             partial_gradients_.get() + b * theta_.storage()));
    }
    team.wait();
    if (shared.diverged.load()) return StepEnd::diverged;
    if (first + count == blocks && !has_sum(batch, shared)) return shared.diverged.store(true), StepEnd::diverged;
    if (shared.may_overflow()) return StepEnd::may_overflow;
    const auto add_gradient = [&](const Update<T>* update) {
      sum_super_blocks(team, count, first == 0, update, shared);
    };
    const StepEnd end = finish_chunk(team, batch, first + count == blocks, shared, optimizer, add_gradient);
    if (end != StepEnd::complete) return end;
  }
  return StepEnd::complete;
}

template class Network<float>;
template class Network<double>;

}  // namespace deltarule
