"""`MLP.verify` and `check_gradients` with custom functions: right, wrong, with kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import DTYPES, PAIRS
from deltarule.verification.compare_slopes import CENTRAL
from network_support import regression
from reference_support import targets

Array = np.ndarray[Any, Any]

SINE = dr.CustomActivation(np.sin, lambda z, a: np.cos(z))
SQUARE = dr.CustomActivation(lambda z: z * z, lambda z, a: 2 * z)
KINKED = dr.CustomActivation(lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype))


def log_cosh(y_hat: Array, y: Array) -> Array:
    return np.log(np.cosh(y_hat - y)).sum(axis=1)


def pinball(y_hat: Array, y: Array) -> Array:
    return np.maximum(0.9 * (y - y_hat), 0.1 * (y_hat - y)).sum(axis=1)


LOG_COSH = dr.CustomLoss(log_cosh, lambda y_hat, y: np.tanh(y_hat - y))
PINBALL = dr.CustomLoss(pinball, lambda y_hat, y: np.where(y > y_hat, -0.9, 0.1))


def network(hidden: Any, loss: Any = None, **options: Any) -> dr.MLP:
    return dr.MLP([3, 6, 5, 2], hidden=hidden, loss=loss, init="torch", seed=0, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [SINE, SQUARE, KINKED], ids=["sine", "square", "kinked"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_custom_activations_pass(output: str, loss: str, hidden: Any, dtype: str) -> None:
    net = network([hidden, "tanh"], loss, output=output, dtype=dtype)
    x, _ = regression(n=70)
    y = targets(loss, np.random.default_rng(1), (70, 2))
    weight = np.linspace(0.0, 2.0, 70)
    report = net.verify(x, y, weight, optimizer=dr.SGD(lr=1e-3, momentum=0.9))
    assert report.ok, report
    assert sum(line.part == CENTRAL for line in report.lines) == 6
    assert dr.check_gradients(net, x, y, weight)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", ["identity", "sigmoid", "tanh", "softmax", "exp"])
@pytest.mark.parametrize("loss", [LOG_COSH, PINBALL], ids=str)
def test_custom_losses_pass(loss: dr.CustomLoss, output: str, dtype: str) -> None:
    net = network(["relu", SINE], loss, output=output, dtype=dtype)
    report = net.verify(*regression(n=70), optimizer=dr.Adam())
    assert report.ok, report
    assert dr.check_gradients(net, *regression(n=70))


WRONG_SINE = dr.CustomActivation(np.sin, lambda z, a: 1.01 * np.cos(z))
WRONG_LOSS = dr.CustomLoss(log_cosh, lambda y_hat, y: 1.01 * np.tanh(y_hat - y))
LAYERS = [[f"dL/d{kind}[{layer}]" for kind in "Wb"] for layer in (1, 2, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("hidden", "loss", "where"),
    [
        ([WRONG_SINE, "tanh"], None, LAYERS[0]),
        (["tanh", WRONG_SINE], LOG_COSH, [*LAYERS[0], *LAYERS[1]]),
        ("tanh", WRONG_LOSS, [*LAYERS[0], *LAYERS[1], *LAYERS[2]]),
    ],
)
def test_a_wrong_derivative_is_found(hidden: Any, loss: Any, where: list[str], dtype: str) -> None:
    """One hundredth off: ten times gradcheck's tolerance."""
    net = network(hidden, loss, dtype=dtype)
    report = net.verify(*regression(n=70))
    assert planted.names(report.broken) == where
    assert {line.part for line in report.broken} == {CENTRAL}
    found = dr.check_gradients(net, *regression(n=70), raise_exception=False)
    assert set(planted.names(found.broken)) <= set(where)
    with pytest.raises(dr.VerificationError, match="dL/d"):
        dr.check_gradients(net, *regression(n=70))


def test_differences_across_a_kink_of_a_custom_function_are_left_out() -> None:
    """z[1] = (0, 1), and y_hat = y."""
    init = ([[[1, 0], [0, 1]], [[1, 1]]], [[0, 0], [0]])
    net = dr.MLP([2, 2, 1], hidden=KINKED, loss=PINBALL, dtype="float64", init=init)
    of_hidden = net.verify([[0.0, 1.0]], [5.0])
    of_loss = net.verify([[1.0, 1.0]], [2.0])
    assert of_hidden.ok
    assert of_loss.ok
    left_out = [
        [line.left_out for line in report.lines if line.part == CENTRAL]
        for report in (of_hidden, of_loss)
    ]
    assert left_out == [[1, 1, 0, 0], [4, 2, 2, 1]]


def test_a_row_of_weight_0_may_overflow() -> None:
    net = network("tanh", LOG_COSH, dtype="float64")
    x, y = regression(n=20)
    y[3] = 1e200  # its loss is infinite
    weight = np.where(np.arange(20) == 3, 0.0, 1.0)
    report = net.verify(x, y, weight)
    assert report.ok, report
    assert dr.check_gradients(net, x, y, weight)


def test_an_exception_of_a_custom_function_propagates() -> None:
    def value(z: Array) -> Array:
        raise RuntimeError("not yet")

    net = network((value, lambda z, a: z))
    with pytest.raises(RuntimeError, match="not yet"):
        net.verify(*regression())
