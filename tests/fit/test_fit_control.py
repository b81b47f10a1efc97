"""fit: what ends it, and who watches: callbacks, time, progress, divergence."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, assert_same_bits, classification, fingerprint, regression

Record = dict[str, Any]


def network(**options: Any) -> dr.MLP:
    return dr.MLP(**({"sizes": [3, 5, 2], "hidden": "tanh", "seed": 3} | options))


# Callbacks


@pytest.mark.parametrize("validated", [False, True])
def test_a_callback_gets_a_record_of_each_epoch(validated: bool) -> None:
    x, y = regression()
    records: list[Record] = []
    history = network().fit(
        x,
        y,
        epochs=4,
        optimizer=dr.SGD(lr=0.125),
        validation_data=(x, y) if validated else None,
        callbacks=records.append,
    )
    for i, record in enumerate(records):
        assert record == {
            "epoch": i + 1,
            "epochs": 4,
            "loss": history.loss[i],
            "validation_loss": history.validation_loss[i] if validated else None,
            "metrics": {},
            "learning_rate": 0.125,
            "seconds": history.seconds[i],
            "samples_per_second": pytest.approx(40 / history.seconds[i]),
        }
    assert len(records) == 4


def test_a_callback_sees_the_network_as_it_is_then(tmp_path: Path) -> None:
    x, y = regression()
    net, steps = network(), network()
    seen: list[bytes] = []

    def look(record: Record) -> None:
        net.save(tmp_path / "net.safetensors")
        assert_same_bits(dr.load(tmp_path / "net.safetensors").theta, net.theta)
        assert_same_bits(net.weights[0].ravel(), net.theta[:15])
        seen.append(net.predict(x).tobytes())

    net.fit(x, y, epochs=3, callbacks=look)
    for predictions in seen:
        steps.fit(x, y, epochs=1)
        assert predictions == steps.predict(x).tobytes()


def test_callbacks_are_called_in_their_order() -> None:
    calls: list[tuple[str, int]] = []
    x, y = regression()
    network().fit(
        x,
        y,
        epochs=2,
        callbacks=(lambda record, n=name: calls.append((n, record["epoch"])) for name in "abc"),
    )
    assert calls == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("c", 2)]


@pytest.mark.parametrize("last", [1, 3, 5])
def test_a_callback_that_returns_true_ends_the_training(last: int) -> None:
    x, y = regression()
    stopped, short = network(), network()
    after: list[int] = []
    history = stopped.fit(
        x,
        y,
        epochs=5,
        optimizer=MOMENTUM,
        callbacks=[lambda r: r["epoch"] == last, lambda r: after.append(r["epoch"])],
    )
    wanted = short.fit(x, y, epochs=last, optimizer=MOMENTUM)
    assert history.loss == wanted.loss
    assert after == list(range(1, last + 1))
    assert fingerprint(stopped) == fingerprint(short)


@pytest.mark.parametrize("value", [None, False, 0, "", np.False_])
def test_a_callback_that_returns_another_value_continues_the_training(value: object) -> None:
    x, y = regression()
    assert len(network().fit(x, y, epochs=3, callbacks=lambda record: value)) == 3


def test_an_error_in_a_callback_comes_through_after_a_whole_epoch() -> None:
    x, y = regression()
    broken, short = network(), network()

    def break_down(record: Record) -> None:
        if record["epoch"] == 2:
            raise LookupError("no such epoch")

    with pytest.raises(LookupError, match="no such epoch"):
        broken.fit(x, y, epochs=5, optimizer=MOMENTUM, callbacks=break_down)
    short.fit(x, y, epochs=2, optimizer=MOMENTUM)
    assert fingerprint(broken) == fingerprint(short)


def test_observers_do_not_change_the_result() -> None:
    x, y = classification()
    plain, watched = (dr.MLP([3, 5, 3], output="softmax", seed=0) for _ in range(2))
    wanted = plain.fit(x, y, epochs=20, optimizer=MOMENTUM)
    found = watched.fit(x, y, epochs=20, optimizer=MOMENTUM, callbacks=lambda record: None)
    assert found.loss == wanted.loss
    assert fingerprint(watched) == fingerprint(plain)


# Time


@pytest.mark.parametrize("callbacks", [(), lambda record: None], ids=["one call", "epoch by epoch"])
def test_no_epoch_begins_after_max_seconds(callbacks: Any) -> None:
    x, y = regression()
    net, again = network(), network()
    start = time.perf_counter()
    history = net.fit(
        x, y, epochs=10**9, max_seconds=0.2, optimizer=dr.SGD(lr=1e-4), callbacks=callbacks
    )
    assert time.perf_counter() - start > 0.15
    assert sum(history.seconds[:-1]) <= 0.2
    again.fit(x, y, epochs=len(history), optimizer=dr.SGD(lr=1e-4))
    assert fingerprint(net) == fingerprint(again)


def test_one_epoch_is_always_trained() -> None:
    x, y = regression()
    assert len(network().fit(x, y, epochs=5, max_seconds=1e-9)) == 1


def test_a_time_limit_that_is_not_reached_changes_nothing() -> None:
    x, y = regression()
    assert len(network().fit(x, y, epochs=5, max_seconds=1000)) == 5


# Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="needs the extra: pip install 'deltarule[progress]'")
    x, y = regression()
    shown, quiet = network(), network()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    history = shown.fit(x, y, epochs=3, progress=True, validation_data=(x, y))
    bar = terminal.getvalue()
    assert "3/3" in bar
    assert f"loss={history.loss[-1]:.4g}" in bar
    assert f"validation={history.validation_loss[-1]:.4g}" in bar
    assert "samples/s=" in bar
    quiet.fit(x, y, epochs=3)
    assert terminal.getvalue() == bar
    assert fingerprint(shown) == fingerprint(quiet)


def test_progress_is_silent_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm", reason="needs the extra: pip install 'deltarule[progress]'")
    x, y = regression()
    network().fit(x, y, epochs=3, progress=True)
    network().fit(x, y, epochs=3)
    assert capfd.readouterr() == ("", "")


def test_progress_is_a_bar_of_its_own_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="needs the extra: pip install 'deltarule[progress]'")
    import tqdm.auto
    import tqdm.notebook

    shown: list[tuple[dict[str, str], int]] = []

    class Bar(tqdm.notebook.tqdm_notebook):  # type: ignore[misc]
        def __init__(self, total: int, initial: int, unit: str) -> None:
            self.epochs, self.total, self.figures = initial, total, {}

        def set_postfix(self, figures: dict[str, str], refresh: bool) -> None:
            self.figures = figures

        def update(self) -> None:
            self.epochs += 1

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *error: object) -> None:
            shown.append((self.figures, self.epochs))

        def __del__(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    x, y = regression()
    history = network().fit(x, y, epochs=3, progress=True)
    ((figures, epochs),) = shown
    assert epochs == 3
    assert figures["loss"] == f"{history.loss[-1]:.4g}"


def test_verbose_prints_one_line_per_epoch_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    x, y = regression()
    shown, quiet = network(), network()
    history = shown.fit(x, y, epochs=10, verbose=1, validation_data=(x, y), metrics="mae")
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 10
    loss, validation, mae = (
        v[1] for v in (history.loss, history.validation_loss, history.metrics["validation_mae"])
    )
    assert lines[1].startswith(
        f"epoch  2/10  loss {loss:.4g}  validation_loss {validation:.4g}  "
        f"validation_mae {mae:.4g}  "
    )
    assert lines[1].endswith(" samples/s")
    quiet.fit(x, y, epochs=10, verbose=0)
    assert capfd.readouterr() == ("", "")
    assert fingerprint(shown) == fingerprint(quiet)


def test_progress_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    x, y = regression()
    net = network()
    before = fingerprint(net)
    with pytest.raises(ImportError, match=r"tqdm .* pip install 'deltarule\[progress\]'"):
        net.fit(x, y, epochs=1, progress=True)
    assert fingerprint(net) == before


# Divergence. One linear unit at x = 1, y = 0 with both parameters equal has z = 2 W, and the update
# W <- W - lr z multiplies z by 1 - 2 lr = -RATIO: after k steps the loss is z0^2 RATIO^(2k) / 2.

RATIO = 1e10
GROWING = dr.SGD(lr=(1 + RATIO) / 2)
FINITE_STEPS = 16  # in float64: RATIO^32 = 1e320 > 1.8e308


def growing(dtype: str = "float64") -> dr.MLP:
    return dr.MLP([1, 1], init=([[[0.5]]], [[0.5]]), dtype=dtype, seed=0)


@pytest.mark.parametrize("callbacks", [(), lambda record: None], ids=["one call", "epoch by epoch"])
@pytest.mark.parametrize("steps_an_epoch", [1, 3, 5, 40])
@pytest.mark.parametrize("shuffle", [False, True])
def test_divergence_names_epoch_and_step(
    shuffle: bool, steps_an_epoch: int, callbacks: Any
) -> None:
    n = steps_an_epoch
    x, y = np.ones((n, 1)), np.zeros(n)
    net, short = growing(), growing()
    epoch, step = divmod(FINITE_STEPS, n)
    options: Record = {"batch_size": 1, "optimizer": GROWING, "shuffle": shuffle}
    with pytest.raises(dr.DivergenceError) as caught:
        net.fit(x, y, epochs=100, callbacks=callbacks, **options)
    error = caught.value
    assert (error.epoch, error.step) == (epoch + 1, step + 1)
    assert f"epoch {epoch + 1}, step {step + 1};" in str(error)
    short.fit(x, y, epochs=epoch, **options)
    assert fingerprint(net) == fingerprint(short)
    assert np.isfinite(net.theta).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [None, 8])
def test_after_divergence_the_last_finite_epoch_and_on(batch_size: int | None, dtype: str) -> None:
    x, y = regression()
    calm, wild = dr.SGD(lr=0.02, momentum=0.9), dr.SGD(lr=30.0, momentum=0.9)
    net, other = (network(hidden="relu", dtype=dtype) for _ in range(2))
    for one in (net, other):
        one.fit(x, y, epochs=3, batch_size=batch_size, optimizer=calm)
    before = fingerprint(net)
    with pytest.raises(dr.DivergenceError) as caught:
        net.fit(x, y, epochs=10**4, batch_size=batch_size, optimizer=wild)
    assert 1 <= caught.value.step <= (5 if batch_size else 1)
    if caught.value.epoch == 1:
        assert fingerprint(net) == before
    other.fit(x, y, epochs=caught.value.epoch - 1, batch_size=batch_size, optimizer=wild)
    assert fingerprint(net) == fingerprint(other)
    net.theta = other.theta = np.full(net.n_parameters, 0.1)
    mine = net.fit(x, y, epochs=2, batch_size=batch_size, optimizer=dr.SGD(lr=0.01))
    its = other.fit(x, y, epochs=2, batch_size=batch_size, optimizer=dr.SGD(lr=0.01))
    assert mine.loss == its.loss
    assert fingerprint(net) == fingerprint(other)


def test_parameters_that_overflow_in_an_epochs_last_step() -> None:
    # y_hat = 0 and L = 1/2 (1e10)^2 are finite; the update of W is 1e30 * 1e10.
    net = dr.MLP([1, 1], init=([[[0.0]]], [[0.0]]))
    with pytest.raises(dr.DivergenceError) as caught:
        net.fit([[1.0]], [1e10], epochs=5, optimizer=dr.SGD(lr=1e30))
    assert (caught.value.epoch, caught.value.step) == (1, 1)
    assert_same_bits(net.theta, np.zeros(2, np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_train_step_diverges_without_a_trace(dtype: str) -> None:
    net = growing(dtype)
    before = net.theta
    with pytest.raises(dr.DivergenceError) as caught:
        for _ in range(20):
            before = net.theta
            assert np.isfinite(before).all()
            net.train_step([[1.0]], [0.0], optimizer=GROWING)
    assert (caught.value.epoch, caught.value.step) == (1, 1)
    assert_same_bits(net.theta, before)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_train_step_leaves_finite_parameters_or_the_old_ones(momentum: float) -> None:
    net = dr.MLP([1, 1], init=([[[0.0]]], [[0.0]]))
    with pytest.raises(dr.DivergenceError):
        net.train_step([[1.0]], [1e10], optimizer=dr.SGD(lr=1e30, momentum=momentum))
    assert_same_bits(net.theta, np.zeros(2, np.float32))


def test_a_loss_that_is_not_finite_has_no_gradient() -> None:
    net = dr.MLP([1, 1], output="exp", init=([[[1000.0]]], [[0.0]]))
    with pytest.raises(dr.DivergenceError, match="the loss is inf"):
        net.value_and_grad([[10.0]], [1.0])
    assert net.evaluate([[10.0]], [1.0]) == np.inf


ANYTIME: dict[str, Callable[[dr.MLP], object]] = {
    "callback": lambda net: net.fit([[1.0]], [0.0], epochs=3, callbacks=lambda record: 1 / 0),
    "train_step": lambda net: net.train_step([[1.0]], [1e200]),
    "value_and_grad": lambda net: net.value_and_grad([[1.0]], [1e200]),
}


@pytest.mark.parametrize("call", ANYTIME.values(), ids=ANYTIME)
def test_the_network_works_after_an_arithmetic_error(
    call: Callable[[dr.MLP], object],
) -> None:
    net = growing()
    with pytest.raises(ArithmeticError):
        call(net)
    net.fit([[1.0]], [0.0], epochs=60, optimizer=dr.SGD(lr=0.25))
    assert net.predict([1.0]) == pytest.approx(0.0, abs=1e-6)
