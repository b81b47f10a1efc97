#include "process.hpp"

#include <atomic>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace deltarule {

namespace {

std::atomic<uint32_t> forks{0}, survivor{0}, threads{0};

uint32_t next_number() {
  uint32_t number;
  do number = threads.fetch_add(1) + 1;
  while (number == 0);
  return number;
}

}  // namespace

void watch_forks() {
#if !defined(_WIN32)
  pthread_atfork(nullptr, nullptr, [] {
    Thread& thread = this_thread();
    thread.inherited = thread.readings;
    survivor.store(thread.number);
    forks.fetch_add(1);
  });
#endif
}

Process this_process() { return {forks.load(std::memory_order_relaxed), survivor.load(std::memory_order_relaxed)}; }

Thread& this_thread() {
  thread_local Thread thread{next_number()};
  return thread;
}

}  // namespace deltarule
