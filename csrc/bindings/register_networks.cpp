// The two networks: parameters, predictions and losses, training, derivatives.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "arrays.hpp"
#include "gil.hpp"
#include "method.hpp"
#include "register.hpp"
#include "register_derivatives.hpp"
#include "register_training.hpp"
#include "core/divergence.hpp"
#include "core/predict.hpp"
#include "core/train_step.hpp"

namespace deltarule {
namespace {

template <class T>
py::array_t<T> theta_array(const Network<T>& network) {
  return py::array_t<T>(network.theta.count());
}

// A view is handed out where the parameters may be read; it stays live.
template <class T>
void check_readable(const Network<T>& network) {
  run(0.0, [&] { const Reading use(network.lock); });
}

template <class T>
py::object weight_view(py::object self, int64_t l) {
  const auto& network = self.cast<const Network<T>&>();
  check_readable(network);
  require(l >= 1 && l <= network.architecture.layers(), "layer", "out of range");
  const LayerLayout& layer = network.theta.layer(l);
  const auto size = static_cast<py::ssize_t>(sizeof(T));
  const py::ssize_t stride = layer.ld * size;
  py::array_t<T> view({layer.n_out, layer.n_in}, {layer.narrow ? stride : size, layer.narrow ? size : stride},
                      network.theta.W(l), self);
  view.attr("setflags")(py::arg("write") = false);
  return view;
}

template <class T>
py::object bias_view(py::object self, int64_t l) {
  const auto& network = self.cast<const Network<T>&>();
  check_readable(network);
  require(l >= 1 && l <= network.architecture.layers(), "layer", "out of range");
  py::array_t<T> view({network.theta.layer(l).n_out}, {static_cast<py::ssize_t>(sizeof(T))}, network.theta.b(l), self);
  view.attr("setflags")(py::arg("write") = false);
  return view;
}

template <class T>
void bind_network(py::module_& module, const char* name) {
  using N = Network<T>;
  py::class_<N> network(module, name);
  network
      .def(py::init([](std::vector<int64_t> sizes, std::vector<Activation> hidden, Output output, Loss loss, bool mean,
                       double leaky_slope, double huber_delta) {
             require(sizes.size() >= 2 && hidden.size() + 2 == sizes.size(), "sizes", "wrong length");
             for (const int64_t n : sizes) require(n > 0 && n < (int64_t{1} << 31), "sizes", "out of range");
             return std::make_unique<N>(
                 Architecture{std::move(sizes), std::move(hidden), output, loss, mean, leaky_slope, huber_delta});
           }),
           py::arg("sizes"), py::arg("hidden"), py::arg("output"), py::arg("loss"), py::arg("mean"),
           py::arg("leaky_slope"), py::arg("huber_delta"))
      .def_property_readonly("n_parameters", [](const N& n) { return n.theta.count(); })
      .def("weight_view", &weight_view<T>, py::arg("layer"))
      .def("bias_view", &bias_view<T>, py::arg("layer"))
      .def("get_theta",
           [](const N& network) {
             py::array_t<T> theta = theta_array(network);
             T* to = theta.mutable_data();
             run(0.0, [&] { network.get_theta(to); });
             return theta;
           })
      .def(
          "set_theta",
          [](N& network, const py::array& theta) {
            require_shape<T>(theta, "theta", {network.theta.count()});
            run_writing(network, 0.0, [&] { network.set_theta(readable<T>(theta)); });
          },
          py::arg("theta"))
      .def("get_optimizer_state",
           [](const N& network) {
             std::optional<py::array_t<T>> m = theta_array(network), v = theta_array(network);
             T *to_m = m->mutable_data(), *to_v = v->mutable_data();
             const auto state = run(0.0, [&] { return network.get_optimizer_state(to_m, to_v); });
             if (!state.m) m.reset();
             if (!state.v) v.reset();
             return py::make_tuple(state.kind, m, v, state.steps);
           })
      .def(
          "set_optimizer_state",
          [](N& network, Optimizer::Kind kind, const std::optional<py::array>& m, const std::optional<py::array>& v,
             int64_t steps) {
            require(steps >= 0 && steps <= (int64_t{1} << 62), "steps", "out of range");
            if (m) require_shape<T>(*m, "m", {network.theta.count()});
            if (v) require_shape<T>(*v, "v", {network.theta.count()});
            const T *first = m ? readable<T>(*m) : nullptr, *second = v ? readable<T>(*v) : nullptr;
            run_writing(network, 0.0, [&] { network.set_optimizer_state(kind, first, second, steps); });
          },
          py::arg("kind"), py::arg("m"), py::arg("v"), py::arg("steps"))
      .def(
          "predict",
          [](const N& network, const py::array& x, py::array& out, int threads) {
            const InputRows<T> rows = input_rows(network, x);
            require_shape<T>(out, "out", {x.shape(0), network.architecture.n_outputs()});
            T* y_hat = writable<T>(out, "out");
            const int64_t n = x.shape(0);
            const double work = prediction_work(network.architecture, n);
            interruptible(work, [&](const Interrupt& interrupt) {
              return run(work, [&] { return deltarule::predict(network, rows, n, y_hat, threads, false, interrupt); });
            });
          },
          py::arg("x"), py::arg("out"), py::arg("threads"))
      .def(
          "evaluate",
          [](const N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight,
             int threads) {
            const Batch<T> batch = batch_of(network, x, y, weight);
            const double work = forward_work(network.architecture) * static_cast<double>(batch.rows);
            return interruptible(work, [&](const Interrupt& interrupt) {
              return run(work, [&] { return deltarule::evaluate(network, batch, threads, interrupt); });
            });
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"))
      .def(
          "value_and_gradient",
          [](N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight, int threads) {
            const Batch<T> batch = batch_of(network, x, y, weight);
            py::array_t<T> gradient = theta_array(network);
            T* theta = gradient.mutable_data();
            const double work = training_work(network.architecture) * static_cast<double>(batch.rows);
            const double value = interruptible(work, [&](const Interrupt& interrupt) {
              return run(work,
                         [&] { return deltarule::value_and_gradient(network, batch, theta, threads, interrupt); });
            });
            return py::make_tuple(value, gradient);
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"))
      .def(
          "train_step",
          [](N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight,
             const Optimizer& optimizer, int threads) {
            const Batch<T> batch = batch_of(network, x, y, weight);
            const double work = training_work(network.architecture) * static_cast<double>(batch.rows);
            return interruptible(work, [&](const Interrupt& interrupt) {
              return run_writing(network, work, [&] {
                return deltarule::train_step(network, batch, optimizer, threads, false, interrupt);
              });
            });
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("optimizer"), py::arg("threads"))
      .def("train", &train_arrays<T>, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("order"),
           py::arg("epochs"), py::arg("batch_size"), py::arg("optimizer"), py::arg("lr"), py::arg("dropout"),
           py::arg("validation"), py::arg("threads"), py::arg("seconds"), py::arg("result"), py::arg("first_step") = 0,
           py::arg("first_loss") = 0.0, py::arg("first_weight") = 0.0, py::arg("pause") = INFINITY)
      .def("begin_reading", [](const N& network) { run(0.0, [&] { network.lock.begin_reading(); }); })
      .def("end_reading", [](const N& network) { network.lock.end_reading(); })
      .def(
          "begin_training", [](const N& network) { network.lock.begin_training(); },
          py::call_guard<py::gil_scoped_release>())
      .def("end_training", [](const N& network) { network.lock.end_training(); })
      .def(
          "descend",
          [](N& network, const py::array& gradient, const Optimizer& optimizer, double total_weight) {
            require_shape<T>(gradient, "gradient", {network.theta.count()});
            run_writing(network, 0.0,
                        [&] { deltarule::descend(network, readable<T>(gradient), optimizer, total_weight); });
          },
          py::arg("gradient"), py::arg("optimizer"), py::arg("total_weight"))
      .def(
          "first_not_finite",
          [](const N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight) {
            return deltarule::first_not_finite(network, batch_of(network, x, y, weight));
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"));
  bind_derivatives<T>(network);
}

void register_result(py::module_& module) {
  using Status = TrainingResult::Status;
  py::class_<TrainingResult>(module, "TrainingResult")  // filled by train, the core's or one written in Python
      .def(py::init<>())
      .def_property(
          "diverged", [](const TrainingResult& r) { return r.status == Status::diverged; },
          [](TrainingResult& r, bool is) { r.status = is ? Status::diverged : Status::finished; })
      .def_readwrite("step", &TrainingResult::step)
      .def_readwrite("partial_loss", &TrainingResult::partial_loss)
      .def_readwrite("partial_weight", &TrainingResult::partial_weight)
      .def_readwrite("layer", &TrainingResult::layer)
      .def_readwrite("loss", &TrainingResult::loss)
      .def_readwrite("validation_loss", &TrainingResult::validation_loss)
      .def_readwrite("seconds", &TrainingResult::seconds);
}

}  // namespace

void register_networks(py::module_& module) {
  py::register_exception<UpdateOverflow>(module, "UpdateOverflow", PyExc_OverflowError);
  register_result(module);
  bind_network<float>(module, "NetworkF32");
  bind_network<double>(module, "NetworkF64");
  store_bound_types<Network<float>, Network<double>, Optimizer>();
  intern_names();

  module.def("train_many", &train_many, py::arg("runs"), py::arg("threads"));
  module.def(
      "fast_predict", [](const py::object& function) { return fast_method(call_predict, function); },
      py::arg("function"));
  module.def(
      "fast_train_step", [](const py::object& function) { return fast_method(call_train_step, function); },
      py::arg("function"));
}

}  // namespace deltarule
