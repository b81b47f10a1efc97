// The functions of a network by name.
#include "names.hpp"
#include "kernels/functions.hpp"

namespace deltarule {

void register_functions(py::module_& module) {
#define DELTARULE_ACTIVATION(name, ...) {#name, Activation::name},
#define DELTARULE_OUTPUT(name, ...) {#name, Output::name},
#define DELTARULE_LOSS(name, ...) {#name, Loss::name},
  bind_names<Activation>(module, "Activation", {DELTARULE_ACTIVATIONS(DELTARULE_ACTIVATION)});
  bind_names<Output>(module, "Output", {DELTARULE_OUTPUTS(DELTARULE_OUTPUT)});
  bind_names<Loss>(module, "Loss", {DELTARULE_LOSSES(DELTARULE_LOSS, DELTARULE_LOSS)});
  py::set half_line;
  for (const ActivationRow& row : kActivationRows)
    if (row.passes_half_line) half_line.add(row.name);
  module.attr("PASSES_HALF_LINE") = py::frozenset(half_line);
}

}  // namespace deltarule
