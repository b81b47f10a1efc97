#include "backward.hpp"

namespace deltarule {

template <class T>
void backward(const Architecture& architecture, const Parameters<T>& theta, int64_t first, int64_t last,
              Activations<T>& state) {
  const int64_t rows = last - first;
  const T slope = static_cast<T>(architecture.leaky_slope);
  for (int64_t l = architecture.layers() - 1; l >= 1; --l) {
    const LayerLayout& above = theta.layer(l + 1);
    const int64_t n = padded<T>(architecture.sizes[l]);
    T* delta = state.delta(l, first);
    kernels<T>().affine(rows, above.n_out, n, {state.delta(l + 1, first), state.ld(l + 1), nullptr},
                        theta.W_by_output(l + 1), theta.stride_by_output(l + 1), nullptr, delta,
                        state.ld(l));
    kernels<T>().activate_backward(architecture.hidden[l - 1], slope, rows, n, state.z(l, first),
                                   state.a(l, first), delta, state.ld(l));
  }
}

template void backward(const Architecture&, const Parameters<float>&, int64_t, int64_t, Activations<float>&);
template void backward(const Architecture&, const Parameters<double>&, int64_t, int64_t, Activations<double>&);

}  // namespace deltarule
