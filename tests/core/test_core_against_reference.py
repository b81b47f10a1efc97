"""The core against the reference in float64: outputs, loss, every gradient, five steps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import deltarule as dr
from cases import ALL, GRID, ISAS, THREADS, Case, assert_close, gradient_magnitudes, parameters64
from deltarule import reference

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")

# Each case once, on a number of threads and an instruction set that go round.
WORK = [
    pytest.param(case, threads, isa, id=f"{case}-{threads}t-{isa}")
    for case, threads, isa in zip(ALL, itertools.cycle(THREADS), itertools.cycle(ISAS))
]
SGD = dr.SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)


@pytest.mark.parametrize(("case", "threads", "isa"), WORK)
def test_outputs_loss_and_gradients(case: Case, threads: int, isa: str) -> None:
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    weights, biases = parameters64(net)
    forward = reference.forward_propagation(weights, biases, x.astype(np.float64), case.reference())
    value, grads = net.value_and_grad(x, y, sample_weight=weight, threads=threads)
    want_value = reference.loss_value(forward, y, case.reference(), weight)
    want = reference.back_propagation(weights, biases, forward, y, case.reference(), weight)

    assert_close(net.predict(x, threads=threads), forward.y_hat, case.tolerance, "y_hat")
    assert value == pytest.approx(want_value, rel=case.tolerance)
    assert net.evaluate(x, y, sample_weight=weight, threads=threads) == value
    scales = gradient_magnitudes(case, weights, forward, want)
    for layer, scale in enumerate(scales):
        got_w, want_w = grads.weights[layer], want.weights[layer]
        assert_close(got_w, want_w, case.tolerance, f"dL/dW[{layer + 1}]", scale)
        got_b, want_b = grads.biases[layer], want.biases[layer]
        assert_close(
            got_b,
            want_b,
            case.tolerance,
            f"dL/db[{layer + 1}]",
            max(scale, float(np.abs(want_b).max())),
        )


@pytest.mark.parametrize(("case", "threads", "isa"), WORK)
def test_five_steps(case: Case, threads: int, isa: str) -> None:
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    weights, biases = parameters64(net)
    velocity = None
    lr = SGD.lr if case.reduction == "mean" else SGD.lr / case.batch
    lr = lr / 1000 if case.output == "exp" else lr  # e^z is steep
    optimizer = dr.SGD(lr, SGD.momentum, SGD.nesterov, SGD.weight_decay)
    for _ in range(5):
        want_value, grads = reference.value_and_grad(
            weights, biases, x.astype(np.float64), y, case.reference(), weight
        )
        got_value = net.train_step(x, y, optimizer=optimizer, sample_weight=weight, threads=threads)
        assert got_value == pytest.approx(want_value, rel=case.tolerance)
        weights, biases, velocity = reference.sgd_update(
            weights, biases, grads, velocity, lr=lr, momentum=SGD.momentum,
            nesterov=SGD.nesterov, weight_decay=SGD.weight_decay,
        )  # fmt: skip
    tensors = zip((*net.weights, *net.biases), (*weights, *biases), strict=True)
    for i, (got, want) in enumerate(tensors):
        assert_close(got, want, case.tolerance, f"tensor {i} of W, b")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
def test_leaky_slope(dtype: str, slope: float) -> None:
    net = dr.MLP([3, 17, 2], hidden="leaky_relu", leaky_slope=slope, dtype=dtype, seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    value, grads = net.value_and_grad(x, y)
    want_value, want = reference.value_and_grad(
        *parameters64(net), x, y, reference.Network(hidden="leaky_relu", leaky_slope=slope)
    )
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert value == pytest.approx(want_value, rel=tolerance)
    for got_w, want_w in zip(grads.weights, want.weights, strict=True):
        assert_close(got_w, want_w, tolerance, "dL/dW")


@pytest.mark.parametrize("delta", [0.1, 1.0, 5.0])
def test_huber_delta(delta: float) -> None:
    net = dr.MLP([3, 2], loss="huber", huber_delta=delta, dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), 3 * rng.standard_normal((9, 2))
    value, grads = net.value_and_grad(x, y)
    want_value, want = reference.value_and_grad(
        *parameters64(net), x, y, reference.Network(loss="huber", huber_delta=delta)
    )
    assert value == pytest.approx(want_value, rel=1e-13)
    assert_close(grads.weights[0], want.weights[0], 1e-13, "dL/dW[1]")


@pytest.mark.parametrize(
    "case", [c for c in GRID if c.loss.endswith("cross_entropy")][::7], ids=str
)
def test_extreme_outputs_stay_stable(case: Case) -> None:
    """Pre-activations of several hundred: losses and gradients as the stable reference's."""
    net, (x, y, weight) = case.network(), case.data()
    theta = net.theta
    net.theta = theta * 40
    weights, biases = parameters64(net)
    value, grads = net.value_and_grad(x, y, sample_weight=weight)
    want_value, want = reference.value_and_grad(
        weights, biases, x.astype(np.float64), y, case.reference(), weight
    )
    # z itself is rounded to eps |z|: an absolute error of the logs and a relative one of e^z
    tolerance = case.tolerance * 1e3
    assert value == pytest.approx(want_value, rel=tolerance)
    for got_w, want_w in zip(grads.weights, want.weights, strict=True):
        assert_close(got_w, want_w, tolerance, "dL/dW")


