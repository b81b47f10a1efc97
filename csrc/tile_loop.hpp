// Rows in tiles that a team shares out, until all are done, one fails or the caller wants to stop.
#pragma once

#include <atomic>
#include <cstdint>

#include "derivatives.hpp"
#include "interrupt.hpp"
#include "team.hpp"

namespace deltarule {

class TileLoop {
 public:
  TileLoop(int64_t rows, int64_t tiles, const Interrupt& interrupt) : rows_(rows), tiles_(tiles), poll_(interrupt) {}

  int64_t largest_tile() const { return (rows_ + tiles_ - 1) / tiles_; }

  // f(first, last) of each tile that this member takes; false: a value is not finite.
  template <class F>
  void each(const Member& team, F f) {
    for (int64_t t; (t = team.take(next_)) < tiles_ && end_.load(std::memory_order_relaxed) == PassEnd::complete;) {
      const int64_t first = rows_ * t / tiles_, last = rows_ * (t + 1) / tiles_;
      if (first < last && !f(first, last)) end_.store(PassEnd::diverged);
      if (team.rank() == 0 && poll_.wants_to_stop()) end_.store(PassEnd::interrupted);
    }
  }

  PassEnd end() const { return end_.load(); }

 private:
  int64_t rows_, tiles_;
  std::atomic<int64_t> next_{0};
  std::atomic<PassEnd> end_{PassEnd::complete};
  Poll poll_;
};

}  // namespace deltarule
