"""LevenbergMarquardt and LBFGS: their steps, where they lead, and a fit around them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from deltarule.data import rows
from deltarule.second_order import objective
from deltarule.second_order.objective import Problem
from network_support import Array, assert_same_bits, classification, regression
from second_order_support import BOTH, X, Y, both, network

pytest.importorskip("scipy", reason="needs the extra: pip install 'deltarule[second-order]'")

SQUARES = ("squared_error", "sum_squared_error", "mean_squared_error")


def architecture(net: dr.MLP) -> reference.Network:
    return reference.Network(net.hidden, net.output, net.loss, net.reduction)


# Levenberg-Marquardt


class Steps:
    """The method in plain NumPy, over the reference: each theta, and how often one was rejected."""

    def __init__(
        self, net: dr.MLP, x: Array, y: Array, w: Array, settings: dr.LevenbergMarquardt
    ) -> None:
        self.of, self.architecture, self.data = net, architecture(net), (x, y, w)
        self.settings, self.rejected = settings, 0
        share = w / w.sum() if net.reduction == "mean" else w
        q = {"squared_error": 1 / 2, "sum_squared_error": 1, "mean_squared_error": 1 / y.shape[1]}
        self.root = np.sqrt(2 * share * q[net.loss])

    def loss(self, theta: Array) -> float:
        x, y, w = self.data
        parameters = reference.unflatten(theta, self.of.sizes)
        return reference.value_and_grad(*parameters, x, y, self.architecture, w)[0]

    def linear(self, theta: Array) -> tuple[Array, Array]:
        """J (n K, D) and r (n K,)."""
        x, y, _ = self.data
        W, b = reference.unflatten(theta, self.of.sizes)
        J = reference.jacobian(W, b, x, self.architecture, wrt="theta")
        e = reference.forward_propagation(W, b, x, self.architecture).y_hat - y
        root = self.root[:, np.newaxis]
        return (root[:, :, np.newaxis] * J).reshape(-1, len(theta)), (root * e).ravel()

    def run(self, theta: Array, epochs: int) -> list[Array]:
        thetas, mu, nu, value = [], 0.0, self.settings.factor, self.loss(theta)
        for _ in range(epochs):
            J, r = self.linear(theta)
            mu = mu or self.settings.damping * (J * J).sum(axis=0).max()
            while True:
                p = -np.linalg.solve(J.T @ J + mu * np.eye(len(theta)), J.T @ r)
                new = self.loss(theta + p)
                if new < value:
                    break
                mu, nu, self.rejected = mu * nu, nu * 2, self.rejected + 1
            foreseen = (r @ r - np.sum((r + J @ p) ** 2)) / 2
            gain = (value - new) / foreseen
            mu, nu = mu * max(1 / 3, 1 - (2 * gain - 1) ** 3), self.settings.factor
            theta, value = theta + p, new
            thetas.append(theta)
        return thetas


@pytest.mark.parametrize("loss", SQUARES)
@pytest.mark.parametrize("output", ["identity", "sigmoid", "tanh", "softmax", "exp"])
@pytest.mark.parametrize(("reduction", "weighted"), [("mean", True), ("sum", False)])
def test_each_step_is_the_references(
    output: str, loss: str, reduction: str, weighted: bool
) -> None:
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    net = network(output=output, loss=loss, reduction=reduction)
    steps = Steps(net, X, Y, w if weighted else np.ones(len(X)), dr.LevenbergMarquardt(1e-2))
    thetas = steps.run(net.theta, 3)
    seen: list[Array] = []
    net.fit(
        X, Y, epochs=3, optimizer=steps.settings, sample_weight=w if weighted else None,
        callbacks=lambda record: seen.append(net.theta),
    )  # fmt: skip
    # Cholesky and LU of the same matrix, of a condition below 1e6: rounding of 1e-16 each.
    for actual, expected in zip(seen, thetas, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_rejected_steps_are_no_epochs() -> None:
    net = network(sizes=[3, 8, 2], hidden="sigmoid", init="notes")
    settings = dr.LevenbergMarquardt(damping=1e-12, factor=3.0)
    steps = Steps(net, X, Y, np.ones(len(X)), settings)
    expected = steps.run(net.theta, 4)
    history = net.fit(X, Y, epochs=4, optimizer=settings)
    assert steps.rejected > 0
    assert len(history) == 4
    # The first matrix is all but singular: its solution has lost digits.
    np.testing.assert_allclose(net.theta, expected[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_network_comes_to_least_squares(weighted: bool) -> None:
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(X)) if weighted else np.ones(len(X))
    net = network(sizes=[3, 2], hidden=[])
    history = net.fit(X, Y, epochs=20, optimizer=dr.LevenbergMarquardt(), sample_weight=w)
    root = np.sqrt(w)[:, np.newaxis]
    solution = np.linalg.lstsq(root * np.c_[X, np.ones(len(X))], root * Y)[0]
    found = np.c_[net.weights[0], net.biases[0]].T
    # The loss is flat to its rounding within the root of that of theta.
    np.testing.assert_allclose(found, solution, atol=1e-8)
    assert len(history) < 12  # no step lowers it any more


def test_convergence_is_quadratic_where_residuals_vanish() -> None:
    net = network(sizes=[3, 3, 1])
    rng, minimum = np.random.default_rng(5), net.theta
    y = net.predict(X)
    net.theta = minimum + rng.normal(0.0, 0.01, len(minimum))
    before = net.evaluate(X, y)
    history = net.fit(X, y, epochs=20, optimizer=dr.LevenbergMarquardt(damping=1e-12))
    losses = [before, *(loss for loss in history.loss if loss > 1e-29)]
    # The number of true digits doubles; 1e6 is of the flattest direction of this network.
    for loss, following in pairwise(losses):
        assert following < 1e6 * loss**2
    assert len(losses) <= 6
    assert history.loss[-1] < 1e-29  # (1e-15)^2, of outputs of order 1
    np.testing.assert_allclose(net.theta, minimum, atol=1e-13)


def test_blocks_of_rows_give_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, blocks = network(), network()
    whole.fit(X, Y, epochs=3, optimizer=BOTH["lm"])
    monkeypatch.setattr(objective, "_BLOCK", 7 * 2 * whole.n_parameters)  # of 40 rows 7
    blocks.fit(X, Y, epochs=3, optimizer=BOTH["lm"])
    np.testing.assert_allclose(blocks.theta, whole.theta, rtol=1e-9, atol=1e-9)  # other sums


def test_a_minimum_is_the_end() -> None:
    net = network(sizes=[3, 2], hidden=[])
    net.fit(X, Y, epochs=50, optimizer=BOTH["lm"])
    theta = net.theta
    assert len(net.fit(X, Y, epochs=50, optimizer=BOTH["lm"])) <= 1
    np.testing.assert_allclose(net.theta, theta, atol=1e-8)


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e-154, 1e-160])
def test_targets_of_any_scale(scale: float) -> None:
    net = network(sizes=[3, 2], hidden=[], init=([np.zeros((2, 3))], [np.zeros(2)]))
    before = net.evaluate(X, scale * Y)
    net.fit(X, scale * Y, epochs=10, optimizer=BOTH["lm"])
    assert net.evaluate(X, scale * Y) <= before


def test_without_residuals_nothing_moves() -> None:
    net = network()
    theta = net.theta
    y = net.predict(X)
    assert len(net.fit(X, y, epochs=5, optimizer=BOTH["lm"])) == 0  # no residual at all
    assert_same_bits(net.theta, theta)


# L-BFGS


@pytest.mark.parametrize(
    ("output", "loss"), [("identity", "huber"), ("softmax", "cross_entropy"), ("exp", "poisson")]
)
def test_iterations_are_scipys_over_the_reference(output: str, loss: str) -> None:
    from scipy.optimize import minimize

    net = network(output=output, loss=loss)
    y = np.arange(len(X)) % 2 if loss == "cross_entropy" else np.abs(Y)
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(X))

    def objective(theta: Array) -> tuple[float, Array]:
        parameters = reference.unflatten(theta, net.sizes)
        value, grads = reference.value_and_grad(*parameters, X, y, architecture(net), w)
        return value, reference.theta(grads.weights, grads.biases)

    options = {"maxiter": 6, "maxcor": 4, "ftol": 0, "gtol": 0}
    expected = minimize(objective, net.theta, jac=True, method="L-BFGS-B", options=options)
    history = net.fit(X, y, epochs=6, optimizer=dr.LBFGS(memory=4), sample_weight=w)
    # Gradients that agree to 1e-15, six line searches on.
    np.testing.assert_allclose(net.theta, expected.x, rtol=1e-8, atol=1e-8)
    assert history.loss[-1] == pytest.approx(expected.fun, rel=1e-10)


def test_a_line_search_turns_back_from_losses_that_are_not_finite() -> None:
    net = network(sizes=[1, 1], hidden=[], output="exp", init=([[[1.0]]], [[0.0]]))
    x, y = np.full((4, 1), 300.0), np.full((4, 1), 1.0)  # e^300, a step from e^710
    history = net.fit(x, y, epochs=50, optimizer=BOTH["lbfgs"])
    assert np.isfinite(history.loss).all()
    assert history.loss[-1] < history.loss[0]
    assert np.isfinite(net.theta).all()


# A fit around them


@both
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_history_is_of_the_network_after_each_iteration(optimizer: Any, reduction: str) -> None:
    net, records = network(reduction=reduction), []
    validation = regression(20, seed=9)

    def look(record: dict[str, Any]) -> None:
        records.append(record)
        assert record["loss"] == net.evaluate(X, Y)
        assert record["validation_loss"] == net.evaluate(*validation)
        assert record["metrics"] == {
            "validation_mae": pytest.approx(
                np.abs(net.predict(validation[0]) - validation[1]).mean()
            )
        }

    before = net.evaluate(X, Y)
    history = net.fit(
        X, Y, epochs=5, optimizer=optimizer, validation_data=validation, metrics="mae",
        callbacks=look,
    )  # fmt: skip
    assert [len(values) for values in history.to_dict().values()] == [5] * 5
    assert [before, *history.loss] == sorted([before, *history.loss], reverse=True)
    assert history.learning_rate == [1.0] * 5
    assert min(history.seconds) > 0
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5]
    assert {record["epochs"] for record in records} == {5}
    assert records[-1]["samples_per_second"] == pytest.approx(40 / history.seconds[-1])


@both
def test_the_same_bits_for_any_number_of_threads(optimizer: Any) -> None:
    from threadpoolctl import threadpool_limits

    x, y = regression(300)
    thetas = []
    for threads in (1, 2, 3):
        net = network(sizes=[3, 80, 2])  # a matrix of 482^2, for which a BLAS takes threads
        with threadpool_limits(limits=threads, user_api="blas"):
            net.fit(x, y, epochs=4, optimizer=optimizer, threads=threads)
        thetas.append(net.theta)
    assert_same_bits(thetas[1], thetas[0])
    assert_same_bits(thetas[2], thetas[0])


@both
def test_reasons_that_end_a_fit(optimizer: Any) -> None:
    net, three = network(), network()
    assert len(net.fit(X, Y, epochs=0, optimizer=optimizer)) == 0
    assert_same_bits(net.theta, three.theta)
    assert len(net.fit(X, Y, optimizer=optimizer, callbacks=lambda r: r["epoch"] == 3)) == 3
    three.fit(X, Y, epochs=3, optimizer=optimizer)
    assert_same_bits(net.theta, three.theta)
    assert len(network().fit(X, Y, epochs=99, optimizer=optimizer, max_seconds=1e-9)) == 1


@both
def test_early_stopping_leaves_the_best_iteration(optimizer: Any) -> None:
    net, best = network(sizes=[3, 20, 2]), network(sizes=[3, 20, 2])
    validation = regression(20, seed=9)
    history = net.fit(
        X, Y, epochs=200, optimizer=optimizer, validation_data=validation,
        early_stopping=dr.EarlyStopping(patience=3),
    )  # fmt: skip
    assert history.best_epoch == int(np.argmin(history.validation_loss)) + 1
    assert len(history) == history.best_epoch + 3
    best.fit(X, Y, epochs=history.best_epoch, optimizer=optimizer)
    assert_same_bits(net.theta, best.theta)


@both
def test_an_interrupt_leaves_a_whole_iteration(
    optimizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, whole = network(), network()

    def on_the_third(record: dict[str, Any]) -> None:
        if record["epoch"] == 3:
            name = "loss" if optimizer is BOTH["lm"] else "value_and_gradient"
            monkeypatch.setattr(Problem, name, interrupt)

    def interrupt(self: Problem, theta: Array) -> None:
        self._core.set_theta(theta)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=9, optimizer=optimizer, callbacks=on_the_third)
    monkeypatch.undo()
    whole.fit(X, Y, epochs=3, optimizer=optimizer)
    assert_same_bits(net.theta, whole.theta)
    assert len(net.fit(X, Y, epochs=1)) == 1  # it is no longer in training


@both
def test_an_exception_of_a_callback_propagates(optimizer: Any) -> None:
    def stop(record: object) -> None:
        next(iter(()))

    expected = StopIteration if optimizer is BOTH["lm"] else RuntimeError
    with pytest.raises(expected):
        network().fit(X, Y, optimizer=optimizer, callbacks=stop)


@both
def test_divergence(optimizer: Any) -> None:
    net = network(sizes=[1, 1], hidden=[], output="exp", loss="squared_error")
    net.theta = [800.0, 0.0]
    with pytest.raises(
        dr.DivergenceError, match="not finite at the beginning of epoch 1"
    ) as caught:
        net.fit([[1.0]], [1.0], optimizer=optimizer)
    assert (caught.value.epoch, caught.value.step) == (1, 1)
    assert net.theta.tolist() == [800.0, 0.0]


@both
def test_mapped_rows(optimizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = np.random.default_rng(1).uniform(0.5, 2.0, len(X))
    whole, mapped = network(), network()
    whole.fit(X, Y, epochs=3, optimizer=optimizer, sample_weight=w)
    monkeypatch.setattr(rows, "WHOLE_BYTES", 0)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 200)
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    mapped.fit(x, Y, epochs=3, optimizer=optimizer, sample_weight=w)
    np.testing.assert_allclose(mapped.theta, whole.theta, rtol=1e-9, atol=1e-9)  # other sums


def test_lbfgs_learns_classes() -> None:
    x, y = classification()
    net = network(sizes=[3, 8, 3], output="softmax")
    options: dict[str, Any] = {"class_weight": "balanced", "label_smoothing": 0.1}
    history = net.fit(
        x,
        y,
        epochs=20,
        optimizer=BOTH["lbfgs"],
        validation_split=0.25,
        metrics="accuracy",
        **options,
    )
    assert history.loss[-1] < 0.7 * history.loss[0]
    assert len(history.metrics["validation_accuracy"]) == 20


def test_progress_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    network().fit(X, Y, epochs=2, optimizer=BOTH["lm"], verbose=1, progress=True)
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "epoch 1/2",
        "epoch 2/2",
    ]


def test_auto_is_32_for_the_others() -> None:
    auto, given = network(), network()
    auto.fit(X, Y, epochs=2)
    given.fit(X, Y, epochs=2, batch_size=32)
    assert_same_bits(auto.theta, given.theta)
