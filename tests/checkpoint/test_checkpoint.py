"""Checkpoints: a run that was stopped goes on to the bytes of the run that was not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from checkpoint_support import (
    HELD,
    MOMENTUM,
    RUNS,
    Run,
    Stop,
    X,
    Y,
    left,
    stop_after,
    stopped,
    whole,
)
from deltarule.checkpoint.rng_state import generator_from_json, generator_to_json
from deltarule.checkpoint.writer import CheckpointWriter
from deltarule.io.json_fields import Fields
from deltarule.mlp.resume import read_checkpoint

pytestmark = pytest.mark.usefixtures("without_waiting_for_the_disk")


# The same bytes


@pytest.mark.parametrize("name", RUNS)
def test_a_run_with_checkpoints_is_that_without(name: str, tmp_path: Path) -> None:
    run, net = RUNS[name], RUNS[name].new()
    history = run.fit(net, checkpoint=dr.Checkpoint(tmp_path / "run", every=1))
    assert left(net, history) == whole(run)


@pytest.mark.parametrize(("every", "epoch"), [(1, 1), (3, 4), ("1m", 2)])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_an_exception_stopped(
    name: str, epoch: int, every: int | str, tmp_path: Path
) -> None:
    run = RUNS[name]
    stopped(run, tmp_path / "run", epoch, every=every)
    assert left(*run.resume(tmp_path / "run")) == whole(run)
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize("name", ["early stopping", "plateau", "a stream with dropout"])
def test_a_run_that_was_stopped_again_and_again(name: str, tmp_path: Path) -> None:
    run, path = RUNS[name], tmp_path / "run"
    stopped(run, path, 1)
    for epoch in (1, 2, 4):
        with pytest.raises(Stop):
            run.resume(path, callbacks=stop_after(epoch))
    assert left(*run.resume(path)) == whole(run)


@pytest.mark.parametrize("name", RUNS)
def test_the_last_checkpoint_lost(name: str, tmp_path: Path) -> None:
    """As after `kill -9`: what was written in good time is gone on with."""
    run, path = RUNS[name], tmp_path / "run"
    copies: list[bytes] = []

    def keep(record: dr.EpochRecord) -> None:
        copies.append(path.read_bytes())

    run.fit(run.new(), checkpoint=dr.Checkpoint(path, every=1), callbacks=keep)
    expected = whole(run)
    for data in copies:
        path.write_bytes(data)
        assert left(*run.resume(path)) == expected


def test_a_resumed_network_trains_like_the_original(tmp_path: Path) -> None:
    run = RUNS["plateau"]
    net = run.new()
    run.fit(net)
    stopped(run, tmp_path / "run", 3)
    other, _ = run.resume(tmp_path / "run")
    both = [left(one, run.fit(one, epochs=3)) for one in (net, other)]
    assert both[0] == both[1]


def test_a_fit_that_is_not_the_networks_first(tmp_path: Path) -> None:
    run = RUNS["cosine"]
    nets = [run.new(), run.new()]
    for net in nets:
        net.fit(X, Y, epochs=2, optimizer=dr.Adam(), validation_split=0.2)
    history = run.fit(nets[0])
    with pytest.raises(Stop):
        run.fit(nets[1], checkpoint=tmp_path / "run", callbacks=stop_after(2))
    assert left(*run.resume(tmp_path / "run")) == left(nets[0], history)


def bent(z: Any) -> Any:
    return z / (1 + abs(z))


def bent_derivative(z: Any, a: Any) -> Any:
    return 1 / (1 + abs(z)) ** 2


def log_cosh(y_hat: Any, y: Any) -> Any:
    return np.log(np.cosh(y_hat - y)).sum(axis=1)


def log_cosh_gradient(y_hat: Any, y: Any) -> Any:
    return np.tanh(y_hat - y)


@pytest.mark.parametrize("every", [1, "0.0001s"])
def test_a_network_with_custom_functions(every: int | str, tmp_path: Path) -> None:
    own: Any = {
        "hidden": ["tanh", (bent, bent_derivative)],
        "loss": dr.CustomLoss(log_cosh, log_cosh_gradient),
    }
    y = np.eye(4)[Y]
    nets = [dr.MLP([6, 8, 5, 4], dtype="float64", seed=0, **own) for _ in range(2)]
    settings: Any = {"epochs": 4, "batch_size": 7, "optimizer": MOMENTUM}
    expected = left(nets[0], nets[0].fit(X, y, **settings))
    path = tmp_path / "run"
    with pytest.raises(Stop):
        place = dr.Checkpoint(path, every)
        nets[1].fit(X, y, **settings, checkpoint=place, callbacks=stop_after(3))
    with pytest.raises(dr.ModelFileError, match=r"hidden\[1\] is a function, 'bent', which no f"):
        dr.load(path)
    for some in ({}, {"hidden": own["hidden"]}, {**own, "loss": "squared_error"}):
        with pytest.raises(TypeError, match="must be given again: the network's is a function, "):
            dr.resume(path, X, y, callbacks=(), **some)
    with pytest.raises(ValueError, match=r"hidden\[0\] must be the network's, 'tanh', not 'relu'"):
        dr.resume(path, X, y, callbacks=(), **own | {"hidden": ["relu", own["hidden"][1]]})
    found = left(*dr.resume(path, X, y, callbacks=(), **own))
    assert found["history"]["loss"] == pytest.approx(expected["history"]["loss"], rel=1e-12)
    thetas = [np.frombuffer(one["theta"]) for one in (found, expected)]
    # NumPy's products promise no bits: steps of 1e-16, over 36 of them.
    np.testing.assert_allclose(*thetas, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["a stream", "a stream with dropout", "blocks"])
def test_checkpoints_within_an_epoch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "blocks":
        sparse = pytest.importorskip("scipy.sparse")
        for size in ("BLOCK_BYTES", "WHOLE_BYTES"):
            monkeypatch.setattr(dr.data.rows, size, 400)
        run = Run({"dropout": 0.3, "optimizer": MOMENTUM}, x=sparse.csr_array(X))
    else:
        run = RUNS[name]
    path, copies = tmp_path / "run", []
    save = CheckpointWriter.save

    def watched(*arguments: Any, **more: Any) -> None:
        save(*arguments, **more)
        copies.append(path.read_bytes())

    monkeypatch.setattr(CheckpointWriter, "save", watched)
    net = run.new()
    history = run.fit(net, checkpoint=dr.Checkpoint(path, every="0.000001s"))
    monkeypatch.setattr(CheckpointWriter, "save", save)
    expected = left(net, history)
    assert expected == whole(run)
    within = []
    for data in copies:
        path.write_bytes(data)
        within.append(len(read_checkpoint(path)[1].progress.partial.blocks))
        assert left(*run.resume(path)) == expected
    assert set(range(1, 5)) <= set(within)


KINDS = ["PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_generator_of_numpys(kind: str, tmp_path: Path) -> None:
    run = Run({"dropout": 0.2}, seed=lambda: np.random.Generator(getattr(np.random, kind)(3)))
    stopped(run, tmp_path / "run", 2)
    assert left(*run.resume(tmp_path / "run")) == whole(run)


@pytest.mark.parametrize(
    ("kind", "part", "name", "values"),
    [
        ("MT19937", "state", "pos", [-1, 625, 2**31, 0.5, None]),
        ("MT19937", "state", "key", [[0] * 623, [0] * 625, [2**32] * 624, [-1] * 624, [0.5] * 624]),
        ("Philox", None, "buffer_pos", [-1, 5, 2**31]),
        ("Philox", "state", "counter", [[0] * 3, [2**64] * 4]),
        ("SFC64", "state", "state", [0, [0] * 5]),
        ("PCG64", "state", "inc", [-1, 2**128, True]),
        ("PCG64", None, "has_uint32", [2, -1]),
        ("PCG64", None, "uinteger", [2**32]),
        ("PCG64", None, "bit_generator", ["PCG", "Generator", "seed", 3]),
    ],
)
def test_invalid_generator_states_are_refused(
    kind: str, part: str | None, name: str, values: list[Any]
) -> None:
    """C trusts a position that it is given: it would read beyond its arrays."""
    good = generator_to_json(getattr(np.random, kind)(3).state)
    generator_from_json(Fields(good, "state"))
    for value in values:
        metadata = {**good, "state": dict(good["state"])}
        (metadata if part is None else metadata[part])[name] = value
        with pytest.raises(dr.ModelFileError, match=name):
            generator_from_json(Fields(metadata, "state"))


def test_a_generator_that_is_not_numpys() -> None:
    with pytest.raises(TypeError, match=r"one of NumPy's generators .* not 'Mine'"):
        generator_to_json({"bit_generator": "Mine"})


# What ends a run


@pytest.mark.parametrize("name", ["plain", "early stopping", "a best epoch that is not the last"])
def test_resume_of_a_finished_run_returns_at_once(name: str, tmp_path: Path) -> None:
    run, net, path = RUNS[name], RUNS[name].new(), tmp_path / "run"
    history = run.fit(net, checkpoint=path)
    data = path.read_bytes()
    calls: list[Any] = []
    other, its = run.resume(path, callbacks=calls.append)
    assert left(other, its) == left(net, history)
    assert other.history is its
    assert calls == []
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["plain", "cosine", "a best epoch that is not the last"])
def test_more_epochs_continue_the_run(name: str, tmp_path: Path) -> None:
    run = RUNS[name]
    run.fit(run.new(), epochs=3, checkpoint=tmp_path / "run")
    assert left(*run.resume(tmp_path / "run", epochs=8)) == whole(
        Run({**run.settings, "epochs": 8}, x=run.x, y=run.y)
    )
    assert len(run.resume(tmp_path / "run")[1]) == 8


def test_no_further_epochs_after_early_stopping(tmp_path: Path) -> None:
    run, net = RUNS["early stopping"], RUNS["early stopping"].new()
    history = run.fit(net, checkpoint=tmp_path / "run")
    assert len(history) < 30
    assert left(*run.resume(tmp_path / "run", epochs=40)) == left(net, history)


def test_a_callback_that_ended_a_run_ended_it(tmp_path: Path) -> None:
    run, net = RUNS["plain"], RUNS["plain"].new()
    history = run.fit(net, checkpoint=tmp_path / "run", callbacks=lambda r: r["epoch"] == 2)
    assert left(*run.resume(tmp_path / "run")) == left(net, history)


def test_max_seconds_end_a_call_not_a_run(tmp_path: Path) -> None:
    run, path = RUNS["plain"], tmp_path / "run"
    assert len(run.fit(run.new(), checkpoint=path, max_seconds=1e-9)) == 1
    assert len(run.resume(path, max_seconds=1e-9)[1]) == 2
    assert left(*run.resume(path)) == whole(run)


def test_divergence_leaves_the_last_finite_epoch(tmp_path: Path) -> None:
    wild = Run({"optimizer": dr.SGD(lr=1e18, momentum=0.9), "epochs": 50})
    net, path = wild.new(), tmp_path / "run"
    with pytest.raises(dr.DivergenceError) as caught:
        wild.fit(net, checkpoint=path)
    assert dr.load(path).theta.tobytes() == net.theta.tobytes()
    with pytest.raises(dr.DivergenceError) as again:
        wild.resume(path)
    assert str(again.value) == str(caught.value)


# The history of a fit that was stopped


@pytest.mark.parametrize("checkpoint", [None, "run"])
def test_the_history_of_a_stopped_fit(
    checkpoint: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, net = RUNS["metrics"], RUNS["metrics"].new()
    assert net.history is None
    with pytest.raises(Stop):
        run.fit(net, checkpoint=checkpoint, callbacks=stop_after(2))
    wanted = run.fit(run.new(), epochs=2).to_dict()
    assert net.history is not None
    found = net.history.to_dict()
    for figures in (wanted, found):
        assert len(figures.pop("seconds")) == 2
    assert found == wanted


def test_no_warning_without_reason(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = RUNS["validated"]
        stopped(run, tmp_path / "run", 2)
        run.resume(tmp_path / "run")
    assert HELD[0].shape == (20, 6)
