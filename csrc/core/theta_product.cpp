// In two phases, as a step of training: rows, then parameters.
#include "theta_product.hpp"

#include <algorithm>

#include "backward.hpp"
#include "forward.hpp"
#include "loss.hpp"
#include "step.hpp"
#include "tangents.hpp"
#include "update.hpp"

namespace deltarule {

template <class T>
static void reserve_product(Network<T>& network, const ThetaProduct<T>& call, int threads) {
  Workspace<T>& work = network.workspace;
  const int64_t chunk_rows = std::min(call.batch.rows, network.plan.chunk_rows);
  work.reserve_values(network.architecture, chunk_rows, false);
  work.reserve_scratch(network.plan, call.batch.rows, threads);
  work.reserve_gradient(network.theta);
  if (!call.v) return;
  work.reserve_tangents(network.architecture, chunk_rows);
  work.theta_dot->from_theta(call.v, work.theta_dot->values());
  if (call.of == ThetaProduct<T>::Of::hessian) work.theta_dot->refresh_copies();
}

// delta, and its tangent where the product needs it, of rows [first, last) of the chunk.
template <class T>
static void product_rows(Network<T>& network, const ThetaProduct<T>& call, const Batch<T>& chunk, int64_t first,
                         int64_t last, double scale, T* scratch, double* row_loss, const BreakOff& breaks_off) {
  using Of = typename ThetaProduct<T>::Of;
  const Architecture& architecture = network.architecture;
  const Parameters<T>& theta = network.theta;
  Workspace<T>& work = network.workspace;
  const int64_t rows = last - first, L = architecture.layers(), n = architecture.n_outputs(), ld = work.values->ld(L);
  const OutputLoss<T> f = output_loss<T>(architecture);
  const Batch<T> tile = chunk.slice(first, last);
  T* z = work.values->z(L, first);
  forward(architecture, theta, chunk, first, last, *work.values, breaks_off);
  if (call.of == Of::output) {
    T* delta = work.values->delta(L, first);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(tile.y.values + r * n, n, delta + r * ld);
    kernels<T>().output_jacobian(f.layer, rows, n, z, delta, ld);
    return backward(architecture, theta, chunk, first, last, *work.values, breaks_off);
  }
  const bool gauss_newton = call.of == Of::gauss_newton;
  T* delta_dot = work.tangents->delta(L, first);
  forward_tangents(architecture, theta, chunk, first, last, work.theta_dot.get(), nullptr, *work.values, *work.tangents,
                   breaks_off);
  std::copy_n(work.tangents->z(L, first), rows * ld, delta_dot);
  kernels<T>().loss_curvature(f, rows, n, z, delta_dot, ld, tile.y, tile.weight, scale, gauss_newton, scratch);
  if (!gauss_newton) loss_and_delta(architecture, chunk, first, last, scale, *work.values, row_loss);
  backward_tangents(architecture, theta, first, last, gauss_newton ? nullptr : work.theta_dot.get(), *work.values,
                    *work.tangents, breaks_off);
}

// The chunk's part of a tile of the product, added to that of the chunks before: delta a^T; or delta_dot a^T and, of H
// v, delta a_dot^T, where a_dot[0] is 0.
template <class T>
static void product_tile(Network<T>& network, const ThetaProduct<T>& call, const ParameterTile& tile,
                         const Batch<T>& chunk, bool is_first, T* scratch) {
  using Of = typename ThetaProduct<T>::Of;
  const Parameters<T>& theta = network.theta;
  Workspace<T>& work = network.workspace;
  T* G = work.gradient.get();
  for (int64_t s = 0; s < chunk.rows; s += kSuperBlock) {
    const int64_t end = std::min(s + kSuperBlock, chunk.rows);
    tile_gradient(theta, tile, chunk, s, end, *work.values, call.of == Of::output ? *work.values : *work.tangents,
                  !is_first || s > 0, scratch, G);
    if (call.of == Of::hessian && tile.l > 1 && !tile.is_bias)
      tile_gradient(theta, tile, chunk, s, end, *work.tangents, *work.values, true, scratch, G);
  }
}

template <class T>
PassEnd theta_product(Network<T>& network, const ThetaProduct<T>& call, int threads, const Interrupt& interrupt) {
  using Of = typename ThetaProduct<T>::Of;
  const Reading use(network.lock);
  const Turn turn(network.workspace_lock);
  const Architecture& architecture = network.architecture;
  const Plan& plan = network.plan;
  Workspace<T>& work = network.workspace;
  const Batch<T>& batch = call.batch;
  const double flop = training_work(architecture) * static_cast<double>(batch.rows) * (call.of == Of::output ? 1 : 2);
  const TimedTeam timed(network.theta_products, team_size(flop, threads), batch.rows);
  const int64_t ld = row_stride<T>(architecture.n_outputs());
  reserve_product(network, call, timed.size());
  const Buffer<T> scratch = make_buffer<T>(3 * ld * timed.size());
  const double scale = reduction_scale(architecture, total_weight(batch));
  const auto parameter_tiles = static_cast<int64_t>(plan.tiles.size());
  StepState<T> state;
  state.caller.emplace(interrupt);
  run_team(timed.size(), [&](const TeamThread& team) {
    const BreakOff breaks_rows_off = state.break_off(team, state.rows_broken_off);
    const BreakOff breaks_gradient_off = state.break_off(team, state.gradient_broken_off);
    for (int64_t first = 0; first < batch.rows; first += plan.chunk_rows) {
      const Batch<T> chunk = batch.slice(first, std::min(first + plan.chunk_rows, batch.rows));
      const int64_t tiles = row_tiles(plan, chunk.rows, team.size());
      if (team.rank() == 0) state.reset_parameter_tiles();
      for (int64_t t; (t = team.take(state.next_row_tile)) < tiles && !breaks_rows_off();) {
        const int64_t r = chunk.rows * t / tiles, end = chunk.rows * (t + 1) / tiles;
        if (r < end)
          product_rows(network, call, chunk, r, end, scale, scratch.get() + 3 * ld * team.rank(),
                       work.row_loss.get() + first, breaks_rows_off);
      }
      team.wait();
      if (state.rows_broken_off.load()) return;
      if (team.rank() == 0) state.next_row_tile.store(0);
      for (int64_t t; (t = team.take(state.next_parameter_tile)) < parameter_tiles && !breaks_gradient_off();)
        product_tile(network, call, plan.tiles[t], chunk, first == 0,
                     work.tile_scratch.get() + plan.tile_elements * team.rank());
      team.wait();
      if (state.gradient_broken_off.load()) return;
    }
  });
  if (state.is_broken_off()) return PassEnd::interrupted;
  network.theta.to_theta(work.gradient.get(), call.product, state.break_off(TeamThread(0, 1, nullptr), state.stop));
  if (state.stop.load()) return PassEnd::interrupted;
  return kernels<T>().all_finite(network.theta.count(), call.product) ? PassEnd::complete : PassEnd::diverged;
}

template PassEnd theta_product(Network<float>&, const ThetaProduct<float>&, int, const Interrupt&);
template PassEnd theta_product(Network<double>&, const ThetaProduct<double>&, int, const Interrupt&);

}  // namespace deltarule
