// The OpenMP team: one parallel region per call, its barrier, and its use in a Python process.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "subnormals.hpp"

namespace deltarule {

// Spins briefly, then sleeps: a phase is microseconds long, a waiting thread must not hold a core longer.
class Barrier {
 public:
  // Every thread gives the number of threads: known only inside the region, since OpenMP may grant fewer than asked.
  void wait(int size);

 private:
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> phase_{0};
};

class TeamThread {
 public:
  TeamThread(int rank, int size, Barrier* barrier) : rank_(rank), size_(size), barrier_(barrier) {}
  int rank() const { return rank_; }
  int size() const { return size_; }
  void wait() const {
    if (size_ > 1) barrier_->wait(size_);
  }
  // The next of a sequence that the team shares out dynamically: another process may take a core at any time.
  int64_t take(std::atomic<int64_t>& next) const {
    if (size_ > 1) return next.fetch_add(1);
    const int64_t mine = next.load(std::memory_order_relaxed);
    next.store(mine + 1, std::memory_order_relaxed);
    return mine;
  }
  // This thread's part of [0, n), cut at multiples of `granule`.
  std::pair<int64_t, int64_t> share(int64_t n, int64_t granule) const;

 private:
  int rank_, size_;
  Barrier* barrier_;
};

// Runs body on every thread of a team of at most `threads`: on the calling thread alone inside a parallel
// region, while another thread holds the team, or in a forked child, where OpenMP's other threads do not exist.
// The body must not throw.
void run_parallel(int threads, const std::function<void(const TeamThread&)>& body);

// The same; one thread is a plain call. Subnormals are flushed to zero in the body.
template <class Body>
void run_team(int threads, const Body& body) {
  if (threads > 1) return run_parallel(threads, std::cref(body));
  const FlushSubnormals mode;
  body(TeamThread(0, 1, nullptr));
}

// Threads of a single call: `awake` where they are still awake from the call before (standby.hpp), else `in_region`,
// fewer, as they must be woken. A long call is a region's in any case.
struct CallTeam {
  int awake, in_region;
  bool is_long;
};

// Runs body for a single call of at most that team. Returns how many threads it was.
int run_call_together(const CallTeam& team, const std::function<void(const TeamThread&)>& body);

// The same on at most so many threads; one is a plain call.
template <class Body>
int run_call(const CallTeam& team, int threads, const Body& body) {
  if (threads <= 1) return run_team(1, body), 1;
  return run_call_together({threads, std::min(team.in_region, threads), team.is_long}, std::cref(body));
}

// What OpenMP would use, 1 in a forked child: threadpoolctl and OMP_NUM_THREADS act on it.
int openmp_max_threads();

// CPUs that the calling thread may use: its affinity mask; and of those as many as a quota allows.
int available_cpus();
int usable_cpus();
void set_cpu_quota(int cpus);

}  // namespace deltarule
