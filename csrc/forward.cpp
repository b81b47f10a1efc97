#include "forward.hpp"

#include <algorithm>

namespace deltarule {

template <class T>
void affine(const Parameters<T>& theta, int64_t l, int64_t rows, InputRows<T> a, T* z, int64_t ldz) {
  const LayerLayout& layer = theta.layer(l);
  if (layer.narrow)
    kernels<T>().affine_narrow(rows, layer.n_in, layer.n_out, a, theta.W(l), layer.ld, theta.b(l), z, ldz);
  else
    kernels<T>().affine(rows, layer.n_in, padded<T>(layer.n_out), a, theta.W(l), layer.ld, theta.b(l), z,
                        ldz);
}

template <class T>
void forward(const Architecture& architecture, const Parameters<T>& theta, const Batch<T>& chunk,
             int64_t first, int64_t last, Activations<T>& state) {
  const int64_t rows = last - first, L = architecture.layers();
  const T slope = static_cast<T>(architecture.leaky_slope);
  InputRows<T> below = chunk.slice(first, last).x;
  for (int64_t l = 1; l <= L; ++l) {
    T* z = state.z(l, first);
    affine(theta, l, rows, below, z, state.ld(l));
    if (l == L) break;
    T* a = state.a(l, first);
    kernels<T>().activate(architecture.hidden[l - 1], slope, rows, padded<T>(architecture.sizes[l]), z, a,
                          state.ld(l));
    below = {a, state.ld(l), nullptr};
  }
}

template <class T>
static int64_t widest_stride(const Architecture& architecture) {
  int64_t widest = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    widest = std::max(widest, row_stride<T>(architecture.sizes[l]));
  return widest;
}

template <class T>
int64_t scratch_elements(const Architecture& architecture, int64_t rows) {
  return 2 * rows * widest_stride<T>(architecture);
}

template <class T>
T* last_z(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows,
          T* scratch) {
  const int64_t L = architecture.layers();
  const T slope = static_cast<T>(architecture.leaky_slope);
  const int64_t tile = rows * widest_stride<T>(architecture);
  InputRows<T> below = x;
  T* z = scratch;
  for (int64_t l = 1; l <= L; ++l) {
    const int64_t ld = row_stride<T>(architecture.sizes[l]);
    z = scratch + (l % 2) * tile;
    affine(theta, l, rows, below, z, ld);
    if (l < L)
      kernels<T>().activate(architecture.hidden[l - 1], slope, rows, padded<T>(architecture.sizes[l]), z,
                            z, ld);
    below = {z, ld, nullptr};
  }
  return z;
}

template <class T>
void predict(const Architecture& architecture, const Parameters<T>& theta, InputRows<T> x, int64_t rows,
             T* scratch, T* y_hat, int64_t ldy) {
  T* z = last_z(architecture, theta, x, rows, scratch);
  const int64_t n = architecture.n_outputs();
  kernels<T>().output(architecture.output, rows, n, z, row_stride<T>(n), y_hat, ldy);
}

#define DELTARULE_INSTANTIATE(T)                                                                        \
  template void affine(const Parameters<T>&, int64_t, int64_t, InputRows<T>, T*, int64_t);              \
  template void forward(const Architecture&, const Parameters<T>&, const Batch<T>&, int64_t, int64_t,   \
                        Activations<T>&);                                                               \
  template void predict(const Architecture&, const Parameters<T>&, InputRows<T>, int64_t, T*, T*,       \
                        int64_t);                                                                       \
  template T* last_z(const Architecture&, const Parameters<T>&, InputRows<T>, int64_t, T*);             \
  template int64_t scratch_elements<T>(const Architecture&, int64_t);
DELTARULE_INSTANTIATE(float)
DELTARULE_INSTANTIATE(double)

}  // namespace deltarule
