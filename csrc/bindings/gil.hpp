// Part of the bindings: the GIL. It is released around work that is worth it and around every wait; long work takes it
// from time to time to check for signals.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <optional>
#include <thread>

#include "core/network.hpp"

namespace deltarule {

namespace py = pybind11;

// Work below which releasing the GIL costs more than it gives: some 10 us.
constexpr double kWorkToRelease = 1e6;

// Whether other threads of Python run beside one that holds its GIL: there is none in a free-threaded build.
#if defined(Py_GIL_DISABLED)
constexpr bool kOthersRun = true;
#else
constexpr bool kOthersRun = false;
#endif

// Whether a signal's handler has raised; checked on the calling thread.
class Signals {
 public:
  bool check() {
    const py::gil_scoped_acquire gil;
    raised_ = raised_ || PyErr_CheckSignals() != 0;  // once: a second check would find no signal
    return raised_;
  }
  void raise() const {
    if (raised_) throw py::error_already_set();
  }

 private:
  bool raised_ = false;
};

// The result of f(interrupt), where the interrupt of long work checks for signals; then raises the exception of a
// signal's handler.
template <class F>
auto interruptible(double work, F f) {
  Signals signals;
  const Interrupt interrupt = work > kWorkToPoll ? Interrupt([&signals] { return signals.check(); }) : Interrupt();
  const auto result = f(interrupt);
  signals.raise();
  return result;
}

// Repeats f, without the GIL, as long as another thread's brief call is in its way.
template <class F>
auto run_patiently(F f) {
  for (int tries = 1;; ++tries) {
    try {
      return f();
    } catch (const NetworkBusy& busy) {
      if (!busy.brief) throw;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    if (tries % 1024 == 0) {
      const py::gil_scoped_acquire gil;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
  }
}

// Runs f, which changes no network, without the GIL where the work is worth it or it has to wait.
template <class F>
auto run(double work, F f) {
  if (work <= kWorkToRelease) {
    try {
      return f();
    } catch (const NetworkBusy& busy) {
      if (!busy.brief) throw;
    }
  }
  const py::gil_scoped_release released;
  return run_patiently(f);
}

// Runs f, which changes the network, likewise. It waits for readers without the GIL, which they may need.
template <class T, class F>
auto run_writing(Network<T>& network, double work, F f) {
  std::optional<py::gil_scoped_release> released;
  if (work <= kWorkToRelease) {
    try {
      return f();
    } catch (const NetworkRead&) {  // repeated below
    }
  }
  released.emplace();
  return after_readers(network, f);
}

}  // namespace deltarule
