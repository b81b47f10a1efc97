"""Custom functions that are wrong, or that raise: the error, and the network after it."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from custom_support import SQUARES, TANH, residual, squares, swish, swish_derivative
from network_support import Array, assert_same_bits, refused, regression

X, Y = regression(n=6)

DEFINITIONS: dict[str, tuple[Callable[[], object], str]] = {
    "no callable": (lambda: dr.CustomLoss(squares, 3), "gradient must be callable, not 3"),
    "no function": (
        lambda: dr.CustomActivation("tanh", np.cos),
        "value must be callable, not 'tanh'",
    ),
    "name": (lambda: dr.CustomLoss(squares, residual, 3), "name must be a string .*, not 3"),
    "empty name": (lambda: dr.CustomLoss(squares, residual, ""), "name must be .*, not ''"),
    "loss alone": (
        lambda: dr.MLP([3, 2], loss=squares),
        r"loss must be a name, a CustomLoss or \(value, gradient\), not <function .*> alone",
    ),
    "activation alone": (
        lambda: dr.MLP([3, 4, 2], hidden=np.tanh),
        r"hidden must be a name, a CustomActivation or \(value, derivative\), not .*'tanh'> alone",
    ),
    "list of two": (  # one a layer, each without a derivative; a pair is a tuple
        lambda: dr.MLP([3, 4, 4, 2], hidden=[np.tanh, np.cos]),
        r"hidden\[0\] must be a name, a CustomActivation or .*, not .*'tanh'> alone",
    ),
    "half a pair": (lambda: dr.MLP([3, 2], loss=(squares, "mae")), "loss must be a name, not .*"),
    "loss as activation": (
        lambda: dr.MLP([3, 4, 2], hidden=[SQUARES]),
        r"hidden\[0\] must be a name, not CustomLoss\(squares, residual\)",
    ),
    "activation as loss": (
        lambda: dr.MLP([3, 4, 2], loss=TANH),
        r"loss must be a name, not CustomActivation\(tanh, <lambda>\)",
    ),
}


@pytest.mark.parametrize(("call", "rule"), DEFINITIONS.values(), ids=DEFINITIONS)
def test_values_that_are_no_function_are_refused(call: Callable[[], object], rule: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert re.fullmatch(rule, str(caught.value)), str(caught.value)


def test_as_many_activations_as_layers() -> None:
    with pytest.raises(ValueError, match="hidden has 1 names, the network has 2 hidden layers"):
        dr.MLP([3, 4, 4, 2], hidden=[TANH])


# What a function returns -> what is said of it: (6, 2) where it should be a gradient.
RETURNS: dict[str, tuple[Callable[[Array], object], type[Exception], str]] = {
    "None": (lambda a: None, TypeError, "real numbers, but returned None"),
    "text": (lambda a: "a", TypeError, "real numbers, but returned 'a'"),
    "complex": (lambda a: a + 0j, TypeError, "real numbers, but returned complex128"),
    "objects": (lambda a: a.astype(object), TypeError, "real numbers, but returned object"),
    "a number": (lambda a: 1.0, ValueError, r"shape \(6, 2\), but returned shape \(\)"),
    "sums": (lambda a: a[:, 0], ValueError, r"shape \(6, 2\), but returned shape \(6,\)"),
    "transposed": (lambda a: a.T, ValueError, r"shape \(6, 2\), but returned shape \(2, 6\)"),
    "ragged": (lambda a: [[1], [1, 2]], ValueError, r"shape \(6, 2\): .*inhomogeneous.*"),
    "nan": (
        lambda a: np.where(np.arange(2) == 1, np.nan, a),
        ValueError,
        r"finite numbers in float64, but returned nan at \[0, 1\], for .*",
    ),
    "infinity": (
        lambda a: a / 0.0,
        ValueError,
        r"finite .*, but returned -?inf at \[0, 0\], for .*",
    ),
}
PLACES = ("loss.gradient", "hidden[0].value", "hidden[0].derivative")


def network(place: str, wrong: Callable[[Array], object], **options: Any) -> dr.MLP:
    """A network of which one function is wrong, from the third time on that it is asked."""
    asked = 0

    def broken(*arrays: Array) -> object:
        nonlocal asked
        asked += 1
        right = RIGHT[place](*arrays)
        return right if asked < 3 else wrong(right)

    functions = {name: broken if name == place else RIGHT[name] for name in RIGHT}
    own_loss, own_activation = [*functions.values()][:2], [*functions.values()][2:]
    settings = {"sizes": [3, 2, 2], "dtype": "float64", "seed": 0} | options
    return dr.MLP(loss=tuple(own_loss), hidden=tuple(own_activation), **settings)


RIGHT: dict[str, Callable[..., Array]] = {
    "loss.value": squares,
    "loss.gradient": residual,
    "hidden[0].value": swish,
    "hidden[0].derivative": swish_derivative,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("wrong", "error", "rule"), RETURNS.values(), ids=RETURNS)
def test_invalid_results_of_a_function_are_refused(
    wrong: Callable[[Array], object], error: type[Exception], rule: str, place: str
) -> None:
    net = network(place, wrong)
    net.train_step(X, Y, optimizer=dr.Adam())
    net.train_step(X, Y, optimizer=dr.Adam())
    theta, memory = net.theta, net._optimizer_state()
    with pytest.raises(error) as caught:
        net.train_step(X, Y, optimizer=dr.Adam())
    wanted = re.escape(place) + r" \(broken\) must return " + rule
    assert re.fullmatch(wanted, str(caught.value), re.DOTALL), str(caught.value)
    assert_same_bits(net.theta, theta)
    assert repr(net._optimizer_state()) == repr(memory)


@pytest.mark.parametrize(
    ("wrong", "error", "rule"),
    [
        (lambda a: None, TypeError, "real numbers, but returned None"),
        (lambda a: a.mean(), ValueError, r"shape \(6,\), but returned shape \(\)"),
        (lambda a: a[:, None], ValueError, r"shape \(6,\), but returned shape \(6, 1\)"),
    ],
)
def test_invalid_results_of_a_loss_are_refused(
    wrong: Any, error: type[Exception], rule: str
) -> None:
    net = dr.MLP([3, 2], loss=(lambda y_hat, y: wrong(squares(y_hat, y)), residual))
    message = rf"loss\.value \(<lambda>\) must return {rule}"
    for call in (net.evaluate, net.value_and_grad, net.train_step, net.per_sample_gradients):
        with pytest.raises(error) as caught:
            call(X, Y)
        assert re.fullmatch(message, str(caught.value))


def test_a_position_is_named_with_its_arguments() -> None:
    net = dr.MLP([1, 1, 1], hidden=(lambda z: np.log(z), lambda z, a: 1 / z),
                 init=([[[1.0]], [[1.0]]], [[0.0], [0.0]]))  # fmt: skip
    with pytest.raises(ValueError, match=r"returned nan at \[1, 0\], for z = -2\.0$"):
        net.predict([[1.0], [-2.0]])
    assert net.predict([[1.0]]).item() == 0.0
    wide = dr.MLP([1, 1, 1], hidden=(lambda z: z.astype(np.float64) * 1e300, swish_derivative))
    with pytest.raises(ValueError, match=r"finite numbers in float32, but returned -?inf"):
        wide.predict([[1.0]])


@pytest.mark.parametrize("returned", [np.float32, np.float16, np.int64, bool, list])
def test_real_numbers_of_every_kind_are_taken(returned: Any) -> None:
    """In the network's dtype."""
    convert = np.ndarray.tolist if returned is list else lambda a: a.astype(returned)
    net = dr.MLP([3, 4, 2], hidden=(lambda z: convert(z > 0), lambda z, a: convert(z > 0)), seed=0)
    value, grads = net.value_and_grad(X, Y)
    assert grads.theta.dtype == np.float32 and np.isfinite(value)


