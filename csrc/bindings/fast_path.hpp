// Part of the bindings: the fast path of predict and train_step, for C-ordered ndarrays of exactly the network's dtype
// with valid values. Otherwise it declines, and the checked path in Python does the work or raises the error.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <vector>

#include "gil.hpp"
#include "pybind11_internals.hpp"
#include "core/predict.hpp"
#include "core/train_step.hpp"

namespace deltarule {

namespace py = pybind11;

// Values whose scan is worth a team: some 10 us.
constexpr int64_t kLargeScan = int64_t{1} << 18;

// The argument of set_num_threads; 0: not called.
inline std::atomic<int> chosen_threads{0};

// The limit of threads where the call names none; 0: only the checked path in Python can tell.
inline int usual_threads() {
  if (const int chosen = chosen_threads.load(); chosen > 0) return chosen;
  if (std::getenv("DELTARULE_NUM_THREADS")) return 0;
  return std::max(1, std::min(openmp_max_threads(), usable_cpus()));
}

template <class T>
bool is_within(const T* x, int64_t n, T low, T high) {
  return kernels<T>().first_outside(n, x, low, high) < 0;
}

// The same for (-infinity, infinity); much of it on a team.
template <class T>
bool is_finite(const T* x, int64_t n, int threads) {
  std::atomic<bool> finite{true};
  run_team(n < kLargeScan ? 1 : threads, [&](const TeamThread& team) {
    const auto [first, last] = team.share(n, kLanes<T>);
    if (!kernels<T>().all_finite(last - first, x + first)) finite.store(false, std::memory_order_relaxed);
  });
  return finite.load();
}

// y_hat of x, in `out` where that is not null.
template <class T>
py::object predict_fast(const Network<T>& network, PyObject* x, PyObject* out) {
  const Architecture& architecture = network.architecture;
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  const ExactArray<T> input(x);
  if (!input || input.ndim() < 1 || input.ndim() > 2) return {};
  const bool one = input.ndim() == 1;
  const int64_t rows = one ? 1 : input.shape(0);
  if (rows < 1 || input.shape(input.ndim() - 1) != n_in) return {};
  const double work = prediction_work(architecture, rows);
  const int threads = worth_a_team(work) ? usual_threads() : 1;
  if (threads < 1) return {};
  py::object result;
  const bool is_new = !out || out == Py_None;
  if (is_new) {
    const Py_intptr_t shape[] = {rows, n_out};
    result = new_array<T>(one ? 1 : 2, shape + one);
  } else {
    const ExactArray<T> given(out);
    if (!given || !given.is_writeable()) return {};
    const bool fits = one ? given.has_shape(n_out) : given.has_shape(rows, n_out);
    const bool apart = given.data() + rows * n_out <= input.data() || input.data() + rows * n_in <= given.data();
    if (!fits || !apart || !is_finite(input.data(), rows * n_in, threads)) return {};
    result = py::reinterpret_borrow<py::object>(out);
  }
  T* y_hat = ExactArray<T>(result.ptr()).data();
  const bool good = interruptible(work, [&](const Interrupt& interrupt) {
    return run(work, [&] {
      return deltarule::predict(network, {input.data(), n_in, nullptr}, rows, y_hat, threads, is_new, interrupt);
    });
  });
  return good ? result : py::object();
}

// The loss before the step; nothing where the checked path has to take the step or raise the error.
template <class T>
std::optional<double> train_step_fast(Network<T>& network, PyObject* x, PyObject* y, const Optimizer& optimizer) {
  const Architecture& architecture = network.architecture;
  const int64_t n_in = architecture.n_inputs(), n_out = architecture.n_outputs();
  constexpr T limit = std::numeric_limits<T>::max();
  if (!optimizer.fits<T>()) return {};
  const ExactArray<T> input(x);
  if (!input || input.ndim() != 2 || input.shape(1) != n_in) return {};
  const int64_t rows = input.shape(0);
  const double work = training_work(architecture) * static_cast<double>(rows);
  const int threads = worth_a_team(work) ? usual_threads() : 1;
  if (rows < 1 || threads < 1) return {};
  Batch<T> batch{rows, {input.data(), n_in, nullptr}, {nullptr, nullptr, n_out, nullptr}, nullptr};
  const bool copies = work > kWorkToRelease || kOthersRun;
  std::vector<int64_t> labels;  // a copy, where another thread may change the array after its check
  if (architecture.loss == Loss::cross_entropy) {
    const ExactArray<int64_t> classes(y);
    if (!classes || !classes.has_shape(rows)) return {};
    if (copies) labels.assign(classes.data(), classes.data() + rows);
    batch.y.classes = copies ? labels.data() : classes.data();
    for (int64_t i = 0; i < rows; ++i)
      if (batch.y.classes[i] < 0 || batch.y.classes[i] >= n_out) return {};
  } else {
    const ExactArray<T> targets(y);
    const TargetRange range = target_range(architecture.loss);
    const T low = range == TargetRange::any ? -limit : T(0), high = range == TargetRange::unit ? T(1) : limit;
    if (!targets || !targets.has_shape(rows, n_out)) return {};
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
