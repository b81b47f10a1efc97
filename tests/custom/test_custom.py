"""Custom losses and activations: copies of the built-in ones give the core's results."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import PAIRS
from custom_support import ACTIVATIONS, LOSSES, SQUARES, TANH, own_activation, own_loss
from deltarule._load import core
from deltarule.data import rows
from network_support import Array, assert_same_bits, regression
from reference_support import central_difference, targets

# The core and NumPy round some hundred sums of a fit differently, each by an eps of values near 1.
CLOSE: dict[str, dict[str, float]] = {
    "float64": {"rtol": 1e-12, "atol": 1e-13},
    "float32": {"rtol": 1e-4, "atol": 1e-5},
}

OPTIMIZERS = [
    dr.SGD(lr=0.1),
    dr.SGD(lr=0.05, momentum=0.9, weight_decay=0.01),
    dr.SGD(lr=0.05, momentum=0.9, nesterov=True, l1=0.001, max_norm=0.5),
    dr.Adam(lr=0.01, weight_decay=0.01),
    dr.Adam(lr=0.01, epsilon_hat=True, max_norm=0.1),
    dr.AdamW(lr=0.01, weight_decay=0.1),
]
# The options of a fit; each meets each optimizer in float32 and float64.
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "dropout": {"dropout": [0.5, 0.2]},
    "in order": {"shuffle": False},
    "all at once": {"batch_size": None},
    "weights": {"sample_weight": np.arange(41) % 5},  # some are 0
    "validation": {"validation_split": 0.25, "early_stopping": dr.EarlyStopping(patience=1)},
    "schedule": {"schedule": dr.schedules.Cosine(0.05, epochs=4), "dropout": 0.3},
    "rate an epoch": {"schedule": lambda epoch: 0.05 / (epoch + 1)},
    "watched": {"metrics": ["mae", "r2"], "callbacks": lambda record: record["epoch"] == 3},
}


def assert_close(found: object, wanted: object, dtype: Any) -> None:
    np.testing.assert_allclose(found, wanted, **CLOSE[np.dtype(dtype).name])


def twins(loss: str = "squared_error", hidden: str = "tanh", **options: Any) -> tuple[dr.MLP, ...]:
    """A network with own copies of the loss and of a hidden layer, and the core's."""
    settings = {"sizes": [3, 7, 5, 2], "dtype": "float64", "init": "torch", "seed": 3} | options
    mine = dr.MLP(loss=own_loss(loss), hidden=(own_activation(hidden), hidden), **settings)
    return mine, dr.MLP(loss=loss, hidden=hidden, **settings)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_fit_equals_the_cores(optimizer: Any, dtype: str, options: dict[str, Any]) -> None:
    x, y = regression(41)
    mine, cores = twins(dtype=dtype)
    settings = {"epochs": 4, "batch_size": 8, "optimizer": optimizer} | options
    found, wanted = mine.fit(x, y, **settings), cores.fit(x, y, **settings)
    assert_close(mine.theta, cores.theta, dtype)
    for name, values in wanted.to_dict().items():
        if name != "seconds":
            assert_close(found.to_dict()[name], values, dtype)
    assert len(found.seconds) == len(wanted.seconds) and min(found.seconds) > 0
    assert found.best_epoch == wanted.best_epoch
    mine.fit(x, y, **settings), cores.fit(x, y, **settings)  # continues with the optimizer state
    assert_close(mine.theta, cores.theta, dtype)
    kind, *memory = mine._optimizer_state()
    assert kind == cores._optimizer_state()[0]
    for m, of_core in zip(memory, cores._optimizer_state()[1:], strict=True):
        assert (m is None) == (of_core is None)
        if m is not None:
            assert_close(m, of_core, dtype)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_steps_with_every_output_and_loss(output: str, loss: str, reduction: str) -> None:
    x, _ = regression(9)
    y = targets(loss, np.random.default_rng(0), (9, 2))
    mine, cores = twins(loss, output=output, reduction=reduction)
    half = dr.MLP(mine.sizes, hidden=TANH, output=output, loss=loss, reduction=reduction,
                  dtype="float64", init=(cores.weights, cores.biases))  # fmt: skip
    weight = np.arange(9) % 3
    value, grads = cores.value_and_grad(x, y, sample_weight=weight)
    for net in (mine, half):
        got, its = net.value_and_grad(x, y, sample_weight=weight)
        assert_close(got, value, net.dtype)
        assert_close(its.theta, grads.theta, net.dtype)
        assert_close(net.predict(x), cores.predict(x), net.dtype)
        assert_close(net.evaluate(x, y, sample_weight=weight), value, net.dtype)
        assert_close(net.train_step(x, y, sample_weight=weight), value, net.dtype)
    cores.train_step(x, y, sample_weight=weight)
    assert_close(mine.theta, cores.theta, mine.dtype)
    assert_close(half.theta, cores.theta, mine.dtype)


