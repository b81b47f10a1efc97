#include "train_step.hpp"

#include <cmath>

#include "loss.hpp"
#include "parameter_phase.hpp"
#include "predict.hpp"
#include "snapshot.hpp"
#include "step.hpp"

namespace deltarule {

// The work of a step, in floating-point operations.
template <class T>
static double step_work(const Network<T>& network, const Batch<T>& batch) {
  return training_work(network.architecture) * static_cast<double>(batch.rows);
}

template <class T>
static void reserve_step(Network<T>& network, int64_t rows, int threads) {
  network.workspace.reserve_step(network.architecture, network.plan, network.theta, rows, threads, false);
}

template <class T>
double value_and_gradient(Network<T>& network, const Batch<T>& batch, T* gradient, int threads,
                          const Interrupt& interrupt) {
  const Reading use(network.lock);
  const Turn turn(network.workspace_lock);
  const CallTeam planned = call_team(step_work(network, batch), threads);
  TimedTeam timed(network.gradients, planned.awake, batch.rows);
  reserve_step(network, batch.rows, timed.size());
  network.workspace.reserve_gradient(network.theta);
  StepState<T> state;
  state.caller.emplace(interrupt);
  timed.run(planned, [&](const TeamThread& team) { step<T>(network, team, batch, nullptr, state); });
  if (state.diverged.load()) return INFINITY;
  if (state.is_broken_off()) return NAN;
  network.theta.to_theta(network.workspace.gradient.get(), gradient,
                         state.break_off(TeamThread(0, 1, nullptr), state.stop));
  return reduced(network, batch, state.loss_sum);
}

// A step that may overflow, with a copy to restore.
template <class T>
static double fallible_step(Network<T>& network, const Batch<T>& batch, const Optimizer& optimizer, bool check_finite,
                            int threads) {
  network.reach = INFINITY;
  Snapshot<T> before(network);
  StepState<T> state;
  state.check_finite = check_finite;
  state.use(optimizer);
  run_team(threads, [&](const TeamThread& team) { step(network, team, batch, &optimizer, state); });
  if (state.diverged.load()) return NAN;
  if (state.overflow.load()) {
    before.restore();
    throw UpdateOverflow();
  }
  return reduced(network, batch, state.loss_sum);
}

template <class T>
double train_step(Network<T>& network, const Batch<T>& batch, const Optimizer& optimizer, int threads,
                  bool check_finite, const Interrupt& interrupt) {
  const Writing use(network.lock);
  const CallTeam planned = call_team(step_work(network, batch), threads);
  TimedTeam timed(network.train_steps, planned.awake, batch.rows);
  reserve_step(network, batch.rows, timed.size());
  network.reserve_update(optimizer);
  const Update<T> update(optimizer, total_weight(batch), network.optimizer_state);
  const double epsilon = epsilon_of(update);
  if (!(network.reach < kAmple<T>) || epsilon < network.reach_epsilon) {
    network.reach = reach_now(network.theta.storage(), network.theta.values(), network.optimizer_state, epsilon);
    network.reach_epsilon = epsilon;
  }
  StepState<T> state;
  state.check_finite = check_finite;
  state.caller.emplace(interrupt);
  state.use(optimizer);
  state.guarded_update = &update;
  state.reach = network.reach;
  StepEnd end = StepEnd::complete;
  timed.run(planned, [&](const TeamThread& team) {
    const StepEnd mine = step(network, team, batch, &optimizer, state);
    if (team.rank() == 0) end = mine;
  });
  if (state.diverged.load()) return NAN;
  if (end == StepEnd::may_overflow) return fallible_step(network, batch, optimizer, check_finite, timed.size());
  network.reach = state.reach_after();
  return reduced(network, batch, state.loss_sum);
}

template <class T>
void descend(Network<T>& network, const T* gradient, const Optimizer& optimizer, double total_weight) {
  const Writing use(network.lock);
  Workspace<T>& work = network.workspace;
  network.reserve_update(optimizer);
  work.reserve_gradient(network.theta);
  network.theta.from_theta(gradient, work.gradient.get());
  network.reach = INFINITY;
  Snapshot<T> before(network);
  StepState<T> state;
  state.use(optimizer);
  run_team(1, [&](const TeamThread& team) {
    const Update<T> update(optimizer, total_weight, network.optimizer_state);
    for (size_t t = 0; state.clips && t < network.plan.tiles.size(); ++t)
      work.tile_sums[t] = tile_square(network.theta, network.plan.tiles[t], work.gradient.get());
    descend_tiles(network, team, optimizer.max_norm, update, state);
    if (optimizer.kind == Optimizer::Kind::adam) ++network.optimizer_state.steps;
  });
  if (!state.overflow.load()) return;
  before.restore();
  throw UpdateOverflow();
}

#define DELTARULE_INSTANTIATE(T)                                                                           \
  template double value_and_gradient(Network<T>&, const Batch<T>&, T*, int, const Interrupt&);             \
  template double train_step(Network<T>&, const Batch<T>&, const Optimizer&, int, bool, const Interrupt&); \
  template void descend(Network<T>&, const T*, const Optimizer&, double);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
