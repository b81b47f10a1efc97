// This process among those that were forked, and the threads in it that use networks.
#pragma once

#include <cstdint>

namespace deltarule {

// Installs the fork handler; once, at import.
void watch_forks();

// How many forks lie between this process and the one that imported the module, and the thread that called the last of
// them, which alone goes on in the child (0: none).
struct Process {
  uint32_t forks;
  uint32_t survivor;
};
Process this_process();

// A thread, by a number of its own that is not 0; how many networks it is reading, and of those, the outermost ones,
// how many since before this process was forked.
struct Thread {
  uint32_t number;
  int readings = 0;
  int inherited = 0;
};
Thread& this_thread();

}  // namespace deltarule
