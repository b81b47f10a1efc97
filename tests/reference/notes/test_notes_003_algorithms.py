"""Notes 003: the three algorithms by their names, of the network and of the reference."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import PAIRS
from deltarule import reference
from deltarule.layers import Layers
from network_support import assert_same_bits, classification, fingerprint, regression
from notes_003_support import (
    LAST,
    back_propagation,
    describe,
    draw_data,
    draw_theta,
    forward_propagation,
)
from notes_support import assert_close, package_network

each_network = pytest.mark.parametrize(
    ("g", "output"), [(g, o) for g in ("logistic", "tanh", "linear") for o in ("linear", "softmax")]
)


@each_network
def test_forward_propagation_and_back_propagation(g: str, output: str) -> None:
    """h_k, a_k, y_hat; then grad_{a_k}, grad_{h_k}, grad_{W_k} and grad_{b_k}, by layer."""
    x, targets, y = draw_data(output)
    theta, functions = draw_theta(), describe(g, output)
    net = package_network(theta, functions)
    by_hand = forward_propagation(theta, x, g, output)
    forward = net.forward_propagation(x)
    assert_close(forward.y_hat, by_hand.y_hat.T)
    grad = back_propagation(theta, by_hand, y, g, output)
    backward = net.back_propagation(forward, targets)
    for k in range(1, LAST + 1):
        assert_close(forward.a[k - 1], by_hand.h[k - 1].T)
        assert_close(forward.z[k], by_hand.a[k].T)
        assert_close(backward.delta[k], grad.a[k].T)
        assert_close(backward.dL_dW[k], grad.w[k])
        assert_close(backward.dL_db[k], grad.b[k])
    for k in range(1, LAST):
        assert_close(backward.dL_da[k], grad.h[k].T)
    assert_close(backward.dL_da[0], (theta.weights[0].T @ grad.a[1]).T)  # h_0 is x


QUANTITIES: dict[str, Callable[[reference.Backward], Layers]] = {
    "delta": lambda backward: backward.delta,
    "dL_da": lambda backward: backward.dL_da,
    "dL_dW": lambda backward: backward.dL_dW,
    "dL_db": lambda backward: backward.dL_db,
}


@pytest.mark.parametrize("weighted", [False, True])
@each_network
def test_notes_functions_return_what_the_reference_returns(
    g: str, output: str, weighted: bool
) -> None:
    x, y, _ = draw_data(output)
    theta, functions = draw_theta(), describe(g, output)
    net, network = package_network(theta, functions), functions.network()
    weight = np.arange(1.0, len(x) + 1) if weighted else None
    found, wanted = net.forward_propagation(x), reference.forward_propagation(*theta, x, network)
    for name in ("z", "a", "fed"):
        for layer, array in getattr(wanted, name).items():
            assert_close(getattr(found, name)[layer], array)
    by_net = net.back_propagation(found, y, weight)
    by_reference = reference.back_propagation(*theta, wanted, y, network, weight)
    for of in QUANTITIES.values():
        assert [layer for layer, _ in of(by_net).items()] == [
            layer for layer, _ in of(by_reference).items()
        ]
        for layer, array in of(by_reference).items():
            assert_close(of(by_net)[layer], array)
    mixed = reference.back_propagation(net.W, net.b, found, y, network, weight)
    assert_close(mixed.dL_dW[1], by_net.dL_dW[1])
    found_descent = net.gradient_descent(x, y, lr=0.01, max_iterations=20, sample_weight=weight)
    descent = reference.gradient_descent(
        *theta, x, y, network, lr=0.01, max_iterations=20, sample_weight=weight
    )
    assert_close(found_descent.losses, descent.losses)
    for layer in range(LAST):
        assert_close(found_descent.weights[layer], descent.weights[layer])
        assert_close(found_descent.biases[layer], descent.biases[layer])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_notes_functions_have_the_bits_of_the_methods(dtype: str) -> None:
    x, y = regression()
    net = dr.MLP([3, 5, 2], hidden="silu", output="tanh", dtype=dtype, init="torch", seed=0)
    trace, forward = net.trace(x, y), net.forward_propagation(x)
    backward = net.back_propagation(forward, y)
    for found, wanted in (
        (forward.z, trace.z),
        (forward.a, trace.a),
        *((of(backward), getattr(trace, name)) for name, of in QUANTITIES.items()),
    ):
        for layer, array in wanted.items():
            assert_same_bits(found[layer], array)
    fitted = copy.deepcopy(net)
    history = fitted.fit(x, y, epochs=7, batch_size=None, shuffle=False, optimizer=dr.SGD(lr=0.1))
    descent = net.gradient_descent(x, y, lr=0.1, max_iterations=7)
    assert descent.losses == history.loss
    assert_same_bits(net.theta, fitted.theta)
    assert_same_bits(reference.theta(descent.weights, descent.biases), net.theta)
    net.train_step(x, y)
    assert descent.weights[0].tobytes() != net.weights[0].tobytes()  # they are copies


def test_gradient_descent_makes_1000_iterations_by_default() -> None:
    x, targets, _ = draw_data("softmax")
    net = package_network(draw_theta(), describe("logistic", "softmax"))
    assert len(net.gradient_descent(x, targets, lr=0.3).losses) == 1000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_a_forward_pass_needs_no_loss(output: str, loss: str, dtype: str) -> None:
    """Where z[L] is infinite, or no number, no loss could be told."""
    big = float(np.finfo(dtype).max)
    init = ([[[1, 1], [1, -1]], [[big, -big], [big, big]]], [[0, 0], [0, 0]])
    net = dr.MLP([2, 2, 2], hidden="identity", output=output, loss=loss, dtype=dtype, init=init)
    forward = net.forward_propagation([[2.0**40, 2.0**39], [-(2.0**40), 3.0], [0.0, 0.0]])
    assert forward.z[1][0].tolist() == [3 * 2.0**39, 2.0**39]
    assert not np.isfinite(forward.z[2][:2]).all()
    assert_same_bits(forward.y_hat[2], net.predict([0.0, 0.0]))


def test_a_forward_pass_that_overflows_is_shown() -> None:
    net = dr.MLP([1, 1, 1], hidden="identity", init=([[[1e30]], [[1e30]]], [[0.0], [0.0]]))
    assert net.forward_propagation([1e10]).y_hat.tolist() == [[np.inf]]
    forward = net.forward_propagation([1e10])
    with pytest.raises(dr.DivergenceError, match="the loss is not finite"):
        net.back_propagation(forward, 0.0)


def test_custom_functions() -> None:
    def strict(y_hat: Any, y: Any) -> Any:
        assert (y > 0).all()  # never called without targets
        return y_hat.sum(axis=1)

    net = dr.MLP([2, 2], loss=(strict, lambda y_hat, y: np.ones_like(y_hat)), seed=0)
    forward = net.forward_propagation([1.0, 2.0])
    assert_same_bits(forward.y_hat, net.predict([[1.0, 2.0]]))
    assert net.back_propagation(forward, [1.0, 1.0]).delta[1].tolist() == [[1.0, 1.0]]


BAD: dict[str, tuple[Callable[[dr.MLP], object], type[Exception], str]] = {
    "x": (lambda net: net.forward_propagation([1.0]), ValueError, "x has 1 features, the network"),
    "x nan": (
        lambda net: net.forward_propagation([[np.nan] * 3]),
        ValueError,
        "x[0, 0] is nan; every value must be finite",
    ),
    "no pass": (
        lambda net: net.back_propagation(np.ones((2, 3)), [0, 1]),  # type: ignore[arg-type]
        TypeError,
        "forward must be what forward_propagation returned, not array",
    ),
    "y": (
        lambda net: net.back_propagation(net.forward_propagation(np.ones((2, 3))), [0]),
        ValueError,
        "y has 1 samples, x has 2",
    ),
    "another network's": (
        lambda net: net.back_propagation(
            dr.MLP([3, 2, 3], seed=9).forward_propagation(np.ones((2, 3))), [0, 1]
        ),
        ValueError,
        "forward must be of this network with the parameters that it has now",
    ),
    "a shallower network's": (
        lambda net: net.back_propagation(
            dr.MLP([3, 3], seed=9).forward_propagation(np.ones((2, 3))), [0, 1]
        ),
        ValueError,
        "forward must be of this network with the parameters that it has now",
    ),
    "lr": (lambda net: net.gradient_descent(np.ones((2, 3)), [0, 1], lr=0), ValueError, "lr must"),
    "iterations": (
        lambda net: net.gradient_descent(np.ones((2, 3)), [0, 1], lr=0.1, max_iterations=-1),
        ValueError,
        "max_iterations must be 0 or more, not -1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    call, error, message = BAD[name]
    net = dr.MLP([3, 2, 3], hidden="tanh", output="softmax", seed=0)
    before = fingerprint(net)
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        call(net)
    assert fingerprint(net) == before


def test_a_pass_of_parameters_that_have_changed_is_refused() -> None:
    x, y = classification()
    net = dr.MLP([3, 2, 3], hidden="tanh", output="softmax", seed=0)
    forward = net.forward_propagation(x)
    net.train_step(x, y)
    with pytest.raises(ValueError, match="call forward_propagation again"):
        net.back_propagation(forward, y)
