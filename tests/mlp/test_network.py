"""The network as an object: its options, its parameters, its passes on a batch, its text."""

from __future__ import annotations

import gc
import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from network_support import MOMENTUM, assert_same_bits, regression

CANONICAL_LOSS = {
    "identity": "squared_error",
    "sigmoid": "binary_cross_entropy",
    "tanh": "squared_error",
    "softmax": "cross_entropy",
    "exp": "poisson",
}
LOSSES = (
    "squared_error",
    "sum_squared_error",
    "mean_squared_error",
    "absolute_error",
    "huber",
    "binary_cross_entropy",
    "cross_entropy",
    "poisson",
)
# Outputs whose range lies in the loss's domain; the other losses take every output.
DOMAIN = {
    "binary_cross_entropy": {"sigmoid", "softmax"},
    "cross_entropy": {"sigmoid", "softmax"},
    "poisson": {"sigmoid", "softmax", "exp"},
}
# Float64, at most some ten products a sum: a hundred roundings of 1.1e-16 on values of order 1.
RTOL = 1e-13
ATOL = 1e-14

# Construction


def test_defaults() -> None:
    net = dr.MLP([3, 5, 4, 2])
    assert net.sizes == (3, 5, 4, 2)
    assert net.hidden == ("relu", "relu")
    assert (net.output, net.loss, net.reduction) == ("identity", "squared_error", "mean")
    assert net.dtype == np.dtype(np.float32)
    assert (net.leaky_slope, net.huber_delta) == (0.01, 1.0)
    assert all(not b.any() for b in net.biases)
    assert all(W.all() for W in net.weights)


def test_networks_without_a_seed_differ() -> None:
    assert dr.MLP([3, 2]).theta.tobytes() != dr.MLP([3, 2]).theta.tobytes()


@pytest.mark.parametrize(("output", "loss"), CANONICAL_LOSS.items())
def test_the_default_loss_is_the_outputs_own(output: str, loss: str) -> None:
    assert dr.MLP([3, 2], output=output).loss == loss


@pytest.mark.parametrize(("output", "loss"), list(product(CANONICAL_LOSS, LOSSES)))
def test_a_pair_is_taken_when_the_range_lies_in_the_domain(output: str, loss: str) -> None:
    if output in DOMAIN.get(loss, CANONICAL_LOSS):
        net = dr.MLP([3, 2], output=output, loss=loss)
        assert (net.output, net.loss) == (output, loss)
    else:
        with pytest.raises(ValueError, match=f"loss '{loss}' needs an output .*, not '{output}'"):
            dr.MLP([3, 2], output=output, loss=loss)


def test_aliases_are_kept_by_their_canonical_names() -> None:
    net = dr.MLP([3, 4, 4, 1], hidden=["linear", "logistic"], output="logistic", loss="log_loss")
    assert net.hidden == ("identity", "sigmoid")
    assert (net.output, net.loss) == ("sigmoid", "binary_cross_entropy")
    assert dr.MLP([3, 2], output="linear").output == "identity"


def test_one_activation_per_hidden_layer() -> None:
    hidden = ("tanh", "relu", "gelu")
    weights, biases = reference.initialize([3, 4, 5, 4, 2], np.random.default_rng(1), hidden=hidden)
    net = dr.MLP([3, 4, 5, 4, 2], hidden=list(hidden), dtype="float64", init=(weights, biases))
    x, _ = regression()
    forward = reference.forward_propagation(weights, biases, x, reference.Network(hidden))
    assert net.hidden == hidden
    np.testing.assert_allclose(net.predict(x), forward.y_hat, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(
    "sizes", [[3, 4, 2], (3, 4, 2), np.array([3, 4, 2]), iter([3, 4, 2]), [np.int8(3), 4, 2]]
)
def test_sizes_are_any_whole_numbers_in_sequence(sizes: Any) -> None:
    net = dr.MLP(sizes)
    assert net.sizes == (3, 4, 2)
    assert all(type(n) is int for n in net.sizes)
    assert net.predict([0.0, 0.0, 0.0]).shape == (2,)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float32", "float32"),
        ("f4", "float32"),
        (np.float32, "float32"),
        (np.dtype(np.float64), "float64"),
        (float, "float64"),
    ],
)
def test_the_dtype_is_that_of_parameters_and_results(dtype: Any, name: str) -> None:
    net = dr.MLP([3, 4, 2], dtype=dtype)
    x, y = regression()
    value, grads = net.value_and_grad(x, y)
    arrays = [*net.weights, *net.biases, net.theta, net.predict(x), *grads.weights, *grads.biases]
    assert {a.dtype.name for a in [*arrays, grads.theta]} == {name} == {net.dtype.name}
    assert type(value) is type(net.evaluate(x, y)) is type(net.train_step(x, y)) is float


