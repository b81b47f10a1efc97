"""fit: class weights are sample weights, smoothed labels are targets: the bits of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import Array, assert_same_bits, classification, refused, regression

ONE_HOT = np.eye(3)


def softmax(**options: Any) -> dr.MLP:
    return dr.MLP([3, 5, 3], output="softmax", **({"seed": 0} | options))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
def test_class_weights_multiply_sample_weights(one_hot: bool, weighted: bool) -> None:
    x, labels = classification()
    y = ONE_HOT[labels] if one_hot else labels
    w = np.linspace(0.5, 2.0, 40) if weighted else np.ones(40)
    net, other = softmax(), softmax()
    found = net.fit(
        x, y, epochs=3, class_weight={0: 2.0, 2: 0.25}, sample_weight=w if weighted else None
    )
    wanted = other.fit(x, y, epochs=3, sample_weight=w * np.array([2.0, 1.0, 0.25])[labels])
    assert found.loss == wanted.loss
    assert_same_bits(net.theta, other.theta)


def test_balanced_is_what_scikit_learn_computes() -> None:
    x, _ = classification()
    y = np.repeat([0, 2], [10, 30])  # class 1 is not there
    net, other = softmax(), softmax()
    net.fit(x, y, epochs=3, class_weight="balanced")
    other.fit(x, y, epochs=3, sample_weight=np.where(y == 0, 40 / (2 * 10), 40 / (2 * 30)))
    assert_same_bits(net.theta, other.theta)


def test_balanced_counts_the_rows_that_are_kept() -> None:
    x, y = classification()
    net = softmax()
    history = net.fit(x, y, epochs=1, class_weight="balanced", validation_split=0.5)
    assert len(history.validation_loss) == 1


def test_classes_of_one_output() -> None:
    x, y = regression(40, n_out=1)
    labels = (y > 0).astype(float)
    net, other = (dr.MLP([3, 4, 1], output="sigmoid", seed=0) for _ in range(2))
    net.fit(x, labels, epochs=3, class_weight={1: 3.0})
    other.fit(x, labels, epochs=3, sample_weight=np.where(labels[:, 0] == 1, 3.0, 1.0))
    assert_same_bits(net.theta, other.theta)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_smoothed_labels_of_classes(one_hot: bool, dtype: str) -> None:
    x, labels = classification()
    s = 0.1
    dense = ((1 - s) * ONE_HOT + s / 3)[labels]
    net, other = softmax(dtype=dtype), softmax(dtype=dtype)
    net.fit(x, ONE_HOT[labels] if one_hot else labels, epochs=3, label_smoothing=s)
    other.fit(x, dense, epochs=3)
    rtol = 100 * float(np.finfo(dtype).eps)  # the targets may differ in the last place
    np.testing.assert_allclose(net.theta, other.theta, rtol=rtol, atol=rtol)


def test_smoothed_labels_of_each_output() -> None:
    x, y = regression(40)
    labels = (y > 0).astype(float)
    net, other = (dr.MLP([3, 4, 2], output="sigmoid", dtype="float64", seed=0) for _ in range(2))
    net.fit(x, labels, epochs=3, label_smoothing=0.2)
    other.fit(x, 0.8 * labels + 0.1, epochs=3)
    np.testing.assert_allclose(net.theta, other.theta, rtol=1e-12, atol=1e-13)


def test_validation_takes_the_labels_as_they_are() -> None:
    x, y = classification()
    net = softmax()
    history = net.fit(
        x, y, epochs=2, label_smoothing=0.3, class_weight={0: 9.0}, validation_data=(x, y)
    )
    assert history.validation_loss[-1] == net.evaluate(x, y)


def test_label_smoothing_of_0_changes_nothing() -> None:
    x, y = classification()
    net, other = softmax(), softmax()
    net.fit(x, y, epochs=2, label_smoothing=0)
    other.fit(x, y, epochs=2)
    assert_same_bits(net.theta, other.theta)


X, LABELS = classification(5)
SOFT = np.full((5, 3), 1 / 3)
KEYS = r"class_weight must have classes 0\.\.2 as its keys, not "
ROWS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (LABELS, {"class_weight": 2.0}, TypeError, "class_weight must be a mapping .*, not 2.0"),
    (LABELS, {"class_weight": "even"}, TypeError, "class_weight must be .*, not 'even'"),
    (LABELS, {"class_weight": {3: 1.0}}, ValueError, KEYS + "3"),
    (LABELS, {"class_weight": {-1: 1.0}}, ValueError, KEYS + "-1"),
    (LABELS, {"class_weight": {"a": 1.0}}, TypeError, KEYS + "'a'"),
    (LABELS, {"class_weight": {True: 1.0}}, ValueError, KEYS + "True"),
    (LABELS, {"class_weight": {1: -1}}, ValueError, r"class_weight\[1\] must be 0 or .*, not -1"),
    (LABELS, {"class_weight": {1: np.inf}}, ValueError, r"class_weight\[1\] must be .*, not inf"),
    (LABELS, {"class_weight": {1: "2"}}, TypeError, r"class_weight\[1\] must be a number, not '2'"),
    (
        LABELS,
        {"class_weight": {0: 0, 1: 0, 2: 0}},
        ValueError,
        "class_weight is 0 for every sample; at least one must be above 0",
    ),
    (
        SOFT,
        {"class_weight": "balanced"},
        ValueError,
        r"class_weight needs .*; y\[0\] is not one-hot.*",
    ),
    (LABELS, {"label_smoothing": 1.0}, ValueError, r"label_smoothing must be in \[0, 1\), not 1.0"),
    (LABELS, {"label_smoothing": -0.1}, ValueError, r"label_smoothing must be .*, not -0\.1"),
    (LABELS, {"label_smoothing": "0.1"}, TypeError, "label_smoothing must be a number, not '0.1'"),
    (LABELS, {"label_smoothing": True}, TypeError, "label_smoothing must be a number, not True"),
]


@pytest.mark.parametrize(("y", "options", "error", "rule"), ROWS)
def test_bad_arguments(
    y: Array, options: dict[str, Any], error: type[Exception], rule: str
) -> None:
    net = softmax()
    refused(net, lambda: net.fit(X, y, **options), error, rule)


def test_values_that_are_no_class_are_refused() -> None:
    net = dr.MLP([3, 1], output="sigmoid", seed=0)
    y = [0.0, 1.0, 0.5, 1.0, 0.0]
    rule = r"class_weight needs .*; y\[2\] is neither 0 nor 1: \[0\.5\]"
    refused(net, lambda: net.fit(X, y, class_weight={0: 2.0}), ValueError, rule)


def test_smoothing_is_for_losses_of_probabilities() -> None:
    net = dr.MLP([3, 2], seed=0)
    x, y = regression(5)
    rule = "label_smoothing is for cross_entropy and binary_cross_entropy, not for 'squared_error'"
    refused(net, lambda: net.fit(x, y, label_smoothing=0.1), ValueError, rule)
