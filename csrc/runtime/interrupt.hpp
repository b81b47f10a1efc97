// Polling the caller for an interrupt during long work.
#pragma once

#include <chrono>
#include <functional>

#include "subnormals.hpp"

namespace deltarule {

// Returns true if the call is to stop; called on the calling thread.
using Interrupt = std::function<bool()>;

// Work, in floating-point operations, from which on a call polls: some 10 ms.
constexpr double kWorkToPoll = 1e9;

constexpr auto kPollInterval = std::chrono::milliseconds(20);

// Polls at most every kPollInterval. An empty Interrupt never stops.
class Poll {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Poll(const Interrupt& interrupt) : interrupt_(interrupt) {}

  bool is_empty() const { return !interrupt_; }
  bool wants_to_stop() {
    if (!interrupt_) return false;
    const Clock::time_point now = Clock::now();
    if (now - last_ < kPollInterval) return false;
    last_ = now;
    const KeepSubnormals mode;  // the caller's code runs here
    return interrupt_();
  }

 private:
  const Interrupt& interrupt_;
  Clock::time_point last_ = interrupt_ ? Clock::now() : Clock::time_point{};
};

}  // namespace deltarule
