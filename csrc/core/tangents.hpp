// The directional derivatives of z, a and delta of some rows: the R-operator of Pearlmutter (1994). A dot is d/ds of
// the quantity at theta + s theta_dot and x + s x_dot, s = 0.
#pragma once

#include <type_traits>

#include "batch.hpp"
#include "parameters.hpp"
#include "layer_values.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

// z_dot[l] = (W_dot[l] a[l-1] + b_dot[l]) + W[l] a_dot[l-1], a_dot[l] = g'(z[l]) z_dot[l], rows [first, last) of the
// chunk after forward(), into z and a of `tangents`, which keep every z. theta_dot is null where theta stays, x_dot
// (rows as the chunk's x, in order) where x does: one of them at least is not. Ends early where it is broken off.
template <class T>
void forward_tangents(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk,
                      int64_t first, int64_t last, const Parameters<T>* theta_dot, const std::type_identity_t<T>* x_dot,
                      LayerValues<T>& state, LayerValues<T>& tangents, const BreakOff& breaks_off = {});

// From delta[L] and delta_dot[L] down, in delta of `state` and of `tangents`, for l = L-1 .. 1:
//   da_dot[l] = W[l+1]^T delta_dot[l+1] + W_dot[l+1]^T delta[l+1]
//   delta_dot[l] = da_dot[l] g'(z[l]) + dL/da[l] g''(z[l]) z_dot[l]
// Where theta_dot is null the network counts as linear in theta, as Gauss-Newton has it: of each only the first term,
// and delta is not read.
template <class T>
void backward_tangents(const Architecture& architecture, const Parameters<T>& theta, int64_t first, int64_t last,
                       const Parameters<T>* theta_dot, LayerValues<T>& state, LayerValues<T>& tangents,
                       const BreakOff& breaks_off = {});

}  // namespace deltarule
