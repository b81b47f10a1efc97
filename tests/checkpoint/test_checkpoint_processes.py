"""Runs that end with their process, by every kind of end, and go on in a new one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr
from process_support import environment, run_python

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")

# Fits, or goes on where a checkpoint is; prints the digest of all that is left.
SCRIPT = """
import hashlib, json, os, sys, time
import numpy as np
import deltarule as dr

dr.set_advice(False)
rng = np.random.default_rng(0)
x, y = rng.normal(size=({rows}, 16)).astype("f4"), rng.integers(0, 3, {rows})
held = (x[:100], y[:100])
path, every = sys.argv[1], sys.argv[2]
every = int(every) if every.isdecimal() else every
if path != "none" and os.path.exists(path):
    print("resumed", flush=True)
    net, history = dr.resume(path, x, y, validation_data=held)
else:
    net = dr.MLP([16, {width}, {width}, 3], output="softmax", seed=0)
    place = None if path == "none" else dr.Checkpoint(path, every)
    print("begun", flush=True)
    history = net.fit(
        x, y, epochs={epochs}, batch_size=32, optimizer=dr.Adam(lr=0.001), dropout=0.1,
        schedule=dr.schedules.Cosine(0.001, {epochs}), validation_data=held,
        early_stopping=dr.EarlyStopping(100), checkpoint=place,
    )
figures = history.to_dict()
del figures["seconds"]
seen = [net.theta.tobytes(), json.dumps(figures).encode(), str(net.__getstate__()["rng"]).encode()]
m, v = net.__getstate__()["memory"][1:3]
print(hashlib.sha256(b"".join([*seen, m.tobytes(), v.tobytes()])).hexdigest())
""".replace('str(net.__getstate__()["rng"])', "str(net._rng.bit_generator.state)")


def script(rows: int = 1000, width: int = 64, epochs: int = 40) -> str:
    return SCRIPT.format(rows=rows, width=width, epochs=epochs)


def started(text: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def digest(text: str, *arguments: Any) -> str:
    """Run to the end; return what is printed last."""
    with started(text, *arguments) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()[-1]


def end_again_and_again(
    text: str, path: Path, every: str, ends: list[signal.Signals], seconds: tuple[float, float]
) -> str:
    """End the run's process by each of the signals, then let it go on to its end."""
    rng = random.Random(0)
    for end in ends:
        with started(text, path, every) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(*seconds))
            process.send_signal(end)
            out, err = process.communicate(timeout=60)
        if out.split():  # it was over before
            return out.split()[-1]
        if end == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL, err
        else:
            assert "KeyboardInterrupt" in err
        if path.exists():
            dr.load(path)
    return digest(text, path, every)


@pytest.mark.parametrize("every", ["1", "0.1s"])
def test_a_run_whose_process_is_ended_again_and_again(every: str, tmp_path: Path) -> None:
    text = script()
    expected = digest(text, "none", every)
    ends = [signal.SIGKILL, signal.SIGINT] * 3
    assert end_again_and_again(text, tmp_path / "run", every, ends, (0.0, 0.3)) == expected
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.full
@pytest.mark.parametrize("every", ["1", "0.02s", "100"])
def test_a_long_run_whose_process_is_ended_100_times(every: str, tmp_path: Path) -> None:
    text = script(epochs=1500)
    expected = digest(text, "none", every)
    ends = [signal.SIGKILL, signal.SIGINT] * 50
    assert end_again_and_again(text, tmp_path / "run", every, ends, (0.0, 0.3)) == expected
    assert os.listdir(tmp_path) == ["run"]


def test_n_and_m_epochs_in_two_processes(tmp_path: Path) -> None:
    """The first process ends as it should, after N epochs; the second has N + M."""
    path = tmp_path / "run"
    run_python(f"""
        import deltarule as dr
        x, y = dr.load_digits()
        net = dr.MLP([64, 16, 10], output="softmax", seed=0)
        net.fit(x, y, epochs=3, dropout=0.2, optimizer=dr.Adam(), checkpoint={str(path)!r})
    """)
    out = run_python(f"""
        import deltarule as dr
        x, y = dr.load_digits()
        net, history = dr.resume({str(path)!r}, x, y, epochs=5)
        print(len(history), net.theta.tobytes().hex())
    """)
    x, y = dr.load_digits()
    net = dr.MLP([64, 16, 10], output="softmax", seed=0)
    net.fit(x, y, epochs=5, dropout=0.2, optimizer=dr.Adam())
    assert out.split() == ["5", net.theta.tobytes().hex()]


# Killed while it saves

# Writes one file after the other, each of some megabytes, that differ.
SAVING = """
import sys
import numpy as np
import deltarule as dr

net = dr.MLP([500, 500, 500], seed=0)
{prepare}
print("begun", flush=True)
while True:
    {save}
"""
MODEL = SAVING.format(prepare="", save="net.theta = net.theta + 1; net.save(sys.argv[1])")
RUN = SAVING.format(
    prepare="x = np.zeros((4, 500)); y = np.ones((4, 500))",
    save="net.fit(x, y, epochs=50, checkpoint=dr.Checkpoint(sys.argv[1], 1, overwrite=True),"
    " optimizer=dr.Adam(1e-4))",
)


def kill_while_saving(text: str, folder: Path, times: int) -> int:
    """Kill a process that saves, so often; return how often it left a temporary file."""
    rng, path, stale = random.Random(0), folder / "run.safetensors", 0
    for i in range(times):
        with started(text, path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.1))
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            process.kill()
        names = os.listdir(folder)
        assert len(names) <= 2, (i, names)  # what the last one left, if anything
        stale += len(names) - path.exists()
        if path.exists():
            dr.load(path)
    dr.MLP([3, 2]).save(path)
    assert os.listdir(folder) == [path.name]
    return stale


@pytest.mark.parametrize("text", [MODEL, RUN], ids=["model", "checkpoint"])
def test_killed_while_saving(text: str, tmp_path: Path) -> None:
    kill_while_saving(text, tmp_path, 5)


@pytest.mark.full
@pytest.mark.parametrize("text", [MODEL, RUN], ids=["model", "checkpoint"])
def test_killed_while_saving_300_times(
    text: str, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    stale = kill_while_saving(text, tmp_path, 300)
    record_property("kills", 300)
    record_property("temporaries left and removed", stale)
    assert stale > 20  # that it is killed while it writes


def test_a_temporary_file_of_a_process_with_this_ones_number(tmp_path: Path) -> None:
    """In a container every process may have the number 1."""
    left_behind = tmp_path / f".run.{os.getpid()}-0123456789abcdef.tmp"
    left_behind.write_bytes(b"half a file")
    anothers = tmp_path / f".run.{os.getppid()}-0123456789abcdef.tmp"
    anothers.write_bytes(b"half a file")
    dr.MLP([3, 2]).save(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == [anothers.name, "run"]
