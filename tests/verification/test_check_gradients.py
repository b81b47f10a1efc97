"""`check_gradients`: gradcheck's tolerances, on the core and on what is wrong in it."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import DTYPES, GRID, THREADS, Case
from network_support import classification, fingerprint, refused


def planted_network(bug: type[planted.NumPyCore], dtype: str = "float64") -> dr.MLP:
    net = dr.MLP([3, 4, 4, 3], hidden="tanh", output="softmax", dtype=dtype, init="torch", seed=0)
    return planted.plant(net, bug)


@pytest.mark.parametrize("case", [*GRID[::7], *GRID[1::17]], ids=str)
def test_the_gradient_passes(case: Case) -> None:
    net, (x, y, weight) = case.network(), case.data()
    report = dr.check_gradients(net, x, y, weight, max_entries=6)
    assert report.ok
    assert len(report.lines) == 2 * (len(case.sizes) - 1)
    if case.dtype == "float64" and case.output != "exp":  # e^z bends
        assert all(line.absolute < 1e-6 * max(1.0, line.bound / 1e-5) for line in report.lines)


def test_names_and_tolerances_are_gradchecks() -> None:
    """torch.autograd.gradcheck(func, inputs, *, eps, atol, rtol, raise_exception, ...)."""
    parameters = inspect.signature(dr.check_gradients).parameters
    defaults = {name: parameters[name].default for name in ("eps", "atol", "rtol")}
    assert defaults == {"eps": 1e-6, "atol": 1e-5, "rtol": 1e-3}
    assert parameters["raise_exception"].default is True


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("bug", "where"),
    [
        (planted.WrongDerivative, ["dL/dW[1]", "dL/db[1]", "dL/dW[2]", "dL/db[2]"]),
        (planted.MissingBiasGradient, ["dL/db[2]"]),
        (planted.TransposedBackward, ["dL/dW[1]", "dL/db[1]"]),
        (planted.LostSample, ["dL/dW[1]", "dL/dW[2]", "dL/dW[3]"]),
        (planted.NotANumber, ["dL/dW[1]"]),
    ],
)
def test_a_wrong_gradient_is_found(
    bug: type[planted.NumPyCore], where: list[str], dtype: str
) -> None:
    net, (x, y) = planted_network(bug, dtype), classification()
    report = dr.check_gradients(net, x, y, raise_exception=False)
    assert planted.names(report.broken) == where
    with pytest.raises(dr.VerificationError, match=r"differences \(eps = 1e-06\): dL/d"):
        dr.check_gradients(net, x, y)


def test_the_loss_is_the_networks_own() -> None:
    """A gradient that is right but for another loss."""
    net = planted_network(planted.WrongMeanOfTheLoss)
    assert not dr.check_gradients(net, *classification(), raise_exception=False)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tolerances(dtype: str) -> None:
    """A gradient 1 % off is within rtol = 2 %, or within its own size."""

    class Off(planted.NumPyCore):
        def weight_gradient(self, layer: int, delta: Any, a: Any) -> Any:
            return 1.01 * super().weight_gradient(layer, delta, a)

    net, data = planted_network(Off, dtype), classification()
    assert not dr.check_gradients(net, *data, raise_exception=False)
    assert dr.check_gradients(net, *data, rtol=0.02)
    assert dr.check_gradients(net, *data, atol=1.0)
    assert not dr.check_gradients(net, *data, rtol=0.005, raise_exception=False)


def test_a_coarse_step_is_told_from_the_gradient() -> None:
    net, data = planted_network(planted.NumPyCore), classification()
    assert not dr.check_gradients(net, *data, eps=1.0, raise_exception=False)
    assert dr.check_gradients(net, *data, eps=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_across_a_kink_are_left_out(dtype: str) -> None:
    """z[1] = (0, 1): the difference is half a slope where the gradient takes relu'(0) = 0."""
    net = dr.MLP([2, 2, 1], dtype=dtype, init=([[[1, 0], [0, 1]], [[1, 1]]], [[0, 0], [0]]))
    report = dr.check_gradients(net, [[0.0, 1.0]], [5.0])
    left_out = [line.left_out for line in report.lines]
    assert left_out == [1, 1, 0, 0]  # W[1][0, 1], b[1][0]
    net = dr.MLP([1, 1], loss="absolute_error", dtype=dtype, init=([[[2.0 + 5e-7]]], [[0.0]]))
    report = dr.check_gradients(net, [[1.0]], [2.0])  # half a step from 0
    assert [line.left_out for line in report.lines] == [1, 1]


