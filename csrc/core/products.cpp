// Products with theta's derivatives, summed over the rows: J^T u, H v, and the Gauss-Newton part of H v. In two phases,
// as a step of training: rows, then parameters.
#include <algorithm>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "step.hpp"
#include "tangents.hpp"

namespace deltarule {

template <class T>
void Network<T>::reserve_product(const ThetaProduct<T>& call, int threads) {
  const int64_t chunk_rows = std::min(call.batch.rows, plan_.chunk_rows);
  reserve_state(chunk_rows, false);
  reserve_scratch(call.batch.rows, threads);
  if (!gradient_) gradient_ = make_buffer<T>(theta_.storage());
  if (!call.v) return;
  if (!tangents_ || tangents_->rows() < chunk_rows) {
    tangents_.reset();
    tangents_ = std::make_unique<Activations<T>>(architecture_, chunk_rows, false, true);
  }
  if (!theta_dot_) theta_dot_ = std::make_unique<Parameters<T>>(architecture_);
  theta_dot_->from_theta(call.v, theta_dot_->values());
  if (call.of == ThetaProduct<T>::Of::hessian) theta_dot_->refresh_copies();
}

// delta and what the product needs besides, rows [first, last) of the chunk.
template <class T>
void Network<T>::product_rows(const ThetaProduct<T>& call, const Batch<T>& chunk, int64_t first, int64_t last,
                              double scale, T* scratch, double* row_loss, const BreakOff& breaks_off) {
  using Of = typename ThetaProduct<T>::Of;
  const int64_t rows = last - first, L = architecture_.layers(), n = architecture_.n_outputs(), ld = state_->ld(L);
  const OutputLoss<T> f = output_loss<T>(architecture_);
  const Batch<T> tile = chunk.slice(first, last);
  T* z = state_->z(L, first);
  forward(architecture_, theta_, chunk, first, last, *state_, breaks_off);
  if (call.of == Of::output) {
    T* delta = state_->delta(L, first);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(tile.y.values + r * n, n, delta + r * ld);
    kernels<T>().output_jacobian(f.layer, rows, n, z, delta, ld);
    return backward(architecture_, theta_, chunk, first, last, *state_, breaks_off);
  }
  const bool gauss_newton = call.of == Of::gauss_newton;
  T* delta_dot = tangents_->delta(L, first);
  forward_tangents(architecture_, theta_, chunk, first, last, theta_dot_.get(), nullptr, *state_, *tangents_,
                   breaks_off);
  std::copy_n(tangents_->z(L, first), rows * ld, delta_dot);
  kernels<T>().loss_curvature(f, rows, n, z, delta_dot, ld, tile.y, tile.weight, scale, gauss_newton, scratch);
  if (!gauss_newton) loss_and_delta(architecture_, chunk, first, last, scale, *state_, row_loss);
  backward_tangents(architecture_, theta_, first, last, gauss_newton ? nullptr : theta_dot_.get(), *state_, *tangents_,
                    breaks_off);
}

// The chunk's part of a tile of the product, on top of what came before: delta a^T; or delta_dot a^T and, of H v, delta
// a_dot^T, where a_dot[0] is 0.
template <class T>
void Network<T>::product_tile(const ThetaProduct<T>& call, const ParameterTile& tile, const Batch<T>& chunk,
                              bool is_first, T* scratch) {
  using Of = typename ThetaProduct<T>::Of;
  T* G = gradient_.get();
  for (int64_t s = 0; s < chunk.rows; s += kSuperBlock) {
    const int64_t end = std::min(s + kSuperBlock, chunk.rows);
    tile_gradient(theta_, tile, chunk, s, end, *state_, call.of == Of::output ? *state_ : *tangents_,
                  !is_first || s > 0, scratch, G);
    if (call.of == Of::hessian && tile.l > 1 && !tile.is_bias)
      tile_gradient(theta_, tile, chunk, s, end, *tangents_, *state_, true, scratch, G);
  }
}

template <class T>
PassEnd Network<T>::theta_product(const ThetaProduct<T>& call, int threads, const Interrupt& interrupt) {
  using Of = typename ThetaProduct<T>::Of;
  const Reading use(lock_);
  const Turn turn(turns_);
  const Batch<T>& batch = call.batch;
  const double work = training_work(architecture_) * static_cast<double>(batch.rows) * (call.of == Of::output ? 1 : 2);
  const TimedTeam timed(theta_products_, team_size(work, threads), batch.rows);
  const int64_t ld = row_stride<T>(architecture_.n_outputs());
  reserve_product(call, timed.size());
  const Buffer<T> scratch = make_buffer<T>(3 * ld * timed.size());
  const double scale = reduction_scale(architecture_, total_weight(batch));
  const auto parameter_tiles = static_cast<int64_t>(plan_.tiles.size());
  Shared shared;
  shared.caller.emplace(interrupt);
  run_team(timed.size(), [&](const Member& team) {
    const BreakOff breaks_rows_off = shared.break_off(team, shared.rows_broken_off);
    const BreakOff breaks_gradient_off = shared.break_off(team, shared.gradient_broken_off);
    for (int64_t first = 0; first < batch.rows; first += plan_.chunk_rows) {
      const Batch<T> chunk = batch.slice(first, std::min(first + plan_.chunk_rows, batch.rows));
      const int64_t tiles = row_tiles(plan_, chunk.rows, team.size());
      if (team.rank() == 0) shared.reset_parameter_tiles();
      for (int64_t t; (t = team.take(shared.next_row_tile)) < tiles && !breaks_rows_off();) {
        const int64_t r = chunk.rows * t / tiles, end = chunk.rows * (t + 1) / tiles;
        if (r < end)
          product_rows(call, chunk, r, end, scale, scratch.get() + 3 * ld * team.rank(), row_loss_.get() + first,
                       breaks_rows_off);
      }
      team.wait();
      if (shared.rows_broken_off.load()) return;
      if (team.rank() == 0) shared.next_row_tile.store(0);
      for (int64_t t; (t = team.take(shared.next_parameter_tile)) < parameter_tiles && !breaks_gradient_off();)
        product_tile(call, plan_.tiles[t], chunk, first == 0, tile_scratch_.get() + plan_.tile_elements * team.rank());
      team.wait();
      if (shared.gradient_broken_off.load()) return;
    }
  });
  if (shared.is_broken_off()) return PassEnd::interrupted;
  theta_.to_theta(gradient_.get(), call.product, shared.break_off(Member(0, 1, nullptr), shared.stop));
  if (shared.stop.load()) return PassEnd::interrupted;
  return kernels<T>().all_finite(theta_.count(), call.product) ? PassEnd::complete : PassEnd::diverged;
}

template class Network<float>;
template class Network<double>;

}  // namespace deltarule
