"""Dropout: the masks are the reference's, on any number of threads, and so are the steps."""

from __future__ import annotations

import numpy as np
import pytest

import deltarule as dr
from cases import ISAS
from deltarule import _core as core
from deltarule import reference

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")

# Narrow and wide layers, few rows, several chunks, super-blocks.
WORK = [((5, 7, 3), 9), ((40, 33, 17, 4), 65), ((64, 96, 8, 96, 2), 2), ((4, 9, 6, 3), 9000)]


def train(
    net: dr.MLP, x: np.ndarray, y: np.ndarray, rates: list[float], threads: int
) -> list[float]:
    result = core.TrainingResult()
    net._core.train(
        x, y, None, order=None, epochs=2, batch_size=len(x) // 2 + 1, lr=None,
        optimizer=core.Optimizer(core.OptimizerKind.sgd, lr=0.05),
        dropout=(np.array(rates), np.array([3, 2**63 + 5], dtype=np.uint64)),
        validation=None, threads=threads, seconds=np.inf, result=result,
    )  # fmt: skip
    return result.loss


@pytest.mark.parametrize("hidden", ["tanh", "gelu", "relu"])
@pytest.mark.parametrize(("sizes", "rows"), WORK, ids=str)
def test_steps_are_the_references(sizes: tuple[int, ...], rows: int, hidden: str) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.standard_normal((rows, sizes[0])), rng.standard_normal((rows, sizes[-1]))
    rates = [0.5, 0.25, 0.0, 0.9][: len(sizes) - 2]
    net = dr.MLP(sizes, hidden=hidden, dtype="float64", seed=2, init="torch")
    architecture = reference.Network(hidden)
    weights, biases = reference.unflatten(net.theta, net.sizes)
    losses, size = [], rows // 2 + 1
    for key in (3, 2**63 + 5):
        total = 0.0
        for step, first in enumerate(range(0, rows, size)):
            xb, yb = x[first : first + size], y[first : first + size]
            masks = reference.dropout_masks(key, step, sizes, len(xb), rates)
            loss, grads = reference.value_and_grad(
                weights, biases, xb, yb, architecture, None, masks
            )
            weights, biases, _ = reference.sgd_update(weights, biases, grads, None, lr=0.05)
            total += loss * len(xb)
        losses.append(total / rows)
    assert train(net, x, y, rates, threads=2) == pytest.approx(losses, rel=1e-10)
    np.testing.assert_allclose(net.theta, reference.theta(weights, biases), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "rows"), WORK, ids=str)
def test_the_same_bits_on_any_threads_and_instruction_set(
    sizes: tuple[int, ...], rows: int, dtype: str
) -> None:
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, sizes[0])).astype(dtype)
    y = rng.standard_normal((rows, sizes[-1])).astype(dtype)
    rates = [0.5, 0.25, 0.0, 0.9][: len(sizes) - 2]
    results = set()
    for isa in ISAS if rows < 5000 else ISAS[:1]:
        dr.set_isa(isa)
        for threads in (1, 2, 5):
            net = dr.MLP(sizes, dtype=dtype, seed=1)
            results.add((*train(net, x, y, rates, threads), net.theta.tobytes()))
    assert len(results) == 1


def test_the_fraction_of_units_dropped() -> None:
    masks = reference.dropout_masks(11, 0, [1, 200, 300, 1], 500, [0.2, 0.7])
    for mask, rate in zip(masks, (0.2, 0.7), strict=True):
        assert set(np.unique(mask)) == {0.0, 1.0 / (1.0 - rate)}
        # Three standard deviations of as many draws; rows and units each come out alike.
        assert abs((mask == 0).mean() - rate) < 3 * np.sqrt(rate * (1 - rate) / mask.size)
        for axis in (0, 1):
            spread = (mask == 0).mean(axis=axis).std()
            expected = np.sqrt(rate * (1 - rate) / mask.shape[axis])
            assert 0.8 * expected < spread < 1.2 * expected
    assert (masks[0][:, :100] != masks[0][:, 100:]).any()


def test_a_rate_of_0_is_no_dropout() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal((30, 3))
    dropped, plain = (dr.MLP([5, 7, 3], dtype="float64", seed=0) for _ in range(2))
    train(dropped, x, y, [0.0], 2)
    plain.fit(x, y, epochs=2, batch_size=16, optimizer=dr.SGD(lr=0.05), shuffle=False)
    assert dropped.theta.tobytes() == plain.theta.tobytes()
