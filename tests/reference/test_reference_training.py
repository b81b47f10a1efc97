"""The reference's update, its descents, and the parameters they start from."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import ACTIVATIONS, INITIALIZERS, Network, Velocity
from reference_support import ROUNDING, Array, smooth_case, update_along

# --- The update and the descents -------------------------------------------------------------

# W = b = 1, the gradient of both 1, then 2, then 4, lr = 0.5:
#   plain:            W: 1 - 0.5 = 0.5, - 1 = -0.5, - 2 = -2.5                     b: the same
#   momentum 0.5:     v: -0.5; -0.25 - 1 = -1.25; -0.625 - 2 = -2.625              b: the same
#                     W: 0.5; -0.75; -3.375
#   with nesterov:    W: 1 - 0.25 - 0.5 = 0.25; 0.25 - 0.625 - 1 = -1.375;
#                        -1.375 - 1.3125 - 2 = -4.6875                             b: the same
#   weight decay 0.5: g = 1 + 0.5 = 1.5, W = 0.25; g = 2.125, W = -0.8125;
#                     g = 3.59375, W = -2.609375                                   b: as plain
#   momentum 0.5, nesterov and weight decay 0.5:
#                     g = 1.5:     v = -0.75,              W = 1 - 0.375 - 0.75 = -0.125
#                     g = 1.9375:  v = -0.375 - 0.96875 = -1.34375,
#                                  W = -0.125 - 0.671875 - 0.96875 = -1.765625
#                     g = 3.1171875: v = -0.671875 - 1.55859375 = -2.23046875,
#                                  W = -1.765625 - 1.115234375 - 1.55859375 = -4.439453125
#                                                                                  b: as nesterov


@pytest.mark.parametrize(
    ("settings", "W_by_hand", "b_by_hand"),
    [
        ({}, [0.5, -0.5, -2.5], [0.5, -0.5, -2.5]),
        ({"momentum": 0.5}, [0.5, -0.75, -3.375], [0.5, -0.75, -3.375]),
        (
            {"momentum": 0.5, "nesterov": True},
            [0.25, -1.375, -4.6875],
            [0.25, -1.375, -4.6875],
        ),
        ({"weight_decay": 0.5}, [0.25, -0.8125, -2.609375], [0.5, -0.5, -2.5]),
        (
            {"momentum": 0.5, "nesterov": True, "weight_decay": 0.5},
            [-0.125, -1.765625, -4.439453125],
            [0.25, -1.375, -4.6875],
        ),
    ],
)
def test_three_updates_by_hand(
    settings: dict[str, Any], W_by_hand: list[float], b_by_hand: list[float]
) -> None:
    weights: list[Array] = [np.ones((1, 1))]
    biases: list[Array] = [np.ones(1)]
    velocity: Velocity | None = None
    for g, W, b in zip([1.0, 2.0, 4.0], W_by_hand, b_by_hand, strict=True):
        grads = update_along([np.full((1, 1), g)], [np.full(1, g)])
        before = weights[0].copy()
        new = reference.sgd_update(weights, biases, grads, velocity, lr=0.5, **settings)
        assert weights[0] == before and grads.weights[0] == g  # arguments are not written
        weights, biases, velocity = new
        assert weights[0] == W and biases[0] == b


def test_gradient_descent_is_the_notes_algorithm() -> None:
    parameters = inspect.signature(reference.gradient_descent).parameters
    assert parameters["max_iterations"].default == 1000
    weights, biases, x, y, network = smooth_case("tanh", "identity", "squared_error")
    descent = reference.gradient_descent(weights, biases, x, y, network, lr=0.05, max_iterations=50)
    assert len(descent.losses) == 50
    assert all(later < earlier for earlier, later in pairwise(descent.losses))
    assert descent.losses[-1] < 0.5 * descent.losses[0]
    W, b, velocity = weights, biases, None
    for loss in descent.losses:  # losses[t] is before update t
        value, grads = reference.value_and_grad(W, b, x, y, network)
        assert value == loss
        W, b, velocity = reference.sgd_update(W, b, grads, velocity, lr=0.05)
    np.testing.assert_array_equal(
        reference.theta(W, b), reference.theta(descent.weights, descent.biases)
    )


def test_stochastic_gradient_descent_on_one_batch_is_gradient_descent() -> None:
    weights, biases, x, y, network = smooth_case("relu", "identity", "squared_error")
    settings: dict[str, Any] = {
        "lr": 0.05,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.01,
    }
    w = [1.0, 0.5, 2.0, 1.0, 1.0]
    full = reference.gradient_descent(
        weights, biases, x, y, network, max_iterations=4, sample_weight=w, **settings
    )
    batch = reference.stochastic_gradient_descent(
        weights, biases, x, y, network, epochs=4, batch_size=None, sample_weight=w, **settings
    )
    np.testing.assert_allclose(batch.losses, full.losses, **ROUNDING)
    np.testing.assert_array_equal(batch.weights[0], full.weights[0])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_stochastic_gradient_descent_batch_by_batch(reduction: str) -> None:
    weights, biases, x, y, _ = smooth_case("tanh", "identity", "squared_error")
    network = Network("tanh", reduction=reduction)
    w = np.array([1.0, 0.5, 2.0, 1.0, 1.5])
    settings: dict[str, Any] = {"lr": 0.05, "momentum": 0.9}
    descent = reference.stochastic_gradient_descent(
        weights,
        biases,
        x,
        y,
        network,
        epochs=2,
        batch_size=2,
        rng=np.random.default_rng(4),
        sample_weight=w,
        **settings,
    )
    rng, W, b, velocity = np.random.default_rng(4), weights, biases, None
    for epoch_loss in descent.losses:
        order, losses = rng.permutation(5), np.empty(5)
        for rows in (order[:2], order[2:4], order[4:]):
            forward = reference.forward_propagation(W, b, x[rows], network)
            losses[rows] = reference.sample_losses(forward, y[rows], network)
            grads = reference.back_propagation(W, b, forward, y[rows], network, w[rows])
            W, b, velocity = reference.sgd_update(W, b, grads, velocity, **settings)
        expected = w @ losses / (w.sum() if reduction == "mean" else 1)
        assert epoch_loss == pytest.approx(expected, rel=1e-14)
    np.testing.assert_array_equal(descent.weights[1], W[1])
    np.testing.assert_array_equal(descent.biases[0], b[0])


def test_without_rng_the_order_is_the_rows() -> None:
    weights, biases, x, y, network = smooth_case("tanh", "identity", "squared_error")
    given, drawn = (
        reference.stochastic_gradient_descent(
            weights, biases, x[rows], y[rows], network, lr=0.1, epochs=1, batch_size=1, rng=rng
        ).weights[0]
        for rows, rng in (
            (np.random.default_rng(2).permutation(5), None),
            (np.arange(5), np.random.default_rng(2)),
        )
    )
    np.testing.assert_array_equal(given, drawn)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_batch_whose_weights_are_all_0_adds_a_gradient_of_0(reduction: str) -> None:
    weights, biases, x, y, _ = smooth_case("tanh", "identity", "squared_error", n=6)
    network = Network("tanh", reduction=reduction)
    w = np.array([1.0, 2.0, 0.0, 0.0, 0.5, 1.5])
    settings: dict[str, Any] = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    descent = reference.stochastic_gradient_descent(
        weights, biases, x, y, network, epochs=1, batch_size=2, sample_weight=w, **settings
    )
    zero = update_along(list(map(np.zeros_like, weights)), list(map(np.zeros_like, biases)))
    first, grads = reference.value_and_grad(weights, biases, x[:2], y[:2], network, w[:2])
    W, b, velocity = reference.sgd_update(weights, biases, grads, None, **settings)
    W, b, velocity = reference.sgd_update(W, b, zero, velocity, **settings)
    last, grads = reference.value_and_grad(W, b, x[4:], y[4:], network, w[4:])
    W, b, _ = reference.sgd_update(W, b, grads, velocity, **settings)
    np.testing.assert_array_equal(
        reference.theta(descent.weights, descent.biases), reference.theta(W, b)
    )
    expected = (3 * first + 2 * last) / 5 if reduction == "mean" else first + last
    assert descent.losses == [pytest.approx(expected, rel=1e-14)]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_that_are_all_0_leave_the_parameters(reduction: str) -> None:
    weights, biases, x, y, _ = smooth_case("tanh", "identity", "squared_error")
    network = Network("tanh", reduction=reduction)
    descent = reference.stochastic_gradient_descent(
        weights, biases, x, y, network, lr=0.1, epochs=2, batch_size=2, sample_weight=np.zeros(5)
    )
    assert descent.losses == [0.0, 0.0]
    np.testing.assert_array_equal(
        reference.theta(descent.weights, descent.biases), reference.theta(weights, biases)
    )


# --- Parameters ------------------------------------------------------------------------------

SIZES = (5, 40, 30, 4)


@pytest.mark.parametrize(
    ("init", "distribution", "scale"),
    [
        ("glorot_uniform", "uniform", lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
        ("glorot_normal", "normal", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
        ("he_uniform", "uniform", lambda n_in, n_out: math.sqrt(6 / n_in)),
        ("he_normal", "normal", lambda n_in, n_out: math.sqrt(2 / n_in)),
        ("lecun_uniform", "uniform", lambda n_in, n_out: math.sqrt(3 / n_in)),
        ("lecun_normal", "normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
        ("notes", "normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
    ],
)
def test_initial_weights(init: str, distribution: str, scale: Callable[[int, int], float]) -> None:
    weights, biases = reference.initialize(SIZES, np.random.default_rng(1), init=init)
    rng = np.random.default_rng(1)
    for W, b, (n_in, n_out) in zip(weights, biases, pairwise(SIZES), strict=True):
        s = scale(n_in, n_out)
        drawn = (
            rng.uniform(-s, s, (n_out, n_in))
            if distribution == "uniform"
            else rng.normal(0.0, s, (n_out, n_in))
        )
        np.testing.assert_array_equal(W, drawn)
        assert b.shape == (n_out,) and not b.any()
        if distribution == "uniform":
            assert 0.9 * s < np.abs(W).max() <= s
        else:  # a sample deviation is off by about 1 / sqrt(2 n): 4 of these
            assert abs(W.std() / s - 1) < 4 / math.sqrt(2 * W.size)


def test_every_initializer_is_tested() -> None:
    assert len(INITIALIZERS) == 7 + 1  # torch below


def test_torch_initialization_draws_weights_then_biases() -> None:
    weights, biases = reference.initialize(SIZES, np.random.default_rng(1), init="torch")
    rng = np.random.default_rng(1)
    for W, b, (n_in, n_out) in zip(weights, biases, pairwise(SIZES), strict=True):
        limit = 1 / math.sqrt(n_in)
        np.testing.assert_array_equal(W, rng.uniform(-limit, limit, (n_out, n_in)))
        np.testing.assert_array_equal(b, rng.uniform(-limit, limit, n_out))


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_automatic_initialization(hidden: str) -> None:
    plain = ("identity", "sigmoid", "tanh")
    weights, _ = reference.initialize((6, 5, 3), np.random.default_rng(8), hidden=hidden)
    rng, limit = np.random.default_rng(8), math.sqrt(6 / 11)
    first = (
        rng.uniform(-limit, limit, (5, 6))
        if hidden in plain
        else rng.normal(0.0, math.sqrt(2 / 6), (5, 6))
    )
    np.testing.assert_array_equal(weights[0], first)
    limit = math.sqrt(6 / 8)
    np.testing.assert_array_equal(weights[1], rng.uniform(-limit, limit, (3, 5)))


def test_initialization_casts_after_drawing() -> None:
    double, _ = reference.initialize((3, 2), np.random.default_rng(0))
    single, b = reference.initialize((3, 2), np.random.default_rng(0), dtype="float32")
    assert single[0].dtype == b[0].dtype == np.float32
    np.testing.assert_array_equal(single[0], double[0].astype("float32"))


def test_theta_holds_weights_row_by_row_then_biases() -> None:
    weights = [np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([[7.0, 8.0, 9.0]])]
    biases = [np.array([10.0, 11.0, 12.0]), np.array([13.0])]
    flat = reference.theta([np.asfortranarray(W) for W in weights], biases)
    np.testing.assert_array_equal(flat, np.arange(1.0, 14.0))
    W, b = reference.unflatten(flat, (2, 3, 1))
    for actual, expected in zip(W + b, weights + biases, strict=True):
        np.testing.assert_array_equal(actual, expected)
    W[0][0, 0] = 0.0
    assert flat[0] == 1.0


def test_unknown_initializer_and_wrong_theta() -> None:
    with pytest.raises(ValueError, match="init is 'zeros', it must be one of auto, glorot_uniform"):
        reference.initialize((2, 2), np.random.default_rng(0), init="zeros")
    with pytest.raises(ValueError, match=r"theta has shape \(5,\), the network has 6 parameters"):
        reference.unflatten(np.zeros(5), (2, 2))
