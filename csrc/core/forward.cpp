#include "forward.hpp"

#include <algorithm>

#include "affine_in_parts.hpp"

namespace deltarule {

template <class T>
void layer_product(const Parameters<T>& theta, int64_t l, int64_t rows, InputRows<T> below, int64_t left, int64_t right,
                   const std::type_identity_t<T>* b, bool add, T* z, int64_t ld, const BreakOff& breaks_off) {
  if (left == right) return;
  const LayerLayout& layer = theta.layer(l);
  if (layer.narrow)
    kernels<T>().affine_narrow(rows, layer.n_in, layer.n_out, below, theta.W(l), layer.ld, b, add, z, ld);
  else
    affine_in_parts(rows, layer.n_in, right - left, below, theta.W(l) + left, layer.ld, b ? b + left : b, add, z + left,
                    ld, breaks_off);
}

template <class T>
void forward_layer(const Architecture& architecture, const Parameters<T>& theta, int64_t l, int64_t rows,
                   InputRows<T> below, int64_t left, int64_t right, T* z, T* a, int64_t ld,
                   const BreakOff& breaks_off) {
  if (left == right) return;
  layer_product(theta, l, rows, below, left, right, theta.b(l), false, z, ld, breaks_off);
  if (theta.layer(l).narrow) left = 0, right = padded<T>(architecture.sizes[l]);
  if (l < architecture.layers())
    kernels<T>().activate(architecture.hidden[l - 1], static_cast<T>(architecture.leaky_slope), rows, right - left,
                          z + left, a + left, ld);
}

template <class T>
void forward(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk, int64_t first,
             int64_t last, LayerValues<T>& state, const BreakOff& breaks_off) {
  InputRows<T> below = chunk.slice(first, last).x;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    if (breaks_off()) return;
    T* a = state.a(l, first);
    forward_layer(architecture, theta, l, last - first, below, 0, padded<T>(architecture.sizes[l]), state.z(l, first),
                  a, state.ld(l), breaks_off);
    if (chunk.dropout && l < architecture.layers())
      chunk.dropout.apply(l, first, last - first, 0, padded<T>(architecture.sizes[l]), a, state.next_input(l, first),
                          state.ld(l));
    below = {state.next_input(l, first), state.ld(l), nullptr};
  }
}

template <class T>
static int64_t widest_stride(const Architecture& architecture) {
  int64_t widest = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l) widest = std::max(widest, row_stride<T>(architecture.sizes[l]));
  return widest;
}

template <class T>
int64_t scratch_elements(const Architecture& architecture, int64_t rows) {
  return 2 * rows * widest_stride<T>(architecture);
}

template <class T>
T* last_z(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows, T* scratch,
          const BreakOff& breaks_off) {
  const int64_t tile = rows * widest_stride<T>(architecture);
  InputRows<T> below = x;
  T* z = scratch;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n = architecture.sizes[l], ld = row_stride<T>(n);
    z = scratch + (l % 2) * tile;
    forward_layer(architecture, theta, l, rows, below, 0, padded<T>(n), z, z, ld, breaks_off);
    below = {z, ld, nullptr};
  }
  return z;
}

template <class T>
void predict_rows(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows,
                  T* scratch, T* y_hat, int64_t ldy, const BreakOff& breaks_off) {
  T* z = last_z(architecture, theta, x, rows, scratch, breaks_off);
  const int64_t n = architecture.n_outputs();
  kernels<T>().output(output_layer<T>(architecture), rows, n, z, row_stride<T>(n), y_hat, ldy);
}

#define DELTARULE_INSTANTIATE(T)                                                                                       \
  template void layer_product(const Parameters<T>&, int64_t, int64_t, InputRows<T>, int64_t, int64_t, const T*, bool,  \
                              T*, int64_t, const BreakOff&);                                                           \
  template void forward_layer(const Architecture&, const Parameters<T>&, int64_t, int64_t, InputRows<T>, int64_t,      \
                              int64_t, T*, T*, int64_t, const BreakOff&);                                              \
  template void forward(const Architecture&, const Parameters<T>&, const Batch<T>&, int64_t, int64_t, LayerValues<T>&, \
                        const BreakOff&);                                                                              \
  template void predict_rows(const Architecture&, const Parameters<T>&, InputRows<T>, int64_t, T*, T*, int64_t,        \
                             const BreakOff&);                                                                         \
  template T* last_z(const Architecture&, const Parameters<T>&, InputRows<T>, int64_t, T*, const BreakOff&);           \
  template int64_t scratch_elements<T>(const Architecture&, int64_t);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
