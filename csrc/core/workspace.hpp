// What the forward pass leaves for the backward pass: z, a and delta of a chunk of rows.
#pragma once

#include <vector>

#include "architecture.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

template <class T>
class Activations {
 public:
  // Room for `rows` rows of every layer's a and delta, of z of the hidden layers where a derivative needs it or, as
  // tangents, `every_z`; and of what dropout leaves of a where it `drops`.
  Activations(const Architecture& architecture, int64_t rows, bool drops, bool every_z = false);

  int64_t rows() const { return rows_; }
  bool drops() const { return drops_; }
  // All of it, of all rows.
  const T* data() const { return arena_.get(); }
  int64_t elements() const { return elements_; }
  int64_t ld(int64_t l) const { return layers_[l - 1].ld; }
  // Row r of layer l = 1..L. z is a where it is not kept apart.
  T* z(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].z + r * ld(l); }
  T* a(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].a + r * ld(l); }
  // What layer l + 1 is fed: a, or what dropout leaves of it.
  T* fed(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].fed + r * ld(l); }
  T* delta(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].delta + r * ld(l); }

  // Elements of T that one row takes.
  static int64_t row_elements(const Architecture& architecture);

 private:
  struct Layer {
    int64_t ld, z, a, fed, delta;
  };
  int64_t rows_;
  bool drops_;
  std::vector<Layer> layers_;
  int64_t elements_ = 0;
  Buffer<T> arena_;
};

}  // namespace deltarule
