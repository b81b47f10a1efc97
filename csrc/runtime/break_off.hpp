// Breaking off long work that changes nothing that stays.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "interrupt.hpp"
#include "team.hpp"

namespace deltarule {

// Whether a pass is to be broken off; each member of a team asks within it. Rank 0 has the poll and asks the caller,
// the others read what it was told. What a pass wrote is to be thrown away then.
class BreakOff {
 public:
  BreakOff() = default;  // never
  BreakOff(const Member& team, std::atomic<bool>& flag, Poll& poll) {
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

// f(first, last) of [0, n), each part after asking. A part has so much work that asking costs nothing beside it, and is
// cut at multiples of `granule`; work: operations, or bytes moved, of one of the n. Whether all was done.
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
