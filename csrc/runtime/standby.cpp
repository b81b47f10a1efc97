#include "standby.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "cpu.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

namespace deltarule {

bool StandbyPolicy::wakes(double now) {
  const double gap = now - end_;
  const bool is_short = gap < kShortGap;
  spin_ = is_short ? std::clamp(3.0 * gap + 10e-6, kLeastSpin, kMostSpin) : kLeastSpin;
  return is_short && !rests(now);
}

void StandbyPolicy::lost_core(double now, double seconds) {
  const bool is_soon = now < wakes_at_ + rest_;
  multiple_ = is_soon ? std::min(2.0 * multiple_, kMostMultiple) : kLeastMultiple;
  rest_ = std::max(multiple_ * seconds, kLeastRest);
  wakes_at_ = now + rest_;
}

namespace {

using Clock = std::chrono::steady_clock;
double seconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

constexpr int kMostMembers = 63;
constexpr auto kJoinTime = std::chrono::nanoseconds(1000);  // a spinning thread takes some 200 to 300
constexpr auto kPause = std::chrono::microseconds(50);  // between two looks at the clock: this thread was not running
constexpr auto kSpinTime = std::chrono::microseconds(30);  // for a thread that is at work, before a sleep

// The state that the threads of calls share. A call invites those that spin, waits a microsecond for them, and closes
// the invitation: whoever has joined is the team, the others are not waited for.
class Standby {
 public:
  int run(int threads, const std::function<void(const TeamThread&)>& body);
  void end_call() { policy_.ended(seconds()); }

 private:
  enum State : uint32_t { asleep, spinning, absent };
  struct alignas(64) Member {
    std::atomic<uint32_t> state{asleep};
    std::atomic<uint32_t> joined{0};  // the last call that it has joined
  };
  // A call's number in the high half; below, how many may still join, and how many have.
  struct Invitation {
    uint32_t call;
    uint16_t seats, joined;
    static Invitation of(uint64_t word) {
      return {static_cast<uint32_t>(word >> 32), static_cast<uint16_t>(word >> 16), static_cast<uint16_t>(word)};
    }
    uint64_t word() const { return uint64_t{call} << 32 | uint32_t{seats} << 16 | joined; }
  };

  void start_members(int count);
  void wake_members(int count);
  int invite(int count);
  void live(int index);
  void spin(Member& me);
  void take_part(Member& me, uint32_t call, int rank);

  // Of the caller.
  StandbyPolicy policy_;
  uint32_t call_ = 0;
  int started_ = 0;

