"""fit: metrics, and the record that callbacks get of them; the history's curves."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.training import metrics
from network_support import Array, classification, fingerprint, refused, regression


def softmax(**options: Any) -> dr.MLP:
    return dr.MLP([3, 5, 3], output="softmax", **({"seed": 0} | options))


def share_right(y: Array, y_hat: Array) -> float:
    return float((y_hat.argmax(axis=1) == y).mean())


@pytest.mark.parametrize("validated", [False, True])
def test_metrics_are_of_the_network_after_each_epoch(validated: bool) -> None:
    x, y = classification()
    xv, yv = classification(20, seed=1)
    net, plain = softmax(), softmax()
    data = (xv, yv) if validated else (x, y)
    seen, records = [], []

    def look(record: Any) -> None:
        seen.append(share_right(data[1], net.predict(data[0])))
        records.append(record["metrics"])

    history = net.fit(
        x,
        y,
        epochs=4,
        optimizer=dr.SGD(lr=0.1),
        validation_data=data if validated else None,
        metrics=["accuracy", share_right],
        callbacks=look,
    )
    plain.fit(x, y, epochs=4, optimizer=dr.SGD(lr=0.1))
    names = ["validation_accuracy", "validation_share_right"]
    names = names if validated else ["accuracy", "share_right"]
    assert history.metrics == {name: seen for name in names}
    assert records == [dict.fromkeys(names, value) for value in seen]
    assert len(set(seen)) > 1
    assert fingerprint(net) == fingerprint(plain)
    assert list(history.to_dict())[-2:] == names
    assert f"{names[0]}={seen[-1]:.6g}" in repr(history)


ANSWERS: dict[str, tuple[dict[str, Any], Any, Any, float]] = {
    "classes": ({"output": "softmax"}, [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6]], [1, 1, 1], 2 / 3),
    "one-hot": ({"output": "softmax"}, [[0.1, 0.9], [0.8, 0.2]], [[0, 1], [0, 1]], 0.5),
    "sigmoid, classes": (
        {"output": "sigmoid", "loss": "cross_entropy"},
        [[0.2, 0.3], [0.9, 0.8]],
        [1, 0],
        1.0,
    ),
    "labels": ({"output": "sigmoid"}, [[0.2, 0.7], [0.9, 0.8]], [[0, 1], [0, 1]], 0.75),
    "one label": ({"output": "sigmoid"}, [[0.2], [0.9], [0.6]], [0, 1, 0], 2 / 3),
    "tanh": ({"output": "tanh"}, [[-0.2], [0.3]], [-1, -1], 0.5),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_accuracy(name: str) -> None:
    options, y_hat, y, wanted = ANSWERS[name]
    y_hat = np.array(y_hat)
    inverse = {"softmax": np.log, "sigmoid": lambda p: np.log(p / (1 - p)), "tanh": np.arctanh}
    k = y_hat.shape[1]
    net = dr.MLP([k, k], init=([np.eye(k)], [np.zeros(k)]), dtype="float64", **options)
    x = inverse[options["output"]](y_hat)
    history = net.fit(x, y, epochs=1, optimizer=dr.SGD(lr=1e-9), metrics="accuracy")
    assert history.metrics["accuracy"] == [pytest.approx(wanted)]


def test_figures_of_a_regression() -> None:
    x, y = regression(50)
    net = dr.MLP([3, 5, 2], dtype="float64", seed=0)
    history = net.fit(x, y, epochs=3, metrics=["r2", "mae", "rmse"])
    e = net.predict(x) - y
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    r2 = np.mean(1 - (e**2).sum(axis=0) / spread)
    assert history.metrics["r2"][-1] == pytest.approx(r2, rel=1e-12)
    assert history.metrics["mae"][-1] == pytest.approx(abs(e).mean(), rel=1e-12)
    assert history.metrics["rmse"][-1] == pytest.approx(np.sqrt((e**2).mean()), rel=1e-12)


def test_r2_of_a_constant() -> None:
    net = dr.MLP([1, 1], init=([[[0.0]]], [[2.0]]))
    assert net.fit([[1.0], [2.0]], [2.0, 2.0], epochs=1, metrics="r2").metrics["r2"] == [1.0]
    assert net.fit([[1.0], [2.0]], [3.0, 3.0], epochs=1, metrics="r2").metrics["r2"] == [0.0]


@pytest.mark.parametrize("value", [0.1, 1e15 / 3, 1700000000.1])
def test_r2_of_a_constant_whose_mean_is_rounded(value: float) -> None:
    y = np.full((1000, 2), value)
    assert (y.mean(axis=0) != value).all()
    kind = metrics.MetricContext("identity", "squared_error", 2, False)
    assert metrics.r2(y, y + 1, kind) == 0.0
    assert metrics.r2(y, y, kind) == 1.0


def test_metrics_take_targets_as_they_are_given_and_no_weights() -> None:
    x, y = classification()
    seen: list[Array] = []

    def f(targets: Array, y_hat: Array) -> float:
        seen.append(targets)
        assert y_hat.shape == (40, 3)
        return 0.5

    net = softmax()
    history = net.fit(
        x, y, epochs=2, metrics=f, label_smoothing=0.1, class_weight={0: 5.0}, sample_weight=y + 1
    )
    assert history.metrics == {"f": [0.5, 0.5]}
    for targets in seen:
        np.testing.assert_array_equal(targets, y)


@pytest.mark.parametrize("value", [np.float32(0.5), np.array(0.5), 1, np.int64(1)])
def test_numbers_of_every_kind(value: Any) -> None:
    x, y = regression()
    history = dr.MLP([3, 2], seed=0).fit(x, y, epochs=1, metrics={"f": lambda y, p: value})
    assert history.metrics == {"f": [float(value)]}
    assert type(history.metrics["f"][0]) is float


@pytest.mark.parametrize("value", [None, "0.5", np.ones(2), 1j])
def test_a_metric_must_return_a_number(value: Any) -> None:
    x, y = regression()
    with pytest.raises(TypeError, match="metrics: 'f' must return a number, not"):
        dr.MLP([3, 2], seed=0).fit(x, y, epochs=1, metrics={"f": lambda y, p: value})


X, Y = regression(5)
ROWS: list[tuple[Any, type[Exception], str]] = [
    ("precision", ValueError, "metrics must be of accuracy, r2, mae, rmse, .* not 'precision'"),
    (["mae", "auc"], ValueError, "metrics must be of .*, not 'auc'"),
    (3, TypeError, "metrics must be names or callables, not 3"),
    (None, TypeError, "metrics must be names or callables, not None"),
    (["mae", 3], TypeError, r"metrics\[1\] must be a name or a callable, not 3"),
    (lambda y, p: 0.0, TypeError, r"metrics\[0\] has no name; give a dict .*"),
    (partial(share_right), TypeError, r"metrics\[0\] has no name; give a dict .*"),
    (["mae", "mae"], ValueError, "metrics must have names of their own, .*, not 'mae'"),
    ({"loss": "mae"}, ValueError, "metrics must have names of their own, .*, not 'loss'"),
    ({"validation_x": "mae"}, ValueError, "metrics must have names .*, not 'validation_x'"),
    ({1: "mae"}, TypeError, r"metrics\[0\] has no name; .*"),
    ("accuracy", ValueError, "metrics: 'accuracy' needs an output of classes .*, not 'identity'"),
]


@pytest.mark.parametrize(("metrics", "error", "rule"), ROWS)
def test_bad_metrics(metrics: Any, error: type[Exception], rule: str) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    refused(net, lambda: net.fit(X, Y, metrics=metrics), error, rule)


def test_figures_of_numbers_are_not_for_classes() -> None:
    x, y = classification()
    net = softmax()
    rule = "metrics: 'r2' needs numbers as targets, but y holds class indices"
    refused(net, lambda: net.fit(x, y, metrics="r2"), ValueError, rule)


# Curves


def test_metrics_and_a_changing_rate_are_drawn_below_the_losses(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[plot]'")
    history = dr.History(
        [3.0, 2.0], [3.5, 2.5], [0.1, 0.05], [0.01] * 2, {"validation_mae": [0.5, 0.25]}, 2
    )
    axes = history.plot(tmp_path / "curves.svg")
    losses, mae, rate = axes.figure.axes
    assert losses is axes
    assert [a.get_ylabel() for a in (losses, mae, rate)] == [
        "loss",
        "validation mae",
        "learning rate",
    ]
    assert [a.get_xlabel() for a in (losses, mae, rate)] == ["", "", "epoch"]
    assert list(mae.get_lines()[0].get_ydata()) == [0.5, 0.25]
    assert list(rate.get_lines()[0].get_ydata()) == [0.1, 0.05]
    assert "best epoch" in [line.get_label() for line in losses.get_lines()]
    assert (tmp_path / "curves.svg").read_bytes().startswith(b"<?xml")


def test_given_axes_get_the_losses_alone() -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[plot]'")
    axes = dr.History([3.0, 2.0]).plot()
    again = dr.History([2.0], metrics={"mae": [0.5]}).plot(ax=axes)
    assert again is axes
    assert len(axes.figure.axes) == 1
