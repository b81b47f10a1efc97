"""Signals in a fit: Ctrl-C ends it soon, at a whole mini-batch; other handlers run as usual."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, assert_same_bits, fingerprint, regression
from process_support import environment, run_python

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")

# Prints how many seconds all rows take once, before a training without end, and after Ctrl-C what
# it found.
SCRIPT = """
import time
import numpy as np
import deltarule as dr

rng = np.random.default_rng(0)
x, y = rng.normal(size=({rows}, 32)).astype("f4"), rng.normal(size=({rows}, 4)).astype("f4")
net, again = (dr.MLP([32, 64, 64, 4], hidden="tanh", seed=0) for _ in range(2))
optimizer = dr.SGD(lr=0.001, momentum=0.5)
for one in (net, again):  # imports what it needs, too
    one.fit(x[:64], y[:64], epochs=1, shuffle=False, optimizer=optimizer, {more})
started = time.monotonic()
net.evaluate(x, y)
print(time.monotonic() - started, flush=True)
try:
    net.fit(x, y, epochs=10**9, batch_size={batch}, shuffle=False, optimizer=optimizer, {more})
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
steps, theta, batch = 0, net.theta.tobytes(), {batch} or {rows}
started = time.monotonic()
while again.theta.tobytes() != theta and time.monotonic() - started < 200:
    first = steps * batch % {rows}
    again.train_step(x[first : first + batch], y[first : first + batch], optimizer=optimizer)
    steps += 1
print(steps, again.theta.tobytes() == theta)
history = net.fit(x[:64], y[:64], epochs=2, optimizer=optimizer)
print(len(history), np.isfinite(net.predict(x[:9])).all(), net.evaluate(x, y) > 0)
"""

TRAININGS: dict[str, dict[str, Any]] = {
    "short epochs": {"rows": 256, "batch": 64, "more": "threads=1"},
    "two threads": {"rows": 512, "batch": 256, "more": "threads=2"},
    "an epoch without end": {"rows": 204_800, "batch": 64, "more": "threads=1"},
    "a large batch": {"rows": 16_384, "batch": None, "more": "threads=2"},
    "callbacks": {"rows": 256, "batch": 64, "more": "callbacks=lambda record: None"},
    "progress": {"rows": 256, "batch": 64, "more": "progress=True"},
}


@pytest.mark.parametrize("training", TRAININGS)
def test_ctrl_c_ends_a_fit_at_a_whole_batch(training: str) -> None:
    if training == "progress":
        pytest.importorskip("tqdm", reason="needs the extra: pip install 'deltarule[progress]'")
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(**TRAININGS[training])],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            time.sleep(0.25 + 2 * float(process.stdout.readline()))  # a step, on a slow core too
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, err
    stopped, replay, after = out.splitlines()
    assert sent < float(stopped)
    steps, equal = replay.split()
    assert equal == "True"
    assert int(steps) >= 1 or training == "a large batch"
    assert after == "2 True True"


# Custom signal handlers


class Alarm(Exception):
    """Raised by a custom signal handler."""


@pytest.fixture
def alarm() -> Iterator[Any]:
    """Set a handler for SIGALRM, and send it in 0.1 s."""
    before = signal.getsignal(signal.SIGALRM)

    def set_alarm(handler: Any) -> None:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    yield set_alarm
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


def ring(number: int, frame: object) -> None:
    raise Alarm("time is up")


@pytest.mark.parametrize("callbacks", [(), lambda record: None], ids=["one call", "epoch by epoch"])
def test_a_handlers_own_exception_ends_a_fit(callbacks: Any, alarm: Any) -> None:
    x, y = regression(n=200)
    net = dr.MLP([3, 64, 64, 2], hidden="tanh", seed=0)
    started = time.monotonic()
    alarm(ring)
    with pytest.raises((Alarm, KeyboardInterrupt)) as caught:  # the other would end the tests
        net.fit(x, y, epochs=10**9, max_seconds=5, optimizer=dr.SGD(lr=1e-4), callbacks=callbacks)
    assert caught.type is Alarm
    assert str(caught.value) == "time is up"
    assert time.monotonic() - started < 1.0
    assert len(net.fit(x, y, epochs=2)) == 2
    assert np.isfinite(net.theta).all()


def test_a_handler_that_returns_changes_nothing(alarm: Any) -> None:
    x, y = regression(n=200)
    rung: list[int] = []
    net, quiet = (dr.MLP([3, 64, 64, 2], hidden="tanh", seed=0) for _ in range(2))
    alarm(lambda number, frame: rung.append(number))
    history = net.fit(x, y, epochs=10**9, max_seconds=0.3, optimizer=MOMENTUM)
    assert rung == [signal.SIGALRM]
    quiet.fit(x, y, epochs=len(history), optimizer=MOMENTUM)
    assert fingerprint(net) == fingerprint(quiet)


def test_training_goes_on_where_the_last_whole_epoch_left_the_generator(alarm: Any) -> None:
    x, y = regression(n=200)
    rng, whole = np.random.default_rng(3), np.random.default_rng(3)
    net = dr.MLP([3, 64, 64, 2], hidden="tanh", seed=rng)
    start = net.theta
    alarm(signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        net.fit(x, y, epochs=10**9, max_seconds=5, optimizer=MOMENTUM)
    assert net.theta.tobytes() != start.tobytes()
    other = dr.MLP([3, 64, 64, 2], hidden="tanh", seed=whole)
    assert_same_bits(other.theta, start)
    for _ in range(200_000):
        if whole.bit_generator.state == rng.bit_generator.state:
            break
        whole.permutation(200)
    assert whole.bit_generator.state == rng.bit_generator.state


@pytest.mark.parametrize("stops", [60, pytest.param(1000, marks=pytest.mark.full)])
def test_a_team_ends_together_before_a_validation(stops: int) -> None:
    """Ctrl-C may come to one in the validation while another is leaving the last mini-batch."""
    script = f"""