  std::array<Member, kMostMembers> members_;
  alignas(64) std::atomic<uint64_t> invitation_{0};
  alignas(64) std::atomic<uint64_t> start_{0};  // a call's number and the size of its team
  std::atomic<int64_t> spin_time_{0};           // in nanoseconds
  std::atomic<int> caller_cpu_{-1};
  std::atomic<int64_t> lost_time_{-1};  // what calls waited for a lost core, in nanoseconds; -1: none was lost
  const std::function<void(const TeamThread&)>* body_ = nullptr;
  Barrier barrier_;
  alignas(64) std::atomic<int> done_{0};
};

// Never destroyed: its threads exist until the process ends. In static memory: a call may find no other.
Standby& standby() {
  alignas(Standby) static unsigned char memory[sizeof(Standby)];
  static Standby* const team = new (memory) Standby;
  return *team;
}

// Calls is_over until it is true, for at most that time. Returns whether it was.
template <class F>
bool spin_until(Clock::duration time, F is_over) {
  const Clock::time_point start = Clock::now();
  do {
    for (int i = 0; i < 32; ++i) {
      if (is_over()) return true;
      pause_briefly();
    }
  } while (Clock::now() - start < time);
  return is_over();
}

int Standby::run(int threads, const std::function<void(const TeamThread&)>& body) {
  const int count = std::min(threads - 1, kMostMembers);
  const double now = seconds();
  if (const int64_t lost = lost_time_.exchange(-1); lost >= 0) policy_.lost_core(now, 1e-9 * static_cast<double>(lost));
  const bool wakes = policy_.wakes(now);
  caller_cpu_.store(current_cpu(), std::memory_order_relaxed);
  spin_time_.store(static_cast<int64_t>(policy_.spin() * 1e9), std::memory_order_relaxed);
  const int joined = invite(count);
  if (joined < count && wakes) {
    start_members(count);
    wake_members(count);
  }
  if (joined == 0 && !wakes && !policy_.rests(now)) return 0;
  if (joined == 0) return run_team(1, body), 1;
  body_ = &body;
  done_.store(0, std::memory_order_relaxed);
  start_.store(uint64_t{call_} << 32 | static_cast<uint32_t>(joined + 1), std::memory_order_release);
  start_.notify_all();
  {
    const FlushSubnormals mode;
    body(TeamThread(0, joined + 1, &barrier_));
  }
  const auto all_done = [&] { return done_.load(std::memory_order_acquire) == joined; };
  if (!spin_until(kSpinTime, all_done))
    for (int done; (done = done_.load(std::memory_order_acquire)) != joined;)
      done_.wait(done, std::memory_order_acquire);
  return joined + 1;
}

// Invites the first `count` members that spin, and returns how many have joined. One that has not is absent, until it
// spins again.
int Standby::invite(int count) {
  int present = 0;
  for (int i = 0; i < count; ++i) present += members_[i].state.load(std::memory_order_relaxed) == spinning;
  if (present == 0) return 0;
  ++call_;
  const auto seats = static_cast<uint16_t>(present);
  invitation_.store(Invitation{call_, seats, 0}.word(), std::memory_order_release);
  spin_until(kJoinTime, [&] { return Invitation::of(invitation_.load(std::memory_order_relaxed)).seats == 0; });
  const uint64_t closed = Invitation{call_, 0, 0}.word();
  const int joined = Invitation::of(invitation_.exchange(closed, std::memory_order_acq_rel)).joined;
  for (int i = 0; joined < present && i < count; ++i) {
    uint32_t state = spinning;
    if (members_[i].joined.load(std::memory_order_relaxed) != call_)
      members_[i].state.compare_exchange_strong(state, absent, std::memory_order_relaxed);
  }
  return joined;
}

// Starts members up to that count, or as many as the system allows.
void Standby::start_members(int count) {
#if !defined(_WIN32)
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of the user
#endif
  try {
    for (; started_ < count; ++started_) std::thread([this, i = started_] { live(i); }).detach();
  } catch (const std::system_error&) {  // no further thread
  } catch (const std::bad_alloc&) {
  }
#if !defined(_WIN32)
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
}

void Standby::wake_members(int count) {
  for (int i = 0; i < std::min(count, started_); ++i) {
    uint32_t state = asleep;
    if (members_[i].state.compare_exchange_strong(state, spinning, std::memory_order_acq_rel))
      members_[i].state.notify_one();
  }
}

void Standby::live(int index) {
  Member& me = members_[index];
  for (;;) {
    me.state.wait(asleep, std::memory_order_acquire);
    // Linux may wake a thread on the caller's core and leave it there for milliseconds while another is idle.
    if (const int cpu = caller_cpu_.load(std::memory_order_relaxed); current_cpu() == cpu) leave_cpu(cpu);
    spin(me);
    me.state.store(asleep, std::memory_order_release);
  }
}

// Joins calls until none has come for the time that threads spin, or another process has taken this core.
void Standby::spin(Member& me) {
  Clock::time_point since = Clock::now(), last = since;
  long preempted = preemptions();
  const auto is_core_lost = [&] {
    const long before = std::exchange(preempted, preemptions());
    return preempted < 0 || preempted > before;
  };
  for (;;) {
    for (int i = 0; i < 16; ++i) {
      uint64_t word = invitation_.load(std::memory_order_acquire);
      Invitation call = Invitation::of(word);
      if (call.seats > 0 && me.joined.load(std::memory_order_relaxed) != call.call) {
        const Invitation taken{call.call, static_cast<uint16_t>(call.seats - 1),
                               static_cast<uint16_t>(call.joined + 1)};
        if (!invitation_.compare_exchange_weak(word, taken.word(), std::memory_order_acq_rel)) continue;
        const Clock::time_point start = Clock::now();
        take_part(me, call.call, taken.joined);
        since = last = Clock::now();
        if (preempted >= 0 && is_core_lost()) return lost_time_.store((since - start) / std::chrono::nanoseconds(1));
      }
      pause_briefly();
    }
    uint32_t state = absent;
    me.state.compare_exchange_strong(state, spinning, std::memory_order_relaxed);
    const Clock::time_point now = Clock::now();
    if (now - last > kPause && is_core_lost()) return lost_time_.store(0);
    if (now - since > std::chrono::nanoseconds(spin_time_.load(std::memory_order_relaxed))) return;
    last = now;
  }
}

void Standby::take_part(Member& me, uint32_t call, int rank) {
  me.joined.store(call, std::memory_order_relaxed);
  uint64_t start = 0;
  const auto begins = [&] { return (start = start_.load(std::memory_order_acquire)) >> 32 == call; };
  if (!spin_until(kSpinTime, begins))
    while (!begins()) start_.wait(start, std::memory_order_acquire);
  {
    const FlushSubnormals mode;
    (*body_)(TeamThread(rank, static_cast<int>(static_cast<uint32_t>(start)), &barrier_));
  }
  done_.fetch_add(1, std::memory_order_acq_rel);
  done_.notify_one();
}

}  // namespace

int run_on_standby(int threads, const std::function<void(const TeamThread&)>& body) {
  return standby().run(threads, body);
}

void end_call() { standby().end_call(); }

}  // namespace deltarule
