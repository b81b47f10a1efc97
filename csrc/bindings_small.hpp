// Part of the bindings: the usual small calls, without detour.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <limits>

#include "network.hpp"

namespace deltarule {

namespace py = pybind11;

// Work up to which a call is made straight, on one thread and with the GIL.
constexpr double kSmallWork = 1e6;

// Straight calls for the usual small arguments: exact ndarrays of the network's dtype, C-ordered, all values
// good, work that one thread does best. None where anything is otherwise: then the checked way does the
// work, or says what is wrong.
template <class T>
struct Exact {
  const py::detail::PyArray_Proxy* array = nullptr;

  explicit Exact(py::handle object, int dtype = py::dtype::of<T>().num()) {
    const auto& api = py::detail::npy_api::get();
    if (Py_TYPE(object.ptr()) != api.PyArray_Type_) return;
    const auto* proxy = py::detail::array_proxy(object.ptr());
    constexpr int wanted = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    const auto* descr = py::detail::array_descriptor_proxy(proxy->descr);
    if ((proxy->flags & wanted) == wanted && descr->type_num == dtype && descr->byteorder != '>') array = proxy;
  }
  explicit operator bool() const { return array != nullptr; }
  bool is(int64_t rows, int64_t columns) const {
    return array->nd == 2 && array->dimensions[0] == rows && array->dimensions[1] == columns;
  }
  T* data() const { return reinterpret_cast<T*>(array->data); }
};

template <class T>
bool is_finite(const T* x, int64_t n) {
  constexpr T limit = std::numeric_limits<T>::max();
  return kernels<T>().first_outside(n, x, -limit, limit) < 0;
}

template <class T>
py::object predict_if_small(const Network<T>& network, py::handle x, py::handle out) {
  const Architecture& architecture = network.architecture();
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  const Exact<T> input(x);
  if (!input || input.array->nd < 1 || input.array->nd > 2) return py::none();
  const bool one = input.array->nd == 1;
  const int64_t rows = one ? 1 : input.array->dimensions[0];
  if (rows < 1 || input.array->dimensions[input.array->nd - 1] != n_in) return py::none();
  if (forward_work(architecture) * static_cast<double>(rows) > kSmallWork) return py::none();
  if (!is_finite(input.data(), rows * n_in)) return py::none();
  py::object result;
  if (out.is_none()) {
    result = one ? py::array_t<T>(n_out) : py::array_t<T>({rows, n_out});
  } else {
    const Exact<T> given(out);
    if (!given || !(given.array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_)) return py::none();
    const bool fits = one ? given.array->nd == 1 && given.array->dimensions[0] == n_out : given.is(rows, n_out);
    const bool apart = given.data() + rows * n_out <= input.data() || input.data() + rows * n_in <= given.data();
    if (!fits || !apart) return py::none();
    result = py::reinterpret_borrow<py::object>(out);
  }
  network.predict({input.data(), n_in, nullptr}, rows, Exact<T>(result).data(), 1);
  return result;
}

template <class T>
py::object train_step_if_small(Network<T>& network, py::handle x, py::handle y, const Sgd& sgd) {
  const Architecture& architecture = network.architecture();
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  const Exact<T> input(x);
  if (!network.idle()) return py::none();  // waiting is done without the GIL
  if (!input || input.array->nd != 2 || input.array->dimensions[1] != n_in) return py::none();
  const int64_t rows = input.array->dimensions[0];
  if (rows < 1 || training_work(architecture) * static_cast<double>(rows) > kSmallWork) return py::none();
  Batch<T> batch{rows, {input.data(), n_in, nullptr}, {nullptr, nullptr, n_out, nullptr}, nullptr};
  const bool probabilities = architecture.loss == Loss::cross_entropy;
  if (const Exact<T> targets(y); targets && targets.is(rows, n_out) && !probabilities) {
    const bool unit = architecture.loss == Loss::binary_cross_entropy, positive = architecture.loss == Loss::poisson;
    constexpr T limit = std::numeric_limits<T>::max();
    const T low = unit || positive ? T(0) : -limit, high = unit ? T(1) : limit;
    if (kernels<T>().first_outside(rows * n_out, targets.data(), low, high) >= 0) return py::none();
    batch.y.values = targets.data();
  } else if (const Exact<int64_t> classes(y); classes && classes.array->nd == 1 && probabilities &&
                                               classes.array->dimensions[0] == rows) {
    for (int64_t i = 0; i < rows; ++i)
      if (classes.data()[i] < 0 || classes.data()[i] >= n_out) return py::none();
    batch.y.classes = classes.data();
  } else {
    return py::none();
  }
  if (!is_finite(input.data(), rows * n_in)) return py::none();
  const double loss = network.train_step(batch, sgd, 1);
  return std::isfinite(loss) ? py::object(py::float_(loss)) : py::object(py::none());
}

}  // namespace deltarule
