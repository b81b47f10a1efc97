// The delta recursion over rows.
#pragma once

#include "batch.hpp"
#include "parameters.hpp"
#include "layer_values.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

// dL/da[l] = W[l+1]^T delta[l+1] of some rows, written to da; added to da where `add`. Columns [left, right),
// cut at whole lanes. Ends early where it is broken off, as do all functions below.
template <class T>
void backward_product(const Parameters<T>& theta, int64_t l, int64_t rows, const T* delta, int64_t ld_delta,
                      int64_t left, int64_t right, bool add, T* da, int64_t ld, const BreakOff& breaks_off = {});

// delta[l] = (W[l+1]^T delta[l+1]) * g'(z[l]), rows [first, last) of the chunk, columns [left, right), cut at
// whole lanes; dropout of a[l] applies to W[l+1]^T delta[l+1] too.
template <class T>
void backward_layer(const Architecture& architecture, const Parameters<T>& theta, int64_t l, const Batch<T>& chunk,
                    int64_t first, int64_t last, int64_t left, int64_t right, LayerValues<T>& state,
                    const BreakOff& breaks_off = {});

// The recursion for l = L-1 .. 1, all columns.
template <class T>
void backward(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk, int64_t first,
              int64_t last, LayerValues<T>& state, const BreakOff& breaks_off = {});

}  // namespace deltarule
