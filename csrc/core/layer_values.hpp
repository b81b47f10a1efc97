// z, a and delta of every layer for some rows: written by the forward pass, read by the backward pass.
#pragma once

#include <vector>

#include "architecture.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

template <class T>
class LayerValues {
 public:
  // Room for `rows` rows of every layer's a and delta; of z of the hidden layers whose derivative needs it, or with
  // `every_z` of all of them; and with `dropout` of a after dropout.
  LayerValues(const Architecture& architecture, int64_t rows, bool dropout, bool every_z = false);

  int64_t rows() const { return rows_; }
  bool has_dropout() const { return dropout_; }
  // All values of all rows.
  const T* data() const { return arena_.get(); }
  int64_t elements() const { return elements_; }
  int64_t ld(int64_t l) const { return layers_[l - 1].ld; }
  // Row r of layer l = 1..L. z and a share their memory where z is not needed.
  T* z(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].z + r * ld(l); }
  T* a(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].a + r * ld(l); }
  // The input of layer l + 1: a, or a after dropout.
  T* next_input(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].next_input + r * ld(l); }
  T* delta(int64_t l, int64_t r) { return arena_.get() + layers_[l - 1].delta + r * ld(l); }

  // Elements of T that one row takes.
  static int64_t row_elements(const Architecture& architecture);

 private:
  struct Layer {
    int64_t ld, z, a, next_input, delta;
  };
  int64_t rows_;
  bool dropout_;
  std::vector<Layer> layers_;
  int64_t elements_ = 0;
  Buffer<T> arena_;
};

}  // namespace deltarule
