"""A run that is stopped anywhere, between any two lines of Python and in any step of the core."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from checkpoint_support import HELD, MOMENTUM, RUNS, Run, Stop, X, left
from deltarule.mlp.resume import read_checkpoint

ROOT = os.path.dirname(dr.__file__)

STOPPING = {
    "epochs": 3,
    "optimizer": dr.Adam(lr=0.05),
    "validation_data": HELD,
    "early_stopping": dr.EarlyStopping(2),
}
EVERYTHING = STOPPING | {
    "metrics": "accuracy",
    "schedule": dr.schedules.Plateau(0.05, factor=0.5, patience=0, min_delta=0.2),
    "dropout": 0.2,
}
AGAIN = ("validation_data",)


def blocks() -> Any:
    return pytest.importorskip("scipy.sparse").csr_array(X)


TRACED: dict[str, Run] = {
    "many epochs a call": Run({"epochs": 6, "optimizer": MOMENTUM}),
    "arrays": Run(EVERYTHING, AGAIN),
    "blocks": Run(EVERYTHING, AGAIN),
    "a stream": Run(STOPPING, AGAIN, x=RUNS["a stream"].x, y=None),
    "a stream with dropout": Run(EVERYTHING, AGAIN, x=RUNS["a stream"].x, y=None),
}


class StopAt:
    """Raises `Stop` before the n-th line, or instruction, that the package runs.

    Signals are handled between instructions: this is where Ctrl-C can come.
    """

    def __init__(self, n: int, event: str) -> None:
        self.left = n
        self._event = event

    def __enter__(self) -> None:
        self._other = sys.gettrace()  # one that measures which lines run
        sys.settrace(self._enter)

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._other)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(ROOT):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        return self._look

    def _look(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == self._event:
            self.left -= 1
            if self.left == 0:
                raise Stop
        return self._look


def stop_everywhere(
    run: Run, path: Path, event: str, every: int | str, stride: int, first: int
) -> int:
    """Stop a run at every so many-th place, and go on; return how often that was."""
    net = run.new()
    expected = left(net, run.fit(net))
    place, stops = first, 0
    while True:
        path.unlink(missing_ok=True)
        net, stop = run.new(), StopAt(place, event)
        try:
            with stop:
                run.fit(net, checkpoint=dr.Checkpoint(path, every=every))
        except Stop:
            stops += 1
        if stop.left > 0:
            return stops
        if path.exists():
            assert left(*run.resume(path)) == expected, place
        assert os.listdir(path.parent) in ([path.name], []), place
        place += stride


@pytest.fixture(autouse=True)
def quick(
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    without_waiting_for_the_disk: None,
) -> None:
    """Do not wait for the disk; let rows be in blocks where the test is of these."""
    if "blocks" in request.node.name:
        for size in ("BLOCK_BYTES", "WHOLE_BYTES"):
            monkeypatch.setattr(dr.data.rows, size, 600)


def traced(name: str) -> Run:
    return Run(EVERYTHING, AGAIN, x=blocks()) if name == "blocks" else TRACED[name]


@pytest.mark.parametrize(("every", "stride"), [(1, 97), ("0.0001s", 401)])
@pytest.mark.parametrize("name", TRACED)
def test_stopped_between_lines(name: str, every: int | str, stride: int, tmp_path: Path) -> None:
    assert stop_everywhere(traced(name), tmp_path / "run", "line", every, stride, 1) > 2


@pytest.mark.full
@pytest.mark.parametrize(("every", "stride"), [(1, 1), (2, 3), ("0.0001s", 17)])
@pytest.mark.parametrize("name", TRACED)
def test_stopped_between_more_lines(
    name: str, every: int | str, stride: int, tmp_path: Path
) -> None:
    assert stop_everywhere(traced(name), tmp_path / "run", "line", every, stride, 1) > 50


# A stop between a file's opening and the name that it is given leaves it to CPython, which closes
# it where it drops it, and remarks that: the one that is written, or the checkpoint that is read.
dropped = pytest.mark.filterwarnings(r"ignore:unclosed file .*(\.tmp|/\d+)':ResourceWarning")


@pytest.mark.full
@pytest.mark.parametrize("name", TRACED)
@dropped
def test_stopped_between_instructions(name: str, tmp_path: Path) -> None:
    assert stop_everywhere(traced(name), tmp_path / "run", "opcode", 1, 31, 1) > 100


# In the core, by signals, whose handlers it lets run


def data(rows: int = 3000) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, 32)).astype(np.float32), rng.integers(0, 4, rows)


def large(**settings: Any) -> tuple[Any, Any, dict[str, Any]]:
    x, y = data()
    common: dict[str, Any] = {
        "epochs": 3, "batch_size": 32, "optimizer": dr.Adam(lr=0.001), "dropout": 0.2,
        "schedule": dr.schedules.Cosine(0.01, 4), "validation_data": (x[:500], y[:500]),
        "early_stopping": dr.EarlyStopping(5),
    }  # fmt: skip
    return x, y, common | settings


@pytest.fixture
def alarm() -> Iterator[Any]:
    """Return a function that lets `Stop` be raised after some seconds."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


