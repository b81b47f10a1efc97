"""Threads that stay awake between single calls: when they are woken; the same bits."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

import deltarule as dr
from deltarule import _core as core
from deltarule.layers import Array
from process_support import run_python

MICRO = 1e-6  # seconds


class Calls:
    """Calls of a loop on a clock of its own, each of 40 microseconds."""

    def __init__(self) -> None:
        self.policy = core.StandbyPolicy()
        self.now = 1.0

    def call(self, gap: float = 5 * MICRO) -> bool:
        """Return whether a call, so long after the last one, wakes sleeping threads."""
        self.now += gap
        wakes = self.policy.wakes(self.now)
        self.now += 40 * MICRO
        self.policy.ended(self.now)
        return wakes

    def rest(self, lost: float) -> float:
        """Return how long threads sleep after a core was lost."""
        self.policy.lost_core(self.now, lost)
        start = self.now
        while not self.call():
            pass
        return self.now - start


def test_threads_are_woken_while_calls_follow_closely() -> None:
    calls = Calls()
    assert not calls.call()  # the first
    assert all(calls.call() for _ in range(100))
    assert not calls.call(gap=1000 * MICRO)
    assert calls.call()


@pytest.mark.parametrize(("gap", "spin"), [(1000, 50), (5, 50), (20, 70), (90, 100)])
def test_threads_spin_50_to_100_microseconds(gap: float, spin: float) -> None:
    calls = Calls()
    calls.call()
    calls.call(gap * MICRO)
    assert calls.policy.spin == pytest.approx(spin * MICRO)


def test_threads_sleep_for_a_multiple_of_what_a_lost_core_costs() -> None:
    calls = Calls()
    calls.call()
    rests = [calls.rest(3000 * MICRO) for _ in range(5)]
    assert rests == pytest.approx([0.096, 0.192, 0.384, 0.384, 0.384], abs=100 * MICRO)
    assert calls.rest(0.0) == pytest.approx(0.001, abs=100 * MICRO)


def test_a_loss_long_after_the_last_one_starts_with_the_least_multiple() -> None:
    calls = Calls()
    calls.call()
    for _ in range(3):
        calls.rest(3000 * MICRO)
    calls.call(gap=0.5)  # longer than the last rest
    assert calls.rest(3000 * MICRO) == pytest.approx(0.096, abs=100 * MICRO)


def small_calls(net: dr.MLP, x: Array, y: Array, threads: int, calls: int) -> list[bytes]:
    """Return the bytes of alternating predictions and steps."""
    results = []
    for _ in range(calls):
        loss = net.train_step(x, y, threads=threads)
        results.append(net.predict(x, threads=threads).tobytes() + np.float64(loss).tobytes())
    return results


@pytest.mark.parametrize("threads", [2, 3, 8, 64])
@pytest.mark.parametrize("rows", [1, 3, 40, 256])
def test_the_same_bits_on_any_number_of_threads(
    threads: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 12)).astype(np.float32)
    y = rng.standard_normal((rows, 5)).astype(np.float32)
    nets = [dr.MLP([12, 160, 5], hidden="tanh", seed=3) for _ in range(2)]
    core.set_work_per_thread(1.0)  # teams as they are asked for
    try:
        alone, together = (
            small_calls(net, x, y, n, 60) for net, n in zip(nets, (1, threads), strict=True)
        )
    finally:
        core.set_work_per_thread(0.0)
    assert alone == together


def test_callers_on_several_threads() -> None:
    """One has the team, the others work alone."""
    x, y = dr.load_digits()
    x, y = x[:200], y[:200]
    wanted = small_calls(dr.MLP([64, 96, 10], output="softmax", seed=1), x, y, 1, 40)
    found: dict[int, list[bytes]] = {}

    def call(number: int) -> None:
        net = dr.MLP([64, 96, 10], output="softmax", seed=1)
        found[number] = small_calls(net, x, y, 2, 40)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(found[number] == wanted for number in range(4))


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_a_child_forked_between_calls_works_alone() -> None:
    script = """
import os, signal
import numpy as np
import deltarule as dr
net = dr.MLP([16, 128, 4], seed=0)
x = np.ones((128, 16), np.float32)
wanted = net.predict(x, threads=1).tobytes()
for _ in range(50):
    for _ in range(20):
        assert net.predict(x, threads=2).tobytes() == wanted
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        same = all(net.predict(x, threads=2).tobytes() == wanted for _ in range(20))
        os._exit(0 if same else 1)
    assert os.waitpid(pid, 0)[1] == 0
print("done")
"""
    assert run_python(script, timeout=200, PYTHONWARNINGS="ignore") == "done\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_sleep_after_the_last_call() -> None:
    script = """
import os, time
import numpy as np
import deltarule as dr
net = dr.MLP([16, 128, 4], seed=0)
x = np.ones((128, 16), np.float32)
for _ in range(2000):
    net.predict(x, threads=2)
time.sleep(0.2)
def used():
    return sum(os.times()[:2])
before = used()
time.sleep(1.0)
print(used() - before)
"""
    # two ticks of the clock; a thread that spins would use 1 s
    assert float(run_python(script, timeout=100)) <= 0.02
