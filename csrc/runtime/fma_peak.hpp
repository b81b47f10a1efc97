// The peak of this machine: fused multiply-adds on every thread of a team at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "team.hpp"
#include "kernels/dispatch.hpp"

namespace deltarule {

// flop a second of the active ISA on a team of at most `threads`: the best of the slices, each some
// milliseconds long, that fit into `seconds`, at least one. The best, because others may hold the cores in between.
template <class T>
double fma_peak(int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  constexpr int64_t kRounds = int64_t{1} << 19;
  const Kernels<T>& k = kernels<T>();
  const Clock::time_point start = Clock::now();
  double best = 0.0;
  do {
    std::atomic<int64_t> flop{0};
    Clock::time_point slice;
    run_team(threads, [&](const TeamThread& thread) {
      T sink;
      thread.wait();
      if (thread.rank() == 0) slice = Clock::now();
      flop += k.peak(kRounds, &sink);
      thread.wait();
      if (thread.rank() == 0) best = std::max(best, static_cast<double>(flop) / Seconds(Clock::now() - slice).count());
    });
  } while (Seconds(Clock::now() - start).count() < seconds);
  return best;
}

}  // namespace deltarule
