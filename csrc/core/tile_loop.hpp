// Rows in tiles, shared out to a team, until all are done, one diverges or the caller interrupts.
#pragma once

#include <atomic>
#include <cstdint>

#include "pass_end.hpp"
#include "runtime/break_off.hpp"
#include "runtime/team.hpp"

namespace deltarule {

class TileLoop {
 public:
  TileLoop(int64_t rows, int64_t tiles, const Interrupt& interrupt) : rows_(rows), tiles_(tiles), poll_(interrupt) {}

  int64_t largest_tile() const { return (rows_ + tiles_ - 1) / tiles_; }

  // f(first, last, breaks_off) of each tile that this thread takes; it returns false where a value is not finite.
  template <class F>
  void each(const TeamThread& team, F f) {
    const BreakOff breaks_off(team, broken_off_, poll_);
    for (int64_t t; (t = team.take(next_)) < tiles_ && !diverged_.load(std::memory_order_relaxed) && !breaks_off();) {
      const int64_t first = rows_ * t / tiles_, last = rows_ * (t + 1) / tiles_;
      if (first < last && !f(first, last, breaks_off)) diverged_.store(true);
    }
  }

  // First the interrupt: rows that were broken off may have values that are not finite.
  PassEnd end() const {
    if (broken_off_.load()) return PassEnd::interrupted;
    return diverged_.load() ? PassEnd::diverged : PassEnd::complete;
  }

 private:
  int64_t rows_, tiles_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> diverged_{false}, broken_off_{false};
  Poll poll_;
};

}  // namespace deltarule
