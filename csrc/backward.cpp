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

template <class T>
void tile_gradient(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk,
                   int64_t first_row, int64_t last_row, Activations<T>& state, T* G, int64_t ldg) {
  const LayerLayout& layer = theta.layer(tile.l);
  const int64_t rows = last_row - first_row;
  T* delta = state.delta(tile.l, first_row);
  const int64_t ld = state.ld(tile.l);
  if (tile.is_bias) {
    kernels<T>().bias_gradient(rows, padded<T>(tile.columns()), delta + tile.left, ld, G);
    return;
  }
  const InputRows<T> deltas{delta, ld, nullptr};
  const InputRows<T> below =
      tile.l == 1 ? chunk.slice(first_row, last_row).x
                  : InputRows<T>{state.a(tile.l - 1, first_row), state.ld(tile.l - 1), nullptr};
  InputRows<T> P = layer.narrow ? deltas : below;
  P.data += tile.first;
  InputRows<T> Q = layer.narrow ? below : deltas;
  Q.data += tile.left;
  const bool exact = layer.narrow && tile.l == 1;  // the user's x has no padding to read
  const int64_t columns = exact ? tile.columns() : padded<T>(tile.columns());
  kernels<T>().weight_gradient(rows, tile.last - tile.first, columns, P, Q, G, ldg);
}

#define DELTARULE_INSTANTIATE(T)                                                                       \
  template void backward(const Architecture&, const Parameters<T>&, int64_t, int64_t, Activations<T>&); \
  template void tile_gradient(const Parameters<T>&, const ParameterTile&, const Batch<T>&, int64_t,    \
                              int64_t, Activations<T>&, T*, int64_t);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
