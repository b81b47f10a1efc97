"""`MLP.verify` fails when something is wrong, and says where: bugs, planted one at a time."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import DTYPES
from deltarule.verification.compare_passes import BACKWARD
from deltarule.verification.compare_slopes import COMPLEX_STEP
from deltarule.verification.compare_update import AFTER

Data = tuple[np.ndarray, np.ndarray, np.ndarray]

MOMENTUM = dr.SGD(lr=0.05, momentum=0.9)


def data(n: int = 37) -> Data:
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 5)), np.arange(n) % 4, rng.uniform(0.5, 2.0, n)


def network(dtype: str) -> dr.MLP:
    """Two hidden layers of the same width, biases not 0."""
    return dr.MLP([5, 6, 6, 4], hidden="tanh", output="softmax", dtype=dtype, init="torch", seed=1)


PARAMETERS = [f"{kind}[{layer}]" for layer in (1, 2, 3) for kind in "Wb"]
BUGS = [
    (planted.WrongDerivative, ["delta[2]"]),
    (planted.MissingBiasGradient, ["dL/db[2]"]),
    (planted.TransposedForward, ["z[2]"]),
    (planted.TransposedBackward, ["dL/da[1]"]),
    (planted.LostSample, ["dL/dW[1]", "dL/dW[2]", "dL/dW[3]"]),
    (planted.WrongMean, ["dL/dy_hat", "delta[3]"]),
    (planted.WrongMeanOfTheLoss, ["L", "L (value_and_grad)", "L (train_step)"]),
    (
        planted.IgnoredWeight,
        ["L", "dL/dy_hat", "delta[3]", "L (value_and_grad)", "L (train_step)"],
    ),
    (planted.MomentumsSign, [*PARAMETERS, "velocity"]),
    (planted.SwappedOutputs, ["y_hat (predict)"]),
    (planted.SwappedClass, ["L_i", "dL/dy_hat", "delta[3]"]),
    (planted.StaleCopy, ["dL/da[2]", "dL/da[1]"]),
    (planted.NotANumber, ["dL/dW[1]"]),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_a_planted_bug_verify_passes(dtype: str) -> None:
    net = planted.plant(network(dtype), planted.NumPyCore)
    assert net.verify(*data(), optimizer=MOMENTUM).ok


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("bug", "where"), BUGS)
def test_a_bug_is_found_at_its_tensors(
    bug: type[planted.NumPyCore], where: list[str], dtype: str
) -> None:
    report = planted.plant(network(dtype), bug).verify(*data(), optimizer=MOMENTUM)
    assert not report.ok
    assert planted.names(report.broken) == where


def test_sums_in_float32_are_found_in_float64() -> None:
    report = planted.plant(network("float64"), planted.NarrowSum).verify(*data())
    assert planted.names(report.broken) == ["dL/dW[1]", "dL/dW[2]", "dL/dW[3]"]
    assert planted.plant(network("float32"), planted.NarrowSum).verify(*data()).ok


def test_tensors_computed_from_a_broken_one_are_undecided() -> None:
    report = planted.plant(network("float64"), planted.WrongDerivative).verify(*data())
    open_ = {line.tensor for line in report.lines if line.rests_on == "delta[2]"}
    below = {f"dL/d{kind}[{layer}]" for kind in "Wb" for layer in (1, 2)}
    assert open_ == {"dL/da[1]", "delta[1]", *below, "W[1]", "b[1]", "W[2]", "b[2]"}
    assert all(line.ok or line.rests_on or line in report.broken for line in report.lines)


def test_the_slopes_of_a_wrong_gradient_are_off() -> None:
    report = planted.plant(network("float64"), planted.WrongDerivative).verify(*data())
    slopes = {line.tensor: line for line in report.lines if line.part == COMPLEX_STEP}
    assert all(slopes[f"dL/d{kind}[{layer}]"].used > 1e6 for kind in "Wb" for layer in (1, 2))
    assert all(slopes[f"dL/d{kind}[3]"].ok for kind in "Wb")


@pytest.mark.parametrize("steps", [0, 1])
def test_a_stale_copy_is_found_where_it_is_read(steps: int) -> None:
    """In the next backward pass: of the verified step, or of the steps before."""
    net = planted.plant(network("float32"), planted.StaleCopy)
    for _ in range(steps):
        net.train_step(*data()[:2], optimizer=dr.SGD(lr=0.01))
    report = net.verify(*data(), optimizer=dr.SGD(lr=0.01))
    assert {line.part for line in report.broken} == {BACKWARD if steps else AFTER}


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_sample_of_thousands_is_missed(dtype: str) -> None:
    net = planted.plant(network(dtype), planted.LostSample)
    report = net.verify(*data(3000), max_rows=None, optimizer=dr.SGD())
    assert planted.names(report.broken) == ["dL/dW[1]", "dL/dW[2]", "dL/dW[3]"]


def test_one_wrong_entry_is_pointed_at() -> None:
    report = planted.plant(network("float32"), planted.NotANumber).verify(*data())
    (line,) = report.broken
    assert (line.at, line.error, line.used) == ((0, 0), np.inf, np.inf)
