// The Python module _core: a table of its contents.
#include "register.hpp"
#include "runtime/process.hpp"

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.attr("__version__") = DELTARULE_VERSION;
  deltarule::watch_forks();
  deltarule::register_functions(module);
  deltarule::register_optimizer(module);
  deltarule::register_networks(module);
  deltarule::register_runtime(module);
}
