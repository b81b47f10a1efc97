// A team for single calls: threads that spin for a short time after a call, so that the next one finds them awake, and
// then sleep. To wake a sleeping team takes 20 to 50 us, longer than many a call.
#pragma once

#include <functional>

#include "team.hpp"

namespace deltarule {

// When sleeping threads are woken, and how long they spin. Times are in seconds.
class StandbyPolicy {
 public:
  // A call begins. Returns whether sleeping threads are woken, for the calls that follow: only while calls follow
  // closely.
  bool wakes(double now);
  void ended(double now) { end_ = now; }
  // Whether a core was lost not long ago.
  bool rests(double now) const { return now < wakes_at_; }
  // How long threads spin after the present call.
  double spin() const { return spin_; }
  // A thread lost its core to another process; the call waited for it that long at most. Threads sleep for a multiple
  // of that time, so that losses stay a small part of it; twice the multiple where the last loss was not long ago.
  void lost_core(double now, double seconds);

 private:
  static constexpr double kShortGap = 100e-6, kLeastSpin = 50e-6, kMostSpin = 100e-6;
  static constexpr double kLeastRest = 1e-3, kLeastMultiple = 32.0, kMostMultiple = 128.0;

  double spin_ = kLeastSpin;
  double end_ = -1.0;                   // of the last call
  double rest_ = 0.0, wakes_at_ = 0.0;  // the last rest, and its end
  double multiple_ = kLeastMultiple;
};

// Runs body on the calling thread and on those of `threads` - 1 others that are awake; on the calling thread alone
// while they wake up, or while another process needs their cores. Returns how many took part; 0: they sleep, as the
// last call is long past, and nothing has been run. One call at a time; the body must not throw.
int run_on_standby(int threads, const std::function<void(const TeamThread&)>& body);
// The end of a call, whichever threads have run it.
void end_call();

}  // namespace deltarule
