"""Copies and pickles: the same network, training on with the same bits, with nothing in common."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, assert_same_bits, classification, fingerprint, regression

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": partial(lambda p, v: pickle.loads(pickle.dumps(v, p)), p) for p in range(6)},
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {"sizes": [3, 4, 2]},
    "no hidden layer": {"sizes": [3, 1], "output": "sigmoid", "reduction": "sum"},
    "leaky": {"sizes": [3, 4, 5, 2], "hidden": ["leaky_relu", "gelu"], "leaky_slope": 0.25},
    "huber": {"sizes": [3, 4, 2], "loss": "huber", "huber_delta": 0.1, "dtype": "float64"},
    "wide": {"sizes": [70, 40, 3], "output": "softmax", "init": "torch"},
}
NAMES = (
    "sizes",
    "hidden",
    "output",
    "loss",
    "reduction",
    "dtype",
    "leaky_slope",
    "huber_delta",
    "n_parameters",
)


@each_way
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_copy_is_the_same_network(options: dict[str, Any], way: Callable[[Any], Any]) -> None:
    net = dr.MLP(**options, seed=0)
    twin = way(net)
    assert type(twin) is dr.MLP
    assert twin is not net
    assert [getattr(twin, n) for n in NAMES] == [getattr(net, n) for n in NAMES]
    assert repr(twin) == repr(net)
    assert twin.summary() == net.summary()
    assert fingerprint(twin) == fingerprint(net)
    for found, wanted in zip(
        (*twin.weights, *twin.biases), (*net.weights, *net.biases), strict=True
    ):
        assert_same_bits(found, wanted)


@each_way
def test_a_copy_trains_on_with_velocity_and_shuffling(way: Callable[[Any], Any]) -> None:
    x, y = classification()
    net = dr.MLP([3, 4, 3], output="softmax", seed=0)
    net.fit(x, y, epochs=3, batch_size=7, optimizer=MOMENTUM)
    twin = way(net)
    mine = net.fit(x, y, epochs=3, batch_size=7, optimizer=MOMENTUM)
    its = twin.fit(x, y, epochs=3, batch_size=7, optimizer=MOMENTUM)
    assert_same_bits(twin.theta, net.theta)
    assert its.loss == mine.loss
    whole = dr.MLP([3, 4, 3], output="softmax", seed=0)
    whole.fit(x, y, epochs=6, batch_size=7, optimizer=MOMENTUM)
    assert_same_bits(twin.theta, whole.theta)
    fresh = dr.MLP([3, 4, 3], output="softmax", init=(twin.weights, twin.biases))
    assert fingerprint(fresh) != fingerprint(twin)  # the fingerprint sees velocity and generator


@each_way
def test_a_copy_shares_nothing(way: Callable[[Any], Any]) -> None:
    x, y = regression()
    net = dr.MLP([3, 4, 2], seed=0)
    net.fit(x, y, epochs=1, optimizer=MOMENTUM)
    twin, before = way(net), fingerprint(net)
    twin.fit(x, y, epochs=2, optimizer=MOMENTUM)
    assert fingerprint(net) == before
    its = fingerprint(twin)
    assert its != before
    net.fit(x, y, epochs=1, optimizer=MOMENTUM)
    net.theta = np.zeros(net.n_parameters)
    assert fingerprint(twin) == its


@each_way
def test_a_given_generator_is_copied_too(way: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(3)
    net = dr.MLP([3, 4, 2], seed=rng)
    twin, state = way(net), rng.bit_generator.state
    x, y = regression()
    twin.fit(x, y, epochs=2)
    assert rng.bit_generator.state == state
    net.fit(x, y, epochs=2)
    assert rng.bit_generator.state != state
    assert_same_bits(twin.theta, net.theta)


@each_way
@pytest.mark.parametrize(
    "value",
    [
        dr.SGD(lr=0.5, momentum=0.25, nesterov=True, weight_decay=0.1),
        dr.History([3.0, 2.0], [2.5, 1.5], [0.1, 0.1], [0.01, 0.02]),
    ],
    ids=["SGD", "History"],
)
def test_settings_and_histories(value: object, way: Callable[[Any], Any]) -> None:
    twin = way(value)
    assert twin == value
    assert type(twin) is type(value)
    assert repr(twin) == repr(value)


@each_way
def test_errors_keep_what_they_say(way: Callable[[Any], Any]) -> None:
    error = way(dr.DivergenceError("too far", 3, 7))
    assert isinstance(error, ArithmeticError)
    assert (str(error), error.epoch, error.step) == ("too far", 3, 7)
    assert str(way(dr.ModelFileError("torn"))) == "torn"


def test_settings_cannot_change() -> None:
    optimizer = dr.SGD(lr=0.5)
    with pytest.raises(AttributeError):
        optimizer.lr = 0.1  # type: ignore[misc]
    assert optimizer.lr == 0.5
    assert hash(optimizer) == hash(dr.SGD(lr=0.5))
