"""How custom functions are given, shown, copied and pickled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from custom_support import (
    ACTIVATIONS,
    LOSSES,
    SQUARES,
    Array,
    pinball,
    pinball_gradient,
    residual,
    squares,
    swish,
    swish_derivative,
)
from network_support import MOMENTUM, assert_same_bits, fingerprint, regression

SWISH, PINBALL = ACTIVATIONS["swish"], LOSSES["pinball"]
GIVEN: dict[str, Any] = {
    "object": SWISH,
    "pair": (swish, swish_derivative),
    "one a layer": [SWISH, SWISH],
    "pairs": ((swish, swish_derivative), (swish, swish_derivative)),
    "mixed": (SWISH, (swish, swish_derivative)),
    "array": np.array([SWISH, SWISH]),
}


@pytest.mark.parametrize("hidden", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("loss", [PINBALL, (pinball, pinball_gradient)], ids=["object", "pair"])
def test_ways_to_give_custom_functions(hidden: Any, loss: Any) -> None:
    net = dr.MLP([3, 4, 5, 2], hidden=hidden, loss=loss, seed=0)
    assert net.hidden == (SWISH, SWISH)
    assert net.loss == PINBALL
    same = dr.MLP(net.sizes, hidden=net.hidden, loss=net.loss, seed=0)
    assert_same_bits(same.predict(regression()[0]), net.predict(regression()[0]))


def test_a_tuple_of_two_functions_is_one_function_with_its_derivative() -> None:
    """Also where there are two layers; a name beside a function is one a layer."""
    assert dr.MLP([3, 4, 4, 2], hidden=(swish, swish_derivative)).hidden == (SWISH, SWISH)
    assert dr.MLP([3, 4, 4, 2], hidden=("tanh", SWISH)).hidden == ("tanh", SWISH)
    assert dr.MLP([3, 2], hidden=(swish, swish_derivative)).hidden == ()


@pytest.mark.parametrize(
    ("function", "name", "shown"),
    [
        (SWISH, "swish", "CustomActivation(swish, swish_derivative)"),
        (dr.CustomLoss(squares, residual, "sq"), "sq", "CustomLoss(squares, residual, name='sq')"),
        (dr.CustomLoss(lambda p, y: p, residual), "custom", "CustomLoss(<lambda>, residual)"),
        (dr.CustomActivation(np.sin, np.cos), "sin", "CustomActivation(sin, cos)"),
        (dr.CustomLoss(partial(squares), residual), "custom", "CustomLoss(partial, residual)"),
    ],
)
def test_names(function: Any, name: str, shown: str) -> None:
    assert (function.name, str(function), repr(function)) == (name, name, shown)
    assert hash(function) == hash(copy.deepcopy(function))
    with pytest.raises(AttributeError):
        function.name = "other"


def test_custom_functions_are_equal_where_their_callables_are() -> None:
    assert dr.CustomLoss(squares, residual) == SQUARES
    assert dr.CustomLoss(squares, residual, "other") != SQUARES
    assert dr.CustomLoss(squares, pinball_gradient) != SQUARES
    assert dr.CustomActivation(squares, residual) != SQUARES
    assert len({SQUARES, dr.CustomLoss(squares, residual), PINBALL}) == 2


def test_a_network_shows_its_custom_functions() -> None:
    net = dr.MLP([4, 8, 3, 2], hidden=["tanh", SWISH], loss=PINBALL)
    assert repr(net) == (
        "MLP([4, 8, 3, 2], output='identity', loss=CustomLoss(pinball, pinball_gradient), "
        "reduction='mean', dtype='float32', "
        "hidden=['tanh', CustomActivation(swish, swish_derivative)])"
    )
    assert net.summary().splitlines()[2:] == [
        "    2        8        3  swish               27",
        "    3        3        2  identity             8",
        "loss pinball (mean), float32, 75 parameters",
    ]


class Scaled:
    """A function with a state, which cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, c: float) -> None:
        self.c = c

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaled) and other.c == self.c

    def __call__(self, z: Array) -> Array:
        return self.c * z

    def derivative(self, z: Array, a: Array) -> Array:
        return np.full_like(z, self.c)


SCALED = Scaled(0.5)
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "own",
    [{"hidden": SWISH}, {"loss": PINBALL}, {"hidden": (SCALED, SCALED.derivative)}],
    ids=["activation", "loss", "state"],
)
def test_a_copy_trains_on_as_the_network(own: dict[str, Any], way: Callable[[Any], Any]) -> None:
    x, y = regression()
    net = dr.MLP([3, 4, 2], **own, seed=0)
    net.fit(x, y, epochs=2, batch_size=7, optimizer=MOMENTUM)
    twin, before = way(net), fingerprint(net)
    assert twin.loss == net.loss
    assert repr(twin) == repr(net)
    assert fingerprint(twin) == before
    mine = net.fit(x, y, epochs=3, batch_size=7, optimizer=MOMENTUM, dropout=0.2)
    assert fingerprint(twin) == before
    its = twin.fit(x, y, epochs=3, batch_size=7, optimizer=MOMENTUM, dropout=0.2)
    assert_same_bits(twin.theta, net.theta)
    assert its.loss == mine.loss


def test_predictions_of_every_form() -> None:
    x, _ = regression(5)
    net = dr.MLP([3, 4, 2], hidden=SWISH, seed=0)
    whole = net.predict(x)
    out, row = np.empty((5, 2), np.float32), np.empty(2, np.float32)
    assert net.predict(x, out=out) is out
    assert net.predict(x[0], out=row) is row
    for found in (out, net(x), net.predict(x.tolist()), net.predict(x, threads=3)):
        assert_same_bits(found, whole)
    np.testing.assert_allclose(row, whole[0], rtol=1e-6)  # another product of BLAS
    assert net.predict(x[0]).shape == (2,)
    ensemble = dr.MLPEnsemble([net, dr.MLP([3, 4, 2], seed=1)])
    assert ensemble.predict(x).shape == (5, 2)


def test_initial_weights_are_glorots() -> None:
    own, tanh, relu = (
        dr.MLP([3, 4, 2], hidden=hidden, seed=0) for hidden in (SWISH, "tanh", "relu")
    )
    assert_same_bits(own.theta, tanh.theta)
    assert not np.array_equal(own.theta, relu.theta)
