// Threads, instruction sets, measurements, and searches in arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "method.hpp"
#include "register.hpp"
#include "runtime/fma_peak.hpp"
#include "runtime/standby.hpp"
#include "runtime/team_choice.hpp"

namespace deltarule {
namespace {

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

}  // namespace

void register_runtime(py::module_& module) {
  module.def(
      "first_outside",
      [](const py::array& x, double low, double high) {
        require(x.flags() & py::array::c_style, "x", "not C-contiguous");
        if (py::isinstance<py::array_t<float>>(x)) return first_outside<float>(x, low, high);
        if (py::isinstance<py::array_t<double>>(x)) return first_outside<double>(x, low, high);
        require(py::isinstance<py::array_t<int64_t>>(x), "x", "wrong dtype");
        return first_index_outside(x, low, high);
      },
      py::arg("x"), py::arg("low"), py::arg("high"));
  module.def(
      "set_thread_limits",
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
  py::class_<StandbyPolicy>(module, "StandbyPolicy")
      .def(py::init<>())
      .def_property_readonly("spin", &StandbyPolicy::spin)
      .def("wakes", &StandbyPolicy::wakes, py::arg("now"))
      .def("ended", &StandbyPolicy::ended, py::arg("now"))
      .def("lost_core", &StandbyPolicy::lost_core, py::arg("now"), py::arg("seconds"));
  module.def(
      "set_work_per_thread",
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
  module.def(
      "set_isa",
      [](const std::string& name) {
        for (int i = 0; i < kIsaCount; ++i)
          if (kIsas[i].name == name && kIsas[i].supported()) return select_isa(kIsas[i]);
        throw std::invalid_argument("isa: not one that this processor has");
      },
      py::arg("name"));
}

}  // namespace deltarule
