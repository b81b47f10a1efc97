#include "update.hpp"

#include <limits>

namespace deltarule {

// The gradient of a tile is P^T Q, row by row of it as stored.
template <class T>
struct Operands {
  int64_t rows, columns;
  InputRows<T> P, Q;
};

template <class T>
static Operands<T> operands(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first,
                            int64_t last, LayerValues<T>& inputs, LayerValues<T>& state) {
  static constexpr T one = 1;
  const LayerLayout& layer = theta.layer(tile.l);
  const InputRows<T> delta{state.delta(tile.l, first), state.ld(tile.l), nullptr};
  const InputRows<T> below = tile.l == 1
                                 ? chunk.slice(first, last).x
                                 : InputRows<T>{inputs.next_input(tile.l - 1, first), inputs.ld(tile.l - 1), nullptr};
  Operands<T> tile_of{tile.last - tile.first, padded<T>(tile.columns()), below, delta};
  if (tile.is_bias)
    tile_of.P = {&one, 0, nullptr};
  else if (layer.narrow)  // the padding of the rows of a, and memory behind the user's x, are not read
    tile_of = {tile.last - tile.first, tile.columns(), delta, below};
  tile_of.P.data += tile.is_bias ? 0 : tile.first;
  tile_of.Q.data += tile.left;
  return tile_of;
}

template <class T>
void tile_gradient(const Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first,
                   int64_t last, LayerValues<T>& inputs, LayerValues<T>& state, bool add, T* scratch, T* G) {
  const Operands<T> of = operands(theta, tile, chunk, first, last, inputs, state);
  kernels<T>().weight_gradient(last - first, of.rows, of.columns, of.P, of.Q, add, scratch,
                               G + theta.row_offset(tile, tile.first), theta.layer(tile.l).ld);
}

template <class T>
static Descent<T> descent_on(Parameters<T>& theta, const ParameterTile& tile, const Update<T>& update) {
  return Descent<T>{tile.is_bias ? update.biases : update.weights, theta.values(), update.m, update.v,
                    theta.layer(tile.l).ld}
      .from(theta.row_offset(tile, tile.first));
}

template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Batch<T>& chunk, int64_t first, int64_t last,
                  LayerValues<T>& state, const Update<T>& update, T* scratch, const T* G) {
  const Operands<T> of = operands(theta, tile, chunk, first, last, state, state);
  const Descent<T> descent = descent_on(theta, tile, update);
  const T* G_tile = G ? G + theta.row_offset(tile, tile.first) : nullptr;
  const bool finite =
      kernels<T>().weight_descent(last - first, of.rows, of.columns, of.P, of.Q, scratch, G_tile, descent.ld, descent);
  theta.refresh_copy(tile);
  return finite;
}

template <class T>
bool tile_descent(Parameters<T>& theta, const ParameterTile& tile, const Update<T>& update, const T* G) {
  const Descent<T> descent = descent_on(theta, tile, update);
  const bool finite = kernels<T>().descend(tile.last - tile.first, tile.columns(),
                                           G + theta.row_offset(tile, tile.first), descent.ld, descent);
  theta.refresh_copy(tile);
  return finite;
}

template <class T>
double tile_square(const Parameters<T>& theta, const ParameterTile& tile, const T* values, double scale) {
  double chains[4] = {};
  for (int64_t i = tile.first; i < tile.last; ++i) {
    const T* row = values + theta.row_offset(tile, i);
    for (int64_t j = 0; j < tile.columns(); ++j) {
      const double value = row[j] * scale;
      chains[j % 4] += value * value;
    }
  }
  return (chains[0] + chains[1]) + (chains[2] + chains[3]);
}

template <class T>
void scale_tile(const Parameters<T>& theta, const ParameterTile& tile, const Clipping& clip, T* values) {
  // By a factor that is 0 in T the values, large then, are multiplied in two steps.
  const bool in_one = clip.factor >= static_cast<double>(std::numeric_limits<T>::min());
  const T once = static_cast<T>(in_one ? clip.factor : clip.root);
  for (int64_t i = tile.first; i < tile.last; ++i) {
    T* row = values + theta.row_offset(tile, i);
    for (int64_t j = 0; j < tile.columns(); ++j) {
      row[j] *= once;
      if (!in_one) row[j] *= once;
    }
  }
}

#define DELTARULE_INSTANTIATE(T)                                                                                       \
  template void tile_gradient(const Parameters<T>&, const ParameterTile&, const Batch<T>&, int64_t, int64_t,           \
                              LayerValues<T>&, LayerValues<T>&, bool, T*, T*);                                         \
  template bool tile_descent(Parameters<T>&, const ParameterTile&, const Batch<T>&, int64_t, int64_t, LayerValues<T>&, \
                             const Update<T>&, T*, const T*);                                                          \
  template bool tile_descent(Parameters<T>&, const ParameterTile&, const Update<T>&, const T*);                        \
  template double tile_square(const Parameters<T>&, const ParameterTile&, const T*, double);                           \
  template void scale_tile(const Parameters<T>&, const ParameterTile&, const Clipping&, T*);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
