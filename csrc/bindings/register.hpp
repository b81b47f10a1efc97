// The parts of the Python module _core: arrays -> views, the checks that protect memory, the GIL, one call each. Names
// and values are checked in Python; labels and orders, which steer addresses, are checked there on private copies.
#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace deltarule {

void register_functions(py::module_& module);  // activations, outputs and losses, by name
void register_optimizer(py::module_& module);  // its settings
void register_networks(py::module_& module);   // NetworkF32, NetworkF64: passes, training, derivatives
void register_runtime(py::module_& module);    // threads, instruction sets, peak

}  // namespace deltarule
