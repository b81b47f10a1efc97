"""Sparse matrices whose parts do not fit together: an error that names the part, never a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import assert_same_bits

sparse = pytest.importorskip(
    "scipy.sparse", reason="needs the extra: pip install 'deltarule[second-order]'"
)

X = np.array([[1.0, 0, 2], [0, 0, 3], [4, 5, 6], [0, 7, 0]])
Y = np.array([[1.0], [2], [3], [4]])


def made(form: str, **parts: Any) -> Any:
    """Return X in that format with some parts replaced after it was made."""
    matrix = getattr(sparse, form)(X)
    for name, value in parts.items():
        setattr(matrix, name, value)
    return matrix


def changed(form: str, part: str, at: Any, value: int, dtype: type = np.int32) -> Any:
    array = np.array(getattr(made(form), part), dtype)
    array[at] = value
    return made(form, **{part: array})


def moved(axis: int, value: int) -> Any:
    """Return X as coordinates, one of which is another."""
    matrix = made("coo_array")
    coords = [np.array(index) for index in matrix.coords]
    coords[axis][2] = value
    matrix.coords = tuple(coords)
    return matrix


def lil(row: int, part: str, values: list[Any]) -> Any:
    matrix = made("lil_array")
    getattr(matrix, part)[row] = values
    return matrix


def dok(key: Any) -> Any:
    matrix = made("dok_array")
    dict.__setitem__(matrix._dict, key, 1.0)
    return matrix


HUGE = 2**31 - 1
MALFORMED: dict[str, tuple[Callable[[], Any], str]] = {
    "csr, index too large": (
        lambda: changed("csr_array", "indices", 1, 3),
        r"indices\[1\] is 3, but must be in 0\.\.2",
    ),
    "csr, index huge": (
        lambda: changed("csr_matrix", "indices", 1, HUGE),
        rf"indices\[1\] is {HUGE}, but must be in 0\.\.2",
    ),
    "csr, index huge in int64": (
        lambda: changed("csr_array", "indices", 6, 2**60, np.int64),
        rf"indices\[6\] is {2**60}, but must be in 0\.\.2",
    ),
    "csr, index negative": (
        lambda: changed("csr_array", "indices", 0, -1),
        r"indices\[0\] is -1, but must be in 0\.\.2",
    ),
    "csr, indptr beyond the end": (
        lambda: changed("csr_array", "indptr", 4, 10**6),
        r"indptr\[4\] is 1000000, but there are 7 indices and 7 values",
    ),
    "csr, indptr falls": (
        lambda: changed("csr_array", "indptr", 2, 1),
        r"indptr\[2\] is 1, but must not be below the entry before it, 2",
    ),
    "csr, indptr below 0": (
        lambda: changed("csr_array", "indptr", 1, -5),
        r"indptr\[1\] is -5, but must not be below the entry before it, 0",
    ),
    "csr, indptr begins late": (
        lambda: changed("csr_array", "indptr", 0, 1),
        r"indptr\[0\] is 1, but must be 0",
    ),
    "csr, indptr short": (
        lambda: made("csr_array", indptr=np.array([0, 2, 3], np.int32)),
        r"indptr must have 5 entries, but has 3",
    ),
    "csr, indptr long": (
        lambda: made("csr_array", indptr=np.array([0, 2, 3, 6, 7, 7], np.int32)),
        r"indptr must have 5 entries, but has 6",
    ),
    "csr, indptr empty": (
        lambda: made("csr_array", indptr=np.zeros(0, np.int32)),
        r"indptr must have 5 entries, but has 0",
    ),
    "csr, indices short": (
        lambda: made("csr_array", indices=np.zeros(3, np.int32)),
        r"indptr\[4\] is 7, but there are 3 indices and 7 values",
    ),
    "csr, data short": (
        lambda: made("csr_matrix", data=np.ones(2)),
        r"indptr\[4\] is 7, but there are 7 indices and 2 values",
    ),
    "csr, data 2-D": (
        lambda: made("csr_array", data=np.ones((7, 1))),
        r"data must be 1-D, but has shape \(7, 1\)",
    ),
    "csr, float indices": (
        lambda: made("csr_array", indices=np.zeros(7)),
        "indices must be an array of whole numbers, not float64",
    ),
    "csr, 2-D indices": (
        lambda: made("csr_array", indices=np.zeros((7, 1), np.int32)),
        r"indices must be 1-D, but has shape \(7, 1\)",
    ),
    "csc, index too large": (
        lambda: changed("csc_array", "indices", 1, 4),
        r"indices\[1\] is 4, but must be in 0\.\.3",
    ),
    "csc, index negative": (
        lambda: changed("csc_matrix", "indices", 1, -(10**6)),
        r"indices\[1\] is -1000000, but must be in 0\.\.3",
    ),
    "csc, indptr beyond the end": (
        lambda: changed("csc_array", "indptr", 3, 10**6),
        r"indptr\[3\] is 1000000, but there are 7 indices and 7 values",
    ),
    "csc, indptr short": (
        lambda: made("csc_array", indptr=np.array([0, 7], np.int32)),
        r"indptr must have 4 entries, but has 2",
    ),
    "coo, row too large": (lambda: moved(0, 4), r"coords\[0\]\[2\] is 4, but must be in 0\.\.3"),
    "coo, row negative": (
        lambda: moved(0, -(10**6)),
        r"coords\[0\]\[2\] is -1000000, but must be in 0\.\.3",
    ),
    "coo, column too large": (
        lambda: moved(1, HUGE),
        rf"coords\[1\]\[2\] is {HUGE}, but must be in 0\.\.2",
    ),
    "coo, data short": (
        lambda: made("coo_array", data=np.ones(2)),
        r"coords\[0\] has 7 entries, {name}\.data shape \(2,\)",
    ),
    "bsr, index too large": (
        lambda: changed("bsr_array", "indices", 0, 3),
        r"indices\[0\] is 3, but must be in 0\.\.2",
    ),
    "bsr, indptr beyond the end": (
        lambda: changed("bsr_matrix", "indptr", -1, 999),
        r"indptr\[4\] is 999, but there are 7 indices and 7 values",
    ),
    "bsr, blocks do not divide": (
        lambda: made("bsr_array", data=np.ones((7, 3, 2))),
        r"data has blocks \(3, 2\), which do not divide shape \(4, 3\)",
    ),
    "dia, offset beyond": (
        lambda: changed("dia_array", "offsets", 0, 2**40, np.int64),
        rf"offsets\[0\] is {2**40}, but must be in -4\.\.3",
    ),
    "dia, fewer values than offsets": (
        lambda: made("dia_array", data=np.ones((1, 3))),
        r"data must have a row for each of 5 offsets, but has shape \(1, 3\)",
    ),
    "lil, column too large": (
        lambda: lil(1, "rows", [3]),
        r"indices\[2\] is 3, but must be in 0\.\.2",
    ),
    "lil, column negative": (
        lambda: lil(1, "rows", [-(10**6)]),
        r"indices\[2\] is -1000000, but must be in 0\.\.2",
    ),
    "lil, more values than columns": (
        lambda: lil(1, "data", [1.0] * 1000),
        r"rows\[1\] has 1 entries, {name}\.data\[1\] 1000",
    ),
    "lil, columns of text": (lambda: lil(1, "rows", ["a"]), "is no sound lil matrix: "),
    "lil, too few rows": (
        lambda: made("lil_array", rows=np.array([[0]], object)),
        r"rows and {name}\.data must have 4 lists, not 1",
    ),
    "dok, row too large": (lambda: dok((4, 0)), "is no sound dok matrix: .*exceeds"),
    "dok, column negative": (lambda: dok((0, -(10**6))), "is no sound dok matrix: .*negative"),
}


def network() -> dr.MLP:
    return dr.MLP([3, 4, 1], seed=0)


CALLS: dict[str, Callable[[dr.MLP, Any], object]] = {
    "predict": lambda net, x: net.predict(x),
    "evaluate": lambda net, x: net.evaluate(x, Y),
    "train_step": lambda net, x: net.train_step(x, Y),
    "fit": lambda net, x: net.fit(x, Y, epochs=1),
    "fit, y": lambda net, x: dr.MLP([1, 3], seed=0).fit(Y, x, epochs=1),
    "fit, validation_data": lambda net, x: net.fit(X, Y, epochs=1, validation_data=(x, Y)),
    "fit, a stream": lambda net, x: net.fit([(x, Y)], epochs=1),
    "trace": lambda net, x: net.trace(x, Y),
    "verify": lambda net, x: net.verify(x, Y),
    "jacobian": lambda net, x: net.jacobian(x),
    "fit_many": lambda net, x: dr.fit_many(x, Y, [{"sizes": [3, 1]}], epochs=1),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str, call: str) -> None:
    make, rule = MALFORMED[name]
    net = network()
    theta = net.theta.copy()
    part = "y" if call == "fit, y" else "x"
    with pytest.raises(ValueError, match=rf"\b{part}[. ].*" + rule.replace("{name}", part)):
        CALLS[call](net, make())
    assert_same_bits(net.theta, theta)


@pytest.mark.parametrize("blocks", [False, True])
def test_malformed_rows_in_blocks(blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if blocks:
        for size in ("BLOCK_BYTES", "WHOLE_BYTES"):
            monkeypatch.setattr(dr.data.rows, size, 16)
    x = changed("csr_array", "indices", 6, 99)
    with pytest.raises(ValueError, match=r"x\.indices\[6\] is 99, but must be in 0\.\.2"):
        network().predict(x)


# Estimators


@pytest.mark.parametrize("use", ["fit", "partial_fit", "predict", "score", "validation_data"])
@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_in_estimators(name: str, kind: str, use: str) -> None:
    pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")
    from deltarule import sklearn as estimators

    make, rule = MALFORMED[name]
    x, labels = make(), np.array([0, 1, 0, 1])
    model = getattr(estimators, kind)(hidden_layer_sizes=(3,), max_iter=1, random_state=0)
    calls: dict[str, Callable[[], object]] = {
        "fit": lambda: model.fit(x, labels),
        "partial_fit": lambda: (
            model.partial_fit(x, labels, classes=[0, 1])
            if kind == "MLPClassifier"
            else model.partial_fit(x, labels)
        ),
        "validation_data": lambda: model.fit(X, labels, validation_data=(x, labels)),
        "predict": lambda: model.partial_fit(X, labels, **classes).predict(x),
        "score": lambda: model.partial_fit(X, labels, **classes).score(x, labels),
    }
    classes = {"classes": [0, 1]} if kind == "MLPClassifier" else {}
    with pytest.raises(ValueError, match=r"\bX[. ].*" + rule.replace("{name}", "X")):
        calls[use]()


@pytest.mark.parametrize("use", ["fit", "partial_fit", "score"])
def test_malformed_labels(use: str) -> None:
    pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")
    from deltarule import sklearn as estimators

    labels = np.array([[0, 1], [1, 0], [1, 1], [0, 1]])
    bad = sparse.csr_array(labels)
    bad.indices[1] = 10**6
    model = estimators.MLPClassifier((3,), max_iter=1, random_state=0)
    if use == "score":
        model.partial_fit(X, labels, classes=[0, 1])
    options = {"classes": [0, 1]} if use == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"y\.indices\[1\] is 1000000, but must be in 0\.\.1"):
        getattr(model, use)(X, bad, **options)


# Sound ones

FORMS = ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"]


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", FORMS)
def test_every_format(form: str, kind: str) -> None:
    net, x = network(), made(f"{form}_{kind}")
    assert_same_bits(net.predict(x), net.predict(X))
    assert (abs(x - X) == 0).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16])
def test_index_arrays_of_every_dtype_are_left_as_they_are(dtype: type) -> None:
    x = made("csr_array")
    indices, indptr = x.indices.astype(dtype), x.indptr.astype(np.int64)
    spare = np.append(x.data, [np.nan, np.nan])  # room that no row refers to
    x.indices, x.indptr, x.data = np.append(indices, [dtype(77)]), indptr, spare
    before = (x.indices, x.indptr, x.data)
    assert_same_bits(network().predict(x), network().predict(X))
    assert (x.indices, x.indptr, x.data) == before or all(
        a is b for a, b in zip((x.indices, x.indptr, x.data), before, strict=True)
    )


def test_indices_that_are_changed_during_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback, or another thread, may change what was checked."""
    for size in ("BLOCK_BYTES", "WHOLE_BYTES"):
        monkeypatch.setattr(dr.data.rows, size, 16)

    def spoil(record: dr.EpochRecord) -> None:
        x.indices[:] = HUGE
        x.indptr[1:] = HUGE

    x, net, same = made("csr_array"), network(), network()
    net.fit(x, Y, epochs=3, shuffle=False, callbacks=spoil)
    same.fit(made("csr_array"), Y, epochs=3, shuffle=False)
    assert_same_bits(net.theta, same.theta)
