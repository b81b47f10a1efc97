// The Python module _core: arrays -> views, the checks that protect memory, the GIL, one call each.
// Words and values are checked in Python; labels and orders, which steer addresses, are checked there on
// private copies.
#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "bindings_arrays.hpp"
#include "bindings_derivatives.hpp"
#include "bindings_gil.hpp"
#include "bindings_method.hpp"
#include "bindings_training.hpp"
#include "network.hpp"
#include "peak.hpp"
#include "process.hpp"

namespace py = pybind11;
using namespace deltarule;

namespace {

template <class T>
py::array_t<T> theta_array(const Network<T>& network) {
  return py::array_t<T>(network.parameters().count());
}

// A view is handed out where the parameters may be read; it stays live.
template <class T>
void check_readable(const Network<T>& network) {
  run(0.0, [&] { const Reading use(network.lock()); });
}

template <class T>
py::object weight_view(py::object self, int64_t l) {
  const auto& network = self.cast<const Network<T>&>();
  check_readable(network);
  require(l >= 1 && l <= network.architecture().layers(), "layer", "out of range");
  const LayerLayout& layer = network.parameters().layer(l);
  const auto size = static_cast<py::ssize_t>(sizeof(T));
  const py::ssize_t stride = layer.ld * size;
  py::array_t<T> view({layer.n_out, layer.n_in}, {layer.narrow ? stride : size, layer.narrow ? size : stride},
                      network.parameters().W(l), self);
  view.attr("setflags")(py::arg("write") = false);
  return view;
}

template <class T>
py::object bias_view(py::object self, int64_t l) {
  const auto& network = self.cast<const Network<T>&>();
  check_readable(network);
  require(l >= 1 && l <= network.architecture().layers(), "layer", "out of range");
  py::array_t<T> view({network.parameters().layer(l).n_out}, {static_cast<py::ssize_t>(sizeof(T))},
                      network.parameters().b(l), self);
  view.attr("setflags")(py::arg("write") = false);
  return view;
}

template <class T>
void bind_network(py::module_& module, const char* name) {
  using N = Network<T>;
  py::class_<N> network(module, name);
  network
      .def(py::init([](std::vector<int64_t> sizes, std::vector<Activation> hidden, Output output, Loss loss,
                       bool mean, double leaky_slope, double huber_delta) {
             require(sizes.size() >= 2 && hidden.size() + 2 == sizes.size(), "sizes", "wrong length");
             for (const int64_t n : sizes) require(n > 0 && n < (int64_t{1} << 31), "sizes", "out of range");
             return std::make_unique<N>(Architecture{std::move(sizes), std::move(hidden), output, loss, mean,
                                                     leaky_slope, huber_delta});
           }),
           py::arg("sizes"), py::arg("hidden"), py::arg("output"), py::arg("loss"), py::arg("mean"),
           py::arg("leaky_slope"), py::arg("huber_delta"))
      .def_property_readonly("n_parameters", [](const N& n) { return n.parameters().count(); })
      .def("weight_view", &weight_view<T>, py::arg("layer"))
      .def("bias_view", &bias_view<T>, py::arg("layer"))
      .def("get_theta",
           [](const N& network) {
             py::array_t<T> theta = theta_array(network);
             T* to = theta.mutable_data();
             run(0.0, [&] { network.get_theta(to); });
             return theta;
           })
      .def("set_theta",
           [](N& network, const py::array& theta) {
             require_shape<T>(theta, "theta", {network.parameters().count()});
             run_writing(network, 0.0, [&] { network.set_theta(readable<T>(theta)); });
           },
           py::arg("theta"))
      .def("get_memory",
           [](const N& network) {
             std::optional<py::array_t<T>> m = theta_array(network), v = theta_array(network);
             T *to_m = m->mutable_data(), *to_v = v->mutable_data();
             const auto remembered = run(0.0, [&] { return network.get_memory(to_m, to_v); });
             if (!remembered.m) m.reset();
             if (!remembered.v) v.reset();
             return py::make_tuple(remembered.kind, m, v, remembered.steps);
           })
      .def("set_memory",
           [](N& network, Optimizer::Kind kind, const std::optional<py::array>& m, const std::optional<py::array>& v,
              int64_t steps) {
             require(steps >= 0 && steps <= (int64_t{1} << 62), "steps", "out of range");
             if (m) require_shape<T>(*m, "m", {network.parameters().count()});
             if (v) require_shape<T>(*v, "v", {network.parameters().count()});
             const T *first = m ? readable<T>(*m) : nullptr, *second = v ? readable<T>(*v) : nullptr;
             run_writing(network, 0.0, [&] { network.set_memory(kind, first, second, steps); });
           },
           py::arg("kind"), py::arg("m"), py::arg("v"), py::arg("steps"))
      .def("predict",
           [](const N& network, const py::array& x, py::array& out, int threads) {
             const InputRows<T> rows = input_rows(network, x);
             require_shape<T>(out, "out", {x.shape(0), network.architecture().n_outputs()});
             T* y_hat = writable<T>(out, "out");
             const int64_t n = x.shape(0);
             const double work = prediction_work(network.architecture(), n);
             interruptible(work, [&](const Interrupt& interrupt) {
               return run(work, [&] { return network.predict(rows, n, y_hat, threads, false, interrupt); });
             });
           },
           py::arg("x"), py::arg("out"), py::arg("threads"))
      .def("evaluate",
           [](const N& network, const py::array& x, const py::array& y,
              const std::optional<py::array>& weight, int threads) {
             const Batch<T> batch = batch_of(network, x, y, weight);
             const double work = forward_work(network.architecture()) * static_cast<double>(batch.rows);
             return interruptible(work, [&](const Interrupt& interrupt) {
               return run(work, [&] { return network.evaluate(batch, threads, interrupt); });
             });
           },
           py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"))
      .def("value_and_gradient",
           [](N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight,
              int threads) {
             const Batch<T> batch = batch_of(network, x, y, weight);
             py::array_t<T> gradient = theta_array(network);
             T* theta = gradient.mutable_data();
             const double work = training_work(network.architecture()) * static_cast<double>(batch.rows);
             const double value = interruptible(work, [&](const Interrupt& interrupt) {
               return run(work, [&] { return network.value_and_gradient(batch, theta, threads, interrupt); });
             });
             return py::make_tuple(value, gradient);
           },
           py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"))
      .def("train_step",
           [](N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight,
              const Optimizer& optimizer, int threads) {
             const Batch<T> batch = batch_of(network, x, y, weight);
             const double work = training_work(network.architecture()) * static_cast<double>(batch.rows);
             return interruptible(work, [&](const Interrupt& interrupt) {
               return run_writing(network, work,
                                  [&] { return network.train_step(batch, optimizer, threads, false, interrupt); });
             });
           },
           py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("optimizer"), py::arg("threads"))
      .def("train", &train<T>, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("order"),
           py::arg("epochs"), py::arg("batch_size"), py::arg("optimizer"), py::arg("lr"), py::arg("dropout"),
           py::arg("validation"), py::arg("threads"), py::arg("seconds"), py::arg("result"),
           py::arg("first_step") = 0, py::arg("first_loss") = 0.0, py::arg("first_weight") = 0.0,
           py::arg("pause") = INFINITY)
      .def("begin_reading", [](const N& network) { run(0.0, [&] { network.lock().begin_reading(); }); })
      .def("end_reading", [](const N& network) { network.lock().end_reading(); })
      .def("begin_training", [](const N& network) { network.lock().begin_training(); },
           py::call_guard<py::gil_scoped_release>())
      .def("end_training", [](const N& network) { network.lock().end_training(); })
      .def("descend",
           [](N& network, const py::array& gradient, const Optimizer& optimizer, double total_weight) {
             require_shape<T>(gradient, "gradient", {network.parameters().count()});
             run_writing(network, 0.0,
                         [&] { network.descend(readable<T>(gradient), optimizer, total_weight); });
           },
           py::arg("gradient"), py::arg("optimizer"), py::arg("total_weight"))
      .def("first_not_finite",
           [](const N& network, const py::array& x, const py::array& y, const std::optional<py::array>& weight) {
             return network.first_not_finite(batch_of(network, x, y, weight));
           },
           py::arg("x"), py::arg("y"), py::arg("sample_weight"));
  bind_derivatives<T>(network);
}

template <class T>
int64_t first_outside(const py::array& x, double low, double high) {
  return kernels<T>().first_outside(x.size(), readable<T>(x), static_cast<T>(low), static_cast<T>(high));
}

// Class indices are few: a plain loop.
int64_t first_index_outside(const py::array& x, double low, double high) {
  const int64_t* values = readable<int64_t>(x);
  for (int64_t i = 0; i < x.size(); ++i)
    if (!(static_cast<double>(values[i]) >= low && static_cast<double>(values[i]) <= high)) return i;
  return -1;
}

template <class Enum>
void bind_names(py::module_& module, const char* name,
                std::initializer_list<std::pair<const char*, Enum>> values) {
  py::native_enum<Enum> names(module, name, "enum.Enum");
  for (const auto& [key, value] : values) names.value(key, value);
  names.finalize();
}

}  // namespace

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.attr("__version__") = DELTARULE_VERSION;
  watch_forks();

  bind_names<Activation>(module, "Activation",
                         {{"identity", Activation::identity}, {"sigmoid", Activation::sigmoid},
                          {"tanh", Activation::tanh}, {"relu", Activation::relu},
                          {"leaky_relu", Activation::leaky_relu}, {"elu", Activation::elu},
                          {"softplus", Activation::softplus}, {"gelu", Activation::gelu},
                          {"silu", Activation::silu}});
  bind_names<Output>(module, "Output",
                     {{"identity", Output::identity}, {"sigmoid", Output::sigmoid}, {"tanh", Output::tanh},
                      {"relu", Output::relu}, {"leaky_relu", Output::leaky_relu}, {"elu", Output::elu},
                      {"softplus", Output::softplus}, {"gelu", Output::gelu}, {"silu", Output::silu},
                      {"softmax", Output::softmax}, {"exp", Output::exp}});
  bind_names<Loss>(module, "Loss",
                   {{"squared_error", Loss::squared_error}, {"sum_squared_error", Loss::sum_squared_error},
                    {"mean_squared_error", Loss::mean_squared_error},
                    {"binary_cross_entropy", Loss::binary_cross_entropy},
                    {"cross_entropy", Loss::cross_entropy}, {"absolute_error", Loss::absolute_error},
                    {"huber", Loss::huber}, {"poisson", Loss::poisson}});

  bind_names<Optimizer::Kind>(module, "OptimizerKind",
                              {{"sgd", Optimizer::Kind::sgd}, {"adam", Optimizer::Kind::adam}});
  py::class_<Optimizer>(module, "Optimizer")
      .def(py::init([](Optimizer::Kind kind, double lr, double momentum, bool nesterov, double beta1, double beta2,
                       double epsilon, bool epsilon_hat, double weight_decay, bool decoupled, double l1,
                       double max_norm, bool penalizes_sum) {
             return Optimizer{kind, lr, momentum, nesterov, beta1, beta2, epsilon, epsilon_hat, weight_decay,
                              decoupled, l1, max_norm, penalizes_sum};
           }),
           py::arg("kind"), py::arg("lr"), py::arg("momentum") = 0.0, py::arg("nesterov") = false,
           py::arg("beta1") = 0.9, py::arg("beta2") = 0.999, py::arg("epsilon") = 1e-8,
           py::arg("epsilon_hat") = false, py::arg("weight_decay") = 0.0, py::arg("decoupled") = false,
           py::arg("l1") = 0.0, py::arg("max_norm") = 0.0, py::arg("penalizes_sum") = false)
      .def("at", [](Optimizer optimizer, double lr) { return optimizer.lr = lr, optimizer; }, py::arg("lr"))
      .def_readonly("weight_decay", &Optimizer::weight_decay)
      .def_readonly("penalizes_sum", &Optimizer::penalizes_sum);

  using Status = TrainingResult::Status;
  py::class_<TrainingResult>(module, "TrainingResult")  // filled by train, the core's or one written in Python
      .def(py::init<>())
      .def_property("diverged", [](const TrainingResult& r) { return r.status == Status::diverged; },
                    [](TrainingResult& r, bool is) { r.status = is ? Status::diverged : Status::finished; })
      .def_readwrite("step", &TrainingResult::step)
      .def_readwrite("partial_loss", &TrainingResult::partial_loss)
      .def_readwrite("partial_weight", &TrainingResult::partial_weight)
      .def_readwrite("layer", &TrainingResult::layer)
      .def_readwrite("loss", &TrainingResult::loss)
      .def_readwrite("validation_loss", &TrainingResult::validation_loss)
      .def_readwrite("seconds", &TrainingResult::seconds);

  bind_network<float>(module, "NetworkF32");
  bind_network<double>(module, "NetworkF64");
  know_bound_types<Network<float>, Network<double>, Optimizer>();
  intern_names();

  module.def("train_many", &train_many, py::arg("runs"), py::arg("threads"));

  module.def("first_outside",
             [](const py::array& x, double low, double high) {
               require(x.flags() & py::array::c_style, "x", "not C-contiguous");
               if (py::isinstance<py::array_t<float>>(x)) return first_outside<float>(x, low, high);
               if (py::isinstance<py::array_t<double>>(x)) return first_outside<double>(x, low, high);
               require(py::isinstance<py::array_t<int64_t>>(x), "x", "wrong dtype");
               return first_index_outside(x, low, high);
             },
             py::arg("x"), py::arg("low"), py::arg("high"));
  module.def("straight_predict",
             [](const py::object& function) { return straight_method(call_predict, function); }, py::arg("function"));
  module.def("straight_train_step",
             [](const py::object& function) { return straight_method(call_train_step, function); },
             py::arg("function"));
  module.def("set_thread_limits",
             [](int chosen, int quota) {
               chosen_threads = chosen;
               set_cpu_quota(quota);
             },
             py::arg("chosen"), py::arg("quota"));
  module.def("chosen_threads", [] { return chosen_threads.load(); });
  module.def("openmp_max_threads", &openmp_max_threads);
  module.def("available_cpus", &available_cpus);
  py::class_<TeamChoice>(module, "TeamChoice")
      .def(py::init<>())
      .def_property_readonly("together", &TeamChoice::together)
      .def("took", &TeamChoice::took, py::arg("seconds"));
  module.def("set_work_per_thread",
             [](double work) {
               set_work_per_thread(work);
               keep_planned_teams(work > 0.0);
             },
             py::arg("work"));
  module.def("fma_peak_f32", &fma_peak<float>, py::arg("threads"), py::arg("seconds"),
             py::call_guard<py::gil_scoped_release>());
  module.def("fma_peak_f64", &fma_peak<double>, py::arg("threads"), py::arg("seconds"),
             py::call_guard<py::gil_scoped_release>());
  module.def("isa", [] { return std::string(active_isa().name); });
  module.def("isas", [] {
    std::vector<std::string> names;
    for (int i = 0; i < kIsaCount; ++i)
      if (kIsas[i].supported()) names.emplace_back(kIsas[i].name);
    return names;
  });
  module.def("set_isa", [](const std::string& name) {
    for (int i = 0; i < kIsaCount; ++i)
      if (kIsas[i].name == name && kIsas[i].supported()) return select_isa(kIsas[i]);
    throw std::invalid_argument("isa: not one that this processor has");
  }, py::arg("name"));
}
