// The delta recursion over rows, and the gradient of a tile of parameters.
#pragma once

#include "activations.hpp"
#include "batch.hpp"
#include "parameters.hpp"

namespace deltarule {

// delta[l] = (W[l+1]^T delta[l+1]) * g'(z[l]) for l = L-1 .. 1, rows [first, last) of the chunk.
template <class T>
void backward(const Architecture& architecture, const Parameters<T>& theta, int64_t first, int64_t last,
              Activations<T>& state);

// The gradient of a tile over rows [first_row, last_row) of the chunk, at most a super-block:
// dL/dW[l] = delta[l] a[l-1]^T, dL/db[l] = delta[l]. G has row stride ldg.
template <class T>
void tile_gradient(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk,
                   int64_t first_row, int64_t last_row, Activations<T>& state, T* G, int64_t ldg);

}  // namespace deltarule
