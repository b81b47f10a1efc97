#include "workspace.hpp"

namespace deltarule {

// z is kept apart from a only where g'(z) needs it. The last layer's z becomes scratch of the loss.
static bool keeps_z(const Architecture& architecture, int64_t l) {
  return l < architecture.layers() && derivative_needs_z(architecture.hidden[l - 1]);
}

template <class T>
int64_t Activations<T>::row_elements(const Architecture& architecture) {
  int64_t n = 0;
  for (int64_t l = 1; l <= architecture.layers(); ++l)
    n += (keeps_z(architecture, l) ? 3 : 2) * row_stride<T>(architecture.sizes[l]);
  return n;
}

template <class T>
Activations<T>::Activations(const Architecture& architecture, int64_t rows, bool drops, bool every_z)
    : rows_(rows), drops_(drops) {
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
    layer.fed = layer.a;
    if (drops && l < architecture.layers()) {
      layer.fed = end;
      end += rows * layer.ld;
    }
    layers_.push_back(layer);
  }
  elements_ = end;
  arena_ = make_buffer<T>(end);
}

template class Activations<float>;
template class Activations<double>;

}  // namespace deltarule
