// The settings of an update.
#include "names.hpp"
#include "core/optimizer.hpp"

namespace deltarule {

void register_optimizer(py::module_& module) {
#define DELTARULE_KIND(name) {#name, Optimizer::Kind::name},
  bind_names<Optimizer::Kind>(module, "OptimizerKind", {DELTARULE_OPTIMIZERS(DELTARULE_KIND)});
  py::class_<Optimizer>(module, "Optimizer")
      .def(py::init([](Optimizer::Kind kind, double lr, double momentum, bool nesterov, double beta1, double beta2,
                       double epsilon, bool epsilon_hat, double weight_decay, bool decoupled, double l1,
                       double max_norm, bool penalizes_sum) {
             return Optimizer{kind,        lr,           momentum,  nesterov, beta1,    beta2,        epsilon,
                              epsilon_hat, weight_decay, decoupled, l1,       max_norm, penalizes_sum};
           }),
           py::arg("kind"), py::arg("lr"), py::arg("momentum") = 0.0, py::arg("nesterov") = false,
           py::arg("beta1") = 0.9, py::arg("beta2") = 0.999, py::arg("epsilon") = 1e-8, py::arg("epsilon_hat") = false,
           py::arg("weight_decay") = 0.0, py::arg("decoupled") = false, py::arg("l1") = 0.0, py::arg("max_norm") = 0.0,
           py::arg("penalizes_sum") = false)
      .def(
          "at", [](Optimizer optimizer, double lr) { return optimizer.lr = lr, optimizer; }, py::arg("lr"))
      .def_readonly("weight_decay", &Optimizer::weight_decay)
      .def_readonly("penalizes_sum", &Optimizer::penalizes_sum);
}

}  // namespace deltarule
