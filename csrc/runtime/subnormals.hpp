// The thread's floating-point mode: what becomes of subnormal numbers.
#pragma once

#include <cstdint>

namespace deltarule {

// Subnormals as zero while it lives: they would cost some 100 cycles an operation. Restores the caller's mode.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;

 private:
  uint64_t saved_ = 0;
};

// The opposite: IEEE arithmetic while it lives, for foreign code called from inside a body.
class KeepSubnormals {
 public:
  KeepSubnormals();
  ~KeepSubnormals();
  KeepSubnormals(const KeepSubnormals&) = delete;

 private:
  uint64_t saved_ = 0;
};

}  // namespace deltarule