@pytest.mark.parametrize("hidden", ["identity", "relu", "gelu", "softplus"])
@pytest.mark.parametrize("output", ["identity", "sigmoid", "tanh", "softmax", "exp"])
def test_derivatives_beyond_the_gradient(output: str, hidden: str) -> None:
    (x, y), rng = regression(6), np.random.default_rng(1)
    mine, cores = twins(hidden=hidden, output=output)
    u, v, w = rng.normal(size=(6, 2)), rng.normal(size=(6, 3)), rng.normal(size=mine.n_parameters)
    for a, b in zip(mine.activations(x), cores.activations(x), strict=True):
        assert_close(a, b, mine.dtype)
    for call in (
        lambda net: net.input_gradient(x, y, sample_weight=np.arange(6)),
        lambda net: net.input_gradient(x, output=1),
        lambda net: net.jacobian(x),
        lambda net: net.jacobian(x, wrt="theta"),
        lambda net: net.jacobian(x[0]),
        lambda net: net.per_sample_gradients(x, y),
        lambda net: net.jacobian(x, out=np.empty((6, 2, 3))),
        lambda net: net.per_sample_gradients(x, y, out=np.empty((6, net.n_parameters))),
        lambda net: net.jvp(x, v),
        lambda net: net.jvp(x, w, wrt="theta"),
        lambda net: net.vjp(x, u),
        lambda net: net.vjp(x, u, wrt="theta"),
    ):
        found, wanted = call(mine), call(cores)
        assert_close(found, wanted, mine.dtype)
        assert found.flags.writeable and found.flags.c_contiguous


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("weight", [None, np.arange(6.0)], ids=["unweighted", "weighted"])
def test_propagate_gives_every_quantity(output: str, loss: str, weight: Array | None) -> None:
    x, y = regression(6)[0], targets(loss, np.random.default_rng(0), (6, 2))
    mine, cores = twins(loss, output=output)
    half = dr.MLP(mine.sizes, hidden=TANH, output=output, loss=loss, dtype="float64",
                  init=(cores.weights, cores.biases))  # fmt: skip
    wanted = cores._core.propagate(x, y, weight, 1)
    for net in (mine, half):
        for found, of_core in zip(net._core.propagate(x, y, weight, 1), wanted, strict=True):
            assert type(found) is type(of_core)
            arrays = zip(found, of_core, strict=True)
            for a, b in arrays if isinstance(found, list) else [(found, of_core)]:
                assert_close(a, b, net.dtype)


def test_a_trace_shows_custom_functions() -> None:
    x, y = regression(5)
    mine, cores = twins()
    found, wanted = (net.trace(x, y, np.arange(5)) for net in (mine, cores))
    for name, array in wanted.to_dict().items():
        assert_close(found.to_dict()[name], array, mine.dtype)
    assert "L_i = own squared_error(y_hat_i, y_i)" in found.to_text(ascii=True)


def test_an_output_that_is_saturated_has_the_cores_gradient() -> None:
    """A loss does not depend on an output whose target is 0, whatever the formula comes to."""
    init = ([[[1.0]], [[1e4], [-1e4], [0.0]]], [[0.0], [0.0, 0.0, 0.0]])
    settings: dict[str, Any] = {"sizes": [1, 1, 3], "output": "softmax", "dtype": "float64"}
    x, y = [[1.0], [1.0], [-2.0]], [0, 2, 0]
    for hidden in (own_activation("identity"), "identity"):
        dy_hat = dr.MLP(hidden=hidden, init=init, **settings).trace(x, y).dL_dy_hat
        np.testing.assert_array_equal(dy_hat[:2], [[-1 / 3, 0, 0], [0, 0, -np.inf]])


