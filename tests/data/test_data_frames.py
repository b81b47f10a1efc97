"""Tables and columns of pandas and polars give the bits of their arrays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, Array, assert_same_bits, refused

NAMES = ["width", "height", "depth"]
LIBRARIES = ["pandas", "polars"]
each_library = pytest.mark.parametrize("library", LIBRARIES)


def table(library: str, columns: dict[str, Any]) -> Any:
    module = pytest.importorskip(library, reason=f"needs {library}")
    return module.DataFrame(columns)


def series(library: str, values: Any) -> Any:
    module = pytest.importorskip(library, reason=f"needs {library}")
    return module.Series(values)


def data() -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3)), rng.normal(size=(12, 2)), np.linspace(0.5, 2.0, 12)


def framed(library: str, a: Array, names: list[str] = NAMES) -> Any:
    return table(library, {name: a[:, j] for j, name in enumerate(names[: a.shape[1]])})


def everything(x: Any, y: Any, w: Any) -> list[Any]:
    net = dr.MLP([3, 4, 2], hidden="tanh", seed=0)
    value, grads = net.value_and_grad(x, y, sample_weight=w)
    results = [net.predict(x), net(x), net.evaluate(x, y, sample_weight=w), value, grads.theta]
    results += [net.train_step(x, y, sample_weight=w, optimizer=MOMENTUM), net.theta]
    history = net.fit(
        x, y, epochs=2, batch_size=5, sample_weight=w, validation_data=(x, y, w), metrics="mae"
    )
    return [*results, *list(history.to_dict().values())[:2], history.metrics, net.theta]


@each_library
def test_tables(library: str) -> None:
    x, y, w = data()
    wanted = everything(x, y, w)
    found = everything(framed(library, x), framed(library, y), series(library, w))
    for a, b in zip(found, wanted, strict=True):
        assert a == b if isinstance(b, dict) else (assert_same_bits(a, b) is None)


@each_library
def test_columns_of_different_dtypes(library: str) -> None:
    columns = {
        "a": np.arange(4, dtype=np.int8),
        "b": np.array([True, False, True, True]),
        "c": np.linspace(0, 1, 4, dtype=np.float32),
    }
    net = dr.MLP([3, 2], seed=0)
    wanted = net.predict(np.column_stack([c.astype(float) for c in columns.values()]))
    assert_same_bits(net.predict(table(library, columns)), wanted)


@each_library
def test_classes_come_as_a_column(library: str) -> None:
    x, _, _ = data()
    y = np.arange(12) % 3
    net = dr.MLP([3, 3], output="softmax", seed=0)
    assert net.evaluate(x, series(library, y)) == net.evaluate(x, y)
    one = dr.MLP([3, 1], seed=0)
    assert one.evaluate(x, series(library, y)) == one.evaluate(x, y)
    assert one.evaluate(x, table(library, {"y": y})) == one.evaluate(x, y)


@each_library
def test_one_sample_is_a_column_too(library: str) -> None:
    x, _, _ = data()
    net = dr.MLP([3, 2], seed=0)
    assert_same_bits(net.predict(series(library, x[2])), net.predict(x[2]))
    out = np.empty((12, 2), np.float32)
    assert net.predict(framed(library, x), out=out) is out
    assert_same_bits(out, net.predict(x))


def test_pandas_own_numbers() -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    frame = pd.DataFrame(
        {
            "a": pd.array([1, 2, 3], dtype="Int64"),
            "b": pd.array([0.5, 1.5, 2.5], dtype="Float32"),
            "c": pd.array([True, False, True], dtype="boolean"),
        }
    )
    net = dr.MLP([3, 2], seed=0)
    wanted = net.predict([[1, 0.5, 1], [2, 1.5, 0], [3, 2.5, 1]])
    assert_same_bits(net.predict(frame), wanted)
    frame.columns = ["same", "same", "same"]
    assert_same_bits(net.predict(frame), wanted)
    frame.index = [7, 7, 9]
    assert_same_bits(net.predict(frame), wanted)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean"])
def test_pandas_missing_numbers_are_not_finite(dtype: str) -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": pd.array([1, None], dtype=dtype)})
    net = dr.MLP([2, 1], seed=0)
    rule = r"x\[1, 1\] \(column 'b'\) is nan; every value must be finite \(in float32\)"
    refused(net, lambda: net.predict(frame), ValueError, rule)


def test_polars_missing_numbers_are_not_finite() -> None:
    pl = pytest.importorskip("polars", reason="needs polars")
    net = dr.MLP([2, 1], seed=0)
    rule = r"x\[1, 1\] \(column 'b'\) is nan; every value must be finite \(in float32\)"
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [1, None]})
    refused(net, lambda: net.predict(frame), ValueError, rule)


def bad_x(library: str) -> dict[str, tuple[Callable[[], Any], type[Exception], str]]:
    x, _, _ = data()
    columns = {name: x[:, j] for j, name in enumerate(NAMES)}
    names = ["a"] * 12
    dates = np.arange(12).astype("M8[ms]")
    return {
        "names": (
            lambda: table(library, {**columns, "height": names}),
            TypeError,
            r"x must hold real numbers, but its column 'height' holds .*: x\[0, 1\] is 'a'",
        ),
        "dates": (
            lambda: table(library, {**columns, "depth": dates}),
            TypeError,
            "x must hold real numbers, but its column 'depth' holds .*[dD]atetime.*",
        ),
        "nan": (
            lambda: table(library, {**columns, "depth": np.full(12, np.nan)}),
            ValueError,
            r"x\[0, 2\] \(column 'depth'\) is nan; every value must be finite \(in float32\)",
        ),
        "columns": (
            lambda: table(library, {"a": x[:, 0]}),
            ValueError,
            "x has 1 features, the network takes 3",
        ),
        "no columns": (lambda: table(library, {}), ValueError, "x has 0 features, .* takes 3"),
        "no rows": (
            lambda: table(library, {name: [0.0][:0] for name in NAMES}),
            ValueError,
            r"x has no samples, shape \(0, 3\)",
        ),
    }


@each_library
@pytest.mark.parametrize("name", bad_x("pandas"))
def test_bad_tables(name: str, library: str) -> None:
    make, error, rule = bad_x(library)[name]
    net = dr.MLP([3, 4, 2], seed=0)
    frame = make()
    _, y, _ = data()
    refused(net, lambda: net.predict(frame), error, rule)
    refused(net, lambda: net.fit(frame, y), error, rule)
    refused(net, lambda: net.train_step(frame, y), error, rule)


@each_library
def test_bad_targets(library: str) -> None:
    x, y, _ = data()
    net = dr.MLP([3, 4, 2], seed=0)
    names = table(library, {"a": y[:, 0], "b": ["x"] * 12})
    rule = "y must hold real numbers, but its column 'b' holds .*"
    refused(net, lambda: net.fit(x, names), TypeError, rule)
    missing = table(library, {"a": y[:, 0], "b": np.full(12, np.inf)})
    refused(net, lambda: net.fit(x, missing), ValueError, r"y\[0, 1\] \(column 'b'\) is inf; .*")
    rule = r"y must hold real numbers, not .*; numpy\.unique\(labels.*"
    refused(net, lambda: net.fit(x, series(library, ["x"] * 12)), TypeError, rule)


def test_a_table_of_arrow() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    x, _, _ = data()
    frame = pa.table({name: x[:, j] for j, name in enumerate(NAMES)})
    net = dr.MLP([3, 2], seed=0)
    assert_same_bits(net.predict(frame), net.predict(x))


# Missing values, and values that are no numbers, are named by column and row


def frame(library: str, column: Any, **options: Any) -> Any:
    module = pytest.importorskip(library, reason=f"needs {library}")
    values = module.Series(column, **options) if options else column
    return module.DataFrame({"a": [1.0, 2.0], "b": values})


MISSING: dict[str, tuple[Callable[[], Any], str]] = {
    "objects, None": (lambda: frame("pandas", np.array([1.0, None], object)), "None"),
    "objects, NaN": (lambda: frame("pandas", np.array([True, np.nan], object)), "nan"),
    "objects, NA": (
        lambda: frame("pandas", np.array([1, pytest.importorskip("pandas").NA], object)),
        "<NA>",
    ),
    "polars Boolean": (lambda: frame("polars", [True, None]), "None"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_is_named(name: str) -> None:
    make, value = MISSING[name]
    net, table, y = dr.MLP([2, 1], seed=0), make(), np.ones(2)
    rule = rf"x\[1, 1\] \(column 'b'\) is missing \({value}\)"
    refused(net, lambda: net.predict(table), ValueError, rule)
    refused(net, lambda: net.fit(table, y), ValueError, rule)
    wide = dr.MLP([1, 2], seed=0)
    refused(wide, lambda: wide.fit([[1.0], [2.0]], table), ValueError, rule.replace("x", "y", 1))


STRANGE: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: frame("pandas", np.array([1, "x"], object)), r"x\[1, 1\] is 'x'"),
    "text and None": (lambda: frame("pandas", np.array([None, "x"], object)), r"x\[1, 1\] is 'x'"),
    "categories": (lambda: frame("pandas", ["u", None], dtype="category"), r"x\[0, 1\] is 'u'"),
    "durations": (
        lambda: frame("pandas", np.array([1, "NaT"], "m8[s]")),
        r"x\[0, 1\] is np\.timedelta64\(1,'s'\)",
    ),
    "complex": (lambda: frame("pandas", [1, 1j]), r"x\[0, 1\] is \(1\+0j\)"),
    "lists": (lambda: frame("pandas", [[1], [2]]), r"x\[0, 1\] is \[1\]"),
    "polars text": (lambda: frame("polars", [None, "x"]), r"x\[1, 1\] is 'x'"),
    "polars structs": (lambda: frame("polars", [{"q": 1}, None]), r"\(x\[:, 1\]\)"),
    "polars decimals": (
        lambda: frame("polars", [Decimal(1), None]),
        r"x\[0, 1\] is Decimal\('1'\)",
    ),
    "numbers as objects": (lambda: frame("pandas", np.array([1, 2], object)), r"\(x\[:, 1\]\)"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_value_that_is_no_number_is_named(name: str) -> None:
    make, where = STRANGE[name]
    net, table = dr.MLP([2, 1], seed=0), make()
    rule = rf"x must hold real numbers, but its column 'b' holds [^:]*(: [^:]*)*:? ?{where}"
    refused(net, lambda: net.predict(table), TypeError, rule)


def test_columns_of_the_same_name_are_told_apart() -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    table = pd.DataFrame([[1, 2], [3, "x"]], columns=["a", "b"]).astype({"b": object})
    table.columns = ["same", "same"]
    net = dr.MLP([2, 1], seed=0)
    rule = r"x must hold real numbers, but its column 'same' holds object: x\[1, 1\] is 'x'"
    refused(net, lambda: net.predict(table), TypeError, rule)


def test_objects_that_cannot_become_arrays_are_refused() -> None:
    pl = pytest.importorskip("polars", reason="needs polars")
    if not hasattr(pl, "Int128"):
        pytest.skip("needs a polars with 128 bits")
    net, column = dr.MLP([2, 1], seed=0), pl.Series([1, None], dtype=pl.Int128)
    rule = "x, column 'b': .*128.*"
    refused(
        net, lambda: net.predict(pl.DataFrame({"a": [1.0, 2.0], "b": column})), ValueError, rule
    )


@pytest.mark.parametrize(
    ("x", "error", "rule"),
    [
        ([[1, 2], [3, None]], TypeError, r".*; x\[1, 1\] is missing: None"),
        ([[1, 2], [3, "x"]], TypeError, r".*; x\[1, 1\] is no number: 'x'"),
        (np.array([[1, "x"]]), TypeError, r"x must hold real numbers, not str\d+"),
        (
            np.ma.masked_array([[1.0, 2.0]], mask=[[False, True]]),
            ValueError,
            r"x has masked values, first x\[0, 1\]; fill or drop them first",
        ),
        (
            [np.ma.masked_array([1.0, 2.0], mask=[False, True])],
            ValueError,
            r"x\[0\] has masked values, first x\[0\]\[1\]; fill or drop them first",
        ),
    ],
)
def test_arrays_and_lists(x: Any, error: type[Exception], rule: str) -> None:
    net = dr.MLP([2, 1], seed=0)
    refused(net, lambda: net.predict(x), error, rule)


def test_objects_without_end_are_refused_at_once() -> None:
    net, x = dr.MLP([2, 1], seed=0), np.broadcast_to(np.array([1.0, 2.0], object), (2**40, 2))
    rule = r"x must hold real numbers, not object \(ragged or mixed\)"
    refused(net, lambda: net.predict(x), TypeError, rule)
