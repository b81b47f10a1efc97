"""SGD, Adam and AdamW with decay, L1 and clipping: the reference's steps, and the same bits."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import cases
import deltarule as dr
from cases import ISAS
from deltarule import _core as core
from deltarule import reference

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")

OPTIMIZERS: list[Any] = [
    dr.SGD(lr=0.1, l1=0.01),
    dr.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.02, l1=0.01),
    dr.SGD(lr=0.1, max_norm=0.3),
    dr.SGD(lr=0.1, momentum=0.9, weight_decay=0.02, max_norm=0.05),
    dr.Adam(lr=0.02),
    dr.Adam(lr=0.02, epsilon=1e-3, epsilon_hat=True),
    dr.Adam(lr=0.02, beta1=0.5, beta2=0.9, weight_decay=0.02, l1=0.01),
    dr.Adam(lr=0.02, beta1=0.0, beta2=0.0, max_norm=0.05),
    dr.AdamW(lr=0.02, weight_decay=0.1, epsilon=1e-4),
    dr.AdamW(lr=0.02, weight_decay=0.1, l1=0.01, max_norm=0.1, epsilon_hat=True),
    *cases.OPTIMIZERS,
]
# Rows around the blocks; narrow and wide layers, few rows, super-blocks.
WORK = [
    ((5, 7, 3), 9),
    ((40, 33, 17, 4), 65),
    ((3, 70, 2), 1100),
    ((4, 9, 3), 9000),
    ((64, 96, 96), 2),
]


def data(sizes: tuple[int, ...], rows: int, dtype: str) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(rows)
    x, y = rng.standard_normal((rows, sizes[0])), rng.standard_normal((rows, sizes[-1]))
    return x.astype(dtype), y.astype(dtype), rng.random(rows)


def reference_update(
    optimizer: Any, weights: Any, biases: Any, grads: reference.Backward, memory: Any
) -> Any:
    settings = {**vars(optimizer)}
    if isinstance(optimizer, dr.Adam):
        settings["decoupled"] = isinstance(optimizer, dr.AdamW)
    return reference.training.UPDATES[optimizer._kind](weights, biases, grads, memory, **settings)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize(("sizes", "rows"), WORK, ids=str)
def test_steps_are_the_references(optimizer: Any, sizes: tuple[int, ...], rows: int) -> None:
    net = dr.MLP(sizes, hidden="tanh", dtype="float64", seed=2, init="torch")
    architecture = reference.Network("tanh")
    weights, biases = reference.unflatten(net.theta, net.sizes)
    x, y, weight = data(sizes, rows, "float64")
    memory = None
    for _ in range(4):
        loss, grads = reference.value_and_grad(weights, biases, x, y, architecture, weight)
        weights, biases, memory = reference_update(optimizer, weights, biases, grads, memory)
        got = net.train_step(x, y, optimizer=optimizer, sample_weight=weight, threads=2)
        assert got == pytest.approx(loss, rel=1e-11)
    # Adam divides by the root of v: where a gradient is near 0, rounding is what is left of it.
    tolerance = 1e-7 if isinstance(optimizer, dr.Adam) else 1e-12
    np.testing.assert_allclose(
        net.theta, reference.theta(weights, biases), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_the_same_bits_on_any_threads_and_instruction_set(optimizer: Any, dtype: str) -> None:
    for sizes, rows in WORK:
        x, y, weight = data(sizes, rows, dtype)
        results = set()
        for isa in ISAS if rows < 5000 else ISAS[:1]:
            dr.set_isa(isa)
            for threads in (1, 2, 5):
                net = dr.MLP(sizes, hidden="tanh", dtype=dtype, seed=1)
                settings: dict[str, Any] = {"optimizer": optimizer, "sample_weight": weight}
                loss = net.train_step(x, y, threads=threads, **settings)
                history = net.fit(
                    x, y, epochs=2, batch_size=rows // 2 + 1, threads=threads, **settings
                )
                results.add((loss, *history.loss, net.theta.tobytes()))
        assert len(results) == 1


def test_float32_follows_float64() -> None:
    x, y, _ = data((6, 20, 2), 64, "float64")
    nets = [dr.MLP([6, 20, 2], dtype=dtype, seed=0) for dtype in ("float32", "float64")]
    nets[1].theta = nets[0].theta
    for _ in range(50):
        losses = [net.train_step(x, y, optimizer=dr.Adam(lr=0.01)) for net in nets]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)  # rounding, 50 steps long


@pytest.mark.parametrize("way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_goes_on_with_the_moments_and_their_number(way: Any) -> None:
    x, y, _ = data((6, 20, 2), 64, "float32")
    net = dr.MLP([6, 20, 2], seed=0)
    net.fit(x, y, epochs=3, optimizer=dr.Adam())
    twin = way(net)
    for one in (net, twin):
        one.fit(x, y, epochs=3, optimizer=dr.Adam())
    assert net.theta.tobytes() == twin.theta.tobytes()


def test_another_kind_of_optimizer_starts_anew() -> None:
    x, y, _ = data((6, 20, 2), 64, "float32")
    used, fresh = dr.MLP([6, 20, 2], seed=0), dr.MLP([6, 20, 2], seed=0)
    used.fit(x, y, epochs=3, optimizer=dr.SGD(lr=0.01, momentum=0.9))
    fresh.theta = used.theta
    for net in (used, fresh):
        net.train_step(x, y, optimizer=dr.Adam())
    assert used.theta.tobytes() == fresh.theta.tobytes()


def test_a_clipped_step_is_as_long_as_asked_for() -> None:
    x, y, _ = data((6, 20, 2), 64, "float64")
    net = dr.MLP([6, 20, 2], dtype="float64", seed=0)
    before = net.theta
    net.train_step(x, y, optimizer=dr.SGD(lr=1.0, max_norm=1e-3))
    assert np.linalg.norm(net.theta - before) == pytest.approx(1e-3, rel=1e-12)


def test_one_rate_per_epoch_or_per_step() -> None:
    x, y, _ = data((6, 5, 2), 10, "float64")
    rates = np.array([[0.1, 0.05, 0.025], [0.01, 0.02, 0.03]])
    for lr in (rates, rates[:, :1]):
        stepped, fitted = (dr.MLP([6, 5, 2], dtype="float64", seed=0) for _ in range(2))
        for epoch in range(2):
            for i, first in enumerate(range(0, 10, 4)):
                rate = float(lr[epoch, i % lr.shape[1]])
                batch = slice(first, first + 4)
                stepped.train_step(x[batch], y[batch], optimizer=dr.SGD(lr=rate, momentum=0.9))
        fitted._core.train(
            x, y, None, order=None, epochs=2, batch_size=4, lr=np.ascontiguousarray(lr),
            optimizer=core.Optimizer(core.OptimizerKind.sgd, lr=1.0, momentum=0.9),
            dropout=None, validation=None, threads=2, seconds=np.inf, result=core.TrainingResult(),
        )  # fmt: skip
        assert stepped.theta.tobytes() == fitted.theta.tobytes()


@pytest.mark.parametrize(("sizes", "rows"), [((5, 7, 3), 9), ((4, 9, 3), 9000)])
@pytest.mark.parametrize("max_norm", [0.0, 0.1])
def test_a_penalty_on_the_sum_of_a_batch(
    sizes: tuple[int, ...], rows: int, max_norm: float
) -> None:
    x, y, weight = data(sizes, rows, "float64")
    net = dr.MLP(sizes, dtype="float64", seed=0)
    alpha, lr, total = 0.5, 0.1, weight.sum()
    loss, grads = net.value_and_grad(x, y, sample_weight=weight)
    norm = np.linalg.norm(grads.theta)
    factor = max_norm / norm if 0 < max_norm < norm else 1.0
    squares = sum(float((W**2).sum()) for W in net.weights)
    want = [
        W - lr * (factor * g + alpha / total * W)
        for W, g in zip(net.weights, grads.weights, strict=True)
    ]
    optimizer = core.Optimizer(
        core.OptimizerKind.sgd, lr=lr, weight_decay=alpha, max_norm=max_norm, penalizes_sum=True
    )
    got = net._core.train_step(x, y, weight, optimizer, 2)
    assert got == pytest.approx(loss + alpha / 2 * squares / total, rel=1e-12)
    for W, want_W in zip(net.weights, want, strict=True):
        np.testing.assert_allclose(W, want_W, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"lr": 0.0}, ValueError, "lr must be above 0 and finite, not 0.0"),
        ({"lr": "fast"}, TypeError, "lr must be a number, not 'fast'"),
        ({"beta1": 1.0}, ValueError, r"beta1 must be in \[0, 1\), not 1.0"),
        ({"beta2": -0.1}, ValueError, r"beta2 must be in \[0, 1\), not -0.1"),
        ({"epsilon": 0}, ValueError, "epsilon must be above 0 and finite, not 0"),
        ({"l1": np.nan}, ValueError, "l1 must be 0 or more and finite, not nan"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be 0 or more and finite, not -1"),
        ({"max_norm": 0.0}, ValueError, "max_norm must be above 0 and finite, not 0.0"),
        ({"max_norm": True}, TypeError, "max_norm must be a number, not True"),
        ({"epsilon_hat": 1}, TypeError, "epsilon_hat must be True or False, not 1"),
    ],
)
def test_bad_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    for make in (dr.Adam, dr.AdamW):
        with pytest.raises(error, match=message):
            make(**settings)


def test_a_gradient_without_a_norm_is_no_step() -> None:
    """The loss is finite, the sum of the gradient's squares is not."""
    net = dr.MLP([1, 1], output="exp", loss="squared_error", init=([[[0.0]]], [[60.0]]))
    before = net.theta.tobytes()
    with pytest.raises(dr.DivergenceError, match=r"the update overflows on this mini-batch"):
        net.train_step([[1e16]], [[0.0]], optimizer=dr.SGD(max_norm=1.0))
    rule = r"the loss or the update is not finite any more in epoch 1, step 1; z and a of every"
    with pytest.raises(dr.DivergenceError, match=rule):
        net.fit([[1e16]], [[0.0]], optimizer=dr.SGD(max_norm=1.0))
    assert net.theta.tobytes() == before
