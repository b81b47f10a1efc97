"""Data that do not fit: which argument, which rule, which value; the network stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import FINITE, HINT, MIXED, MOMENTUM, RAGGED, changed, refused, regression

# What is handed in, and the error with its whole message, as a regular expression.
Row = tuple[Any, type[Exception], str]

X, Y = regression(n=5)
NETWORKS: dict[str, tuple[dict[str, Any], Any]] = {
    "identity": ({"sizes": [3, 4, 2]}, Y),
    "one output": ({"sizes": [3, 4, 1]}, Y[:, 0]),
    "softmax": ({"sizes": [3, 4, 3], "output": "softmax"}, [0, 1, 2, 1, 0]),
    "sigmoid": ({"sizes": [3, 4, 2], "output": "sigmoid"}, np.full((5, 2), 0.25)),
    "exp": ({"sizes": [3, 4, 2], "output": "exp"}, np.full((5, 2), 0.25)),
}


def trained(kind: str) -> dr.MLP:
    """A network with a velocity and a generator that has been used."""
    options, y = NETWORKS[kind]
    net = dr.MLP(**options, hidden="tanh", seed=0)
    net.fit(X, y, epochs=1, batch_size=2, optimizer=MOMENTUM)
    return net


METHODS: dict[str, Callable[..., object]] = {
    "evaluate": lambda net, x, y, w=None: net.evaluate(x, y, sample_weight=w),
    "value_and_grad": lambda net, x, y, w=None: net.value_and_grad(x, y, sample_weight=w),
    "train_step": lambda net, x, y, w=None: net.train_step(
        x, y, sample_weight=w, optimizer=MOMENTUM
    ),
    "fit": lambda net, x, y, w=None: net.fit(x, y, sample_weight=w, optimizer=MOMENTUM),
}
each_method = pytest.mark.parametrize("method", METHODS)

# x


class Unwilling:
    """No array, and no number."""


SHAPE = r"x must be 2-D, \(n_samples, 3\), or one sample, \(3,\), but has shape"
X_ROWS: dict[str, Row] = {
    "nan": (changed(X, _2_1=np.nan), ValueError, rf"x\[2, 1\] is nan; {FINITE}"),
    "inf": (changed(X, _0_0=np.inf), ValueError, rf"x\[0, 0\] is inf; {FINITE}"),
    "-inf": (changed(X, _4_2=-np.inf), ValueError, rf"x\[4, 2\] is -inf; {FINITE}"),
    "first of two": (changed(X, _1_2=np.inf, _3_0=np.nan), ValueError, rf"x\[1, 2\] .*{FINITE}"),
    "transposed": (changed(X.T, _0_3=np.nan).T, ValueError, rf"x\[3, 0\] is nan; {FINITE}"),
    "backwards": (changed(X, _1_1=np.nan)[::-1], ValueError, rf"x\[3, 1\] is nan; {FINITE}"),
    "float16 inf": (changed(X, _1_1=np.inf).astype("f2"), ValueError, rf"x\[1, 1\] .*{FINITE}"),
    "overflow": (changed(X, _1_1=-1e39), ValueError, rf"x\[1, 1\] is (-inf|-1e\+39); {FINITE}"),
    "longdouble": (changed(X.astype("g"), _1_1=1e39), ValueError, rf"x\[1, 1\] is .*; {FINITE}"),
    "features": (X[:, :2], ValueError, "x has 2 features, the network takes 3"),
    "columns": (X[:3, :1], ValueError, r"x has 1 features, .* takes 3; samples are rows, .* x\.T"),
    "no features": (X[:, :0], ValueError, "x has 0 features, the network takes 3"),
    "no samples": (X[:0], ValueError, r"x has no samples, shape \(0, 3\)"),
    "a number": (3.5, ValueError, rf"{SHAPE} \(\)"),
    "3-D": (X[None], ValueError, rf"{SHAPE} \(1, 5, 3\)"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], ValueError, f"x {RAGGED}"),
    "ragged in depth": ([[1, 2, 3], [1, 2, [3]]], ValueError, f"x {RAGGED}"),
    "object": (X.astype(object), TypeError, f"x {MIXED}"),
    "a None within": ([[1.0, None, 3.0]], TypeError, f"x {MIXED}"),
    "None": (None, TypeError, f"x {MIXED}"),
    "something else": (Unwilling(), TypeError, f"x {MIXED}"),
    "a dict": ({"a": 1}, TypeError, f"x {MIXED}"),
    "complex": (X + 0j, TypeError, "x must hold real numbers, not complex128"),
    "complex numbers": ([[1j, 2, 3]], TypeError, "x must hold real numbers, not complex128"),
    "a string": ("X", TypeError, r"x must hold real numbers, not str\d+"),
    "strings": ([["1", "2", "3"]], TypeError, r"x must hold real numbers, not str\d+"),
    "bytes": (b"123", TypeError, r"x must hold real numbers, not bytes\d+"),
    "dates": (X.astype("M8[s]"), TypeError, r"x must hold real numbers, not datetime64\[s\]"),
    "spans": (X.astype("m8[s]"), TypeError, r"x must hold real numbers, not timedelta64\[s\]"),
    "records": (np.zeros((5, 3), "f4,f4"), TypeError, r"x must hold real numbers, not void\d+"),
    "huge": ([[10**400, 1, 2]], TypeError, f"x {MIXED}"),
}
OF_ONE = r"y must have shape \(2,\) where x is 1-D, one sample, but has shape \(5, 2\)"
BATCHED = {"a row for all of y": (X[0], ValueError, OF_ONE)}


@pytest.mark.parametrize("name", X_ROWS)
def test_x_in_predict(name: str) -> None:
    x, error, rule = X_ROWS[name]
    net = trained("identity")
    refused(net, lambda: net.predict(x), error, rule)
    out = np.full((5, 2), 7, np.float32)
    with pytest.raises(error):
        net.predict(x, out=out)
    assert (out == 7).all()


@each_method
@pytest.mark.parametrize("name", [*X_ROWS, *BATCHED])
def test_x(name: str, method: str) -> None:
    x, error, rule = (X_ROWS | BATCHED)[name]
    net = trained("identity")
    refused(net, lambda: METHODS[method](net, x, Y), error, rule)


ROW = r"\(x is 1-D: one sample\)"
ONE_ROW: dict[str, Row] = {
    "nan": ([1.0, np.nan, 2.0], ValueError, rf"x\[(0, )?1\] is nan; {FINITE}"),
    "features": ([1.0, 2.0], ValueError, rf"x has 2 features, the network takes 3 {ROW}"),
    "nothing": ([], ValueError, rf"x has 0 features, the network takes 3 {ROW}"),
    "complex": ([1j, 0, 0], TypeError, "x must hold real numbers, not complex128"),
    "strings": (["a", "b", "c"], TypeError, r"x must hold real numbers, not str\d+"),
}


@pytest.mark.parametrize("name", ONE_ROW)
def test_one_row(name: str) -> None:
    x, error, rule = ONE_ROW[name]
    net = trained("identity")
    refused(net, lambda: net.predict(x), error, rule)


def test_the_first_bad_place_is_named_far_into_large_data() -> None:
    x = np.zeros((3000, 3))
    x[2047, 1], x[2047, 2], x[2900, 0] = np.nan, np.inf, np.nan
    net = trained("identity")
    refused(net, lambda: net.predict(x), ValueError, rf"x\[2047, 1\] is nan; {FINITE}")


# y

SOFT = np.full((5, 3), 1 / 3)
PAIR = r"y must have shape \(n_samples, 2\), but has shape "
ONE = r"y must have shape \(n_samples, 1\) or \(n_samples,\), but has shape "
CLASSES = r"y must have shape \(n_samples, 3\) or class indices \(n_samples,\), but has shape "
IN_RANGE = r"class indices must be in 0\.\.2"
UNIT = r"every value must be in \[0, 1\] for"
SUM = "each row of targets for cross_entropy must sum to 1"
QUARTERS = np.full((5, 2), 0.25)

Y_ROWS: dict[tuple[str, str], Row] = {
    ("identity", "nan"): (changed(Y, _4_0=np.nan), ValueError, rf"y\[4, 0\] is nan; {FINITE}"),
    ("identity", "inf"): (changed(Y, _0_1=np.inf), ValueError, rf"y\[0, 1\] is inf; {FINITE}"),
    ("identity", "big"): (
        changed(Y, _0_1=1e39),
        ValueError,
        rf"y\[0, 1\] is (inf|1e.39); {FINITE}",
    ),
    ("identity", "1-D"): (Y[:, 0], ValueError, PAIR + r"\(5,\)"),
    ("identity", "class indices"): (
        [0, 1, 1, 0, 1],
        ValueError,
        PAIR + r"\(5,\); class indices are for cross_entropy, the loss of output='softmax'",
    ),
    ("identity", "one column"): (Y[:, :1], ValueError, PAIR + r"\(5, 1\)"),
    ("identity", "transposed"): (Y.T, ValueError, PAIR + r"\(2, 5\)"),
    ("identity", "3-D"): (Y[None], ValueError, PAIR + r"\(1, 5, 2\)"),
    ("identity", "a number"): (1.0, ValueError, PAIR + r"\(\)"),
    ("identity", "short"): (Y[:4], ValueError, "y has 4 samples, x has 5"),
    ("identity", "empty"): (Y[:0], ValueError, "y has 0 samples, x has 5"),
    ("identity", "ragged"): ([[1.0, 2.0], [1.0]], ValueError, f"y {RAGGED}"),
    ("identity", "object"): (Y.astype(object), TypeError, f"y {MIXED}{HINT}"),
    ("identity", "None"): (None, TypeError, f"y {MIXED}{HINT}"),
    ("identity", "complex"): (Y * 1j, TypeError, "y must hold real numbers, not complex128"),
    ("identity", "strings"): (
        ["a", "b"],
        TypeError,
        r"y must hold real numbers, not str\d+" + HINT,
    ),
    ("one output", "nan"): ([0, 1, 2, np.nan, 4], ValueError, rf"y\[3(, 0)?\] is nan; {FINITE}"),
    ("one output", "two columns"): (Y, ValueError, ONE + r"\(5, 2\)"),
    ("one output", "a row"): (Y[:, :1].T, ValueError, ONE + r"\(1, 5\)"),
    ("one output", "long"): (np.ones(6), ValueError, "y has 6 samples, x has 5"),
    ("softmax", "-1"): ([0, 1, -1, 3, 0], ValueError, rf"y\[2\] is -1; {IN_RANGE}"),
    ("softmax", "K"): ([0, 1, 2, 3, -1], ValueError, rf"y\[3\] is 3; {IN_RANGE}"),
    ("softmax", "int8"): (np.array([-128, 0, 0, 0, 0], "i1"), ValueError, rf"y\[0\] .*{IN_RANGE}"),
    ("softmax", "int64"): ([0, 0, 0, 0, 2**62], ValueError, rf"y\[4\] is {2**62}; {IN_RANGE}"),
    ("softmax", "uint64"): (
        np.array([0, 1, 2, 0, 2**64 - 1], "u8"),
        ValueError,
        rf"y(\[4\] is|.*) {2**64 - 1}.*(3 classes|{IN_RANGE})",
    ),
    ("softmax", "huge"): ([0, 1, 2, 0, 2**70], TypeError, f"y {MIXED}{HINT}"),
    ("softmax", "floats"): (np.ones(5), TypeError, "y must hold whole numbers .* float64"),
    ("softmax", "names"): (["a"] * 5, TypeError, r"y must hold real numbers, not str\d+" + HINT),
    ("softmax", "short"): ([0, 1], ValueError, "y has 2 samples, x has 5"),
    ("softmax", "a column"): (np.ones((5, 1), int), ValueError, CLASSES + r"\(5, 1\)"),
    ("softmax", "2 classes"): (SOFT[:, :2], ValueError, CLASSES + r"\(5, 2\)"),
    ("softmax", "sum"): (changed(SOFT, _3_0=0.9), ValueError, rf"y\[3\] sums to 1\.56667; {SUM}"),
    ("softmax", "sum, almost"): (SOFT * 0.9998, ValueError, rf"y\[0\] sums to 0\.9998; {SUM}"),
    ("softmax", "zeros"): (np.zeros((5, 3)), ValueError, rf"y\[0\] sums to 0; {SUM}"),
    ("softmax", "negative"): (
        changed(SOFT, _1_0=-0.5, _1_1=1.0, _1_2=0.5),
        ValueError,
        rf"y\[1, 0\] is -0\.5; {UNIT} cross_entropy",
    ),
    ("softmax", "nan"): (changed(SOFT, _2_2=np.nan), ValueError, rf"y\[2, 2\] is nan; {FINITE}"),
    ("softmax", "rows short"): (SOFT[:4], ValueError, "y has 4 samples, x has 5"),
    ("sigmoid", "above 1"): (
        changed(QUARTERS, _1_1=1.5),
        ValueError,
        rf"y\[1, 1\] is 1\.5; {UNIT} binary_cross_entropy",
    ),
    ("sigmoid", "below 0"): (
        changed(QUARTERS, _4_0=-0.125),
        ValueError,
        rf"y\[4, 0\] is -0\.125; {UNIT} binary_cross_entropy",
    ),
    ("sigmoid", "nan"): (changed(QUARTERS, _1_1=np.nan), ValueError, rf"y\[1, 1\] .*{FINITE}"),
    ("exp", "negative"): (
        changed(QUARTERS, _3_1=-1.0),
        ValueError,
        r"y\[3, 1\] is -1\.0; every value must be 0 or more for poisson",
    ),
    ("exp", "inf"): (changed(QUARTERS, _3_1=np.inf), ValueError, rf"y\[3, 1\] is inf; {FINITE}"),
}


@each_method
@pytest.mark.parametrize(("kind", "name"), Y_ROWS)
def test_y(kind: str, name: str, method: str) -> None:
    y, error, rule = Y_ROWS[kind, name]
    if y is None and method == "fit":  # which takes a stream in place of x and y
        rule = "y must be given where x is no stream of batches, not None"
    net = trained(kind)
    refused(net, lambda: METHODS[method](net, X, y), error, rule)


@pytest.mark.parametrize("scale", [1.0, 0.99995, 1.00005])
def test_rows_may_miss_a_sum_of_one_by_rounding(scale: float) -> None:
    assert np.isfinite(trained("softmax").evaluate(X, SOFT * scale))


# sample_weight

WEIGHT_FINITE = r"every value must be finite \(in float64\)"
WEIGHT_ROWS: dict[str, Row] = {
    "negative": ([1, 1, 1, -2, 1], ValueError, r"sample_weight\[3\] is -2\.0; .* 0 or more"),
    "nan": ([1, np.nan, 1, 1, 1], ValueError, rf"sample_weight\[1\] is nan; {WEIGHT_FINITE}"),
    "inf": ([1, 1, 1, 1, np.inf], ValueError, rf"sample_weight\[4\] is inf; {WEIGHT_FINITE}"),
    "all 0": (np.zeros(5), ValueError, "sample_weight is 0 for every sample; at least one .*"),
    "sum": ([1e308] * 5, ValueError, "sample_weight sums to infinity; .*"),
    "short": ([1] * 4, ValueError, r"sample_weight must have shape \(5,\), .* \(4,\)"),
    "a column": (np.ones((5, 1)), ValueError, r"sample_weight must have shape .* \(5, 1\)"),
    "a number": (2.0, ValueError, r"sample_weight must have shape \(5,\), but has shape \(\)"),
    "complex": ([1j] * 5, TypeError, "sample_weight must hold real numbers, not complex128"),
    "strings": (["1"] * 5, TypeError, r"sample_weight must hold real numbers, not str\d+"),
    "ragged": ([1, [1]], ValueError, f"sample_weight {RAGGED}"),
    "None within": ([1, None, 1, 1, 1], TypeError, f"sample_weight {MIXED}"),
}


@each_method
@pytest.mark.parametrize("name", WEIGHT_ROWS)
def test_sample_weight(name: str, method: str) -> None:
    w, error, rule = WEIGHT_ROWS[name]
    net = trained("identity")
    refused(net, lambda: METHODS[method](net, X, Y, w), error, rule)


def test_weights_too_small_to_divide_by_are_weights_or_refused() -> None:
    net = trained("identity")
    try:
        value = net.evaluate(X, Y, sample_weight=np.full(5, 5e-324))
    except ValueError as error:
        assert "sample_weight" in str(error)
    else:
        assert value == pytest.approx(net.evaluate(X, Y))


# validation_data: the same checks, and the argument's name before the message


@pytest.mark.parametrize("name", X_ROWS)
def test_validation_x(name: str) -> None:
    x, error, rule = X_ROWS[name]
    net = trained("identity")
    refused(net, lambda: net.fit(X, Y, validation_data=(x, Y)), error, f"validation_data: {rule}")


@pytest.mark.parametrize(("kind", "name"), Y_ROWS)
def test_validation_y(kind: str, name: str) -> None:
    y, error, rule = Y_ROWS[kind, name]
    net = trained(kind)
    good = NETWORKS[kind][1]
    refused(
        net, lambda: net.fit(X, good, validation_data=(X, y)), error, f"validation_data: {rule}"
    )


@pytest.mark.parametrize("name", WEIGHT_ROWS)
def test_validation_weight(name: str) -> None:
    w, error, rule = WEIGHT_ROWS[name]
    net = trained("identity")
    refused(
        net, lambda: net.fit(X, Y, validation_data=(X, Y, w)), error, f"validation_data: {rule}"
    )
