"""Model files: what comes back, and a writing that fails leaves the old file and nothing else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import deltarule as dr
from network_support import MOMENTUM, assert_same_bits, classification

OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {"sizes": [3, 4, 2]},
    "no hidden layer": {"sizes": [3, 1], "output": "sigmoid", "reduction": "sum"},
    "aliases": {"sizes": [3, 4, 1], "hidden": "logistic", "output": "logistic", "loss": "log_loss"},
    "leaky": {"sizes": [3, 4, 5, 2], "hidden": ["leaky_relu", "gelu"], "leaky_slope": 1 / 3},
    "huber": {"sizes": [3, 4, 2], "loss": "huber", "huber_delta": 0.1},
    "soft": {"sizes": [3, 9, 4], "output": "softmax", "loss": "squared_error"},
    "wide": {"sizes": [3, 200, 33], "hidden": "elu", "output": "exp", "init": "torch"},
}
NAMES = ("sizes", "hidden", "output", "loss", "reduction", "dtype", "leaky_slope", "huber_delta")


def saved(folder: Path, **options: Any) -> tuple[dr.MLP, Path]:
    net = dr.MLP(**({"sizes": [3, 4, 2], "init": "torch", "seed": 0} | options))
    path = folder / "net.safetensors"
    net.save(path)
    return net, path


# The way there and back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_same_network_comes_back(options: dict[str, Any], dtype: str, tmp_path: Path) -> None:
    net, path = saved(tmp_path, **options, dtype=dtype)
    same = dr.load(path)
    assert [getattr(same, name) for name in NAMES] == [getattr(net, name) for name in NAMES]
    assert_same_bits(same.theta, net.theta)
    x = np.random.default_rng(0).normal(size=(9, 3))
    assert_same_bits(same.predict(x), net.predict(x))
    again = tmp_path / "again.safetensors"
    same.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_loaded_network_trains(tmp_path: Path) -> None:
    net, path = saved(tmp_path, sizes=[3, 4, 3], output="softmax")
    same = dr.load(path)
    x, y = classification()
    for one in (net, same):
        one.fit(x, y, epochs=2, shuffle=False, optimizer=MOMENTUM)
    assert_same_bits(same.theta, net.theta)


def test_parameters_of_every_finite_size(tmp_path: Path) -> None:
    tiny, huge = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    theta = np.array([tiny, -tiny, huge, -huge, 0.0, -0.0, 1e-38], np.float32)
    net = dr.MLP([6, 1])
    net.theta = theta
    net.save(tmp_path / "net")
    assert_same_bits(dr.load(tmp_path / "net").theta, theta)


def test_the_file_is_safetensors_with_the_layers_names(tmp_path: Path) -> None:
    net, path = saved(tmp_path, dtype="float64")
    tensors = safetensors.numpy.load_file(path)
    assert sorted(tensors) == ["W1", "W2", "b1", "b2"]
    for layer in (1, 2):
        assert_same_bits(tensors[f"W{layer}"], net.weights[layer - 1])
        assert_same_bits(tensors[f"b{layer}"], net.biases[layer - 1])
    with safetensors.safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["deltarule"])
    assert description["architecture"]["sizes"] == [3, 4, 2]


@pytest.mark.parametrize("convert", [str, Path, os.fspath])
def test_paths_of_every_kind(convert: Callable[[Path], Any], tmp_path: Path) -> None:
    net = dr.MLP([3, 2], seed=0)
    path = convert(tmp_path / "a model, with blanks, ü")
    net.save(path)
    assert_same_bits(dr.load(path).theta, net.theta)


def test_a_name_without_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = dr.MLP([3, 2], seed=0)
    net.save("here")
    assert_same_bits(dr.load("here").theta, net.theta)
    assert os.listdir() == ["here"]


# Writing


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    _, path = saved(tmp_path, seed=1)
    net, _ = saved(tmp_path, seed=2)
    assert_same_bits(dr.load(path).theta, net.theta)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="the permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_file_is_as_private_as_others(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        _, path = saved(tmp_path)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def fail(*args: object, **kwargs: object) -> None:
    raise OSError(28, "No space left on device")


class Interrupted(BaseException):
    """As Ctrl-C is: not an Exception."""


def interrupt(*args: object, **kwargs: object) -> None:
    raise Interrupted


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize(("failing", "error"), [(fail, OSError), (interrupt, Interrupted)])
def test_a_failed_write_leaves_the_old_file(
    failing: Callable[..., None],
    error: type[BaseException],
    old: bool,
    function: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "net"
    if old:
        path.write_bytes(b"the old one")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, failing)
        with pytest.raises(error):
            dr.MLP([3, 2]).save(path)
    assert os.listdir(tmp_path) == (["net"] if old else [])
    assert not old or path.read_bytes() == b"the old one"
    net, _ = saved(tmp_path)
    assert_same_bits(dr.load(tmp_path / "net.safetensors").theta, net.theta)


def test_the_new_file_is_complete_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = dr.MLP([3, 2], seed=0)
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync")

    def watched_replace(source: Any, target: Any) -> None:
        assert Path(source).parent == tmp_path
        assert_same_bits(dr.load(source).theta, net.theta)
        replace(source, target)
        calls.append("replace")

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    net.save(tmp_path / "net")
    assert calls == ["fsync", "replace", *(["fsync folder"] if os.name == "posix" else [])]


def test_what_a_killed_process_left_is_removed_at_the_next_save(tmp_path: Path) -> None:
    net, path = saved(tmp_path)
    before = path.read_bytes()
    script = f"""
import os
import deltarule as dr
os.replace = lambda *names: os._exit(9)
dr.MLP([3, 4, 2], seed=1).save({os.fspath(path)!r})
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 9
    assert path.read_bytes() == before
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / ".another.tmp").write_bytes(b"not ours")
    net.save(path)
    assert sorted(os.listdir(tmp_path)) == [".another.tmp", path.name]


@pytest.mark.parametrize("place", ["missing/net", "a file/net", "folder"])
def test_saving_where_no_file_can_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        dr.MLP([3, 2]).save(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["a file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


def test_saving_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    x, y = classification()
    nets = [dr.MLP([3, 4, 3], output="softmax", seed=0) for _ in range(2)]
    for i, net in enumerate(nets):
        net.fit(x, y, epochs=2, optimizer=MOMENTUM)
        if i:
            net.save(tmp_path / "net")
        net.fit(x, y, epochs=2, optimizer=MOMENTUM)
    assert_same_bits(nets[1].theta, nets[0].theta)