def test_options_have_names() -> None:
    with pytest.raises(TypeError):
        dr.MLP([3, 2], "relu")  # type: ignore[misc]


@pytest.mark.parametrize("name", ["sizes", "hidden", "output", "loss", "dtype", "weights"])
def test_fixed_attributes_of_a_network_cannot_be_set(name: str) -> None:
    net = dr.MLP([3, 2])
    with pytest.raises(AttributeError):
        setattr(net, name, getattr(net, name))


def test_a_seed_fixes_the_parameters() -> None:
    first, same, other = (dr.MLP([3, 4, 2], seed=s).theta for s in (1, np.int64(1), 2))
    assert_same_bits(same, first)
    assert other.tobytes() != first.tobytes()


def test_a_generator_is_used_as_it_is() -> None:
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    net = dr.MLP([3, 4, 2], seed=theirs)
    weights, biases = reference.initialize([3, 4, 2], ours, dtype=np.float32)
    assert_same_bits(net.theta, reference.theta(weights, biases))
    assert theirs.bit_generator.state == ours.bit_generator.state


# Parameters


@pytest.mark.parametrize("sizes", [[3, 2], [1, 1], [3, 7, 2], [33, 5, 40, 10], [64, 16, 9, 8]])
def test_theta_is_every_weight_row_by_row_then_every_bias(sizes: list[int]) -> None:
    net = dr.MLP(sizes, dtype="float64")
    theta = np.arange(net.n_parameters, dtype=np.float64)
    net.theta = theta
    assert net.n_parameters == sum(n_out * n_in + n_out for n_in, n_out in pairwise(sizes))
    weights, biases = reference.unflatten(theta, sizes)
    for found, wanted in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        assert_same_bits(found, wanted)
    assert_same_bits(net.theta, theta)


def test_theta_is_a_copy() -> None:
    net = dr.MLP([3, 2], seed=0)
    theta = net.theta
    before = theta.copy()
    theta[:] = 0
    assert_same_bits(net.theta, before)
    net.theta = theta
    theta[:] = 1
    assert not net.theta.any()


def test_theta_takes_what_converts() -> None:
    net = dr.MLP([2, 1])
    net.theta = [1, 2, 3]
    assert_same_bits(net.theta, np.array([1, 2, 3], np.float32))
    net.theta = np.array([4, 5, 6], ">f8")[::-1]
    assert_same_bits(net.theta, np.array([6, 5, 4], np.float32))


@pytest.mark.parametrize("convert", [np.asfortranarray, np.ndarray.tolist, lambda a: a[::-1][::-1]])
def test_set_parameters(convert: Any) -> None:
    weights, biases = reference.initialize([3, 4, 2], np.random.default_rng(3), init="torch")
    net = dr.MLP([3, 4, 2], dtype="float64")
    net.set_parameters([convert(W) for W in weights], [convert(b) for b in biases])
    assert_same_bits(net.theta, reference.theta(weights, biases))


@pytest.mark.parametrize("sizes", [[3, 4, 2], [40, 40, 5], [3, 1]])
def test_the_views_follow_every_change(sizes: list[int]) -> None:
    net = dr.MLP(sizes, seed=0)
    x, y = regression(n_in=sizes[0], n_out=sizes[-1])
    views = (*net.weights, *net.biases)
    flat = np.random.default_rng(1).normal(0.0, 0.1, net.n_parameters)
    changes = [
        lambda: setattr(net, "theta", flat),
        lambda: net.set_parameters(*reference.unflatten(-flat, sizes)),
        lambda: net.train_step(x, y, optimizer=MOMENTUM),
        lambda: net.fit(x, y, epochs=2),
    ]
    for change in changes:
        before = net.theta
        change()
        assert (net.theta != before).sum() > net.n_parameters / 2
        assert_same_bits(np.concatenate([v.ravel() for v in views]), net.theta)


