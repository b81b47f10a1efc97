"""What the tests of checkpoints share: runs of every kind, stopped, and what is left by bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.checkpoint.rng_state import generator_to_json

rng = np.random.default_rng(1)
X = rng.standard_normal((60, 6)).astype(np.float32)
Y = rng.integers(0, 4, 60)
HELD = (X[::3] + 0.5, Y[::3])
WEIGHT = np.linspace(0.5, 2.0, 60)


def batches() -> Iterator[tuple[Any, ...]]:
    """Yield X and Y in six batches."""
    for first in range(0, 60, 10):
        yield X[first : first + 10], Y[first : first + 10]


@dataclass(frozen=True)
class Run:
    """A network, a fit of it, and what a fit has to be given again.

    Attributes
    ----------
    settings : dict
        Arguments of `MLP.fit`.
    again : tuple of str
        Those that are given to `resume`, too.
    x, y
    network : dict
        Arguments of `MLP`.
    seed : callable
    """

    settings: dict[str, Any]
    again: tuple[str, ...] = ()
    x: Any = field(default_factory=lambda: X)
    y: Any = field(default_factory=lambda: Y)
    network: dict[str, Any] = field(default_factory=dict)
    seed: Callable[[], Any] = lambda: 0

    def new(self) -> dr.MLP:
        """Return the network before the fit."""
        return dr.MLP([6, 8, 5, 4], output="softmax", seed=self.seed(), **self.network)

    def fit(self, net: dr.MLP, **more: Any) -> dr.History:
        """Do the fit."""
        return net.fit(self.x, self.y, **{"batch_size": 7, "epochs": 4} | self.settings | more)

    def resume(self, path: Path | str, **more: Any) -> tuple[dr.MLP, dr.History]:
        """Go on with it; callbacks are those of the test, if any."""
        again = {name: self.settings[name] for name in self.again}
        return dr.resume(path, self.x, self.y, **{"callbacks": ()} | again | more)


MOMENTUM = dr.SGD(lr=0.05, momentum=0.9)
RUNS: dict[str, Run] = {
    "plain": Run({}),
    "many epochs a call": Run({"epochs": 9, "optimizer": MOMENTUM}),
    "in order": Run({"shuffle": False, "optimizer": MOMENTUM}),
    "nesterov": Run({"optimizer": dr.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.01)}),
    "adam": Run({"optimizer": dr.Adam(lr=0.01, l1=0.001, max_norm=1.0)}),
    "adamw": Run({"optimizer": dr.AdamW(lr=0.01), "dropout": [0.3, 0.0]}),
    "float64": Run({"optimizer": MOMENTUM, "dropout": 0.4}, network={"dtype": "float64"}),
    "full batch": Run({"batch_size": None, "optimizer": MOMENTUM}),
    "sum": Run({"optimizer": dr.SGD(lr=1e-3)}, network={"reduction": "sum"}),
    "another generator": Run(
        {"dropout": 0.2}, seed=lambda: np.random.Generator(np.random.MT19937(3))
    ),
    "held out": Run({"validation_split": 0.25}),
    "validated": Run({"validation_data": HELD}, ("validation_data",)),
    "weighted": Run(
        {"class_weight": {0: 2.0, 3: 0.5}, "sample_weight": WEIGHT}, ("sample_weight",)
    ),
    "balanced, smoothed": Run({"class_weight": "balanced", "label_smoothing": 0.1}),
    "cosine": Run({"schedule": dr.schedules.WarmUp(1.5, dr.schedules.Cosine(0.2, epochs=4))}),
    "plateau": Run(
        {
            "schedule": dr.schedules.Plateau(0.2, factor=0.5, patience=0, min_delta=0.2),
            "validation_data": HELD,
        },
        ("validation_data",),
    ),
    "a function of a rate": Run({"schedule": lambda epoch: 0.2 / (1 + epoch)}, ("schedule",)),
    "metrics": Run(
        {"metrics": ["accuracy"], "validation_split": 0.3, "optimizer": dr.Adam(lr=0.01)}
    ),
    "a metric of one's own": Run(
        {"metrics": {"accuracy": "accuracy", "mine": lambda y, p: float(p[0, 0])}}, ("metrics",)
    ),
    "early stopping": Run(
        {
            "epochs": 30,
            "validation_data": HELD,
            "early_stopping": dr.EarlyStopping(3, min_delta=0.01),
            "optimizer": dr.Adam(lr=0.05),
        },
        ("validation_data",),
    ),
    "a best epoch that is not the last": Run(
        {
            "epochs": 5,
            "metrics": "accuracy",
            "early_stopping": dr.EarlyStopping(9, monitor="accuracy", mode="min"),
            "optimizer": MOMENTUM,
        }
    ),
    "a stream": Run({"optimizer": MOMENTUM}, x=batches, y=None),
    "a stream with dropout": Run(
        {"dropout": 0.3, "optimizer": dr.Adam(lr=0.01), "validation_data": HELD},
        ("validation_data",),
        x=batches,
        y=None,
    ),
}


def left(net: dr.MLP, history: dr.History) -> dict[str, Any]:
    """Return all that a fit leaves but its seconds, as values that can be compared."""
    state = net.__getstate__()
    kind, *memory, steps = state.pop("memory")
    figures = history.to_dict()
    del figures["seconds"]
    return {
        **state,
        "theta": state["theta"].tobytes(),
        "memory": [None if array is None else array.tobytes() for array in memory],
        "kind": (kind, steps),
        "rng": generator_to_json(state["rng"].bit_generator.state),
        "history": figures,
        "best_epoch": history.best_epoch,
    }


class Stop(BaseException):
    """As Ctrl-C is: not an Exception."""


def stop_after(epoch: int) -> Any:
    """Return a callback that stops the run there, once."""
    calls: list[int] = []

    def stop(record: dr.EpochRecord) -> None:
        calls.append(record["epoch"])
        if record["epoch"] == epoch and calls.count(epoch) == 1:
            raise Stop

    return stop


def whole(run: Run) -> dict[str, Any]:
    """Return what is left of the run that was never stopped."""
    net = run.new()
    return left(net, run.fit(net))


def stopped(run: Run, path: Path, epoch: int, **more: Any) -> dr.MLP:
    """Stop a run in a callback after some epoch."""
    net = run.new()
    with pytest.raises(Stop):
        run.fit(net, checkpoint=dr.Checkpoint(path, **more), callbacks=stop_after(epoch))
    return net