@pytest.mark.parametrize("own", [{"hidden": TANH}, {"loss": SQUARES}], ids=str)
def test_second_derivatives_are_not_known(own: dict[str, Any]) -> None:
    x, y = regression()
    net = dr.MLP([3, 4, 2], **own)
    for method in (net.hvp, net.gauss_newton_vp):
        with pytest.raises(TypeError, match=r"need second derivatives: .*, but .* is Custom"):
            method(x, y, net.theta)


@pytest.mark.parametrize(("g", "loss"), [*product(ACTIVATIONS, LOSSES)])
def test_losses_and_activations_of_users(g: str, loss: str) -> None:
    """Their gradient is that of central differences, and they learn."""
    (x, y), own = regression(12), LOSSES[loss]
    net = dr.MLP([3, 5, 4, 2], hidden=ACTIVATIONS[g], loss=own, dtype="float64", seed=0)
    theta = net.theta

    def value(point: Array) -> float:
        net.theta = point
        return net.evaluate(x, y)

    slopes = central_difference(value, theta)
    net.theta = theta
    np.testing.assert_allclose(net.value_and_grad(x, y)[1].theta, slopes, rtol=0, atol=1e-8)
    history = net.fit(x, y, epochs=60, batch_size=4, optimizer=dr.Adam(lr=0.02))
    assert history.loss[-1] < 0.5 * history.loss[0]


def test_the_pinball_loss_finds_a_quantile() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (400, 1))
    y = x + np.random.default_rng(1).normal(0, 1 + x**2)
    net = dr.MLP([1, 16, 1], hidden="tanh", loss=LOSSES["pinball"], seed=0)
    net.fit(x, y, epochs=60, optimizer=dr.Adam(lr=0.01))
    share = float(np.mean(y <= net.predict(x)))
    assert abs(share - 0.9) < 0.03  # the minimum leaves at most the units' number on a line


def test_fits_of_second_order() -> None:
    pytest.importorskip("scipy")
    x, y = regression(30)
    for optimizer, own in (
        (dr.LBFGS(), {"loss": SQUARES}),
        (dr.LBFGS(), {"hidden": TANH}),
        (dr.LevenbergMarquardt(), {"hidden": TANH}),
    ):
        settings: dict[str, Any] = {"sizes": [3, 4, 2], "dtype": "float64", "seed": 0}
        cores = dr.MLP(hidden="tanh", **settings)
        mine = dr.MLP(**({"hidden": "tanh"} | own), **settings)
        fit: dict[str, Any] = {"optimizer": optimizer, "epochs": 4}
        found, wanted = mine.fit(x, y, **fit), cores.fit(x, y, **fit)
        np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-8)  # steps multiply roundings
    mine = dr.MLP([3, 2], loss=SQUARES, dtype="float64")
    with pytest.raises(ValueError, match=r"loss must be a sum of squares .*, not 'squares'"):
        mine.fit(x, y, optimizer=dr.LevenbergMarquardt())


def test_streams_and_blocks_equal_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (a.astype(np.float32) for a in regression(60))
    settings: dict[str, Any] = {"epochs": 3, "dropout": 0.4, "optimizer": dr.Adam()}
    whole, streamed, mapped = (dr.MLP([3, 5, 2], hidden=TANH, seed=0) for _ in range(3))
    settings |= {"schedule": dr.schedules.Exponential(0.01, 0.5)}
    whole.fit(x, y, batch_size=20, **settings)
    batches = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 60, 20)]
    x.tofile(tmp_path / "x")
    monkeypatch.setattr(rows, "WHOLE_BYTES", 0)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 300)
    mapped.fit(np.memmap(tmp_path / "x", np.float32, "r", 0, x.shape), y, batch_size=20, **settings)
    assert_same_bits(mapped.theta, whole.theta)
    streamed.fit(batches, **(settings | {"schedule": None}))
    ordered = dr.MLP([3, 5, 2], hidden=TANH, seed=0)
    ordered.fit(x, y, batch_size=20, shuffle=False, **(settings | {"schedule": None}))
    assert_same_bits(streamed.theta, ordered.theta)


