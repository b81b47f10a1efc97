// What the members of a team share while they work on a step.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>

#include "foresight.hpp"
#include "network.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

template <class T>
struct Network<T>::Shared {
  using Clock = std::chrono::steady_clock;
  std::optional<Poll> caller;
  bool pauses = false;  // after the first whole step from that time on
  Clock::time_point pause{};
  std::atomic<bool> stop{false};  // set by rank 0 between the barriers of a parameter phase
  // Long phases that change nothing that stays are broken off within. Each flag is set by rank 0 in its own phase
  // alone: after the barrier that ends it, all members read the same.
  std::atomic<bool> rows_broken_off{false}, gradient_broken_off{false};
  std::atomic<bool> diverged{false};  // set by any member in a row phase
  std::atomic<bool> overflow{false};  // a new parameter is not finite; set in a parameter phase
  // Of a step that is to be foreseen: the update, the bound of what it writes, and the sum of the rows so far.
  const Update<T>* foreseen = nullptr;
  double reach = INFINITY;
  std::atomic<double> magnitudes{0.0};
  bool looks = false;                     // at x, whether it is finite
  bool clips = false, penalizes = false;  // as the optimizer does
  // In a training of many steps: whether they go on alone or as a team is decided anew after each; rank 0.
  TeamChoice* choice = nullptr;
  bool together = true;
  std::atomic<bool> regroup{false};
  Clock::time_point timed{};  // since when the next step counts
  // The next tile of each phase to be taken. Each is reset by rank 0 during the other phase.
  std::atomic<int64_t> next_row_tile{0}, next_parameter_tile{0}, next_descent_tile{0};
  double loss_sum = 0.0;  // of the last complete step: weight times loss; rank 0

  void serve(const Optimizer& optimizer) {
    clips = optimizer.max_norm > 0.0;
    penalizes = optimizer.penalizes_sum && optimizer.weight_decay > 0.0;
  }

  std::atomic<double> largest_loss{0.0};  // of a row so far

  // Takes the largest loss of some rows.
  void see(double largest) {
    if (largest == INFINITY) diverged.store(true);
    double before = largest_loss.load();
    while (before < largest && !largest_loss.compare_exchange_weak(before, largest)) continue;
  }

  // A bound of what the step writes; the same for every member once all rows are done.
  double reach_after() const {
    const double half = magnitudes.load() / 2.0;
    return deltarule::reach_after(*foreseen, reach, half * half);
  }
  bool may_overflow() const { return foreseen && !(reach_after() < kAmple<T>); }

  void reset_parameter_tiles() {
    next_parameter_tile.store(0);
    next_descent_tile.store(0);
  }

  void poll() {
    if (caller && caller->wants_to_stop()) stop.store(true);
  }
  // For this member, by one of the flags above.
  BreakOff break_off(const Member& team, std::atomic<bool>& flag) {
    return caller ? BreakOff(team, flag, *caller) : BreakOff();
  }
  bool is_broken_off() const { return rows_broken_off.load() || gradient_broken_off.load(); }

  void end_step() {
    if (pauses && Clock::now() >= pause) stop.store(true);
  }

  void time_step(int64_t rows) {
    if (!choice) return;
    const Clock::time_point now = Clock::now();
    choice->took(std::chrono::duration<double>(now - timed).count() / static_cast<double>(rows));
    timed = now;
    if (choice->together() != together) regroup.store(true);
  }
};

}  // namespace deltarule