@pytest.mark.parametrize("name", ["weights", "biases"])
def test_the_views_are_read_only(name: str) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    before = net.theta
    for view in getattr(net, name):
        with pytest.raises(ValueError, match="read-only"):
            view[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
        assert not view.T.flags.writeable
    assert_same_bits(net.theta, before)


def test_the_views_outlive_the_network() -> None:
    net = dr.MLP([50, 60, 2], seed=0)
    weight, theta = net.weights[1], net.theta
    del net
    gc.collect()
    assert_same_bits(weight.ravel(), theta[3000:3120])


# One batch


def test_predict_by_hand() -> None:
    net = dr.MLP([2, 2, 1], init=([[[1, -1], [2, 0]], [[3, -2]]], [[0.5, -1], [0.25]]))
    # z[1] = (1 - 2 + 0.5, 2 - 1) = (-0.5, 1); a[1] = (0, 1); y_hat = -2 + 0.25
    assert net.predict([[1.0, 2.0]]).tolist() == [[-1.75]]
    assert net([1.0, 2.0]).tolist() == [-1.75]
    # z[1] = (2.5, 3) is its own activation; y_hat = 7.5 - 6 + 0.25
    assert net([[2.0, 0.0], [1.0, 2.0]]).tolist() == [[1.75], [-1.75]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[3, 2], [3, 4, 2], [40, 33, 7]])
def test_one_row_has_the_bits_it_has_in_a_batch(dtype: str, sizes: list[int]) -> None:
    net = dr.MLP(sizes, hidden="tanh", dtype=dtype, seed=0)
    x, _ = regression(n=37, n_in=sizes[0])
    y_hat = net.predict(x)
    assert y_hat.shape == (37, sizes[-1])
    for i, row in enumerate(x):
        assert_same_bits(net.predict(row), y_hat[i])
        assert_same_bits(net.predict(x[i : i + 1]), y_hat[i : i + 1])


def test_evaluate_by_hand() -> None:
    one = ([[[1.0]]], [[0.0]])
    x, y = [[1.0], [2.0], [4.0]], [0.0, 0.0, 1.0]  # L = 1/2, 2, 9/2
    assert dr.MLP([1, 1], init=one).evaluate(x, y) == pytest.approx(7 / 3, rel=1e-15)
    assert dr.MLP([1, 1], init=one, reduction="sum").evaluate(x, y) == 7.0
    w = [2.0, 1.0, 0.0]
    assert dr.MLP([1, 1], init=one).evaluate(x, y, sample_weight=w) == pytest.approx(1, rel=1e-15)
    assert dr.MLP([1, 1], init=one, reduction="sum").evaluate(x, y, sample_weight=w) == 3.0
    soft = dr.MLP([1, 3], output="softmax", init=([[[0.0]] * 3], [[0.0] * 3]), dtype="float64")
    assert soft.evaluate([[5.0]], [2]) == pytest.approx(math.log(3), rel=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("output", CANONICAL_LOSS)
def test_value_and_gradient_equal_the_references(
    output: str, reduction: str, weighted: bool
) -> None:
    x, y = regression(n_out=3)
    w = np.linspace(0.0, 2.0, len(x)) if weighted else None
    y = np.abs(y) / np.abs(y).sum(axis=1, keepdims=True)
    net = dr.MLP(
        [3, 5, 3], hidden="silu", output=output, reduction=reduction, dtype="float64", seed=4
    )
    architecture = reference.Network("silu", output, net.loss, reduction)
    before = net.theta
    value, grads = net.value_and_grad(x, y, sample_weight=w)
    wanted, expected = reference.value_and_grad(net.weights, net.biases, x, y, architecture, w)
    assert value == pytest.approx(wanted, rel=RTOL)
    assert value == pytest.approx(net.evaluate(x, y, sample_weight=w), rel=RTOL)
    for found, right in zip(
        (*grads.weights, *grads.biases), (*expected.weights, *expected.biases), strict=True
    ):
        assert np.abs(right).max() > 1e-3
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12 * np.abs(right).max())
    assert_same_bits(grads.theta, reference.theta(grads.weights, grads.biases))
    assert_same_bits(net.theta, before)


