"""What the tests of the network share: small data, and the comparison of networks by bytes."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import deltarule as dr

Array = NDArray[Any]

MOMENTUM = dr.SGD(lr=0.02, momentum=0.9)

# Rules in error messages, as regular expressions.
FINITE = r"every value must be finite \(in float32\)"
RAGGED = r"must be a rectangular array of numbers: .*inhomogeneous.*"
MIXED = r"must hold real numbers, not object \(ragged or mixed\)(; .*)?"
# what an error about y adds for labels that are names
HINT = r"; numpy\.unique\(labels, return_inverse=True\) makes class indices of names"


def regression(n: int = 40, n_in: int = 3, n_out: int = 2, seed: int = 0) -> tuple[Array, Array]:
    """x (n, n_in) and y (n, n_out), of order 1, in float64."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)), rng.normal(size=(n, n_out))


def classification(n: int = 40, n_in: int = 3, k: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """x (n, n_in) in float64 and class indices (n,), every class among them."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_in)), np.arange(n) % k


def assert_same_bits(actual: object, expected: object) -> None:
    """Equal shapes, dtypes and bytes."""
    found, wanted = np.asarray(actual), np.asarray(expected)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)  # says where, for people
    assert found.tobytes() == wanted.tobytes()


def fingerprint(net: dr.MLP) -> tuple[bytes, ...]:
    """Parameters and predictions, and what a copy makes of its velocity and its generator.

    The copy starts from parameters of its own, so that a network gone astray can be told as well.
    """
    n, n_in, n_out = 9, net.sizes[0], net.sizes[-1]
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, n_in)).astype(net.dtype)
    y = np.arange(n) % n_out if net.loss == "cross_entropy" else np.full((n, n_out), 0.25)
    start = rng.normal(0.0, 0.3, net.n_parameters)
    moved, shuffled = copy.deepcopy(net), copy.deepcopy(net)
    moved.theta = shuffled.theta = start
    moved.train_step(x, y, optimizer=dr.SGD(lr=1e-3, momentum=0.5))
    shuffled.fit(x, y, epochs=2, batch_size=4, optimizer=dr.SGD(lr=1e-3))
    predictions = net.predict(x)
    return tuple(a.tobytes() for a in (net.theta, predictions, moved.theta, shuffled.theta))


def refused(net: dr.MLP, call: Callable[[], object], error: type[Exception], rule: str) -> None:
    """Check the error, its whole message (a regular expression), and that nothing has changed."""
    before = fingerprint(net)
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert re.fullmatch(rule, str(caught.value), re.DOTALL), str(caught.value)
    assert fingerprint(net) == before


def changed(a: Array, **places: float) -> Array:
    """A copy of the array with other values: _1_0=7.0 sets [1, 0]."""
    other = a.copy()
    for place, value in places.items():
        other[tuple(int(i) for i in place.split("_") if i)] = value
    return other
