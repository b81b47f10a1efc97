// An enumeration of the core as one of Python's.
#pragma once

#include <pybind11/native_enum.h>

#include <initializer_list>
#include <utility>

#include "register.hpp"

namespace deltarule {

template <class Enum>
void bind_names(py::module_& module, const char* name, std::initializer_list<std::pair<const char*, Enum>> values) {
  py::native_enum<Enum> names(module, name, "enum.Enum");
  for (const auto& [key, value] : values) names.value(key, value);
  names.finalize();
}

}  // namespace deltarule
