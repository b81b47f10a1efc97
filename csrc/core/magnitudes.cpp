#include "magnitudes.hpp"

namespace deltarule {

template <class T>
double magnitudes(const Architecture& architecture, const Batch<T>& chunk, int64_t first, int64_t last,
                  LayerValues<T>& values) {
  const int64_t rows = last - first, n_in = architecture.n_inputs();
  const InputRows<T> x = chunk.slice(first, last).x;
  double sum = static_cast<double>(rows);
  if (x.stride == n_in)
    sum += kernels<T>().magnitude(rows * n_in, x.data);
  else
    for (int64_t r = 0; r < rows; ++r) sum += kernels<T>().magnitude(n_in, x.data + r * x.stride);
  if (rows == values.rows()) return sum + kernels<T>().magnitude(values.elements(), values.data());
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    sum += kernels<T>().magnitude(rows * values.ld(l), values.delta(l, first));
    if (l < architecture.layers()) sum += kernels<T>().magnitude(rows * values.ld(l), values.a(l, first));
  }
  return sum;
}

template double magnitudes(const Architecture&, const Batch<float>&, int64_t, int64_t, LayerValues<float>&);
template double magnitudes(const Architecture&, const Batch<double>&, int64_t, int64_t, LayerValues<double>&);

}  // namespace deltarule
