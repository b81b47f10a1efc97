// Forward propagation of some rows: z[l] = W[l] a[l-1] + b[l], a[l] = g(z[l]).
#pragma once

#include <type_traits>

#include "batch.hpp"
#include "output.hpp"
#include "parameters.hpp"
#include "layer_values.hpp"
#include "runtime/break_off.hpp"

namespace deltarule {

// Rows times W[l], in the layout of `theta`: z = W[l] a + b (no b where it is null), or z = z + W[l] a where `add`, b
// being null. Of a wide layer the columns [left, right), cut at whole lanes; a narrow one is done as a whole, where
// the range is not empty. Ends early where it is broken off, as do all functions below.
template <class T>
void layer_product(const Parameters<T>& theta, int64_t l, int64_t rows, InputRows<T> below, int64_t left, int64_t right,
                   const std::type_identity_t<T>* b, bool add, T* z, int64_t ld, const BreakOff& breaks_off = {});

// Layer l from the rows a[l-1]: z[l], and a[l] = g(z[l]) below the last layer; a may be z. Columns as for
// layer_product.
template <class T>
void forward_layer(const Architecture& architecture, const Parameters<T>& theta, int64_t l, int64_t rows,
                   InputRows<T> below, int64_t left, int64_t right, T* z, T* a, int64_t ld,
                   const BreakOff& breaks_off = {});

// Rows [first, last) of the chunk, x being the chunk's: fills a[1..L-1], the same after dropout, and z[L]
// (kept in a[L]'s place).
template <class T>
void forward(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk, int64_t first,
             int64_t last, LayerValues<T>& state, const BreakOff& breaks_off = {});

// y_hat of rows of x, through two scratch tiles of `rows` rows; z and a are not kept.
template <class T>
void predict_rows(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows,
                  T* scratch, T* y_hat, int64_t ldy, const BreakOff& breaks_off = {});

// z[L] of rows of x, through the same tiles; returns its address, with row stride row_stride(n_L).
template <class T>
T* last_z(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows, T* scratch,
          const BreakOff& breaks_off = {});

// Elements of the scratch for that many rows.
template <class T>
int64_t scratch_elements(const Architecture& architecture, int64_t rows);

}  // namespace deltarule
