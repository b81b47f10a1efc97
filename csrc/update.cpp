#include "update.hpp"

namespace deltarule {

template <class T>
bool update_tile(Parameters<T>& theta, const ParameterTile& tile, const Sgd& sgd, const T* G, int64_t ldg,
                 T* velocity) {
  const T decay = static_cast<T>(tile.is_bias ? 0.0 : sgd.weight_decay);
  const SgdStep<T> step{static_cast<T>(sgd.lr), static_cast<T>(sgd.momentum), decay, sgd.nesterov};
  // The padding of a gradient is 0 but in a narrow layer, where it holds products of a's padding.
  const bool narrow = !tile.is_bias && theta.layer(tile.l).narrow;
  const int64_t length = narrow ? tile.columns() : padded<T>(tile.columns());
  bool finite = true;
  for (int64_t i = tile.first; i < tile.last; ++i) {
    const int64_t at = theta.row_offset(tile, i);
    finite &= kernels<T>().sgd(length, step, G + (i - tile.first) * ldg, theta.values() + at,
                     velocity ? velocity + at : nullptr);
  }
  theta.refresh_copy(tile);
  return finite;
}

template bool update_tile(Parameters<float>&, const ParameterTile&, const Sgd&, const float*, int64_t,
                          float*);
template bool update_tile(Parameters<double>&, const ParameterTile&, const Sgd&, const double*, int64_t,
                          double*);

}  // namespace deltarule
