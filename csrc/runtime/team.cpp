#include "team.hpp"

#include <omp.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "cpu.hpp"
#include "process.hpp"
#include "standby.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace deltarule {

namespace {

constexpr auto kSpinTime = std::chrono::microseconds(30);  // shorter than a sleep and a wake

std::atomic<bool> team_taken{false};
std::atomic<int> cpu_quota{std::numeric_limits<int>::max()};

bool is_forked() { return this_process().forks > 0; }

}  // namespace

void Barrier::wait(int size) {
  const uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 32; ++i) {
      if (phase_.load(std::memory_order_acquire) != phase) return;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  while (phase_.load(std::memory_order_acquire) == phase) phase_.wait(phase, std::memory_order_acquire);
}

std::pair<int64_t, int64_t> TeamThread::share(int64_t n, int64_t granule) const {
  const int64_t granules = (n + granule - 1) / granule;
  const auto edge = [=, this](int64_t rank) { return std::min(n, granules * rank / size_ * granule); };
  return {edge(rank_), edge(rank_ + 1)};
}

namespace {

#if !defined(_WIN32)
// The stack size of OpenMP's threads, in bytes; 0: the default of threads. As the runtime reads it: in
// KiB, or with a unit.
size_t openmp_stack_size() {
  for (const char* name : {"OMP_STACKSIZE", "GOMP_STACKSIZE"}) {
    const char* text = std::getenv(name);
    if (!text) continue;
    char* end = nullptr;
    const unsigned long long number = std::strtoull(text, &end, 10);
    while (end && *end == ' ') ++end;
    if (end == text || number == 0) continue;
    const std::string units = "BKMG";
    const size_t unit = *end ? units.find(static_cast<char>(std::toupper(*end))) : 1;
    if (unit != std::string::npos) return static_cast<size_t>(number) << (10 * unit);
  }
  return 0;
}
const size_t kStackSize = openmp_stack_size();  // when the module is loaded, as the runtime is
#endif

// How many of so many more threads can be started: tried, as OpenMP ends the process where one cannot.
int startable(int count) {
#if defined(_WIN32)
  return count;
#else
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 0;
  bool good = kStackSize == 0 || pthread_attr_setstacksize(&attributes, kStackSize) == 0;
  std::atomic<bool> over{false};
  std::vector<pthread_t> threads;
  try {
    threads.reserve(static_cast<size_t>(count));
  } catch (const std::bad_alloc&) {
    good = false;
  }
  const auto wait = [](void* flag) -> void* {
    static_cast<std::atomic<bool>*>(flag)->wait(false);
    return nullptr;
  };
  for (pthread_t thread; good && static_cast<int>(threads.size()) < count;) {
    good = pthread_create(&thread, &attributes, wait, &over) == 0;
    if (good) threads.push_back(thread);
  }
  over.store(true);
  over.notify_all();
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return static_cast<int>(threads.size());
#endif
}

// A function of its own, as Clang asks its runtime for the thread's number where the function begins: in a child
// forked while another thread held a lock of that runtime, any call of it may wait for ever.
[[gnu::noinline]]
void parallel_region(int threads, const std::function<void(const TeamThread&)>& body) {
  Barrier barrier;
  const int cpu = current_cpu();
#pragma omp parallel num_threads(threads)
  {
    const FlushSubnormals mode;
    const TeamThread thread(omp_get_thread_num(), omp_get_num_threads(), &barrier);
    // Linux may wake a worker on the caller's core and leave it there for milliseconds while another is idle.
    if (thread.rank() > 0 && current_cpu() == cpu) leave_cpu(cpu);
    body(thread);
    thread.wait();  // spins, as the region's own barrier does not
  }
}

}  // namespace

// A region of at most `threads`; the caller holds the team.
static void run_region(int threads, const std::function<void(const TeamThread&)>& body) {
  thread_local int started = 0;  // threads that OpenMP keeps for this one, since its last team
  if (threads - 1 > started) threads = 1 + started + startable(threads - 1 - started);
  if (threads <= 1) return run_team(1, body);
  parallel_region(threads, body);
  started = threads - 1;
}

void run_parallel(int threads, const std::function<void(const TeamThread&)>& body) {
  if (is_forked() || omp_in_parallel() || team_taken.exchange(true)) return run_team(1, body);
  run_region(threads, body);
  team_taken.store(false);
}

int run_call_together(const CallTeam& team, const std::function<void(const TeamThread&)>& body) {
  if (is_forked() || omp_in_parallel() || team_taken.exchange(true)) return run_team(1, body), 1;
  int size = team.is_long ? 0 : run_on_standby(team.awake, body);
  if (size == 0) run_region(size = std::max(team.in_region, 1), body);
  end_call();
  team_taken.store(false);
  return size;
}

int openmp_max_threads() { return is_forked() ? 1 : omp_get_max_threads(); }

int available_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int usable_cpus() { return std::max(1, std::min(available_cpus(), cpu_quota.load(std::memory_order_relaxed))); }

void set_cpu_quota(int cpus) { cpu_quota.store(cpus); }

}  // namespace deltarule
