// One mini-batch by a team: forward pass, loss, delta recursion, gradient and update.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>

#include "batch.hpp"
#include "foresight.hpp"
#include "network.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

// What the threads of a team share during steps. "Rank 0" is the calling thread.
template <class T>
struct StepState {
  using Clock = std::chrono::steady_clock;

  // Interrupts: a training stops after the present step; a step is broken off in a long phase that updates nothing.
  // Rank 0 alone sets each flag, in one phase alone; after the barrier that ends the phase all threads read the same.
  std::optional<Poll> caller;
  std::atomic<bool> stop{false}, rows_broken_off{false}, gradient_broken_off{false};
  bool has_pause = false;  // set: stop after the first whole step from `pause` on
  Clock::time_point pause{};

  // Divergence: a loss is not finite (set by any thread in a row phase); a new parameter is not (in a parameter phase).
  std::atomic<bool> diverged{false}, overflow{false};
  std::atomic<double> largest_loss{0.0};  // of a row so far
  bool check_finite = false;              // values of x that are not finite count as divergence

  // The update of a step that ends before it, where it may overflow; null: unguarded. See foresight.hpp.
  const Update<T>* guarded_update = nullptr;
  double reach = INFINITY;              // before the step
  std::atomic<double> magnitudes{0.0};  // sum of |a| and |delta| of the rows so far

  bool clips = false, penalizes = false;  // as the optimizer does

  // The next tile of each phase. Each counter is reset by rank 0 during the other phase.
  std::atomic<int64_t> next_row_tile{0}, next_parameter_tile{0}, next_descent_tile{0};
  double loss_sum = 0.0;  // of the last complete step: weight times loss; rank 0

  // A training of many steps decides after each whether the next are done by the team or by one thread; rank 0.
  TeamChoice* choice = nullptr;
  bool together = true;
  std::atomic<bool> regroup{false};
  Clock::time_point timed{};  // the end of the last timed step

  void use(const Optimizer& optimizer) {
    clips = optimizer.max_norm > 0.0;
    penalizes = optimizer.penalizes_sum && optimizer.weight_decay > 0.0;
  }

  void add_loss(double largest) {
    if (largest == INFINITY) diverged.store(true);
    double before = largest_loss.load();
    while (before < largest && !largest_loss.compare_exchange_weak(before, largest)) continue;
  }

  // A bound of the parameters and the optimizer state after the step; the same for every thread once all rows are done.
  double reach_after() const {
    const double half = magnitudes.load() / 2.0;
    return bound_after(guarded_update->weights, reach, half * half);
  }
  bool may_overflow() const { return guarded_update && !(reach_after() < kAmple<T>); }

  void reset_parameter_tiles() {
    next_parameter_tile.store(0);
    next_descent_tile.store(0);
  }

  void poll() {
    if (caller && caller->wants_to_stop()) stop.store(true);
  }
  // For this thread, by one of the flags above.
  BreakOff break_off(const TeamThread& team, std::atomic<bool>& flag) {
    return caller ? BreakOff(team, flag, *caller) : BreakOff();
  }
  bool is_broken_off() const { return rows_broken_off.load() || gradient_broken_off.load(); }

  void end_step(int64_t rows) {
    if (has_pause && Clock::now() >= pause) stop.store(true);
    if (!choice) return;
    const Clock::time_point now = Clock::now();
    choice->took(std::chrono::duration<double>(now - timed).count() / static_cast<double>(rows));
    timed = now;
    if (choice->together() != together) regroup.store(true);
  }
};

enum class StepEnd { complete, interrupted, diverged, may_overflow };

// The step of one thread of a team, whose memory is reserved. Nothing is updated unless it completes; without an
// optimizer the gradient is left in the workspace.
template <class T>
StepEnd step(Network<T>& network, const TeamThread& team, const Batch<T>& batch, const Optimizer* optimizer,
             StepState<T>& state);

// The same for a batch of many rows on few parameters: each thread takes whole super-blocks.
template <class T>
StepEnd step_by_super_blocks(Network<T>& network, const TeamThread& team, const Batch<T>& batch,
                             const Optimizer* optimizer, StepState<T>& state);

// Forward pass, loss and delta recursion of a few rows: each thread takes columns of every layer, and some rows of the
// loss. Returns the largest loss of a row.
template <class T>
double propagate_by_columns(Network<T>& network, const TeamThread& team, const Batch<T>& chunk, double scale,
                            StepState<T>& state, double* row_loss);

// Whether the step ends after its rows: diverged, interrupted, or about to overflow. The same for every thread.
template <class T>
StepEnd end_of_rows(const Network<T>& network, const Batch<T>& batch, bool is_last, StepState<T>& state);

// Whether rows [first, last) of x, which have no gaps, are finite.
template <class T>
bool is_finite(const Batch<T>& chunk, int64_t first, int64_t last) {
  return kernels<T>().all_finite((last - first) * chunk.x.stride, chunk.x.data + first * chunk.x.stride);
}

}  // namespace deltarule
