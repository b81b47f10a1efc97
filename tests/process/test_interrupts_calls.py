"""Signals in single calls: their handlers run while a long call is at work, and may end it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.backend import predict_into
from network_support import Array, fingerprint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")

CALM = dr.SGD(lr=1e-9, momentum=0.9)
Call = Callable[[dr.MLP, Array, Array], object]

# Long for that many rows, on one thread or two.
CALLS: dict[str, tuple[int, Call]] = {
    "predict": (120_000, lambda net, x, y: net.predict(x)),
    "predict, checked": (120_000, lambda net, x, y: net.predict(x, threads=2)),
    "evaluate": (120_000, lambda net, x, y: net.evaluate(x, y, threads=1)),
    "value_and_grad": (40_000, lambda net, x, y: net.value_and_grad(x, y, threads=2)),
    "train_step": (40_000, lambda net, x, y: net.train_step(x, y, optimizer=CALM)),
    "fit": (40_000, lambda net, x, y: net.fit(x, y, epochs=1, batch_size=64, optimizer=CALM)),
    "validation in fit": (
        120_000,
        lambda net, x, y: net.fit(x[:9], y[:9], epochs=1, validation_data=(x, y), optimizer=CALM),
    ),
    "activations": (60_000, lambda net, x, y: net.activations(x)),
    "input_gradient": (40_000, lambda net, x, y: net.input_gradient(x, y, threads=1)),
    "jacobian": (8_000, lambda net, x, y: net.jacobian(x, threads=1)),
    "jacobian by theta": (500, lambda net, x, y: net.jacobian(x, wrt="theta")),
    "per_sample_gradients": (3_000, lambda net, x, y: net.per_sample_gradients(x, y)),
    "jvp": (60_000, lambda net, x, y: net.jvp(x, x, threads=1)),
    "vjp": (40_000, lambda net, x, y: net.vjp(x, y, threads=1)),
    "hvp": (20_000, lambda net, x, y: net.hvp(x, y, net.theta, threads=2)),
    "gauss_newton_vp": (20_000, lambda net, x, y: net.gauss_newton_vp(x, y, net.theta)),
    "trace": (10_000, lambda net, x, y: net.trace(x, y)),
}
CHANGING = ("train_step", "fit", "validation in fit")


@pytest.fixture(scope="module")
def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    n = max(rows for rows, _ in CALLS.values())
    return (
        rng.standard_normal((n, 64), dtype=np.float32),
        rng.standard_normal((n, 4), dtype=np.float32),
    )


def network() -> dr.MLP:
    return dr.MLP([64, 256, 256, 4], hidden="tanh", seed=0)


@pytest.fixture
def timer() -> Iterator[Callable[[Any, float, float], None]]:
    """Set a handler for SIGALRM, the time until the first, and that between others (0: none)."""
    before = signal.getsignal(signal.SIGALRM)

    def start(handler: Any, first: float, interval: float = 0.0) -> None:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, first, interval)

    yield start
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", CALLS)
def test_handlers_run_while_a_call_is_at_work(name: str, data: Any, timer: Any) -> None:
    """A call that does not look for signals runs a handler once, however many there were."""
    net, (rows, call) = network(), CALLS[name]
    rung: list[int] = []
    timer(lambda number, frame: rung.append(number), 0.01, 0.01)
    for _ in range(10):
        before = len(rung)
        call(net, data[0][:rows], data[1][:rows])
        if len(rung) >= before + 3:
            return
    pytest.fail(f"{len(rung)} signals were seen in 10 calls")


@pytest.fixture(scope="module")
def wide() -> tuple[dr.MLP, Array, Array]:
    """One tile of rows, one product of which takes far longer than a look for signals is apart."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((250, 4000), dtype=np.float32)
    return dr.MLP([4000, 10_000, 12], hidden="tanh", seed=0), x, x[:, :12]


WIDE: dict[str, Call] = {
    "predict": lambda net, x, y: net.predict(x, threads=1),
    "evaluate": lambda net, x, y: net.evaluate(x, y, threads=1),
    "value_and_grad": lambda net, x, y: net.value_and_grad(x, y, threads=1),
    "input_gradient": lambda net, x, y: net.input_gradient(x, y, threads=1),
    "jvp": lambda net, x, y: net.jvp(x, x, threads=1),
    "vjp": lambda net, x, y: net.vjp(x, y, threads=1),
    "hvp": lambda net, x, y: net.hvp(x, y, net.theta, threads=1),
    "per_sample_gradients": lambda net, x, y: net.per_sample_gradients(x[:4], y[:4], threads=1),
}