def test_each_gradient_has_memory_of_its_own() -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    x, y = regression()
    _, first = net.value_and_grad(x, y)
    kept = first.theta.copy()
    _, second = net.value_and_grad(x[:5], y[:5])
    assert second.theta.tobytes() != kept.tobytes()
    assert_same_bits(first.theta, kept)
    second.theta[:] = 0
    assert net.weights[0].any()


SETTINGS = [
    dr.SGD(lr=0.1),
    dr.SGD(lr=0.1, weight_decay=0.05),
    dr.SGD(lr=0.1, momentum=0.9),
    dr.SGD(lr=0.1, momentum=0.9, nesterov=True),
    dr.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05),
]


@pytest.mark.parametrize("optimizer", SETTINGS, ids=str)
def test_train_steps_equal_the_references_updates(optimizer: dr.SGD) -> None:
    net = dr.MLP([3, 4, 2], hidden="tanh", dtype="float64", seed=2, init="torch")
    architecture = reference.Network("tanh")
    weights, biases = reference.unflatten(net.theta, net.sizes)
    velocity = None
    x, y = regression()
    for first in range(0, 40, 8):
        xb, yb = x[first : first + 8], y[first : first + 8]
        loss, grads = reference.value_and_grad(weights, biases, xb, yb, architecture)
        weights, biases, velocity = reference.sgd_update(
            weights, biases, grads, velocity, **vars(optimizer)
        )
        assert net.train_step(xb, yb, optimizer=optimizer) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(net.theta, reference.theta(weights, biases), rtol=1e-12, atol=1e-13)


def test_the_velocity_lives_with_the_network() -> None:
    x, y = regression()
    alone, first, second = (dr.MLP([3, 4, 2], seed=0) for _ in range(3))
    for _ in range(3):
        alone.train_step(x, y, optimizer=dr.SGD(lr=0.02, momentum=0.9))
        first.train_step(x, y, optimizer=MOMENTUM)
        second.train_step(x, y, optimizer=MOMENTUM)
    assert_same_bits(first.theta, alone.theta)
    assert_same_bits(second.theta, alone.theta)


def test_the_default_optimizer() -> None:
    x, y = regression()
    given, default = dr.MLP([3, 2], seed=0), dr.MLP([3, 2], seed=0)
    given.train_step(x, y, optimizer=dr.SGD(lr=0.01))
    default.train_step(x, y)
    assert_same_bits(default.theta, given.theta)
    assert dr.SGD() == dr.SGD(lr=0.01, momentum=0.0, nesterov=False, weight_decay=0.0)


# Text


def test_summary() -> None:
    net = dr.MLP([4, 12, 8, 3], hidden=["leaky_relu", "tanh"], output="softmax", dtype="float64")
    assert net.summary().splitlines() == [
        "layer   inputs  outputs  activation  parameters",
        "    1        4       12  leaky_relu          60",
        "    2       12        8  tanh               104",
        "    3        8        3  softmax             27",
        "loss cross_entropy (mean), float64, 191 parameters",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": [4, 8, 3], "output": "softmax"},
        {"sizes": [3, 1], "output": "sigmoid", "reduction": "sum", "dtype": "float64"},
        {"sizes": [3, 5, 1], "hidden": ["gelu"], "loss": "huber", "huber_delta": 0.5},
        {"sizes": [3, 5, 4, 1], "hidden": ["leaky_relu", "tanh"], "leaky_slope": 0.2},
    ],
    ids=lambda options: options["sizes"],
)
def test_repr_is_the_constructors_call(options: dict[str, Any]) -> None:
    net = dr.MLP(**options)
    again = eval(repr(net), {"MLP": dr.MLP})
    for name in ("sizes", "hidden", "output", "loss", "reduction", "dtype"):
        assert getattr(again, name) == getattr(net, name)
    assert (again.leaky_slope, again.huber_delta) == (net.leaky_slope, net.huber_delta)
    assert "\n" not in repr(net)


@pytest.mark.parametrize("threads", [0, -1, True])
def test_a_small_call_checks_its_threads_too(threads: int) -> None:
    net = dr.MLP([3, 2], seed=0)
    with pytest.raises(ValueError, match="threads must be 1 or more"):
        net.predict(np.ones((1, 3), np.float32), threads=threads)