def stop_often(path: Path, alarm: Any, seed: int, every: int | str, **settings: Any) -> None:
    """Stop a training at random times until it is over: it ends as one that was never stopped."""
    x, y, settings = large(**settings)
    net, threads = dr.MLP([32, 128, 128, 4], output="softmax", seed=0), 1
    start = time.perf_counter()
    expected = left(net, net.fit(x, y, **settings))
    seconds = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    while True:
        alarm(rng.uniform(0.1 * seconds, 0.5 * seconds))
        try:
            if path.exists():
                held = settings["validation_data"]
                net, history = dr.resume(path, x, y, validation_data=held, threads=threads)
            else:
                net = dr.MLP([32, 128, 128, 4], output="softmax", seed=0)
                history = net.fit(x, y, **settings, checkpoint=dr.Checkpoint(path, every))
            alarm(0.0)
            break
        except Stop:
            alarm(0.0)
        threads = 3 - threads  # 1 and 2 in turns: never a bit
        if path.exists():
            read_checkpoint(path)
    assert left(net, history) == expected


# In full only: an alarm can ring while Python cleans up, which the suite takes for an error.
@pytest.mark.full
@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
@pytest.mark.parametrize("every", [1, 100, "0.05s"])
@dropped
def test_stopped_within_steps(every: int | str, tmp_path: Path, alarm: Any) -> None:
    for i in range(3):
        stop_often(tmp_path / str(i), alarm, i, every, epochs=8)


@pytest.mark.full
@pytest.mark.parametrize("every", [1, 100, "0.05s"])
@dropped
def test_stopped_within_many_steps(every: int | str, tmp_path: Path, alarm: Any) -> None:
    for i in range(50):
        stop_often(tmp_path / str(i), alarm, i, every)


def test_a_pause_within_an_epoch_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, settings = large(epochs=2)
    nets = [dr.MLP([32, 128, 128, 4], output="softmax", seed=0) for _ in range(2)]
    expected = left(nets[0], nets[0].fit(x, y, **settings))
    path, copies = tmp_path / "run", []
    replace = os.replace

    def copied(source: Any, target: Any) -> None:
        copies.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", copied)
    history = nets[1].fit(x, y, **settings, checkpoint=dr.Checkpoint(path, every="0.001s"))
    monkeypatch.setattr(os, "replace", replace)
    assert left(nets[1], history) == expected
    steps = []
    for data in copies[:: max(1, len(copies) // 8)]:
        path.write_bytes(data)
        steps.append(read_checkpoint(path)[1].progress.partial.step)
        assert left(*dr.resume(path, x, y, validation_data=settings["validation_data"])) == expected
    assert any(steps)


def test_divergence_after_a_pause_goes_back_to_the_epochs_beginning(tmp_path: Path) -> None:
    x, y = data(6000)
    x[5980] = 1e30  # in step 187 of 188, after which the parameters are too large
    nets = [dr.MLP([32, 256, 256, 4], output="softmax", seed=0) for _ in range(2)]
    settings: dict[str, Any] = {"epochs": 3, "shuffle": False, "optimizer": dr.SGD(0.01)}
    for net in nets:
        place = None if net is nets[0] else dr.Checkpoint(tmp_path / "run-{epoch}", "0.001s")
        with pytest.raises(dr.DivergenceError, match=r"in epoch 1, step 188; .* after epoch 0\. "):
            net.fit(x, y, **settings, checkpoint=place)
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()
    assert dr.load(tmp_path / "run-0").theta.tobytes() == nets[0].theta.tobytes()


def test_divergence_of_a_run_that_went_on_within_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = data(6000)
    x[5980] = 1e30
    copies: list[bytes] = []
    replace = os.replace

    def copied(source: Any, target: Any) -> None:
        copies.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", copied)
    net, path = dr.MLP([32, 256, 256, 4], output="softmax", seed=0), tmp_path / "run"
    with pytest.raises(dr.DivergenceError):
        net.fit(x, y, shuffle=False, checkpoint=dr.Checkpoint(path, "0.001s"))
    assert len(copies) > 2  # the first, some within the epoch, the last
    path.write_bytes(copies[1])
    with pytest.raises(dr.DivergenceError, match=r"step 188; .* that the checkpoint holds"):
        dr.resume(path, x, y)
    assert dr.load(path).theta.tobytes() != net.theta.tobytes()