def test_a_whole_fit_follows_the_references() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((70, 5)), rng.integers(0, 4, 70)
    net = dr.MLP([5, 12, 4], hidden="tanh", output="softmax", dtype="float64", seed=7)
    weights, biases = parameters64(net)
    history = net.fit(x, y, epochs=20, batch_size=16, optimizer=dr.SGD(lr=0.1, momentum=0.9))
    generator = np.random.default_rng(7)
    reference.initialize([5, 12, 4], generator, hidden="tanh")  # the same draws before the orders
    want = reference.stochastic_gradient_descent(
        weights, biases, x, y,
        reference.Network(hidden="tanh", output="softmax", loss="cross_entropy"),
        lr=0.1, momentum=0.9, epochs=20, batch_size=16, rng=generator,
    )  # fmt: skip
    # 100 updates, each rounding by some eps and descending along a smooth loss
    assert history.loss == pytest.approx(list(want.losses), rel=1e-11)
    for got, expected in zip(net.weights, want.weights, strict=True):
        assert_close(got, expected, 1e-11, "W")


@pytest.mark.parametrize("gap", [50.0, 720.0, 1e4, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_with_binary_cross_entropy_at_any_gap(dtype: str, gap: float) -> None:
    """Linear in the gap once it is large: (1 - y) of the largest, and the y of the others."""
    net = dr.MLP([1, 3], output="softmax", loss="binary_cross_entropy", dtype=dtype,
                 init=([[[gap], [0.0], [0.0]]], [[0.0] * 3]))  # fmt: skip
    value, grads = net.value_and_grad([[1.0]], [[0.5, 0.25, 0.25]])
    # log p_1 = 0, log p_2 = log p_3 = -gap, log(1 - p_1) = log 2 - gap, the others' complements 1
    assert value == pytest.approx(gap - 0.5 * np.log(2), rel=1e-6)
    assert_close(grads.biases[0], np.array([1.0, -0.5, -0.5]), 1e-6, "dL/db")


def test_a_row_of_weight_zero_changes_nothing() -> None:
    """Whatever it would overflow to."""
    net = dr.MLP([1, 1], dtype="float64", init=([[[1e10]]], [[0.0]]))
    x, y, weight = [[1e300], [0.0]], [1.0, 1.0], [0.0, 1.0]
    assert net.evaluate(x, y, sample_weight=weight) == 0.5
    value, grads = net.value_and_grad(x, y, sample_weight=weight)
    assert (value, grads.theta.tolist()) == (0.5, [0.0, -1.0])
