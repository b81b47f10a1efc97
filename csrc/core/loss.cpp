#include "loss.hpp"

#include <algorithm>
#include <cmath>

namespace deltarule {

template <class T>
double total_weight(const Batch<T>& batch) {
  if (!batch.weight) return static_cast<double>(batch.rows);
  double total = 0.0;
  for (int64_t r = 0; r < batch.rows; ++r) total += batch.weight_of(r);
  return total;
}

template <class T>
double loss_and_delta(const Architecture& architecture, const Batch<T>& chunk, int64_t first, int64_t last,
                      double scale, LayerValues<T>& state, double* row_loss) {
  const OutputLoss<T> f = output_loss<T>(architecture);
  const int64_t L = architecture.layers();
  const Batch<T> tile = chunk.slice(first, last);
  kernels<T>().loss(f, tile.rows, architecture.n_outputs(), state.z(L, first), state.delta(L, first), state.ld(L),
                    tile.y, tile.weight, scale, true, row_loss + first);
  double largest = 0.0;
  for (int64_t r = first; r < last; ++r)
    largest = std::max(largest, std::isfinite(row_loss[r]) ? std::abs(row_loss[r]) : INFINITY);
  return largest;
}

template <class T>
double weighted_sum(const Batch<T>& batch, const double* row_loss) {
  double sum = 0.0;
  for (int64_t s = 0; s < batch.rows; s += kSuperBlock) {
    const int64_t super_end = std::min(s + kSuperBlock, batch.rows);
    double super_block = 0.0;
    for (int64_t first = s; first < super_end; first += kRowBlock) {
      const int64_t last = std::min(first + kRowBlock, super_end);
      double chain = 0.0;
      for (int64_t r = first; r < last; ++r)
        chain = batch.weight ? std::fma(batch.weight_of(r), row_loss[r], chain) : chain + row_loss[r];
      super_block += chain;
    }
    sum += super_block;
  }
  return sum;
}

#define DELTARULE_INSTANTIATE(T)                                                                                  \
  template double total_weight(const Batch<T>&);                                                                  \
  template double loss_and_delta(const Architecture&, const Batch<T>&, int64_t, int64_t, double, LayerValues<T>&, \
                                 double*);                                                                        \
  template double weighted_sum(const Batch<T>&, const double*);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
