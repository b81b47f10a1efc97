// A dense product that may be broken off.
#pragma once

#include <type_traits>

#include "runtime/break_off.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

// Columns of a product or of a copy that are done in one go at least: whole panels of every kernel.
template <class T>
constexpr int64_t kPartColumns = 16 * kLanes<T>;

// The kernel's affine, whose parameters these are, in parts of its columns; each column is what it is alone. Ends early
// where it is broken off.
template <class T>
void affine_in_parts(int64_t rows, int64_t n_in, int64_t columns, InputRows<T> x, const T* W, int64_t ldw,
                     const std::type_identity_t<T>* b, bool add, T* z, int64_t ldz, const BreakOff& breaks_off) {
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(n_in);
  in_parts(columns, kPartColumns<T>, work, breaks_off, [&](int64_t first, int64_t last) {
    kernels<T>().affine(rows, n_in, last - first, x, W + first, ldw, b ? b + first : b, add, z + first, ldz);
  });
}

}  // namespace deltarule
