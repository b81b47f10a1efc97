"""What cannot be a checkpoint, and what a run does not go on with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import deltarule as dr
from checkpoint_support import HELD, RUNS, WEIGHT, Run, Stop, X, Y, batches, left
from deltarule.mlp.resume import read_run

Functions = dict[str, Any]


def stop(record: dr.EpochRecord) -> None:
    if record["epoch"] == 2:
        raise Stop


def stopped(run: Run, path: Path) -> None:
    with pytest.raises(Stop):
        run.fit(run.new(), checkpoint=dr.Checkpoint(path, every=1), callbacks=stop)


# Settings


@pytest.mark.parametrize(
    ("settings", "error", "rule"),
    [
        ({"path": 3}, TypeError, "path must be a str or a path, not 3"),
        ({"path": ""}, ValueError, "path must be that of a file, .* not ''"),
        (
            {"path": "run-{step}"},
            ValueError,
            r"path must .* no braces in its name but \{epoch\}, .*",
        ),
        ({"path": "{epoch}-{epoch}"}, ValueError, "path must be that of a file, .*"),
        ({"path": "run-{epoch:>5}"}, ValueError, "path must be that of a file, .*"),
        ({"path": "run-{"}, ValueError, "path must be that of a file, .*"),
        ({"path": "run-{0}"}, ValueError, "path must be that of a file, .*"),
        ({"every": 0}, ValueError, "every must be 1 or more, not 0"),
        ({"every": 1.5}, TypeError, r"every must be a whole number, not 1\.5"),
        ({"every": "5"}, ValueError, "every must be a number of epochs, or a time as .* not '5'"),
        ({"every": "0s"}, ValueError, "every must be a number of epochs, or a time .* not '0s'"),
        ({"every": "-1m"}, ValueError, "every must be a number of epochs, or a time .* not '-1m'"),
        ({"every": "9" * 400 + "h"}, ValueError, "every must be a number of epochs, .*"),
        ({"keep": 0}, ValueError, "keep must be 1 or more, not 0"),
        ({"keep": 2}, ValueError, r"keep must be 1 where the name has no \{epoch\}, not 2 .*"),
        ({"keep": 1001, "path": "{epoch}"}, ValueError, "keep must be at most 1000, not 1001"),
        ({"overwrite": 1}, TypeError, "overwrite must be True or False, not 1"),
    ],
    ids=str,
)
def test_bad_settings(settings: Functions, error: type[Exception], rule: str) -> None:
    with pytest.raises(error) as caught:
        dr.Checkpoint(**{"path": "run", **settings})
    assert re.fullmatch(rule, str(caught.value)), str(caught.value)


class MySGD(dr.SGD):
    """An optimizer class of the user."""


@pytest.mark.parametrize(
    ("settings", "error", "rule"),
    [
        (
            {"checkpoint": 3},
            TypeError,
            "checkpoint must be a deltarule.Checkpoint or a path, not 3",
        ),
        ({"optimizer": dr.LBFGS()}, ValueError, "checkpoint must be None with LBFGS, not .*"),
        ({"optimizer": MySGD()}, TypeError, "checkpoint needs an optimizer of deltarule's, not .*"),
        (
            {"schedule": dr.schedules.Constant(np.float32(0.1))},
            TypeError,
            "schedule must be of plain numbers to go into a checkpoint, but its lr is .*float32",
        ),
        (
            {"schedule": dr.schedules.Exponential(1.0, factor=2.0), "epochs": 2000},
            ValueError,
            "schedule gives the rate inf in epoch 1999; .*",
        ),
    ],
    ids=["checkpoint", "second order", "optimizer", "schedule", "rate"],
)
def test_a_fit_that_cannot_be_written_down(
    settings: Functions, error: type[Exception], rule: str, tmp_path: Path
) -> None:
    run, net = RUNS["plain"], RUNS["plain"].new()
    before = left(net, dr.History())
    with pytest.raises(error) as caught:
        run.fit(net, **{"checkpoint": tmp_path / "run", **settings})
    assert re.fullmatch(rule, str(caught.value)), str(caught.value)
    assert left(net, dr.History()) == before
    assert os.listdir(tmp_path) == []


# Other data


def changed(values: Any, at: Any) -> Any:
    other = np.array(values)
    other[at] += 1
    return other


OTHERS: dict[str, tuple[str, Functions, str]] = {
    "a value of x": ("plain", {"x": changed(X, (59, 5))}, "x must be what .* has other values"),
    "a value of y": (
        "plain", {"y": np.where(np.arange(60) == 3, (Y + 1) % 4, Y)}, "y must be .* other values",
    ),
    "fewer rows": (
        "plain", {"x": X[:50], "y": Y[:50]}, r"x must .* shape \[50, 6\], not \[60, 6\]",
    ),
    "fewer features": ("plain", {"x": X[:, :5]}, "x has 5 features, the network takes 6"),
    "one-hot y": ("plain", {"y": np.eye(4)[Y]}, r"y must .* shape \[60, 4\], not \[60\]"),
    "weights it had not": ("plain", {"sample_weight": WEIGHT}, "sample_weight must .* was none"),
    "weights it had": ("weighted", {"sample_weight": None}, "sample_weight must .* other values"),
    "other weights": (
        "weighted", {"sample_weight": changed(WEIGHT, 7)}, "sample_weight must be .* other values",
    ),
    "validation it had not": (
        "plain", {"validation_data": HELD}, "validation_data must be .* which was none",
    ),
    "validation it had": (
        "validated", {"validation_data": None}, "validation_data must be .* which was some",
    ),
    "other validation": (
        "validated",
        {"validation_data": (changed(HELD[0], (0, 0)), HELD[1])},
        "validation_data: x must be .* other values",
    ),
    "another part held out": ("held out", {"x": X[::-1]}, "x must be .* other values"),
    "a stream": ("plain", {"x": batches, "y": None}, "x must .*, whole arrays, not a stream of"),
    "no stream": ("a stream", {"x": X, "y": Y}, "x must .*, a stream of batches, not whole arrays"),
    "a schedule": (
        "cosine", {"schedule": dr.schedules.Constant(0.1)}, r"schedule must be the run's, Warm.*",
    ),
    "a schedule it had not": (
        "plain", {"schedule": dr.schedules.Constant(0.1)}, "schedule must be the run's, None, .*",
    ),
    "metrics": ("metrics", {"metrics": "mae"}, r"metrics must be the run's, \['accuracy'\], not"),
    "fewer epochs": ("plain", {"epochs": 1}, "epochs must be 2 or more, as far as the run is"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_data_and_options_of_another_run_are_refused(name: str, tmp_path: Path) -> None:
    kind, given, rule = OTHERS[name]
    run, path = RUNS[kind], tmp_path / "run"
    stopped(run, path)
    before = path.read_bytes()
    again = {"x": run.x, "y": run.y} | {name: run.settings[name] for name in run.again}
    with pytest.raises(ValueError, match=f"^{rule}") as caught:
        dr.resume(path, callbacks=(), **(again | given))
    assert not isinstance(caught.value, dr.ModelFileError)
    assert path.read_bytes() == before


MISSING: dict[str, tuple[str, Functions, str]] = {
    "callbacks": ("plain", {"callbacks": None}, "callbacks must be given again: the run had 1, .*"),
    "schedule": (
        "a function of a rate", {"schedule": None}, "schedule must be given again: .* not None",
    ),
    "another schedule": (
        "a function of a rate",
        {"schedule": dr.schedules.Constant(0.1)},
        "schedule must be given again: the run's is a function, .*",
    ),
    "metrics": (
        "a metric of one's own", {"metrics": None}, "metrics must be given again: 'mine' is a .*",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_resume_needs_the_functions_again(name: str, tmp_path: Path) -> None:
    kind, given, rule = MISSING[name]
    run, path = RUNS[kind], tmp_path / "run"
    stopped(run, path)
    with pytest.raises(TypeError) as caught:
        run.resume(path, **given)
    assert re.fullmatch(rule, str(caught.value)), str(caught.value)


def test_rows_that_were_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    for size in ("BLOCK_BYTES", "WHOLE_BYTES"):
        monkeypatch.setattr(dr.data.rows, size, 400)
    run, path = Run({}, x=sparse.csr_array(X)), tmp_path / "run"
    stopped(run, path)
    with pytest.raises(ValueError, match="read in blocks of 14 rows, not whole arrays"):
        dr.resume(path, X, Y, callbacks=())
    net = run.new()
    expected = left(net, run.fit(net))
    assert left(*run.resume(path)) == expected
    before = path.read_bytes()
    changed_rows = sparse.csr_array(changed(X, (59, 5)))
    with pytest.raises(ValueError, match="x must be what the run was trained on"):
        dr.resume(path, changed_rows, Y, callbacks=())
    assert path.read_bytes() == before


def test_optional_arguments_of_resume_may_be_given(tmp_path: Path) -> None:
    run, path = RUNS["cosine"], tmp_path / "run"
    stopped(run, path)
    net = run.new()
    expected = left(net, run.fit(net))
    assert left(*run.resume(path, schedule=run.settings["schedule"])) == expected
    again = dr.resume(path, X.tolist(), list(Y), callbacks=())
    assert left(*again) == expected


def test_a_stream_that_gives_other_batches(tmp_path: Path) -> None:
    def failing() -> Any:
        for i, batch in enumerate(batches()):
            if i == 4:
                raise LookupError("gone")
            yield batch

    run, net, path = RUNS["a stream"], RUNS["a stream"].new(), tmp_path / "run"
    with pytest.raises(LookupError, match="gone"):
        net.fit(failing, epochs=2, checkpoint=path)
    again = run.new()
    expected = left(again, again.fit(batches, epochs=2))
    for others in (lambda: list(batches())[::-1], lambda: list(batches())[:3]):
        with pytest.raises(ValueError, match=r"x gives other batches .*: the first 4 of "):
            dr.resume(path, others)
    assert left(*dr.resume(path, batches)) == expected


# Other files


def test_missing_files_and_models_without_a_checkpoint_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for name in (path, tmp_path / "run-{epoch}"):
        with pytest.raises(FileNotFoundError):
            dr.resume(name, X, Y)
    RUNS["plain"].new().save(path)
    with pytest.raises(dr.ModelFileError, match=re.escape(f"{path}: a model, but no checkpoint")):
        dr.resume(path, X, Y)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(dr.ModelFileError):
        dr.resume(path, X, Y)


def taken_apart(data: bytes) -> tuple[dict[str, Any], Functions]:
    size = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + size])["__metadata__"]["deltarule"]
    return safetensors.numpy.load(data), json.loads(text)


def put_together(tensors: dict[str, Any], description: Functions) -> bytes:
    return safetensors.numpy.save(tensors, {"deltarule": json.dumps(description)})


def leaves(metadata: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in JSON."""
    inner = metadata.items() if isinstance(metadata, dict) else ()
    if isinstance(metadata, list):
        inner = enumerate(metadata)
    return [path, *(p for name, value in inner for p in leaves(value, (*path, name)))]


