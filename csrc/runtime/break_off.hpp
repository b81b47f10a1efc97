// Breaking off long work whose results can be discarded.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "interrupt.hpp"
#include "team.hpp"

namespace deltarule {

// Whether a pass is to be broken off; each thread of a team checks it. Rank 0 polls the caller and sets a flag that the
// others read. The results of a pass that is broken off are invalid.
class BreakOff {
 public:
  BreakOff() = default;  // never
  BreakOff(const TeamThread& team, std::atomic<bool>& flag, Poll& poll) {
    if (poll.is_empty()) return;
    flag_ = &flag;
    if (team.rank() == 0) poll_ = &poll;
  }

  bool is_possible() const { return flag_ != nullptr; }
  bool operator()() const {
    if (!flag_) return false;
    if (poll_ && poll_->wants_to_stop()) flag_->store(true);
    return flag_->load(std::memory_order_relaxed);
  }

 private:
  std::atomic<bool>* flag_ = nullptr;
  Poll* poll_ = nullptr;
};

// f(first, last) of [0, n) in parts, each after a check. A part has so much work that the check costs nothing beside
// it, and is a multiple of `granule`; work: operations, or bytes moved, of one of the n. Returns whether all parts were
// done.
template <class F>
bool in_parts(int64_t n, int64_t granule, double work, const BreakOff& breaks_off, F f) {
  if (!breaks_off.is_possible() || work * static_cast<double>(n) <= kWorkToPoll) return f(int64_t{0}, n), true;
  const auto granules = static_cast<int64_t>(kWorkToPoll / work) / granule;
  const int64_t part = std::max<int64_t>(granules, 1) * granule;
  for (int64_t first = 0; first < n; first += part) {
    if (breaks_off()) return false;
    f(first, std::min(first + part, n));
  }
  return true;
}

}  // namespace deltarule
