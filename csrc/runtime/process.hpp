// How often this process has been forked, and its threads that use networks.
#pragma once

#include <cstdint>

namespace deltarule {

// Installs the fork handler; once, at import.
void watch_forks();

// The number of forks between this process and the one that imported the module, and the thread that called the last of
// them, the only one that exists in the child (0: none).
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
