// Part of the bindings: the fast path of predict and train_step, for C-ordered ndarrays of exactly the network's dtype
// with valid values. Otherwise it declines, and the checked path in Python does the work or raises the error.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

#include "gil.hpp"
#include "core/predict.hpp"
#include "core/train_step.hpp"

namespace deltarule {

namespace py = pybind11;

// Values whose scan is worth a team: some 10 us.
constexpr int64_t kLargeScan = int64_t{1} << 18;

// The argument of set_num_threads; 0: not called.
inline std::atomic<int> chosen_threads{0};

// The team's limit where the call names none; 0 where Python has to find out.
inline int usual_threads() {
  if (const int chosen = chosen_threads.load(); chosen > 0) return chosen;
  if (std::getenv("DELTARULE_NUM_THREADS")) return 0;
  return std::max(1, std::min(openmp_max_threads(), usable_cpus()));
}

// The class bound to C, from the import on.
template <class C>
inline const PyTypeObject* bound_type = nullptr;
template <class... Cs>
void know_bound_types() {
  ((bound_type<Cs> = reinterpret_cast<PyTypeObject*>(py::type::of<Cs>().ptr())), ...);
}

// The C++ object in an instance of exactly the class bound to it, or null.
template <class C>
C* unwrapped(PyObject* object) {
  if (Py_TYPE(object) != bound_type<C>) return nullptr;
  return static_cast<C*>(reinterpret_cast<py::detail::instance*>(object)->simple_value_holder[0]);
}

template <class T>
struct Exact {
  const py::detail::PyArray_Proxy* array = nullptr;

  explicit Exact(PyObject* object, int dtype = py::detail::npy_format_descriptor<T>::value) {
    if (Py_TYPE(object) != py::detail::npy_api::get().PyArray_Type_) return;
    const auto* proxy = py::detail::array_proxy(object);
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
bool is_within(const T* x, int64_t n, T low, T high) {
  return kernels<T>().first_outside(n, x, low, high) < 0;
}

// The same for (-infinity, infinity); much of it on a team.
template <class T>
bool is_finite(const T* x, int64_t n, int threads) {
  std::atomic<bool> finite{true};
  run_team(n < kLargeScan ? 1 : threads, [&](const Member& team) {
    const auto [first, last] = team.share(n, kLanes<T>);
    if (!kernels<T>().all_finite(last - first, x + first)) finite.store(false, std::memory_order_relaxed);
  });
  return finite.load();
}

// A new array of the shape, not initialized.
template <class T>
py::object new_array(int nd, const Py_intptr_t* shape) {
  const auto& api = py::detail::npy_api::get();
  PyObject* descr = api.PyArray_DescrFromType_(py::detail::npy_format_descriptor<T>::value);
  PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, descr, nd, shape, nullptr, nullptr, 0, nullptr);
  if (!array) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

// y_hat of x, in `out` where that is not null.
template <class T>
py::object predict_fast(const Network<T>& network, PyObject* x, PyObject* out) {
  const Architecture& architecture = network.architecture;
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  const Exact<T> input(x);
  if (!input || input.array->nd < 1 || input.array->nd > 2) return {};
  const bool one = input.array->nd == 1;
  const int64_t rows = one ? 1 : input.array->dimensions[0];
  if (rows < 1 || input.array->dimensions[input.array->nd - 1] != n_in) return {};
  const double work = prediction_work(architecture, rows);
  const int threads = worth_a_team(work) ? usual_threads() : 1;
  if (threads < 1) return {};
  py::object result;
  const bool is_new = !out || out == Py_None;
  if (is_new) {
    const Py_intptr_t shape[] = {rows, n_out};
    result = new_array<T>(one ? 1 : 2, shape + one);
  } else {
    const Exact<T> given(out);
    if (!given || !(given.array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_)) return {};
    const bool fits = one ? given.array->nd == 1 && given.array->dimensions[0] == n_out : given.is(rows, n_out);
    const bool apart = given.data() + rows * n_out <= input.data() || input.data() + rows * n_in <= given.data();
    if (!fits || !apart || !is_finite(input.data(), rows * n_in, threads)) return {};
    result = py::reinterpret_borrow<py::object>(out);
  }
  T* y_hat = Exact<T>(result.ptr()).data();
  const bool good = interruptible(work, [&](const Interrupt& interrupt) {
    return run(work, [&] {
      return deltarule::predict(network, {input.data(), n_in, nullptr}, rows, y_hat, threads, is_new, interrupt);
    });
  });
  return good ? result : py::object();
}

// The loss before the step, or nothing where the checked way has to do it, or to say why it cannot be done.
template <class T>
std::optional<double> train_step_fast(Network<T>& network, PyObject* x, PyObject* y, const Optimizer& optimizer) {
  const Architecture& architecture = network.architecture;
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  constexpr T limit = std::numeric_limits<T>::max();
  if (!optimizer.fits<T>()) return {};
  const Exact<T> input(x);
  if (!input || input.array->nd != 2 || input.array->dimensions[1] != n_in) return {};
  const int64_t rows = input.array->dimensions[0];
  const double work = training_work(architecture) * static_cast<double>(rows);
  const int threads = worth_a_team(work) ? usual_threads() : 1;
  if (rows < 1 || threads < 1) return {};
  Batch<T> batch{rows, {input.data(), n_in, nullptr}, {nullptr, nullptr, n_out, nullptr}, nullptr};
  const bool copies = work > kWorkToRelease || kOthersRun;
  std::vector<int64_t> labels;  // a copy, where others may change the user's meanwhile
  if (architecture.loss == Loss::cross_entropy) {
    const Exact<int64_t> classes(y);
    if (!classes || classes.array->nd != 1 || classes.array->dimensions[0] != rows) return {};
    if (copies) labels.assign(classes.data(), classes.data() + rows);
    batch.y.classes = copies ? labels.data() : classes.data();
    for (int64_t i = 0; i < rows; ++i)
      if (batch.y.classes[i] < 0 || batch.y.classes[i] >= n_out) return {};
  } else {
    const Exact<T> targets(y);
    const TargetRange range = target_range(architecture.loss);
    const T low = range == TargetRange::any ? -limit : T(0), high = range == TargetRange::unit ? T(1) : limit;
    if (!targets || !targets.is(rows, n_out)) return {};
    if (!is_within(targets.data(), rows * n_out, low, high)) return {};
    batch.y.values = targets.data();
  }
  const double loss = interruptible(work, [&](const Interrupt& interrupt) {
    return run_writing(network, work,
                       [&] { return deltarule::train_step(network, batch, optimizer, threads, true, interrupt); });
  });
  return std::isfinite(loss) ? std::optional(loss) : std::nullopt;  // where it is not, nothing was updated
}

}  // namespace deltarule
