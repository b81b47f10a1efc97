"""The options of a fit: one frozen value with the fields and the defaults of `MLP.fit`."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

import deltarule as dr
from deltarule.training.fit_data import FitData
from deltarule.training.options import FitOptions

NET = dr.MLP([2, 3, 4, 1], output="sigmoid")
ARGUMENTS = {
    name: argument.default
    for name, argument in inspect.signature(dr.MLP.fit).parameters.items()
    if name != "self"
}
DATA = {field.name for field in dataclasses.fields(FitData)}


def test_data_and_options_are_the_arguments_of_fit() -> None:
    options = {field.name for field in dataclasses.fields(FitOptions)}
    assert options | DATA == set(ARGUMENTS) and not options & DATA


def test_the_defaults_are_those_of_fit() -> None:
    given = {name: value for name, value in ARGUMENTS.items() if name not in DATA}
    checked, default = FitOptions.checked(NET._architecture, **given), FitOptions()
    for field in dataclasses.fields(FitOptions):
        assert getattr(checked, field.name) == getattr(default, field.name), field.name


def test_an_option_is_brought_into_the_form_of_its_field() -> None:
    options = FitOptions.checked(
        NET._architecture, epochs=np.int64(3), batch_size="auto", dropout=0.5, metrics="mae",
        callbacks=len, checkpoint="run",
    )  # fmt: skip
    assert (options.epochs, type(options.epochs), options.batch_size) == (3, int, 32)
    assert options.dropout is not None and options.dropout.tolist() == [0.5, 0.5]
    assert options.metrics == {"mae": "mae"} and options.callbacks == (len,)
    assert options.checkpoint == dr.Checkpoint("run")


def test_the_options_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FitOptions().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("epochs", -1, "epochs must be 0 or more, not -1"),
        ("dropout", [0.5], "dropout must be a number, or one a hidden layer"),
        ("early_stopping", 3, "early_stopping must be a deltarule.EarlyStopping, not 3"),
        ("label_smoothing", 2.0, r"label_smoothing must be in \[0, 1\), not 2.0"),
        ("class_weight", {7: 1.0}, r"class_weight must have classes 0..1 as its keys, not 7"),
        ("optimizer", dr.SGD(lr=1e300), "lr must be finite in float32, not 1e"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: object, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{error}"):
        FitOptions.checked(NET._architecture, **{name: value})