def test_a_fit_can_begin_inside_an_epoch() -> None:
    x, y = regression(50)
    whole, parts = (dr.MLP([3, 5, 2], hidden=TANH, dtype="float64", seed=0) for _ in range(2))
    order = np.random.default_rng(0).permutation(50)[np.newaxis]
    keys = (np.array([0.5]), np.array([7], np.uint64))
    lr = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    sgd = core.Optimizer(core.OptimizerKind.sgd, 0.1)
    tail = (1, 10, sgd, lr, keys, None, 1, np.inf)
    result, cut = core.TrainingResult(), core.TrainingResult()
    whole._core.train(x, y, None, order, *tail, result)
    calls = 0

    def breaks(z: Array) -> Array:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return np.tanh(z)

    broken = dr.MLP([3, 5, 2], hidden=(breaks, TANH.derivative), dtype="float64",
                    init=(parts.weights, parts.biases))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        broken._core.train(x, y, None, order, *tail, cut)
    assert (cut.step, cut.loss, cut.partial_weight) == (3, [], 30.0)
    parts.theta = broken.theta
    rest = core.TrainingResult()
    parts._core.train(
        x, y, None, order, *tail, rest, cut.step, cut.partial_loss, cut.partial_weight
    )
    assert_same_bits(parts.theta, whole.theta)
    assert rest.loss == result.loss


def test_many_at_once_are_as_alone() -> None:
    x, y = regression(60)
    common: dict[str, Any] = {"sizes": [3, 6, 2], "dropout": 0.2, "epochs": 3, "dtype": "float64"}
    own = {"hidden": TANH, "loss": SQUARES}
    configs = [own | {"rows": np.arange(40)}, {"hidden": "tanh"}, own | {"seed": 5}]
    fits = dr.fit_many(x, y, configs, seed=1, **common)
    assert [len(history) for history in fits.histories] == [3, 3, 3]
    alone = dr.MLP([3, 6, 2], **own, dtype="float64", seed=1)
    history = alone.fit(x[:40], y[:40], epochs=3, dropout=0.2)
    assert_same_bits(fits.networks[0].theta, alone.theta)
    assert fits.histories[0].loss == history.loss
    assert fits.table[0]["held_out_loss"] == alone.evaluate(x[40:], y[40:])


def test_many_at_once_do_not_share_targets_by_a_losss_name() -> None:
    """Class indices are for the core's cross_entropy alone."""
    x, classes = regression()[0], np.arange(40) % 2
    named = dr.CustomLoss(SQUARES.value, SQUARES.gradient, "cross_entropy")
    with pytest.raises(ValueError, match=r"configs\[1\]: y must have shape"):
        dr.fit_many(x, classes, [{}, {"loss": named}], sizes=[3, 2], output="softmax")


def test_no_epoch_begins_after_the_time_is_over() -> None:
    x, y = regression()
    net, result = dr.MLP([3, 2], loss=SQUARES, dtype="float64"), core.TrainingResult()
    sgd = core.Optimizer(core.OptimizerKind.sgd, 0.1)
    net._core.train(x, y, None, None, 5, 8, sgd, None, None, (x, y, None), 1, 0.0, result)
    assert len(result.loss) == len(result.validation_loss) == len(result.seconds) == 1
    assert not result.diverged


def test_a_second_trainer_is_refused() -> None:
    x, y = regression()
    seen: list[BaseException | None] = []

    def value(z: Array) -> Array:
        if len(seen) < 2:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        return np.tanh(z)

    def other() -> None:
        call = (lambda: net.predict(x)) if seen else (lambda: net.train_step(x, y))
        try:
            seen.append(None)
            call()
        except RuntimeError as error:
            seen[-1] = error

    net = dr.MLP([3, 4, 2], hidden=(value, TANH.derivative))
    net.fit(x, y, epochs=1)
    assert len(seen) == 2
    assert all("in use by another thread" in str(error) for error in seen)


def test_networks_without_custom_functions_use_the_core() -> None:
    """And nothing of the slow way is imported for them."""
    assert type(dr.MLP([3, 2])._core) is core.NetworkF32
    code = (
        "import sys, deltarule as dr; net = dr.MLP([3, 4, 2]); net.fit([[1, 2, 3]], [[1, 2]]);"
        "bad = [m for m in sys.modules if m.startswith(('deltarule.custom.', 'deltarule.ref'))];"
        "assert bad == ['deltarule.custom.functions', 'deltarule.custom.core'], bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
