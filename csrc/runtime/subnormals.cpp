#include "subnormals.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace deltarule {

// The floating-point mode, and the bits in it that flush subnormals.
#if defined(__x86_64__) || defined(_M_X64)
static constexpr uint64_t kFlush = 0x8040;  // FTZ and DAZ
static uint64_t get_mode() { return _mm_getcsr(); }
static void set_mode(uint64_t mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
static constexpr uint64_t kFlush = uint64_t{1} << 24;  // FZ
static uint64_t get_mode() {
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static void set_mode(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
static constexpr uint64_t kFlush = 0;
static uint64_t get_mode() { return 0; }
static void set_mode(uint64_t) {}
#endif

FlushSubnormals::FlushSubnormals() : saved_(get_mode()) {
  if ((saved_ & kFlush) != kFlush) set_mode(saved_ | kFlush);
}
FlushSubnormals::~FlushSubnormals() {
  if ((saved_ & kFlush) != kFlush) set_mode(saved_);
}
KeepSubnormals::KeepSubnormals() : saved_(get_mode()) { set_mode(saved_ & ~kFlush); }
KeepSubnormals::~KeepSubnormals() { set_mode(saved_); }

}  // namespace deltarule