import random, signal
import numpy as np
import deltarule as dr

x, y = np.ones((512, 64), np.float32), np.zeros(512, int)
held = np.ones((4000, 64), np.float32), np.zeros(4000, int)
net, stopped = dr.MLP([64, 256, 10], output="softmax", seed=0), 0
net.fit(x, y, epochs=1, validation_data=held, threads=4)  # imports what it needs
signal.signal(signal.SIGALRM, signal.default_int_handler)
for _ in range({stops}):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03 + random.random() * 0.01)
        net.fit(x, y, epochs=10**9, batch_size=512, validation_data=held, threads=4)
    except KeyboardInterrupt:
        stopped += 1
print(stopped)
"""
    assert run_python(script, timeout=120, PYTHONWARNINGS="ignore") == f"{stops}\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_step_is_whole_or_none(threads: int) -> None:
    """Broken off in its rows or its gradient, it changes nothing, and the next one is as ever."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(1536, 900)).astype(np.float32) for _ in range(2))
    optimizer = dr.SGD(lr=1e-3, momentum=0.9, max_norm=1.0)
    net, twin = (dr.MLP([900, 900, 900], seed=0) for _ in range(2))
    started = time.perf_counter()
    twin.train_step(x, y, optimizer=optimizer, threads=threads)
    seconds, before, after = (
        time.perf_counter() - started,
        net.theta.tobytes(),
        twin.theta.tobytes(),
    )

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    handler, broken_off = signal.signal(signal.SIGALRM, interrupt), 0
    try:
        for part in (0.1, 0.3, 0.5, 0.7, 0.9):
            signal.setitimer(signal.ITIMER_REAL, part * seconds)
            try:
                net.train_step(x, y, optimizer=optimizer, threads=threads)
            except KeyboardInterrupt:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            assert net.theta.tobytes() in (before, after)
            if net.theta.tobytes() == after:
                break
            broken_off += 1
    finally:
        signal.signal(signal.SIGALRM, handler)
    if broken_off == 5:
        net.train_step(x, y, optimizer=optimizer, threads=threads)
    assert broken_off > 0 and net.theta.tobytes() == after
