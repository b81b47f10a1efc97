"""LevenbergMarquardt and LBFGS: what they refuse, their settings, and SciPy as an extra."""

from __future__ import annotations

import importlib.util
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import refused
from second_order_support import BOTH, X, Y, both, network

pytest.importorskip("scipy", reason="needs the extra: pip install 'deltarule[second-order]'")

REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "both",
        {"dtype": "float32"},
        {},
        "optimizer {} needs the digits of a network of dtype='float64', this one is float32",
    ),
    (
        "both",
        {},
        {"batch_size": 16},
        "batch_size must not be given with {}, which takes all samples at once, but is 16",
    ),
    (
        "both",
        {},
        {"schedule": dr.schedules.Constant(0.5)},
        r"schedule must not be given with {}, which has no learning rate, but is Constant\(.*\)",
    ),
    ("both", {}, {"dropout": 0.5}, r"dropout must be 0 with {}, not \[0.5\]"),
    ("both", {}, {"epochs": -1}, "epochs must be 0 or more, not -1"),
    ("both", {}, {"shuffle": 1}, "shuffle must be True or False, not 1"),
    ("both", {}, {"callbacks": 3}, "callbacks must be callables, not 3"),
    ("both", {}, {"max_seconds": 0}, "max_seconds must be a number above 0, not 0"),
    ("both", {}, {"metrics": "f1"}, "metrics must be of .*, not 'f1'"),
    ("both", {}, {"early_stopping": 3}, "early_stopping must be a deltarule.EarlyStopping, not 3"),
    ("both", {}, {"sample_weight": [1.0]}, "sample_weight .*"),
    (
        "lm",
        {"loss": "huber"},
        {},
        r"loss must be a sum of squares for LevenbergMarquardt \(squared_error, sum_squared_error, "
        r"mean_squared_error\), not 'huber'; LBFGS takes any",
    ),
    (
        "lm",
        {"sizes": [3, 1000, 2]},
        {},
        "LevenbergMarquardt takes at most 5000 parameters, whose square its matrix has, "
        "the network has 6002; LBFGS takes any number",
    ),
]


@pytest.mark.parametrize(
    ("kind", "options", "arguments", "rule"),
    [(k, *row[1:]) for row in REFUSED for k in (BOTH if row[0] == "both" else [row[0]])],
)
def test_options_that_exclude_each_other_are_refused(
    kind: str, options: dict[str, Any], arguments: dict[str, Any], rule: str
) -> None:
    net, optimizer = network(**options), BOTH[kind]
    error = TypeError if set(arguments) & {"shuffle", "callbacks", "early_stopping"} else ValueError
    refused(
        net,
        lambda: net.fit(X, Y, optimizer=optimizer, **arguments),
        error,
        rule.replace("{}", type(optimizer).__name__),
    )


@both
def test_data_are_whole_and_finite(optimizer: Any) -> None:
    net, name = network(), type(optimizer).__name__
    calls: list[tuple[Callable[[], object], str]] = [
        (
            lambda: net.fit(lambda: iter([(X, Y)]), optimizer=optimizer),
            f"x must be whole with {name}, not a stream of batches",
        ),
        (
            lambda: net.fit(X * [1.0, np.nan, 1.0], Y, optimizer=optimizer),
            r"x\[0, 1\] is nan; every value must be finite .*",
        ),
    ]
    for call, rule in calls:
        refused(net, call, ValueError, rule)


@both
def test_second_order_settings_are_for_fit_alone(optimizer: Any) -> None:
    net, name = network(), type(optimizer).__name__
    rule = f"optimizer must be a deltarule.SGD, Adam or AdamW, or for MLP.fit .*, not {name}.*"
    refused(net, lambda: net.train_step(X, Y, optimizer=optimizer), TypeError, rule)
    with pytest.raises(TypeError, match=rf"configs\[0\]: {rule}"):
        dr.fit_many(X, Y, [{}], sizes=[3, 2], optimizer=optimizer)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: dr.LevenbergMarquardt(damping=0),
            ValueError,
            "damping must be above 0 and finite",
        ),
        (lambda: dr.LevenbergMarquardt(damping=math.nan), ValueError, "damping must be above 0"),
        (
            lambda: dr.LevenbergMarquardt(damping="1"),
            TypeError,
            "damping must be a number, not '1'",
        ),
        (
            lambda: dr.LevenbergMarquardt(factor=1.0),
            ValueError,
            "factor must be above 1 and finite",
        ),
        (lambda: dr.LevenbergMarquardt(l1=0.1), TypeError, "unexpected keyword argument 'l1'"),
        (lambda: dr.LBFGS(memory=0), ValueError, "memory must be 1 or more, not 0"),
        (lambda: dr.LBFGS(memory=2.5), TypeError, "memory must be a whole number, not 2.5"),
    ],
)
def test_settings(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@both
def test_settings_are_values(optimizer: Any) -> None:
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    assert eval(repr(optimizer), vars(dr)) == optimizer


def test_scipy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    rule = r"scipy is not installed; .* pip install 'deltarule\[second-order\]'"
    refused(net, lambda: net.fit(X, Y, optimizer=BOTH["lm"]), ImportError, rule)
