// Part of the bindings: the derivatives beyond the gradient. Each returns new arrays, or None where a value is not
// finite; long ones check for signals.
#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "arrays.hpp"
#include "gil.hpp"
#include "core/row_derivatives.hpp"
#include "core/theta_product.hpp"

namespace deltarule {

// Runs f(interrupt) without the GIL, then raises the exception of a signal's handler, if any. Whether f completed.
template <class F>
bool complete(F f) {
  return interruptible(INFINITY, [&](const Interrupt& interrupt) {
           const py::gil_scoped_release released;
           return f(interrupt);
         }) == PassEnd::complete;
}

// Samples without targets.
template <class T>
Batch<T> rows_of(const Network<T>& network, const py::array& x) {
  const InputRows<T> rows = input_rows(network, x);
  require(x.shape(0) > 0, "x", "no rows");
  return {x.shape(0), rows, {nullptr, nullptr, network.architecture.n_outputs(), nullptr}, nullptr};
}

// Into `out` where there is one.
template <class T>
std::optional<py::array> pull_back_arrays(const Network<T>& network, PullBack<T> call, bool by_theta, bool by_output,
                                          const std::optional<py::array>& out, int threads) {
  std::vector<py::ssize_t> shape{call.batch.rows};
  if (by_output) shape.push_back(call.count);
  shape.push_back(by_theta ? network.theta.count() : network.architecture.n_inputs());
  py::array result = out ? *out : py::array(py::dtype::of<T>(), shape);
  require_shape<T>(result, "out", shape);
  (by_theta ? call.dtheta : call.dx) = writable<T>(result, "out");
  if (!complete([&](const Interrupt& interrupt) { return deltarule::pull_back(network, call, threads, interrupt); }))
    return {};
  return result;
}

template <class T>
std::optional<py::array> theta_product_arrays(Network<T>& network, ThetaProduct<T> call,
                                              const std::optional<py::array>& v, int threads) {
  const int64_t count = network.theta.count();
  if (v) {
    require_shape<T>(*v, "v", {count});
    call.v = readable<T>(*v);
  }
  py::array_t<T> result(count);
  call.product = result.mutable_data();
  const auto pass = [&](const Interrupt& interrupt) {
    return run_patiently([&] { return deltarule::theta_product(network, call, threads, interrupt); });
  };
  if (!complete(pass)) return {};
  return result;
}

// New arrays (rows, n_l) of layers 1 .. last, and their addresses.
template <class T>
std::vector<py::array_t<T>> layer_arrays(const Network<T>& network, int64_t rows, int64_t last, std::vector<T*>& to) {
  std::vector<py::array_t<T>> arrays;
  for (int64_t l = 1; l <= last; ++l) {
    arrays.emplace_back(std::vector<py::ssize_t>{rows, network.architecture.sizes[l]});
    to.push_back(arrays.back().mutable_data());
  }
  return arrays;
}

// (z, a, losses, dy_hat, delta, da)
template <class T>
std::optional<py::tuple> propagate_arrays(const Network<T>& network, const py::array& x, const py::array& y,
                                          const std::optional<py::array>& weight, int threads) {
  const Batch<T> batch = batch_of(network, x, y, weight);
  const int64_t n = batch.rows, L = network.architecture.layers();
  Quantities<T> to{};
  const auto z = layer_arrays(network, n, L, to.z), a = layer_arrays(network, n, L, to.a);
  py::array_t<double> losses(n);
  py::array_t<T> dy_hat(std::vector<py::ssize_t>{n, network.architecture.n_outputs()});
  const auto delta = layer_arrays(network, n, L, to.delta), da = layer_arrays(network, n, L - 1, to.da);
  to.losses = losses.mutable_data();
  to.dy_hat = dy_hat.mutable_data();
  const auto pass = [&](const Interrupt& interrupt) {
    return deltarule::propagate(network, batch, to, threads, interrupt);
  };
  if (!complete(pass)) return {};
  return py::make_tuple(z, a, losses, dy_hat, delta, da);
}

template <class T>
std::vector<py::array_t<T>> activations(const Network<T>& network, const py::array& x, int threads) {
  const Batch<T> batch = rows_of(network, x);
  Quantities<T> to{};
  auto a = layer_arrays(network, batch.rows, network.architecture.layers(), to.a);
  complete([&](const Interrupt& interrupt) { return deltarule::propagate(network, batch, to, threads, interrupt); });
  return a;
}

template <class T, class Class>
void bind_derivatives(Class& c) {
  using N = Network<T>;
  using From = typename PullBack<T>::From;
  using Of = typename ThetaProduct<T>::Of;
  using Weight = const std::optional<py::array>&;
  using Out = const std::optional<py::array>&;
  c.def("propagate", &propagate_arrays<T>, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"));
  c.def("activations", &activations<T>, py::arg("x"), py::arg("threads"));
  c.def(
      "input_gradient",
      [](const N& network, const py::array& x, const py::array& y, Weight weight, int threads) {
        const Batch<T> batch = batch_of(network, x, y, weight);
        return pull_back_arrays<T>(network, {From::loss, batch, true, 0, 1, nullptr, nullptr}, false, false, {},
                                   threads);
      },
      py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("threads"));
  c.def(
      "per_sample_gradients",
      [](const N& network, const py::array& x, const py::array& y, Out out, int threads) {
        const Batch<T> batch = batch_of(network, x, y, std::nullopt);
        return pull_back_arrays<T>(network, {From::loss, batch, false, 0, 1, nullptr, nullptr}, true, false, out,
                                   threads);
      },
      py::arg("x"), py::arg("y"), py::arg("out"), py::arg("threads"));
  c.def(
      "output_jacobian",
      [](const N& network, const py::array& x, int64_t first, int64_t count, bool by_theta, Out out, int threads) {
        const Batch<T> batch = rows_of(network, x);
        require(first >= 0 && count > 0 && count <= network.architecture.n_outputs() - first, "first", "out of range");
        const PullBack<T> call{From::outputs, batch, false, first, count, nullptr, nullptr};
        return pull_back_arrays<T>(network, call, by_theta, true, out, threads);
      },
      py::arg("x"), py::arg("first"), py::arg("count"), py::arg("by_theta"), py::arg("out"), py::arg("threads"));
  c.def(
      "vjp",
      [](N& network, const py::array& x, const py::array& u, bool by_theta, int threads) {
        Batch<T> batch = rows_of(network, x);
        require_shape<T>(u, "u", {batch.rows, network.architecture.n_outputs()});
        batch.y.values = readable<T>(u);
        if (by_theta) return theta_product_arrays<T>(network, {Of::output, batch, nullptr, nullptr}, {}, threads);
        const PullBack<T> call{From::given, batch, false, 0, 1, nullptr, nullptr};
        return pull_back_arrays<T>(network, call, false, false, {}, threads);
      },
      py::arg("x"), py::arg("u"), py::arg("by_theta"), py::arg("threads"));
  c.def(
      "jvp",
      [](const N& network, const py::array& x, const py::array& v, bool by_theta, int threads) {
        PushForward<T> call{rows_of(network, x), nullptr, nullptr, nullptr};
        if (by_theta)
          require_shape<T>(v, "v", {network.theta.count()});
        else
          require_shape<T>(v, "v", {call.batch.rows, network.architecture.n_inputs()});
        (by_theta ? call.theta_dot : call.x_dot) = readable<T>(v);
        py::array_t<T> y_dot(std::vector<py::ssize_t>{call.batch.rows, network.architecture.n_outputs()});
        call.y_dot = y_dot.mutable_data();
        complete(
            [&](const Interrupt& interrupt) { return deltarule::push_forward(network, call, threads, interrupt); });
        return y_dot;
      },
      py::arg("x"), py::arg("v"), py::arg("by_theta"), py::arg("threads"));
  c.def(
      "hessian_product",
      [](N& network, const py::array& x, const py::array& y, Weight weight, const py::array& v, bool gauss_newton,
         int threads) {
        const Batch<T> batch = batch_of(network, x, y, weight);
        const Of of = gauss_newton ? Of::gauss_newton : Of::hessian;
        return theta_product_arrays<T>(network, {of, batch, nullptr, nullptr}, v, threads);
      },
      py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("v"), py::arg("gauss_newton"), py::arg("threads"));
}

}  // namespace deltarule
