#include "divergence.hpp"

#include <algorithm>

#include "forward.hpp"

namespace deltarule {

template <class T>
int64_t layer_not_finite(const Network<T>& network, const Batch<T>& batch) {
  const FlushSubnormals mode;
  const Architecture& architecture = network.architecture;
  const int64_t L = architecture.layers(), tile = std::min(network.plan.row_tile, batch.rows);
  LayerValues<T> values(architecture, tile, static_cast<bool>(batch.dropout), true);
  int64_t found = L + 1;
  const auto check = [&](const Batch<T>& rows, int64_t l, const T* of_layer) {
    for (int64_t r = 0; r < rows.rows && l < found; ++r)
      if (rows.weight_of(r) != 0.0 && !kernels<T>().all_finite(architecture.sizes[l], of_layer + r * values.ld(l)))
        found = l;
  };
  for (int64_t first = 0; first < batch.rows; first += tile) {
    const Batch<T> rows = batch.slice(first, std::min(first + tile, batch.rows));
    forward(architecture, network.theta, rows, 0, rows.rows, values);
    for (int64_t l = 1; l <= L; ++l) check(rows, l, values.z(l, 0));
    for (int64_t l = 1; l < L; ++l) check(rows, l, values.a(l, 0));
    T* y_hat = values.delta(L, 0);  // z is overwritten
    kernels<T>().output(output_layer<T>(architecture), rows.rows, architecture.n_outputs(), values.z(L, 0),
                        values.ld(L), y_hat, values.ld(L));
    check(rows, L, y_hat);
  }
  return found > L ? 0 : found;
}

template int64_t layer_not_finite(const Network<float>&, const Batch<float>&);
template int64_t layer_not_finite(const Network<double>&, const Batch<double>&);

}  // namespace deltarule
