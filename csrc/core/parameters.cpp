#include "parameters.hpp"

#include <algorithm>
#include <new>

#include "affine_in_parts.hpp"

namespace deltarule {

template <class T>
Parameters<T>::Parameters(const Architecture& architecture) {
  double estimate = 0.0;  // elements, W and its copy: more than any address space holds is refused here
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    estimate +=
        2.0 * static_cast<double>(architecture.sizes[l - 1] + 64) * static_cast<double>(architecture.sizes[l] + 64);
  if (estimate > 1e15) throw std::bad_alloc();
  int64_t copies = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    LayerLayout layer{};
    layer.n_in = architecture.sizes[l - 1];
    layer.n_out = architecture.sizes[l];
    layer.narrow = is_narrow(layer.n_in, layer.n_out);
    layer.transposed = l > 1 && !layer.narrow;
    layer.ld = row_stride<T>(layer.columns());
    layer.ld_t = row_stride<T>(layer.n_in);
    layer.W = storage_;
    layer.b = layer.W + layer.rows() * layer.ld;
    storage_ = layer.b + padded<T>(layer.n_out);
    layer.WT = copies;
    if (layer.transposed) copies += layer.n_out * layer.ld_t;
    count_ += (layer.n_in + 1) * layer.n_out;
    layers_.push_back(layer);
  }
  values_ = make_buffer<T>(storage_);
  copies_ = make_buffer<T>(copies);
}

template <class T>
void Parameters<T>::to_theta(const T* values, T* theta, const BreakOff& breaks_off) const {
  for (const LayerLayout& layer : layers_) {
    const double work = kMove * static_cast<double>(layer.n_in);
    in_parts(layer.n_out, kPartColumns<T>, work, breaks_off, [&](int64_t first, int64_t last) {
      if (!layer.narrow)
        kernels<T>().transpose(layer.n_in, last - first, values + layer.W + first, layer.ld, theta + first * layer.n_in,
                               layer.n_in);
      for (int64_t j = first; layer.narrow && j < last; ++j)
        std::copy_n(values + layer.at(j, 0), layer.n_in, theta + j * layer.n_in);
    });
    theta += layer.n_in * layer.n_out;
  }
  for (const LayerLayout& layer : layers_) theta = std::copy_n(values + layer.b, layer.n_out, theta);
}

template <class T>
void Parameters<T>::from_theta(const T* theta, T* values) const {
  for (const LayerLayout& layer : layers_) {
    if (layer.narrow)
      for (int64_t j = 0; j < layer.n_out; ++j)
        std::copy_n(theta + j * layer.n_in, layer.n_in, values + layer.at(j, 0));
    else
      kernels<T>().transpose(layer.n_out, layer.n_in, theta, layer.n_in, values + layer.W, layer.ld);
    theta += layer.n_in * layer.n_out;
  }
  for (const LayerLayout& layer : layers_) {
    std::copy_n(theta, layer.n_out, values + layer.b);
    theta += layer.n_out;
  }
}

template <class T>
void Parameters<T>::refresh_copy(const ParameterTile& tile) {
  const LayerLayout& layer = this->layer(tile.l);
  if (!layer.transposed || tile.is_bias) return;
  kernels<T>().transpose(tile.last - tile.first, tile.columns(), W(tile.l) + tile.first * layer.ld + tile.left,
                         layer.ld, copies_.get() + layer.WT + tile.left * layer.ld_t + tile.first, layer.ld_t);
}

template <class T>
void Parameters<T>::refresh_copies() {
  for (int64_t l = 2; l <= static_cast<int64_t>(layers_.size()); ++l)
    refresh_copy({l, 0, layer(l).rows(), 0, layer(l).columns(), false});
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace deltarule
