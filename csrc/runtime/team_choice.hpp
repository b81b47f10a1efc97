// One thread or a team: whichever has been faster lately. The choice never changes a bit.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "team.hpp"

namespace deltarule {

// The plan knows the work, not the machine: a core that another process holds, cores without a common cache, sleeping
// workers or a hypervisor can make a team slower than one thread. So both are timed. The slower one is tried for a few
// calls, and again only after a multiple of the time that its last trial lost; the multiple doubles with each trial
// that loses, until trials take 1 % of the time. Times are per row, of calls of the same kind.
class TeamChoice {
 public:
  bool together() const { return together_ != trying_; }
  // The time of the last call.
  void took(double seconds);

 private:
  static constexpr double kPatience = 8.0;
  void turn(bool together);
  double& recent(bool together) { return recent_[together ? 1 : 0]; }

  std::array<double, 2> recent_{};  // alone, together; 0: unknown
  double spent_ = 0.0;              // since the last trial
  double trial_ = 0.0;              // of the present one
  double lost_ = 0.0;               // by the last one
  double patience_ = kPatience;     // the multiple of it
  int calls_ = 0;                   // of the present trial, or since the last one
  bool together_ = true, trying_ = false;
};

// The choices of one kind of call, by the number of rows rounded to a power of two.
class TeamChoices {
 public:
  // Null while teams are kept as planned.
  TeamChoice* of(int64_t rows);

 private:
  friend class TimedTeam;
  std::unique_ptr<std::array<TeamChoice, 24>> by_rows_;  // made when first asked for
  std::atomic_flag busy_;
};

// The team of a call, for as long as this object exists: the planned one, or the calling thread alone.
class TimedTeam {
 public:
  TimedTeam(TeamChoices& choices, int planned, int64_t rows);
  ~TimedTeam();
  TimedTeam(const TimedTeam&) = delete;
  TimedTeam& operator=(const TimedTeam&) = delete;
  int size() const { return size_; }
  // Runs the call, of which this is the team.
  template <class Body>
  void run(const CallTeam& team, const Body& body) {
    ran_ = run_call(team, size_, body);
  }

 private:
  TeamChoices& choices_;
  TeamChoice* choice_ = nullptr;  // null: not timed, since one thread is planned or another call is being timed
  int64_t rows_;
  int size_;
  int ran_;  // threads that have taken part: other times than those of the planned team are not compared
  std::chrono::steady_clock::time_point start_{};
};

// Keeps teams as planned, untimed, so that tests see them on small work.
void keep_planned_teams(bool keep);

}  // namespace deltarule
