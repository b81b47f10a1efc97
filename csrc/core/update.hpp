// The parameters' side of a step: the gradient of a tile of them, and the descent along it.
#pragma once

#include "batch.hpp"
#include "optimizer.hpp"
#include "parameters.hpp"
#include "layer_values.hpp"

namespace deltarule {

// The gradient of a tile over rows [first, last) of the chunk, at most a super-block: dL/dW[l] = delta[l] a[l-1]^T,
// dL/db[l] = delta[l], with a from `inputs` and delta from `state`. It is written to G, laid out as theta's values,
// or added to G where `add`. scratch has room for a tile.
template <class T>
void tile_gradient(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first,
                   int64_t last, LayerValues<T>& inputs, LayerValues<T>& state, bool add, T* scratch, T* G);

// The same gradient, plus G's tile where G is not null; the step of theta's tile along it; then its transposed
// copy. Returns whether every new parameter is finite.
template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first, int64_t last,
                  LayerValues<T>& state, const Update<T>& update, T* scratch, const T* G);

// The step alone, along G.
template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Update<T>& update, const T* G);

// The sum of squares over the tile of an array laid out as theta's values.
template <class T>
double tile_square(const Parameters<T>& theta, const ParameterTile& tile, const T* values, double scale = 1.0);

// The factor that clips a gradient, and its root, which is in the range of T where the factor may not be.
struct Clipping {
  double factor = 1.0, root = 1.0;
};

// values <- factor values on the tile.
template <class T>
void scale_tile(const Parameters<T>& theta, const ParameterTile& tile, const Clipping& clip, T* values);

}  // namespace deltarule