def test_samples_that_float32_puts_across_a_kink_are_left_out() -> None:
    """z is 1 + 1e-9 - 1, of which float32 loses the second: relu' is 0 there and 1 in float64."""
    W = [[[1.0, 1e-9, -1.0]], [[1.0]]]
    net = dr.MLP([3, 1, 1], init=(W, [[0.0], [0.0]]))
    x = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [0.5, 1.0, 1.0]])
    assert net.trace(x, np.zeros((3, 1))).z[1].ravel().tolist()[0] == 0.0
    report = dr.check_gradients(net, x, [[1.0], [2.0], [3.0]])
    assert (report.rows, report.n_samples) == (2, 3)
    assert all(line.left_out == 0 for line in report.lines)


def test_a_large_sum_of_losses_rounds() -> None:
    """A loss of 1e9 has ulps of 1e-7, over 2 eps 0.06, where the gradient is all but 0."""
    y = 1e3 * np.random.default_rng(3).normal(size=(2000, 1))
    init = ([[[1.0]]], [[y.mean() - 1.0]])
    net = dr.MLP([1, 1], reduction="sum", dtype="float64", init=init)
    report = dr.check_gradients(net, np.ones((2000, 1)), y, max_rows=None)
    assert all(line.absolute > 1e-2 for line in report.lines)


def test_the_checked_samples_and_parameters() -> None:
    x, y = classification(n=500, n_in=30)
    net = dr.MLP([30, 20, 3], output="softmax", seed=0)
    report = dr.check_gradients(net, x, y)
    assert (report.rows, report.n_samples, report.parameters) == (100, 500, 63)
    assert report.to_dict() == dr.check_gradients(net, x, y).to_dict()
    assert report.to_dict() != dr.check_gradients(net, x, y, seed=1).to_dict()
    assert dr.check_gradients(net, x, y, max_rows=7, max_entries=None).parameters == 683
    json.dumps(report.to_dict(), allow_nan=False)
    assert max(map(len, str(report).splitlines())) <= 100


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_network_does_not_change(dtype: str, threads: int) -> None:
    x, y = classification()
    net = dr.MLP([3, 4, 3], output="softmax", dtype=dtype, seed=0)
    net.fit(x, y, epochs=1, optimizer=dr.Adam())
    before = fingerprint(net)
    assert dr.check_gradients(net, x, y, np.linspace(0.0, 1.0, 40), threads=threads)
    assert fingerprint(net) == before


BAD = [
    ({"eps": 0.0}, ValueError, r"eps must be above 0 and finite, not 0\.0"),
    ({"atol": -1.0}, ValueError, r"atol must be 0 or more and finite, not -1\.0"),
    ({"rtol": np.nan}, ValueError, r"rtol must be 0 or more and finite, not nan"),
    ({"rtol": "small"}, TypeError, r"rtol must be a number, not 'small'"),
    ({"raise_exception": None}, TypeError, r"raise_exception must be True or False, not None"),
    ({"seed": -1}, ValueError, r"seed must be 0 or more, not -1"),
    ({"max_rows": 0}, ValueError, r"max_rows must be 1 or more, not 0"),
    ({"y": [0.5] * 40}, TypeError, r"y must hold whole numbers as class indices, .*"),
]


@pytest.mark.parametrize(("arguments", "error", "rule"), BAD)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], rule: str) -> None:
    x, y = classification()
    net = dr.MLP([3, 3], output="softmax", seed=0)
    refused(net, lambda: dr.check_gradients(net, **{"x": x, "y": y, **arguments}), error, rule)


def test_a_loss_that_is_not_finite() -> None:
    net = dr.MLP([1, 1], init=([[[1e30]]], [[0.0]]))
    with pytest.raises(
        dr.DivergenceError, match="the loss is not finite; there is nothing to verify"
    ):
        dr.check_gradients(net, [[1e30]], [[0.0]])
