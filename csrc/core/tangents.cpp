#include "tangents.hpp"

#include <algorithm>

#include "backward.hpp"
#include "forward.hpp"

namespace deltarule {

template <class T>
void forward_tangents(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk,
                      int64_t first, int64_t last, const Parameters<T>* theta_dot, const std::type_identity_t<T>* x_dot,
                      LayerValues<T>& state, LayerValues<T>& tangents, const BreakOff& breaks_off) {
  const int64_t rows = last - first;
  InputRows<T> below = chunk.slice(first, last).x;
  InputRows<T> below_dot{x_dot ? x_dot + first * architecture.n_inputs() : nullptr, architecture.n_inputs(), nullptr};
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    const int64_t n = padded<T>(architecture.sizes[l]), ld = tangents.ld(l);
    T *z_dot = tangents.z(l, first), *a_dot = tangents.a(l, first);
    if (breaks_off()) return;
    if (theta_dot) layer_product(*theta_dot, l, rows, below, 0, n, theta_dot->b(l), false, z_dot, ld, breaks_off);
    if (below_dot.data)
      layer_product(theta, l, rows, below_dot, 0, n, nullptr, theta_dot != nullptr, z_dot, ld, breaks_off);
    if (l == architecture.layers()) return;
    for (int64_t r = 0; r < rows; ++r) std::copy_n(z_dot + r * ld, n, a_dot + r * ld);
    kernels<T>().activate_backward(architecture.hidden[l - 1], static_cast<T>(architecture.leaky_slope), rows, n,
                                   state.z(l, first), state.a(l, first), a_dot, ld);
    below = {state.a(l, first), state.ld(l), nullptr};
    below_dot = {a_dot, ld, nullptr};
  }
}

template <class T>
void backward_tangents(const Architecture& architecture, const Parameters<T>& theta, int64_t first, int64_t last,
                       const Parameters<T>* theta_dot, LayerValues<T>& state, LayerValues<T>& tangents,
                       const BreakOff& breaks_off) {
  const int64_t rows = last - first;
  const T slope = static_cast<T>(architecture.leaky_slope);
  for (int64_t l = architecture.layers() - 1; l >= 1; --l) {
    const int64_t n = padded<T>(architecture.sizes[l]), ld = state.ld(l), ld_above = state.ld(l + 1);
    const Activation g = architecture.hidden[l - 1];
    const T *z = state.z(l, first), *a = state.a(l, first);
    T *delta = state.delta(l, first), *delta_dot = tangents.delta(l, first);
    if (breaks_off()) return;
    backward_product(theta, l, rows, tangents.delta(l + 1, first), ld_above, 0, n, false, delta_dot, ld, breaks_off);
    if (theta_dot) {
      backward_product(*theta_dot, l, rows, state.delta(l + 1, first), ld_above, 0, n, true, delta_dot, ld, breaks_off);
      backward_product(theta, l, rows, state.delta(l + 1, first), ld_above, 0, n, false, delta, ld, breaks_off);
    }
    kernels<T>().activate_backward(g, slope, rows, n, z, a, delta_dot, ld);
    if (theta_dot) {
      kernels<T>().activate_curvature(g, rows, n, z, a, tangents.z(l, first), delta, delta_dot, ld);
      kernels<T>().activate_backward(g, slope, rows, n, z, a, delta, ld);
    }
  }
}

#define DELTARULE_INSTANTIATE(T)                                                                                     \
  template void forward_tangents(const Architecture&, const Parameters<T>&, const Batch<T>&, int64_t, int64_t,       \
                                 const Parameters<T>*, const T*, LayerValues<T>&, LayerValues<T>&, const BreakOff&); \
  template void backward_tangents(const Architecture&, const Parameters<T>&, int64_t, int64_t, const Parameters<T>*, \
                                  LayerValues<T>&, LayerValues<T>&, const BreakOff&);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
