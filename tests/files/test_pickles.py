"""Pickles of 0.1.0 load, whatever module their classes are in today."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr

PICKLES = Path(__file__).parents[1] / "golden" / "pickles-0.1.0.zip"
OF_SKLEARN = ("clf", "clf_lbfgs", "reg")


def read(name: str) -> bytes:
    with zipfile.ZipFile(PICKLES) as archive:
        return archive.read(name)


def names() -> list[str]:
    with zipfile.ZipFile(PICKLES) as archive:
        return [name for name in archive.namelist() if name.endswith(".pickle")]


def loaded(name: str) -> Any:
    if name in OF_SKLEARN:
        pytest.importorskip("sklearn", reason="needs the extra sklearn")
    return pickle.loads(read(f"{name}.pickle"))


def without_address(value: object) -> str:
    return re.sub(r" at 0x\w+", "", repr(value))


@pytest.mark.parametrize("name", [name.removesuffix(".pickle") for name in names()])
def test_a_pickle_of_the_first_release_loads(name: str) -> None:
    value = loaded(name)
    again = pickle.loads(pickle.dumps(value))
    assert type(again) is type(value) and without_address(again) == without_address(value)


@pytest.mark.parametrize("name", json.loads(read("predictions.json")))
def test_networks_of_the_first_release_predict_the_same_bits(name: str) -> None:
    y_hat = loaded(name).predict(dr.load_digits()[0][:7])
    expected = json.loads(read("predictions.json"))[name]
    assert hashlib.sha256(y_hat.tobytes()).hexdigest() == expected


def test_a_network_of_the_first_release_trains_on() -> None:
    x, y = dr.load_digits()
    net = loaded("network")
    fit = {"optimizer": dr.Adam(), "schedule": dr.schedules.Plateau(0.1)}
    history = net.fit(x[:200], y[:200], epochs=2, validation_split=0.25, **fit)
    assert net._epochs == 5 and history.learning_rate[0] == net._plateau.lr == 0.1
