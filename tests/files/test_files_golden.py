"""Files of every version of the layout that was ever released: read today as they were written.

A new version adds a file and its rows here; none is written anew. `write_golden_files` made these.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from checkpoint_support import Stop
from deltarule.command import pipeline

GOLDEN = Path(__file__).parents[1] / "golden"

# Data that need no generator, whose numbers might be others in another NumPy.
X = (np.arange(180) * 37 % 101 / 101.0).reshape(30, 6).astype(np.float32)
Y = np.arange(30) % 4
HELD = (X[::3], Y[::3])


def network() -> dr.MLP:
    net = dr.MLP([6, 5, 4], hidden="tanh", output="softmax", reduction="sum", seed=0)
    net.theta = np.arange(net.n_parameters) % 11 / 16 - 0.25
    return net


def table(net: dr.MLP) -> pipeline.TableModel:
    names = tuple(f"column {i}" for i in range(6))
    x = pipeline.Standardization(np.arange(6.0), np.arange(1.0, 7.0))
    y = pipeline.Standardization.identity(1)
    return pipeline.TableModel(net, names, x, "what", ("a", "b", "été", "d"), y)


def batches() -> Iterator[Any]:
    for first in range(0, 30, 6):
        yield X[first : first + 6], Y[first : first + 6]


SETTINGS: dict[str, Any] = {
    "epochs": 8,
    "batch_size": 7,
    "shuffle": False,
    "optimizer": dr.AdamW(lr=0.02, l1=0.001, max_norm=50.0),
    "schedule": dr.schedules.WarmUp(2, dr.schedules.Cosine(0.02, epochs=8)),
    "validation_data": HELD,
    "early_stopping": dr.EarlyStopping(3, monitor="loss"),
    "metrics": "accuracy",
    "class_weight": {0: 2.0, 3: 0.5},
    "label_smoothing": 0.1,
}


def write_golden_files(folder: Path) -> None:
    """Write the files of the present layout."""
    network().save(folder / "model-1.safetensors")
    table(network()).save(folder / "table-1.safetensors")

    def stop(record: dr.EpochRecord) -> None:
        if record["epoch"] == 4:
            raise Stop

    with pytest.raises(Stop):
        place = folder / "checkpoint-1.safetensors"
        network().fit(X, Y, **SETTINGS, checkpoint=place, callbacks=stop)

    calls: list[int] = []

    def stopping() -> Iterator[Any]:
        calls.append(1)
        for number, batch in enumerate(batches()):
            if len(calls) == 3 and number == 2:
                raise Stop
            yield batch

    with pytest.raises(Stop):
        place = folder / "stream-1.safetensors"
        network().fit(stopping, epochs=4, optimizer=dr.SGD(0.01, momentum=0.5), checkpoint=place)


def digest(net: dr.MLP) -> str:
    return hashlib.sha256(net.theta.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["model-1", "table-1"])
def test_models(name: str) -> None:
    net = dr.load(GOLDEN / f"{name}.safetensors")
    wanted = network()
    assert net.theta.tobytes() == wanted.theta.tobytes()
    assert repr(net) == repr(wanted)
    assert net.predict(X).tobytes() == wanted.predict(X).tobytes()


def test_tables() -> None:
    found, wanted = pipeline.load(GOLDEN / "table-1.safetensors"), table(network())
    assert isinstance(found, pipeline.TableModel)
    for name in ("features", "target", "classes"):
        assert getattr(found, name) == getattr(wanted, name)
    for name in ("x", "y"):
        for part in ("mean", "scale"):
            values = [getattr(getattr(model, name), part).tolist() for model in (found, wanted)]
            assert values[0] == values[1]


def test_a_checkpoint(tmp_path: Path) -> None:
    path = shutil.copy(GOLDEN / "checkpoint-1.safetensors", tmp_path / "run")
    assert digest(dr.load(path)) == "20f559b9a6014999"
    net, history = dr.resume(path, X, Y, validation_data=HELD, callbacks=())
    assert digest(net) == "2c2151db0a734d5f"
    assert len(history) == 8
    whole = network()
    assert whole.fit(X, Y, **SETTINGS).loss == history.loss
    assert digest(whole) == digest(net)


def test_a_checkpoint_of_a_stream(tmp_path: Path) -> None:
    path = shutil.copy(GOLDEN / "stream-1.safetensors", tmp_path / "run")
    net, history = dr.resume(path, batches)
    assert digest(net) == "074054a5c5734aff"
    assert len(history) == 4


def test_what_is_written_today_is_what_was_written(tmp_path: Path) -> None:
    """The layout of these files has not changed, or their version must."""
    write_golden_files(tmp_path)
    for name in ("model-1", "table-1"):
        file = f"{name}.safetensors"
        assert (tmp_path / file).read_bytes() == (GOLDEN / file).read_bytes()
    for name in ("checkpoint-1", "stream-1"):
        file = f"{name}.safetensors"
        assert (tmp_path / file).stat().st_size == pytest.approx(
            (GOLDEN / file).stat().st_size, abs=64
        )  # seconds have more or fewer digits
