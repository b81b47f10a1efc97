// Part of the bindings: NumPy arrays -> views, and the checks that protect memory.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/batch.hpp"
#include "core/network.hpp"

namespace deltarule {

namespace py = pybind11;

inline void require(bool condition, const char* name, const char* rule) {
  if (!condition) throw std::invalid_argument(std::string(name) + ": " + rule);
}

// A C-ordered array of exactly T, of the shape given (-1: any).
template <class T>
void require_shape(const py::array& array, const char* name, const std::vector<py::ssize_t>& shape) {
  require(py::isinstance<py::array_t<T>>(array), name, "wrong dtype");
  require(array.flags() & py::array::c_style, name, "not C-contiguous");
  require(array.ndim() == static_cast<py::ssize_t>(shape.size()), name, "wrong number of dimensions");
  py::ssize_t axis = 0;
  for (const int64_t n : shape) {
    require(n < 0 || n == array.shape(axis), name, "wrong shape");
    ++axis;
  }
}

template <class T>
const T* readable(const py::array& array) {
  return static_cast<const T*>(array.data());
}

template <class T>
T* writable(py::array& array, const char* name) {
  require(array.writeable(), name, "read-only");
  return static_cast<T*>(array.mutable_data());
}

template <class T>
InputRows<T> input_rows(const Network<T>& network, const py::array& x) {
  const int64_t n = network.architecture.n_inputs();
  require_shape<T>(x, "x", {-1, n});
  return {readable<T>(x), n, nullptr};
}

// y is an array of class indices (int64), or of T with one row per sample.
template <class T>
Batch<T> batch_of(const Network<T>& network, const py::array& x, const py::array& y,
                  const std::optional<py::array>& weight) {
  const int64_t n = network.architecture.n_outputs(), rows = x.shape(0);
  Batch<T> batch{rows, input_rows(network, x), {nullptr, nullptr, n, nullptr}, nullptr};
  require(rows > 0, "x", "no rows");
  if (y.ndim() == 1) {
    require_shape<int64_t>(y, "y", {rows});
    batch.y.classes = readable<int64_t>(y);
  } else {
    require_shape<T>(y, "y", {rows, n});
    batch.y.values = readable<T>(y);
  }
  if (weight) {
    require_shape<double>(*weight, "sample_weight", {rows});
    batch.weight = readable<double>(*weight);
  }
  return batch;
}

}  // namespace deltarule
