// The update of a tile of parameters from its gradient.
#pragma once

#include "parameters.hpp"

namespace deltarule {

struct Sgd {
  double lr;
  double momentum;
  double weight_decay;
  bool nesterov;
};

// theta <- theta - lr dL/dtheta on one tile (with momentum and decay as the sgd kernel says), and its
// transposed copy. velocity is laid out as theta's values; it may be null where momentum is 0. Returns
// whether every new parameter is finite.
template <class T>
bool update_tile(Parameters<T>& theta, const ParameterTile& tile, const Sgd& sgd, const T* G, int64_t ldg,
                 T* velocity);

}  // namespace deltarule
