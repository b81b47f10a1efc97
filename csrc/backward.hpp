// The delta recursion over rows.
#pragma once

#include "activations.hpp"
#include "parameters.hpp"

namespace deltarule {

// delta[l] = (W[l+1]^T delta[l+1]) * g'(z[l]) for l = L-1 .. 1, rows [first, last) of the chunk.
template <class T>
void backward(const Architecture& architecture, const Parameters<T>& theta, int64_t first, int64_t last,
              Activations<T>& state);

}  // namespace deltarule
