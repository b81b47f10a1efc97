// The parameters' side of a step: the gradient of a tile of them, and the descent along it.
#pragma once

#include "activations.hpp"
#include "batch.hpp"
#include "parameters.hpp"

namespace deltarule {

struct Sgd {
  double lr;
  double momentum;
  double weight_decay;
  bool nesterov;
};

// The gradient of a tile over rows [first, last) of the chunk, at most a super-block: dL/dW[l] = delta[l] a[l-1]^T,
// dL/db[l] = delta[l]. It goes to G, laid out as theta's values, on top of what is there where `add`. scratch
// holds a tile.
template <class T>
void tile_gradient(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first,
                   int64_t last, Activations<T>& state, bool add, T* scratch, T* G);

// The same, and theta <- theta - lr dL/dtheta on the tile (with momentum and decay as the kernel says) along it,
// on top of G where that is not null; then its transposed copy. velocity is laid out as theta's values; it may be
// null where momentum is 0. Returns whether every new parameter is finite.
template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first,
                  int64_t last, Activations<T>& state, const Sgd& sgd, T* velocity, T* scratch, const T* G);

// The descent alone, along G.
template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Sgd& sgd, T* velocity, const T* G);

}  // namespace deltarule
