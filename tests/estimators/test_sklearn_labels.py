"""Labels that are missing or mixed, class weights that do not fit: errors that name the place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")

import deltarule as dr
from deltarule import sklearn as estimators

X = np.random.default_rng(0).normal(size=(6, 2))
TEXT = np.array(["a", "b"] * 3)
LABELS = np.array([[0, 1], [1, 0]] * 3)


def classifier(**settings: Any) -> Any:
    return estimators.MLPClassifier(
        **{"hidden_layer_sizes": (3,), "solver": "sgd", "random_state": 0, **settings}
    )


def regressor(**settings: Any) -> Any:
    return estimators.MLPRegressor(hidden_layer_sizes=(3,), solver="sgd", **settings)


CLASSIFY: dict[str, Callable[[Any], object]] = {
    "fit": lambda y: classifier().fit(X, y),
    "partial_fit": lambda y: classifier().partial_fit(X, y, classes=["a", "b"]),
    "score": lambda y: classifier().partial_fit(X, TEXT, classes=["a", "b"]).score(X, y),
    "validation_data": lambda y: classifier().fit(X, TEXT, validation_data=(X, y)),
    "classes": lambda y: classifier().partial_fit(X, TEXT, classes=y),
}
REGRESS: dict[str, Callable[[Any], object]] = {
    "fit": lambda y: regressor().fit(X, y),
    "partial_fit": lambda y: regressor().partial_fit(X, y),
    "score": lambda y: regressor().partial_fit(X, X[:, 0]).score(X, y),
    "validation_data": lambda y: regressor().fit(X, X[:, 0], validation_data=(X, y)),
}


def pandas_series(values: list[Any], dtype: str) -> Any:
    return pytest.importorskip("pandas", reason="needs pandas").Series(values, dtype=dtype)


def polars_series(values: list[Any]) -> Any:
    return pytest.importorskip("polars", reason="needs polars").Series(values)


def objects(*values: Any) -> Any:
    return np.array(values, dtype=object)


def pandas(name: str) -> Any:
    return getattr(pytest.importorskip("pandas", reason="needs pandas"), name)


KINDS = r"must hold labels of one kind, but {name}\[0\] is 'a' and {name}\[1\] is 1"
MISSING = r"contains NaN or another missing value: {name}\[1\] is "
MIXED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "text and numbers": (lambda: objects("a", 1, "b", 2, "a", "b"), TypeError, KINDS),
    "a list": (lambda: ["a", 1, "b", 2, "a", "b"], TypeError, KINDS),
    "None": (lambda: objects("a", None, "b", "a", "b", "a"), ValueError, MISSING + "None"),
    "NaN": (lambda: objects("a", np.nan, "b", "a", "b", "a"), ValueError, MISSING + "nan"),
    "NaN in a list": (lambda: ["a", np.nan, "b", "a", "b", "a"], ValueError, MISSING + "nan"),
    "NA": (lambda: objects("a", pandas("NA"), *"baba"), ValueError, MISSING + "<NA>"),
    "NaT": (lambda: objects("a", pandas("NaT"), *"baba"), ValueError, MISSING + "NaT"),
    "pandas text": (lambda: pandas_series(["a", None, *"baba"], "string"), ValueError, MISSING),
    "categories": (lambda: pandas_series(["a", None, *"baba"], "category"), ValueError, MISSING),
    "pandas Boolean": (
        lambda: pandas_series([True, None, False, True, False, True], "boolean"),
        ValueError,
        MISSING + "<NA>",
    ),
    "pandas Int64": (lambda: pandas_series([1, None, 0, 1, 0, 1], "Int64"), ValueError, MISSING),
    "polars text": (lambda: polars_series(["a", None, *"baba"]), ValueError, MISSING + "None"),
    "floats": (lambda: np.array([0, np.nan, 1, 0, 1, 0]), ValueError, MISSING + "nan"),
    "infinity": (
        lambda: np.array([0, -np.inf, 1, 0, 1, 0]),
        ValueError,
        r"contains infinity: {name}\[1\] is -inf",
    ),
    "dates": (
        lambda: np.array(["2020-01-01", "NaT"] * 3, "M8[D]"),
        ValueError,
        MISSING + ".*NaT",
    ),
}


@pytest.mark.parametrize("use", CLASSIFY)
@pytest.mark.parametrize("name", MIXED)
def test_labels_that_cannot_be_sorted(name: str, use: str) -> None:
    make, error, rule = MIXED[name]
    argument = "classes" if use == "classes" else "y"
    with pytest.raises(error, match=f"{argument} " + rule.replace("{name}", argument)):
        CLASSIFY[use](make())


NUMBERS: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: objects(1.0, "a", 2, 3, 4, 5), r"y\[1\] is 'a'; every value must be a number"),
    "a list": (lambda: [1.0, "a", 2, 3, 4, 5], r"y\[1\] is 'a'; every value must be a number"),
    "None": (lambda: objects(1.0, None, 2, 3, 4, 5), r"y contains NaN .*: y\[1\] is None"),
    "two columns": (
        lambda: np.array([[1, 2]] * 5 + [[1, None]], dtype=object),
        r"y contains NaN .*: y\[5, 1\] is None",
    ),
    "floats": (lambda: np.array([0, 1, np.nan, 0, 1, 0]), r"y contains NaN .*: y\[2\] is nan"),
    "infinity": (lambda: np.array([0, 1, np.inf, 0, 1, 0]), r"y contains infinity: y\[2\] is inf"),
    "Boolean": (
        lambda: pandas_series([True, None, False, True, False, True], "boolean"),
        r"y contains NaN .*: y\[1\] is <NA>",
    ),
    "polars Boolean": (
        lambda: polars_series([True, None, False, True, False, True]),
        r"y contains NaN .*: y\[1\] is None",
    ),
}


@pytest.mark.parametrize("use", REGRESS)
@pytest.mark.parametrize("name", NUMBERS)
def test_targets_that_are_no_numbers(name: str, use: str) -> None:
    make, rule = NUMBERS[name]
    with pytest.raises(ValueError, match=rule):
        REGRESS[use](make())


def test_numbers_as_objects_are_taken() -> None:
    y = np.arange(6.0)
    same = [regressor(random_state=0).partial_fit(X, v).predict(X) for v in (y, y.astype(object))]
    assert same[0].tobytes() == same[1].tobytes()


# class_weight

ONE, SEVERAL = "a dict {label: weight}, 'balanced' or None", "a list of 2 dicts {0: weight, 1: "
WEIGHTS: list[tuple[Any, Any, type[Exception], str]] = [
    ([1, 2, 3], TEXT, TypeError, f"class_weight must be {ONE} .*, not [1, 2, 3]"),
    ([], TEXT, TypeError, f"class_weight must be {ONE} .*, not []"),
    ([{"a": 1}], TEXT, TypeError, f"class_weight must be {ONE} "),
    ({"a": "x"}, TEXT, TypeError, "class_weight['a'] must be a number, not 'x'"),
    ({"a": None}, TEXT, TypeError, "class_weight['a'] must be a number, not None"),
    ({"a": -1}, TEXT, ValueError, "class_weight['a'] must be 0 or more and finite, not -1"),
    ({"a": np.nan}, TEXT, ValueError, "class_weight['a'] must be 0 or more and finite, not nan"),
    ({"a": np.inf}, TEXT, ValueError, "class_weight['a'] must be 0 or more and finite, not inf"),
    ({"a": 10**400}, TEXT, ValueError, "class_weight['a'] must be 0 or more and finite"),
    ({"c": 2}, TEXT, ValueError, "class_weight must have labels of ['a', 'b'] as its keys"),
    ({0: 2}, TEXT, ValueError, "class_weight must have labels of ['a', 'b'] as its keys, not 0"),
    ({"a": 0, "b": 0}, TEXT, ValueError, "class_weight must be 0 or more and above zero for some"),
    ({"a": 1}, LABELS, TypeError, f"class_weight must be {SEVERAL}"),
    ([{0: 1}], LABELS, TypeError, f"class_weight must be {SEVERAL}"),
    ([{0: 1}, None], LABELS, TypeError, f"class_weight must be {SEVERAL}"),
    ([{0: 1}, {2: 1}], LABELS, ValueError, "class_weight[1] must have labels of [0, 1] "),
]  # fmt: skip


@pytest.mark.parametrize(("given", "y", "error", "rule"), WEIGHTS, ids=range(len(WEIGHTS)))
def test_class_weights_that_do_not_fit(
    given: Any, y: Any, error: type[Exception], rule: str
) -> None:
    head, _, tail = rule.partition(".*")
    model = classifier(class_weight=given)
    with pytest.raises(error) as caught:
        model.fit(X, y)
    text = str(caught.value)
    assert text.startswith(head)
    assert tail in text
    assert not hasattr(model, "coefs_")


def test_class_weights_times_sample_weights_that_overflow() -> None:
    with pytest.raises(ValueError, match="class_weight times sample_weight must be finite"):
        classifier(class_weight={"a": 1e300}).fit(X, TEXT, np.full(6, 1e300))


def test_class_weights_of_classes_that_a_call_lacks() -> None:
    """The second call has one class, and the weights name the other."""
    weighted = classifier(class_weight={"b": 3.0}).partial_fit(X, TEXT, classes=["a", "b"])
    weighted.partial_fit(X[:3], ["a"] * 3)
    same = classifier().partial_fit(X, TEXT, [1.0, 3.0] * 3, classes=["a", "b"])
    same.partial_fit(X[:3], ["a"] * 3, [1.0] * 3)
    assert all(map(np.array_equal, weighted.coefs_, same.coefs_))


# A 1-D y is named as it was given


@pytest.mark.parametrize(
    ("output", "y", "rule"),
    [
        ("identity", [0, 0, np.nan, 0, 0, 0], r"y\[2\] is nan; every value must be finite"),
        ("sigmoid", [0, 0, 3, 0, 0, 0], r"y\[2\] is 3.0; every value must be in \[0, 1\]"),
        ("exp", [0, 0, -1, 0, 0, 0], r"y\[2\] is -1.0; every value must be 0 or more"),
        ("identity", [[0], [0], [np.nan], [0], [0], [0]], r"y\[2, 0\] is nan"),
    ],
)
def test_places_in_y(output: str, y: Any, rule: str) -> None:
    net = dr.MLP([2, 1], output=output, seed=0)
    for call in (net.evaluate, net.train_step, net.fit, net.value_and_grad, net.trace, net.verify):
        with pytest.raises(ValueError, match=rule):
            call(X, np.array(y))


def test_places_in_y_of_the_regressor() -> None:
    with pytest.raises(ValueError, match=r"y\[2\] is -1.0; every value must be 0 or more"):
        regressor(loss="poisson").fit(X, [0, 0, -1.0, 0, 0, 0])
