// Inputs that are the same on every machine, in memory whose end is guarded; outputs as comparable bytes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

// n values whose last one ends where memory that may not be touched begins.
template <class T>
class Array {
 public:
  explicit Array(int64_t n) : n_(n) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = static_cast<size_t>(n) * sizeof(T);
    mapped_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + mapped_ - page, page, PROT_NONE) != 0) std::abort();
    values_ = reinterpret_cast<T*>(base_ + mapped_ - page - bytes);
  }
  Array(const Array& other) : Array(other.n_) { std::memcpy(values_, other.values_, n_ * sizeof(T)); }
  Array& operator=(const Array&) = delete;
  ~Array() { munmap(base_, mapped_); }

  int64_t size() const { return n_; }
  T* get() { return values_; }
  const T* get() const { return values_; }
  T& operator[](int64_t i) { return values_[i]; }
  const T& operator[](int64_t i) const { return values_[i]; }

 private:
  int64_t n_;
  size_t mapped_;
  char* base_;
  T* values_;
};

// Sebastiano Vigna's splitmix64: integers only, so that any machine draws the same.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  double unit() { return static_cast<double>(bits() >> 40) * 0x1p-24; }  // exact in either type

  // In [-2, 2); where `special`, one in eight is none of the usual.
  template <class T>
  T value(bool special) {
    using L = std::numeric_limits<T>;
    const T unusual[] = {L::infinity(), -L::infinity(), L::quiet_NaN(), T(0), T(-0.0), L::max(), -L::max(),
                         L::min(), -L::min(), T(1), T(90), T(-90), T(720), T(-720), T(1e-6), T(40)};
    if (special && below(8) == 0) return unusual[below(16)];
    return T(4 * unit() - 2);
  }
  template <class T>
  Array<T> values(int64_t n, bool special) {
    Array<T> a(n);
    for (int64_t i = 0; i < n; ++i) a[i] = value<T>(special);
    return a;
  }
  Array<int64_t> indices(int64_t n, int64_t below_this) {
    Array<int64_t> a(n);
    for (int64_t i = 0; i < n; ++i) a[i] = below(below_this);
    return a;
  }

 private:
  uint64_t state_;
};

// What a call gave, every NaN written the same way: its sign and payload are not part of the contract.
class Bytes {
 public:
  template <class T>
  void put(T x) {
    using L = std::numeric_limits<T>;
    if (x != x) x = L::quiet_NaN();
    append(bytes_, x);
    // AArch64 flushes what is subnormal before it is rounded, x86-64 after: there it may round to this number.
    if constexpr (!L::is_integer)
      if (std::abs(x) == L::min()) x = std::copysign(T(0), x);
    append(portable_, x);
  }
  template <class T>
  void put(const Array<T>& a) {
    for (int64_t i = 0; i < a.size(); ++i) put(a[i]);
  }
  // Of rows of ld values all but the columns [n, written), which a kernel may fill with anything.
  template <class T>
  void put(const Array<T>& a, int64_t n, int64_t written, int64_t ld) {
    for (int64_t i = 0; i < a.size(); ++i)
      if (i % ld < n || i % ld >= written) put(a[i]);
  }
  bool operator==(const Bytes& other) const { return bytes_ == other.bytes_; }
  // FNV-1a of what is the same on every machine.
  void add_to(uint64_t& digest) const {
    for (const unsigned char c : portable_) digest = (digest ^ c) * 0x100000001b3;
  }

 private:
  template <class T>
  static void append(std::vector<char>& bytes, const T& x) {
    const char* first = reinterpret_cast<const char*>(&x);
    bytes.insert(bytes.end(), first, first + sizeof(T));
  }

  std::vector<char> bytes_, portable_;
};
