"""The arrays of `weights` and `biases`: read-only, otherwise as plain arrays are."""

from __future__ import annotations

import copy
import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.mlp.parameter_view import HOW_TO_CHANGE
from network_support import assert_same_bits


def small() -> dr.MLP:
    return dr.MLP([3, 3, 3], seed=0)


def assign(a: Any, key: Any) -> None:
    a[key] = 1.0


IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow imatmul".split()
WRITES: dict[str, Callable[[Any], object]] = {
    "an entry": lambda a: assign(a, (0, 1)),
    "a row": lambda a: assign(a, 0),
    "all": lambda a: assign(a, ...),
    "an entry of a row": lambda a: assign(a[0], 1),
    "an entry of the transpose": lambda a: assign(a.T, (0, 1)),
    "a row, in place": lambda a: operator.iadd(a[0], 1.0),
    **{name: lambda a, name=name: getattr(operator, name)(a, a[:]) for name in IN_PLACE},
    "fill": lambda a: a.fill(0.0),
    "sort": lambda a: a.sort(),
    "put": lambda a: a.put(0, 1.0),
    "partition": lambda a: a.partition(1),
}


@pytest.mark.parametrize("which", ["weights", "W"])
@pytest.mark.parametrize("name", WRITES)
def test_a_write_says_how_parameters_are_changed(name: str, which: str) -> None:
    net = small()
    before = net.theta
    array = net.weights[0] if which == "weights" else net.W[1]
    with pytest.raises(ValueError, match=f"^{re.escape(HOW_TO_CHANGE)}$"):
        WRITES[name](array)
    assert_same_bits(net.theta, before)


def test_writing_a_bias_says_how_parameters_are_changed() -> None:
    net = small()
    with pytest.raises(ValueError, match=r"net\.set_parameters\(weights, biases\)"):
        net.biases[1][0] += 1.0


@pytest.mark.parametrize("name", ["weights", "biases"])
def test_weights_and_biases_cannot_be_set(name: str) -> None:
    net = small()
    with pytest.raises(AttributeError, match=f"^{name} cannot be set: {re.escape(HOW_TO_CHANGE)}$"):
        setattr(net, name, getattr(net, name))


@pytest.mark.parametrize("name", ["weights", "biases"])
def test_items_of_weights_cannot_be_set(name: str) -> None:
    net = dr.MLP([2, 3, 1], seed=0)
    views = getattr(net, name)
    with pytest.raises(TypeError, match=r"net\.set_parameters\(weights, biases\)"):
        views[0] = np.zeros_like(views[0])
    assert isinstance(views, tuple) and type(pickle.loads(pickle.dumps(views))) is tuple


def test_the_advice_of_the_error_message_works() -> None:
    net, other = small(), small()
    weights, biases = [W.copy() for W in net.weights], [b.copy() for b in net.biases]
    weights[0][0, 1] += 0.5
    net.set_parameters(weights, biases)
    theta = other.theta
    theta[1] += 0.5
    other.theta = theta
    assert_same_bits(net.theta, other.theta)
    assert_same_bits(small().theta[2:], net.theta[2:])
    assert net.weights[0][0, 1] == small().weights[0][0, 1] + np.float32(0.5)
    other.set_parameters(net.W, net.b)
    assert_same_bits(net.theta, other.theta)


PLAIN: dict[str, Callable[[Any], Any]] = {
    "sum of two": lambda a: a + a,
    "number": lambda a: 2.0 * a,
    "product": lambda a: np.ones((2, 3), np.float32) @ a.T,
    "product of two": lambda a: a @ a,
    "absolute": np.abs,
    "comparison": lambda a: a > 0,
    "sum of columns": lambda a: a.sum(axis=0),
    "mean of columns": lambda a: a.mean(axis=0),
    "concatenation": lambda a: np.concatenate([a, a]),
    "dot": lambda a: np.dot(np.ones((2, 3), np.float32), a),
    "copy": lambda a: a.copy(),
    "copied": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": lambda a: pickle.loads(pickle.dumps(a)),
    "array": np.array,
    "float64": lambda a: a.astype(np.float64),
    "asarray": np.asarray,
    "ascontiguousarray": np.ascontiguousarray,
}


@pytest.mark.parametrize("name", PLAIN)
def test_results_from_parameter_views_are_plain_arrays(name: str) -> None:
    view = small().weights[1]
    plain = np.array(view)
    assert type(plain) is np.ndarray
    made, wanted = PLAIN[name](view), PLAIN[name](plain)
    assert type(made) is np.ndarray
    assert_same_bits(made, wanted)
    assert made.flags.writeable or np.shares_memory(made, view)


@pytest.mark.parametrize("name", ["sum", "max", "item"])
def test_numbers_of_any_real_type_are_taken(name: str) -> None:
    view = small().weights[1]
    found, wanted = getattr(view, name), getattr(np.array(view), name)
    arguments = (0,) if name == "item" else ()
    assert type(found(*arguments)) is type(wanted(*arguments))
    assert found(*arguments) == wanted(*arguments)


def test_parameter_views_are_live_read_only_and_shown_as_arrays() -> None:
    net = small()
    view, plain = net.weights[0], np.asarray(net.weights[0])
    assert repr(view) == repr(np.array(view))
    assert not view.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        plain[0, 0] = 1.0
    net.theta = net.theta + 1
    assert_same_bits(view, net.weights[0])
    assert_same_bits(plain, net.weights[0])


def test_copies_by_indexing_can_be_written() -> None:
    chosen = small().weights[0][[0, 1]]
    chosen[0, 0] = 7.0
    chosen += 1.0
    assert chosen[0, 0] == 8.0


def test_torch_takes_parameter_views() -> None:
    torch = pytest.importorskip("torch")
    view = small().weights[0]
    assert_same_bits(torch.tensor(view).numpy(), np.array(view))
    assert_same_bits(torch.from_numpy(view.copy()).numpy(), np.array(view))
