// Dropout: which units of the hidden layers a training step leaves out. They follow from counters, so that the
// same units are left out whichever thread computes a row.
#pragma once

#include <cstdint>

#include "kernels/dispatch.hpp"

namespace deltarule {

// The finalizer of Vigna's splitmix64.
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

struct Dropout {
  const double* rates = nullptr;  // of layers 1 .. L-1, in [0, 1); null: nothing is left out
  uint64_t key = 0;               // of the mini-batch
  int64_t row = 0;                // of the mini-batch, at which the rows begin

  explicit operator bool() const { return rates != nullptr; }

  // out = a / (1 - rate) for the units that are kept, 0 for the others: rows first .. first + rows, and units
  // left .. right of layer l; out may be a.
  template <class T>
  void apply(int64_t l, int64_t first, int64_t rows, int64_t left, int64_t right, const T* a, T* out,
             int64_t ld) const {
    const double rate = rates[l - 1];
    kernels<T>().drop(rows, right - left, mix(key + static_cast<uint64_t>(l)), row + first, left,
                      static_cast<uint32_t>(rate * 4294967296.0), static_cast<T>(1.0 / (1.0 - rate)), a + left,
                      out + left, ld);
  }
};

}  // namespace deltarule
