// The sum of magnitudes that bounds the gradient, so that an update that may overflow is found before it: see
// foresight.hpp.
#pragma once

#include "batch.hpp"
#include "layer_values.hpp"

namespace deltarule {

// The sum of |a[0]| .. |a[L-1]|, of the 1 that each row's biases have, and of |delta[1]| .. |delta[L]| of rows
// [first, last) of the chunk; other values of these rows may be included.
template <class T>
double magnitudes(const Architecture& architecture, const Batch<T>& chunk, int64_t first, int64_t last,
                  LayerValues<T>& values);

}  // namespace deltarule
