"""`MLP.verify` fails when something is wrong, and says where: bugs, planted one at a time."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import DTYPES

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
def test_nothing_planted_nothing_found(dtype: str) -> None:
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
