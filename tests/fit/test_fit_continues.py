"""A fit that goes on where one ended is one fit: parameters, velocity, history, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, classification, fingerprint

EVERYTHING: dict[str, dict[str, Any]] = {
    "shuffled": {},
    "in order": {"shuffle": False},
    "no momentum": {"optimizer": dr.SGD(lr=0.05)},
    "nesterov": {"optimizer": dr.SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.01)},
    "adam": {"optimizer": dr.Adam(lr=0.01, l1=0.001, max_norm=1.0)},
    "full batch": {"batch_size": None},
    "held out": {"validation_split": 0.25},
    "weighted": {"class_weight": "balanced", "sample_weight": np.linspace(0.5, 2.0, 40)},
    "smoothed": {"label_smoothing": 0.1},
    "metrics": {"metrics": ["accuracy"], "validation_split": 0.3},
    "watched": {"callbacks": lambda record: None},
    "stopping": {
        "validation_split": 0.3,
        "early_stopping": dr.EarlyStopping(1000, restore_best=False),
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EVERYTHING)
def test_five_epochs_twice_are_ten(name: str, dtype: str) -> None:
    x, y = classification()
    options: dict[str, Any] = {"batch_size": 9, "optimizer": MOMENTUM} | EVERYTHING[name]
    once, twice, by_one = (
        dr.MLP([3, 6, 3], output="softmax", dtype=dtype, seed=0) for _ in range(3)
    )
    ten = once.fit(x, y, epochs=10, **options).to_dict()
    parts = [twice.fit(x, y, epochs=5, **options).to_dict() for _ in range(2)]
    ones = [by_one.fit(x, y, epochs=1, **options).to_dict() for _ in range(10)]
    for figure in ten.keys() - {"seconds"}:
        assert [v for part in parts for v in part[figure]] == ten[figure]
        assert [v for part in ones for v in part[figure]] == ten[figure]
    assert fingerprint(twice) == fingerprint(once)
    assert fingerprint(by_one) == fingerprint(once)


def test_callbacks_and_progress_do_not_change_the_result() -> None:
    x, y = classification()
    plain, watched = (dr.MLP([3, 6, 3], output="softmax", seed=0) for _ in range(2))
    data: dict[str, Any] = {"epochs": 6, "optimizer": MOMENTUM, "validation_data": (x, y)}
    found = watched.fit(
        x,
        y,
        metrics=["accuracy"],
        callbacks=lambda record: None,
        early_stopping=dr.EarlyStopping(1000, restore_best=False),
        **data,
    )
    wanted = plain.fit(x, y, **data)
    assert found.loss == wanted.loss
    assert found.validation_loss == wanted.validation_loss
    assert fingerprint(watched) == fingerprint(plain)
