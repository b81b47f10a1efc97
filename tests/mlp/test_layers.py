"""What is asked by layer has one index, the notes' l, wherever it comes from."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from deltarule.layers import Layers
from network_support import assert_same_bits, regression

SIZES = (3, 5, 4, 2)
L = 3
X, Y = regression()


def network() -> dr.MLP:
    return dr.MLP(SIZES, hidden="tanh", dtype="float64", init="torch", seed=0)


def passes() -> tuple[reference.Forward, reference.Backward]:
    net, architecture = network(), reference.Network("tanh")
    forward = reference.forward_propagation(net.W, net.b, X, architecture)
    return forward, reference.back_propagation(net.W, net.b, forward, Y, architecture)


def algorithms() -> tuple[reference.Forward, reference.Backward]:
    net = network()
    forward = net.forward_propagation(X)
    return forward, net.back_propagation(forward, Y)


WIDE, SQUARE, FLAT = (
    lambda l: (len(X), SIZES[l]),  # noqa: E741
    lambda l: (SIZES[l], SIZES[l - 1]),  # noqa: E741
    lambda l: (SIZES[l],),  # noqa: E741
)
# What it is, the symbol, the first and the last layer, the shape of layer l.
QUANTITIES: dict[str, tuple[Callable[[], Layers], str, int, int, Callable[[int], Any]]] = {
    "W": (lambda: network().W, "W", 1, L, SQUARE),
    "b": (lambda: network().b, "b", 1, L, FLAT),
    "activations": (lambda: network().activations(X), "a", 1, L, WIDE),
    "gradients W": (lambda: network().value_and_grad(X, Y)[1].dL_dW, "dL_dW", 1, L, SQUARE),
    "gradients b": (lambda: network().value_and_grad(X, Y)[1].dL_db, "dL_db", 1, L, FLAT),
    **{
        f"trace {name}": (
            lambda name=name: getattr(network().trace(X, Y), name), name, first, L, shape
        )
        for name, first, shape in [
            ("W", 1, SQUARE), ("b", 1, FLAT), ("z", 1, WIDE), ("a", 0, WIDE), ("delta", 1, WIDE),
            ("dL_da", 0, WIDE), ("dL_dW", 1, SQUARE), ("dL_db", 1, FLAT),
        ]
    },
    **{
        f"{where} {name}": (
            lambda of=of, i=i, name=name: getattr(of()[i], name), name, first, last, shape
        )
        for where, of in [("reference", passes), ("algorithm", algorithms)]
        for i, name, first, last, shape in [
            (0, "z", 1, L, WIDE), (0, "a", 0, L, WIDE), (0, "fed", 0, L - 1, WIDE),
            (1, "delta", 1, L, WIDE), (1, "dL_da", 0, L, WIDE), (1, "dL_dW", 1, L, SQUARE),
            (1, "dL_db", 1, L, FLAT),
        ]
    },
}  # fmt: skip
each = pytest.mark.parametrize("name", QUANTITIES)


@each
def test_the_index_is_the_number_of_the_layer(name: str) -> None:
    make, symbol, first, last, shape = QUANTITIES[name]
    layers = make()
    numbers = list(range(first, last + 1))
    assert [l for l, _ in layers.items()] == numbers  # noqa: E741
    assert [layers[l].shape for l in numbers] == [shape(l) for l in numbers]  # noqa: E741
    assert len(layers) == len(list(layers)) == len(numbers)
    assert all(a is b for a, b in zip(layers, [layers[l] for l in numbers], strict=True))  # noqa: E741
    assert layers.last is layers[np.int64(last)]
    assert repr(layers).startswith(f"{symbol}[{first}] {shape(first)}")


@each
def test_another_index_is_an_error_that_says_range_and_rule(name: str) -> None:
    make, symbol, first, last, _ = QUANTITIES[name]
    rule = "as in the notes, layer 0 is the input, a[0], 1 the first and L the last"
    for number in {-1, first - 1, last + 1}:
        message = f"{symbol} has the layers {first}..{last}, not {number}; {rule}"
        with pytest.raises(IndexError, match=f"^{re.escape(message)}$"):
            make()[number]
    wrong: list[Any] = [slice(1, None), "1", 1.0, None]
    for index in wrong:
        message = (
            f"the layer of {symbol} must be a number, not {index!r}; "
            f"list({symbol}) has the arrays in order"
        )
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            make()[index]


def test_the_plain_sequences_begin_at_0() -> None:
    net = network()
    _, grads = net.value_and_grad(X, Y)
    _, backward = passes()
    for l in range(1, L + 1):  # noqa: E741
        assert_same_bits(net.W[l], net.weights[l - 1])
        assert_same_bits(net.b[l], net.biases[l - 1])
        assert_same_bits(grads.dL_dW[l], grads.weights[l - 1])
        assert_same_bits(grads.dL_db[l], grads.biases[l - 1])
        assert_same_bits(backward.dL_dW[l], backward.weights[l - 1])
        assert_same_bits(backward.dL_db[l], backward.biases[l - 1])


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_copies_and_pickles(again: Callable[[Any], Any]) -> None:
    trace = network().trace(X, Y)
    copied = again(trace.dL_da)
    assert repr(copied) == repr(trace.dL_da)
    for l, array in trace.dL_da.items():  # noqa: E741
        assert_same_bits(copied[l], array)
