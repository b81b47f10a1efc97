// theta in the layout of the kernels, with its transposed copies.
#pragma once

#include <cstdint>
#include <vector>

#include "architecture.hpp"
#include "runtime/break_off.hpp"
#include "runtime/memory.hpp"

namespace deltarule {

// The memory layout of a layer's parameters. W is stored as the forward kernel reads it: [n_in][n_out] when wide,
// [n_out][n_in] when narrow (a few outputs, dotted over the inputs); b follows in the same buffer.
struct LayerLayout {
  int64_t n_in, n_out;
  bool narrow;
  bool transposed;   // a copy of W in [n_out][n_in] is kept for backward-data
  int64_t ld, ld_t;  // row strides of W and of that copy
  int64_t W, b, WT;  // offsets: W and b in the values, WT in the copies

  int64_t rows() const { return narrow ? n_out : n_in; }
  int64_t columns() const { return narrow ? n_in : n_out; }
  int64_t at(int64_t out, int64_t in) const { return W + (narrow ? out * ld + in : in * ld + out); }
};

// Rows [first, last) and columns [left, right) of layer l's W as stored, or of its b, which is one row.
struct ParameterTile {
  int64_t l, first, last, left, right;
  bool is_bias;

  int64_t columns() const { return right - left; }
};

// Part of the numeric contract: whether z is summed by affine_narrow.
constexpr bool is_narrow(int64_t n_in, int64_t n_out) { return n_out <= 10 && n_in >= 32; }

// Operations in the time that an element takes from memory to memory.
constexpr double kMove = 100.0;

template <class T>
class Parameters {
 public:
  explicit Parameters(const Architecture& architecture);

  int64_t count() const { return count_; }      // D of the notes
  int64_t storage() const { return storage_; }  // elements of values(), padding included
  const LayerLayout& layer(int64_t l) const { return layers_[l - 1]; }

  T* values() { return values_.get(); }
  const T* values() const { return values_.get(); }
  T* W(int64_t l) { return values_.get() + layer(l).W; }
  const T* W(int64_t l) const { return values_.get() + layer(l).W; }
  T* b(int64_t l) { return values_.get() + layer(l).b; }
  const T* b(int64_t l) const { return values_.get() + layer(l).b; }
  // W as [n_out][n_in], for l >= 2.
  const T* W_by_output(int64_t l) const { return layer(l).transposed ? copies_.get() + layer(l).WT : W(l); }
  int64_t stride_by_output(int64_t l) const { return layer(l).transposed ? layer(l).ld_t : layer(l).ld; }

  // Where row i of a tile begins in values().
  int64_t row_offset(const ParameterTile& tile, int64_t i) const {
    const LayerLayout& layer = this->layer(tile.l);
    return tile.left + (tile.is_bias ? layer.b : layer.W + i * layer.ld);
  }

  // theta: all W in order, each (n_out, n_in) row-major, then all b; unpadded. Any array laid out as
  // values() can be read or written that way: parameters, velocity, gradient.
  // A result that is broken off is invalid.
  void to_theta(const T* values, T* theta, const BreakOff& breaks_off = {}) const;
  void from_theta(const T* theta, T* values) const;

  // A tile of W into its transposed copy.
  void refresh_copy(const ParameterTile& tile);
  void refresh_copies();

 private:
  std::vector<LayerLayout> layers_;
  int64_t count_ = 0;
  int64_t storage_ = 0;
  Buffer<T> values_;
  Buffer<T> copies_;
};

}  // namespace deltarule
