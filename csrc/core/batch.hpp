// The samples a stage works on.
#pragma once

#include <cstdint>

#include "dropout.hpp"
#include "kernels/dispatch.hpp"

namespace deltarule {

// Rows of the user's arrays, in the order of index (null: in storage order).
template <class T>
struct Batch {
  int64_t rows;
  InputRows<T> x;
  Targets<T> y;
  const double* weight;  // by row of the user's array, or null
  Dropout dropout{};

  Batch slice(int64_t first, int64_t last) const {
    Batch part = *this;
    part.rows = last - first;
    part.dropout.row += first;
    if (x.index) {
      part.x.index = part.y.index = x.index + first;
    } else {
      part.x.data += first * x.stride;
      if (y.values) part.y.values += first * y.stride;
      if (y.classes) part.y.classes += first;
      if (weight) part.weight += first;
    }
    return part;
  }

  double weight_of(int64_t r) const { return weight ? weight[x.index ? x.index[r] : r] : 1.0; }
};

}  // namespace deltarule
