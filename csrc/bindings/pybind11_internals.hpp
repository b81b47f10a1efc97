// Part of the bindings: the only use of pybind11::detail, whose layout pybind11 may change. The fast path reads arrays
// and bound objects through it, without the checks and conversions of pybind11's casters.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <type_traits>

namespace deltarule {

namespace py = pybind11;

// Read in the sources of 3.0.2 to 3.1: another major version needs them read again.
static_assert(PYBIND11_VERSION_MAJOR == 3, "bindings/pybind11_internals.hpp: check against this version of pybind11");
static_assert(std::is_array_v<decltype(py::detail::instance::simple_value_holder)> &&
                  std::is_same_v<std::remove_extent_t<decltype(py::detail::instance::simple_value_holder)>, void*>,
              "an instance holds the pointer to its C++ object first");

// The class bound to C, from the import on.
template <class C>
inline const PyTypeObject* bound_type = nullptr;
template <class... Cs>
void store_bound_types() {
  ((bound_type<Cs> = reinterpret_cast<PyTypeObject*>(py::type::of<Cs>().ptr())), ...);
}

// The C++ object in an instance of exactly the class bound to it, or null.
template <class C>
C* unwrapped(PyObject* object) {
  if (Py_TYPE(object) != bound_type<C>) return nullptr;
  return static_cast<C*>(reinterpret_cast<py::detail::instance*>(object)->simple_value_holder[0]);
}

// A view of a C-ordered, aligned ndarray (no subclass) of exactly T; false for any other object.
template <class T>
class ExactArray {
 public:
  explicit ExactArray(PyObject* object) {
    using Api = py::detail::npy_api;
    if (Py_TYPE(object) != Api::get().PyArray_Type_) return;
    const auto* array = py::detail::array_proxy(object);
    constexpr int wanted = Api::NPY_ARRAY_C_CONTIGUOUS_ | Api::NPY_ARRAY_ALIGNED_;
    const auto* descr = py::detail::array_descriptor_proxy(array->descr);
    const bool is_dtype = descr->type_num == py::detail::npy_format_descriptor<T>::value && descr->byteorder != '>';
    if ((array->flags & wanted) == wanted && is_dtype) array_ = array;
  }
  explicit operator bool() const { return array_ != nullptr; }

  int ndim() const { return array_->nd; }
  int64_t shape(int axis) const { return array_->dimensions[axis]; }
  bool has_shape(int64_t n) const { return ndim() == 1 && shape(0) == n; }
  bool has_shape(int64_t rows, int64_t columns) const { return ndim() == 2 && shape(0) == rows && shape(1) == columns; }
  bool is_writeable() const { return (array_->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0; }
  T* data() const { return reinterpret_cast<T*>(array_->data); }

 private:
  const py::detail::PyArray_Proxy* array_ = nullptr;
};

// A new array of the shape, not initialized.
template <class T>
py::object new_array(int ndim, const Py_intptr_t* shape) {
  const auto& api = py::detail::npy_api::get();
  PyObject* descr = api.PyArray_DescrFromType_(py::detail::npy_format_descriptor<T>::value);
  PyObject* array = api.PyArray_NewFromDescr_(api.PyArray_Type_, descr, ndim, shape, nullptr, nullptr, 0, nullptr);
  if (!array) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

}  // namespace deltarule
