// Part of the bindings: methods of a Python class that are tried in C++ first. Such a method stands for a Python
// function, whose name, signature and documentation it shows, and which it calls where the fast path declines.
#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include "fast_path.hpp"

namespace deltarule {

// Called as a method, self first. Returns a new reference, or null with no error set: declined.
using FastCall = PyObject* (*)(PyObject* const* arguments, Py_ssize_t count, PyObject* names);

struct FastMethod {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  FastCall call;
  PyObject* function;
  PyObject* dict;

  static FastMethod* of(PyObject* self) { return reinterpret_cast<FastMethod*>(self); }

  static PyObject* run(PyObject* self, PyObject* const* arguments, size_t flags, PyObject* names) {
    PyObject* result = of(self)->call(arguments, PyVectorcall_NARGS(flags), names);
    if (result || PyErr_Occurred()) return result;
    return PyObject_Vectorcall(of(self)->function, arguments, flags, names);
  }
  static PyObject* bind(PyObject* self, PyObject* object, PyObject*) {
    if (object) return PyMethod_New(self, object);
    Py_INCREF(self);
    return self;
  }
  static int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(of(self)->function);
    Py_VISIT(of(self)->dict);
    Py_VISIT(Py_TYPE(self));
    return 0;
  }
  static int clear(PyObject* self) {
    Py_CLEAR(of(self)->function);
    Py_CLEAR(of(self)->dict);
    return 0;
  }
  static void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
  }
};

// The type of such methods, made once.
inline PyTypeObject* fast_method_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(FastMethod, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(FastMethod, dict), READONLY, nullptr},
      {"__wrapped__", T_OBJECT, offsetof(FastMethod, function), READONLY, nullptr},
      {}};
  static PyGetSetDef properties[] = {{"__dict__", PyObject_GenericGetDict, nullptr, nullptr, nullptr}, {}};
  static PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_descr_get, reinterpret_cast<void*>(FastMethod::bind)},
                                {Py_tp_traverse, reinterpret_cast<void*>(FastMethod::traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(FastMethod::clear)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(FastMethod::destroy)},
                                {Py_tp_members, members},
                                {Py_tp_getset, properties},
                                {0, nullptr}};
  static PyType_Spec spec = {
      "deltarule._core.FastMethod", sizeof(FastMethod), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  static PyTypeObject* const type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  return type;
}

// The method that tries `call` before the function.
inline py::object fast_method(FastCall call, const py::object& function) {
  PyTypeObject* type = fast_method_type();
  auto* method = FastMethod::of(type->tp_alloc(type, 0));
  if (!method) throw py::error_already_set();
  auto self = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(method));
  method->vectorcall = FastMethod::run;
  method->call = call;
  method->function = function.inc_ref().ptr();
  for (const char* name : {"__name__", "__qualname__", "__module__", "__doc__"})
    py::setattr(self, name, function.attr(name));
  return self;
}

// The keyword argument `name` where it is the only one; null where there is none. `ok` tells whether that is all.
inline PyObject* only_keyword(PyObject* const* arguments, Py_ssize_t count, PyObject* names, PyObject* name, bool& ok) {
  const Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;
  ok = n == 0 || (n == 1 && PyTuple_GET_ITEM(names, 0) == name);  // interned, as every name written in a call
  return ok && n == 1 ? arguments[count] : nullptr;
}

// Names of keyword arguments, interned at import: at a first call threads would wait for one another.
inline PyObject *core_name, *out_name, *optimizer_name, *settings_name;
inline void intern_names() {
  core_name = PyUnicode_InternFromString("_core");
  out_name = PyUnicode_InternFromString("out");
  optimizer_name = PyUnicode_InternFromString("optimizer");
  settings_name = PyUnicode_InternFromString("_settings");
  if (PyErr_Occurred()) throw py::error_already_set();
}

// Calls f with the core network of a Python one, whichever dtype it has; f declines by an empty object.
template <class F>
PyObject* with_network(PyObject* owner, F f) {
  const auto core = py::reinterpret_steal<py::object>(PyObject_GetAttr(owner, core_name));
  if (!core) return PyErr_Clear(), nullptr;
  try {
    if (auto* network = unwrapped<Network<float>>(core.ptr())) return f(*network).release().ptr();
    if (auto* network = unwrapped<Network<double>>(core.ptr())) return f(*network).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const NetworkBusy&) {  // the checked path waits, or raises
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

// predict(self, x, *, out=None)
inline PyObject* call_predict(PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  bool usual;
  PyObject* out = only_keyword(arguments, count, names, out_name, usual);
  if (count != 2 || !usual) return nullptr;
  return with_network(arguments[0], [&](const auto& network) { return predict_fast(network, arguments[1], out); });
}

// train_step(self, x, y, *, optimizer)
inline PyObject* call_train_step(PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  bool usual;
  PyObject* optimizer = only_keyword(arguments, count, names, optimizer_name, usual);
  if (count != 3 || !optimizer || !usual) return nullptr;
  const auto settings = py::reinterpret_steal<py::object>(PyObject_GetAttr(optimizer, settings_name));
  if (!settings) return PyErr_Clear(), nullptr;
  const Optimizer* rule = unwrapped<Optimizer>(settings.ptr());
  if (!rule) return nullptr;
  return with_network(arguments[0], [&](auto& network) -> py::object {
    try {
      const std::optional<double> loss = train_step_fast(network, arguments[1], arguments[2], *rule);
      return loss ? py::reinterpret_steal<py::object>(PyFloat_FromDouble(*loss)) : py::object();
    } catch (const UpdateOverflow&) {  // nothing was updated: the checked path raises
      return {};
    }
  });
}

}  // namespace deltarule