@pytest.mark.parametrize("name", WIDE)
def test_handlers_run_within_the_products_of_wide_layers(name: str, wide: Any, timer: Any) -> None:
    rung: list[int] = []
    timer(lambda number, frame: rung.append(number), 0.01, 0.01)
    for _ in range(20):
        before = len(rung)
        WIDE[name](*wide)
        if len(rung) >= before + 3:
            return
    pytest.fail(f"{len(rung)} signals were seen in 20 calls")


def test_products_in_parts_have_the_same_bits(wide: Any) -> None:
    """Rows by themselves are work too small to be cut."""
    net, x, y = wide
    parts = [slice(i, i + 10) for i in range(0, 250, 10)]
    for call in (
        lambda rows: net.predict(x[rows]),
        lambda rows: net.vjp(x[rows], y[rows]),
        lambda rows: net.jvp(x[rows], x[rows]),
    ):
        assert call(slice(None)).tobytes() == b"".join(call(rows).tobytes() for rows in parts)


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_leaves_the_network_whole(name: str, data: Any, timer: Any) -> None:
    net, (rows, call) = network(), CALLS[name]
    net.train_step(data[0][:9], data[1][:9], optimizer=CALM)
    before = fingerprint(net)
    with pytest.raises(KeyboardInterrupt):
        timer(signal.default_int_handler, 0.02)
        while True:
            call(net, data[0][:rows], data[1][:rows])
    if name not in CHANGING:
        assert fingerprint(net) == before
    net.train_step(data[0][:9], data[1][:9], optimizer=CALM)
    net.fit(data[0][:99], data[1][:99], epochs=1, optimizer=CALM)
    assert np.isfinite(net.predict(data[0][:9])).all()


def test_an_interrupted_prediction_returns_no_array(data: Any, timer: Any) -> None:
    net, x = network(), data[0]
    out = np.full((len(x), 4), np.nan, np.float32)
    with pytest.raises(KeyboardInterrupt):
        timer(signal.default_int_handler, 0.005)
        while True:
            out[:] = np.nan
            predict_into(net._core, x, out, 1)
    assert np.isnan(out[-1]).all()  # it was ended, and not at the end
    assert np.isfinite(net.predict(x[-9:])).all()


@pytest.mark.parametrize("name", ["predict", "evaluate", "hvp"])
def test_a_handler_that_trains_the_network_is_refused(name: str, data: Any, timer: Any) -> None:
    """It runs within the call that reads the network, and cannot wait for its end."""
    net, (rows, call) = network(), CALLS[name]
    refused: list[str] = []

    def train(number: int, frame: object) -> None:
        try:
            net.train_step(data[0][:9], data[1][:9], optimizer=CALM)
        except RuntimeError as error:
            refused.append(str(error))
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # the next, now that this is over

    timer(train, 0.01)
    for _ in range(20):
        call(net, data[0][:rows], data[1][:rows])
        if refused:
            break
    assert "in use" in refused[0]
    net.train_step(data[0][:9], data[1][:9], optimizer=CALM)


@pytest.mark.full
def test_a_hundred_signals_at_random_times(
    data: Any, timer: Any, record_property: pytest.RecordProperty
) -> None:
    """p95 of the time from a signal to KeyboardInterrupt is below 100 ms."""
    rng, late = np.random.default_rng(1), []
    names = [name for name in CALLS for _ in range(6)][:100]
    for name in names:
        net, (rows, call) = network(), CALLS[name]
        delay = rng.uniform(0.005, 0.1)
        due = time.monotonic() + delay
        with pytest.raises(KeyboardInterrupt):
            timer(signal.default_int_handler, delay)
            while True:
                call(net, data[0][:rows], data[1][:rows])
        late.append(time.monotonic() - due)
        assert np.isfinite(net.theta).all()
    quantiles = np.quantile(late, [0.5, 0.95, 1.0]) * 1e3
    record_property("ms from a signal: p50, p95, most", " ".join(f"{ms:.1f}" for ms in quantiles))
    assert len(late) == 100
    assert quantiles[1] < 100