def put(metadata: Any, path: tuple[Any, ...], value: Any) -> None:
    for name in path[:-1]:
        metadata = metadata[name]
    metadata[path[-1]] = value


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a checkpoint that has all parts, in the middle of an epoch."""
    path = tmp_path_factory.mktemp("good") / "run"
    run = RUNS["early stopping"]
    more: Functions = {"metrics": "accuracy", "schedule": dr.schedules.Plateau(0.1), "dropout": 0.1}
    with pytest.raises(Stop):
        run.fit(
            run.new(), checkpoint=path, callbacks=stop, class_weight={1: 2.0},
            early_stopping=dr.EarlyStopping(3), **more,
        )  # fmt: skip
    return path.read_bytes()


STRANGE = [None, True, -1, 2**63, 10**30, 0.5, float("nan"), "", "x", [], [[]], {}, {"a": 1}]


@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_metadata_of_another_type(value: Any, good: bytes, tmp_path: Path) -> None:
    """Each value of the metadata, replaced: the file is refused, or is a valid one."""
    tensors, description = taken_apart(good)
    path, accepted = tmp_path / "run", set()
    for place in leaves(description["extra"], ("extra",))[1:]:
        metadata = json.loads(json.dumps(description))
        put(metadata, place, value)
        path.write_bytes(put_together(tensors, metadata))
        try:
            read_run(path)
        except dr.ModelFileError as error:
            assert str(error).startswith(f"{path}: ")
            continue
        if place[2] != "data":
            accepted.add(".".join(map(str, place[2:])))
        with suppress(ValueError, dr.DivergenceError):  # of data that are others, of a high rate
            dr.resume(
                path, X, Y, validation_data=HELD, metrics="accuracy", callbacks=(),
                max_seconds=1e-9,
            )  # fmt: skip
    assert len(accepted) < 30
    if value in ([[]], {"a": 1}):
        assert not accepted


TENSORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "m of another shape": lambda t: t.update(m=t["m"][:-1].copy()),
    "m of another dtype": lambda t: t.update(m=t["m"].astype("f8")),
    "m that is nan": lambda t: t.update(m=np.full_like(t["m"], np.nan)),
    "no other": lambda t: t.pop("other.theta"),
    "other that is inf": lambda t: t.update(
        {"other.theta": np.full_like(t["other.theta"], np.inf)}
    ),
    "no history": lambda t: t.pop("history.loss"),
    "a shorter history": lambda t: t.update({"history.seconds": t["history.seconds"][:-1].copy()}),
    "no validation": lambda t: t.update({"history.validation_loss": np.zeros(0)}),
    "scalar history": lambda t: t.update({"history.loss": np.array(1.0)}),
    "no metrics": lambda t: t.pop("history.metrics.0"),
    "scalar blocks": lambda t: t.update(blocks=np.array(1.0)),
    "blocks of another shape": lambda t: t.update(blocks=np.zeros((2, 3))),
    "blocks that are nan": lambda t: t.update(blocks=np.full((2, 2), np.nan)),
    "blocks of arrays": lambda t: t.update(blocks=np.ones((2, 2))),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit(name: str, good: bytes, tmp_path: Path) -> None:
    tensors, description = taken_apart(good)
    TENSORS[name](tensors)
    path = tmp_path / "run"
    path.write_bytes(put_together(tensors, description))
    with pytest.raises(dr.ModelFileError, match=f"^{re.escape(str(path))}: "):
        dr.resume(path, X, Y, validation_data=HELD, callbacks=())
