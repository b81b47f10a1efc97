// Aligned storage, and the row strides of padded matrices.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernels/dispatch.hpp"

namespace deltarule {

constexpr int64_t kCacheLine = 64;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

template <class T>
using Buffer = std::unique_ptr<T[], Free>;

// Buffers from this size on ask for huge pages: a matrix of long rows touches one page per row.
constexpr size_t kHugePage = size_t{2} << 20;

// n elements on a cache line, not initialized; throws std::bad_alloc, also for sizes beyond the address space.
template <class T>
Buffer<T> allocate(int64_t n) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max() / 2 / static_cast<int64_t>(sizeof(T));
  if (n < 0 || n > most) throw std::bad_alloc();
  const size_t wanted = n > 0 ? static_cast<size_t>(n) * sizeof(T) : 1;
  const size_t alignment = wanted >= kHugePage ? kHugePage : kCacheLine;
  const size_t bytes = (wanted + alignment - 1) / alignment * alignment;
  void* p = std::aligned_alloc(alignment, bytes);
  if (!p) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return Buffer<T>(static_cast<T*>(p));
}

// n zeros, likewise.
template <class T>
Buffer<T> make_buffer(int64_t n) {
  Buffer<T> buffer = allocate<T>(n);
  std::memset(buffer.get(), 0, static_cast<size_t>(n) * sizeof(T));
  return buffer;
}

// n elements for the time of a call, not initialized, so that each thread of a team finds its own in its cache; a
// little of it costs no allocation.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t n) {
    if (n > kLocal) allocated_ = allocate<T>(n);
  }
  T* get() const { return allocated_ ? allocated_.get() : local_; }

 private:
  static constexpr int64_t kLocal = 16384 / sizeof(T);
  alignas(kCacheLine) mutable T local_[kLocal];
  Buffer<T> allocated_;
};

// n rounded up to whole cache lines of T.
template <class T>
constexpr int64_t padded(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// Row stride of a matrix of n columns: whole cache lines, and one more where the stride in bytes would be
// a multiple of 1024, since such rows fall into few sets of the cache.
template <class T>
constexpr int64_t row_stride(int64_t n) {
  const int64_t ld = padded<T>(n);
  return ld * static_cast<int64_t>(sizeof(T)) % 1024 == 0 ? ld + kLanes<T> : ld;
}

}  // namespace deltarule
