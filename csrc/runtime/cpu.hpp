// The core that a thread runs on.
#pragma once

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace deltarule {

inline void pause_briefly() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#if defined(__linux__)
inline int current_cpu() { return sched_getcpu(); }

// Moves the calling thread to another CPU of its own mask, once: it may come back.
inline void leave_cpu(int cpu) {
  cpu_set_t mask;
  if (cpu < 0 || sched_getaffinity(0, sizeof(mask), &mask) != 0 || CPU_COUNT(&mask) < 2) return;
  cpu_set_t others = mask;
  CPU_CLR(cpu, &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(mask), &mask);
}

// How often the calling thread has had to leave its core to another one; a pause of the whole virtual machine does not
// count. -1 where the system does not say.
inline long preemptions() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}
#else
inline int current_cpu() { return -1; }
inline void leave_cpu(int) {}
inline long preemptions() { return -1; }
#endif

}  // namespace deltarule
