#include "layer_values.hpp"

namespace deltarule {

// z has memory of its own only where g'(z) needs it. The last layer's z becomes scratch of the loss.
static bool keeps_z(const Architecture& architecture, int64_t l) {
  return l < architecture.layers() && derivative_needs_z(architecture.hidden[l - 1]);
}

template <class T>
int64_t LayerValues<T>::row_elements(const Architecture& architecture) {
  int64_t n = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    n += (keeps_z(architecture, l) ? 3 : 2) * row_stride<T>(architecture.sizes[l]);
  return n;
}

template <class T>
LayerValues<T>::LayerValues(const Architecture& architecture, int64_t rows, bool dropout, bool every_z)
    : rows_(rows), dropout_(dropout) {
  int64_t end = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l) {
    Layer layer{};
    layer.ld = row_stride<T>(architecture.sizes[l]);
    layer.a = end;
    layer.delta = layer.a + rows * layer.ld;
    end = layer.delta + rows * layer.ld;
    layer.z = layer.a;
    if (keeps_z(architecture, l) || (every_z && l < architecture.layers())) {
      layer.z = end;
      end += rows * layer.ld;
    }
    layer.next_input = layer.a;
    if (dropout && l < architecture.layers()) {
      layer.next_input = end;
      end += rows * layer.ld;
    }
    layers_.push_back(layer);
  }
  elements_ = end;
  arena_ = make_buffer<T>(end);
}

template class LayerValues<float>;
template class LayerValues<double>;

}  // namespace deltarule