class Sentinel(Exception):
    """An error of a custom function."""


@pytest.mark.parametrize("error", [Sentinel, OverflowError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("place", RIGHT)
def test_an_exception_of_a_function_propagates(place: str, error: type[BaseException]) -> None:
    def wrong(a: Array) -> Array:
        raise error("mine")

    net = network(place, wrong)
    good = dr.MLP([3, 2, 2], dtype="float64", hidden=(swish, swish_derivative), loss=SQUARES,
                  init=(net.weights, net.biases), seed=1)  # fmt: skip
    net.fit(X, Y, epochs=1, shuffle=False, batch_size=3)  # asks the loss's twice
    good.fit(X, Y, epochs=1, shuffle=False, batch_size=3)
    assert_same_bits(net.theta, good.theta)
    for call in (net.train_step, net.fit, lambda x, y: net.fit([(x, y)])):
        with pytest.raises(error, match=r"^mine$"):
            call(X, Y)
        assert_same_bits(net.theta, good.theta)
    net.theta = good.theta  # no thread trains it any more


@pytest.mark.parametrize("place", RIGHT)
def test_a_fit_that_is_broken_off_is_at_a_whole_mini_batch(place: str) -> None:
    def wrong(a: Array) -> Array:
        raise Sentinel

    net = network(place, wrong)
    good = copy.deepcopy(network(place, lambda a: a))
    state = net._rng.bit_generator.state
    with pytest.raises(Sentinel):
        net.fit(X, Y, epochs=3, batch_size=2, shuffle=False, dropout=0.3)
    assert net._rng.bit_generator.state == state  # no epoch is complete
    good._rng.bit_generator.state = state
    good.fit(X[:4], Y[:4], epochs=1, batch_size=2, shuffle=False, dropout=0.3)
    assert_same_bits(net.theta, good.theta)


def test_no_function_writes_what_it_is_given() -> None:
    y = Y.copy()

    def writes(y_hat: Array, y: Array) -> Array:
        y[:] = 0
        return squares(y_hat, y)

    def writes_z(z: Array) -> Array:
        z *= 2
        return z

    for net in (
        dr.MLP([3, 2], loss=(writes, residual), dtype="float64"),
        dr.MLP([3, 4, 2], hidden=(writes_z, swish_derivative), dtype="float64"),
    ):
        for call in (net.evaluate, net.train_step):
            with pytest.raises(ValueError, match="read-only"):
                call(X, y)
    assert_same_bits(y, Y)


def test_a_function_may_keep_its_array() -> None:
    """What it returns is copied: it may return its argument, or the same array every time."""
    buffer = np.empty((6, 3))

    def into_buffer(z: Array) -> Array:
        return np.tanh(z, out=buffer)

    settings: dict[str, Any] = {"sizes": [3, 3, 3, 2], "dtype": "float64", "seed": 0}
    reusing = dr.MLP(hidden=(into_buffer, lambda z, a: 1 - a * a), **settings)
    plain = dr.MLP(hidden=TANH, **settings)
    for net in (reusing, plain):
        net.train_step(X, Y)
    assert_same_bits(reusing.theta, plain.theta)
    same = dr.MLP(hidden=(lambda z: z, lambda z, a: np.ones_like(z)), **settings)
    a = same.activations(X)
    assert a[1].flags.writeable


# Divergence


def explosive(y_hat: Array, y: Array) -> Array:
    return np.exp(np.exp(np.abs(y_hat) + 2)).sum(axis=1)


def explosive_gradient(y_hat: Array, y: Array) -> Array:
    return np.full_like(y_hat, -1e3)


def test_a_loss_that_is_not_finite() -> None:
    net = dr.MLP([3, 2], loss=(lambda y_hat, y: squares(y_hat, y) / 0, residual), seed=0)
    assert net.evaluate(X, Y) == np.inf
    ways: dict[Callable[[], object], str] = {
        lambda: net.value_and_grad(X, Y): "the loss is inf; it has no gradient",
        lambda: net.train_step(
            X, Y
        ): "the loss is not finite on this mini-batch; .* are finite; nothing .*",
        lambda: net.input_gradient(X, Y): "the loss is not finite; it has no derivative",
        lambda: net.per_sample_gradients(X, Y): "the loss is not finite; it has no derivative",
        lambda: net.fit(
            X, Y
        ): "the loss or the update is not finite any more in epoch 1, step 1;.*",
    }
    for call, rule in ways.items():
        with pytest.raises(dr.DivergenceError, match=rule):
            call()


@pytest.mark.parametrize("optimizer", [dr.SGD(lr=2e-4, momentum=0.5), dr.Adam(lr=0.5)])
def test_divergence_leaves_the_last_finite_epoch(optimizer: Any) -> None:
    x, y = np.ones((8, 1)), np.zeros((8, 1))
    loss = (explosive, explosive_gradient)
    settings: dict[str, Any] = {"loss": loss, "dtype": "float64", "init": ([[[0.0]]], [[0.0]])}
    nets = [dr.MLP([1, 1], **settings) for _ in range(2)]
    fit: dict[str, Any] = {"batch_size": 6, "optimizer": optimizer, "shuffle": False}
    with pytest.raises(dr.DivergenceError) as caught:
        nets[0].fit(x, y, epochs=9, **fit)
    epochs = caught.value.epoch - 1
    assert 0 < epochs < 9
    nets[1].fit(x, y, epochs=epochs, **fit)
    assert_same_bits(nets[0].theta, nets[1].theta)
    assert repr(nets[0]._optimizer_state()) == repr(nets[1]._optimizer_state())
    assert nets[0]._epochs == epochs
    with pytest.raises(dr.DivergenceError) as again:
        nets[1].fit(x, y, epochs=9, **fit)
    assert (again.value.epoch, again.value.step) == (1, caught.value.step)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_update_that_overflows(dtype: str) -> None:
    huge = float(np.finfo(dtype).max)
    loss = (squares, lambda y_hat, y: np.full_like(y_hat, huge))
    net = dr.MLP([3, 2], loss=loss, dtype=dtype, seed=0)
    optimizer = dr.SGD(lr=1e3, momentum=0.5)

    before = net.theta
    with pytest.raises(dr.DivergenceError, match="the update overflows on this mini-batch"):
        net.train_step(X, Y, optimizer=optimizer)
    assert_same_bits(net.theta, before)
    with pytest.raises(dr.DivergenceError, match="epoch 1, step 1"):
        net.fit(X, Y, optimizer=optimizer)
    assert_same_bits(net.theta, before)


def test_rows_of_weight_0_change_nothing() -> None:
    """Whatever they would come to, as in the core."""
    seen: list[int] = []

    def value(y_hat: Array, y: Array) -> Array:
        seen.append(len(y))
        return squares(y_hat, y) / (y[:, 0] < 1e6)

    x, y = X, Y.copy()
    y[2] = 1e7
    weight = np.array([1.0, 2, 0, 1, 1, 1])
    mine = dr.MLP([3, 2], loss=(value, residual), dtype="float64", seed=0)
    cores = dr.MLP([3, 2], dtype="float64", seed=0)
    fit: dict[str, Any] = {"batch_size": 1, "epochs": 2, "shuffle": False, "sample_weight": weight}
    mine.fit(x, y, **fit), cores.fit(x, y, **fit)
    np.testing.assert_allclose(mine.theta, cores.theta, rtol=1e-13)
    np.testing.assert_allclose(
        mine.evaluate(x, y, sample_weight=weight), cores.evaluate(x, y, sample_weight=weight)
    )
    assert set(seen) == {1, 5}


# What cannot hold functions


def test_a_file_cannot_hold_functions(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_text("precious")
    for net, rule in (
        (
            dr.MLP([3, 4, 2], loss=SQUARES),
            r"loss .*, not CustomLoss\(.*\); pickle.*",
        ),
        (dr.MLP([3, 4, 4, 2], hidden=["relu", TANH]), r"hidden\[1\] .*, not CustomActivation.*"),
    ):
        with pytest.raises(dr.ModelFileError, match=rule):
            net.save(path)
    assert path.read_text() == "precious"


def test_functions_without_a_name_are_not_pickled() -> None:
    net = dr.MLP([3, 2], loss=(lambda y_hat, y: squares(y_hat, y), residual))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(net)
    assert copy.deepcopy(net).loss == net.loss


def test_arguments_that_need_a_named_loss() -> None:
    net = dr.MLP([3, 2], loss=SQUARES, output="softmax")
    refused(
        net,
        lambda: net.fit(X, Y, label_smoothing=0.1),
        ValueError,
        r"label_smoothing is for .*, not for CustomLoss\(squares, residual\)",
    )
    refused(
        net,
        lambda: net.evaluate(X, [0, 1, 0, 1, 0, 1]),
        ValueError,
        r"y must have shape \(n_samples, 2\), but has shape \(6,\); class indices are for cross_.*",
    )
