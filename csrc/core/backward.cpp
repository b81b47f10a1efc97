#include "backward.hpp"

#include "affine_in_parts.hpp"

namespace deltarule {

template <class T>
void backward_product(const Parameters<T>& theta, int64_t l, int64_t rows, const T* delta, int64_t ld_delta,
                      int64_t left, int64_t right, bool add, T* da, int64_t ld, const BreakOff& breaks_off) {
  affine_in_parts<T>(rows, theta.layer(l + 1).n_out, right - left, {delta, ld_delta, nullptr},
                     theta.W_by_output(l + 1) + left, theta.stride_by_output(l + 1), nullptr, add, da + left, ld,
                     breaks_off);
}

template <class T>
void backward_layer(const Architecture& architecture, const Parameters<T>& theta, int64_t l, const Batch<T>& chunk,
                    int64_t first, int64_t last, int64_t left, int64_t right, LayerValues<T>& state,
                    const BreakOff& breaks_off) {
  if (left == right) return;
  const int64_t rows = last - first, ld = state.ld(l);
  T* delta = state.delta(l, first);
  backward_product(theta, l, rows, state.delta(l + 1, first), state.ld(l + 1), left, right, false, delta, ld,
                   breaks_off);
  if (chunk.dropout) chunk.dropout.apply(l, first, rows, left, right, delta, delta, ld);
  kernels<T>().activate_backward(architecture.hidden[l - 1], static_cast<T>(architecture.leaky_slope), rows,
                                 right - left, state.z(l, first) + left, state.a(l, first) + left, delta + left, ld);
}

template <class T>
void backward(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk, int64_t first,
              int64_t last, LayerValues<T>& state, const BreakOff& breaks_off) {
  for (int64_t l = architecture.layers() - 1; l >= 1; --l) {
    if (breaks_off()) return;
    backward_layer(architecture, theta, l, chunk, first, last, 0, padded<T>(architecture.sizes[l]), state, breaks_off);
  }
}

#define DELTARULE_INSTANTIATE(T)                                                                                      \
  template void backward_product(const Parameters<T>&, int64_t, int64_t, const T*, int64_t, int64_t, int64_t, bool,   \
                                 T*, int64_t, const BreakOff&);                                                       \
  template void backward_layer(const Architecture&, const Parameters<T>&, int64_t, const Batch<T>&, int64_t, int64_t, \
                               int64_t, int64_t, LayerValues<T>&, const BreakOff&);                                   \
  template void backward(const Architecture&, const Parameters<T>&, const Batch<T>&, int64_t, int64_t,                \
                         LayerValues<T>&, const BreakOff&);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
