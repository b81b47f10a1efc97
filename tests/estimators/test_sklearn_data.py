"""What the estimators take as X, y and weights: sparse rows, dtypes, labels of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sklearn_support import (
    CLASSIFIER,
    HAS_WEIGHTS,
    KINDS,
    QUICK,
    REGRESSOR,
    assert_same,
    ours,
    pair,
    samples,
    targets,
)

sparse = pytest.importorskip(
    "scipy.sparse", reason="needs the extra: pip install 'deltarule[second-order]'"
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# The order of a sum is the only difference between a batch of sparse rows and one of dense rows.
ATOL = 1e-12


def mostly_zeros() -> np.ndarray:
    X = samples()
    X[np.random.RandomState(1).uniform(size=X.shape) < 0.7] = 0.0
    return X


def fit(name: str, X: Any, y: Any, w: Any = None, **parameters: Any) -> Any:
    return getattr(ours, name)(**(QUICK | parameters)).fit(X, y, w)


@pytest.mark.parametrize("form", ["csr_array", "csc_array", "csr_matrix"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_sparse_rows_are_trained_on_as_dense_ones(
    name: str, kind: str, solver: str, form: str
) -> None:
    X = mostly_zeros()
    y = targets(kind, X)
    rows = getattr(sparse, form)(X)
    dense, model = fit(name, X, y, solver=solver), fit(name, rows, y, solver=solver)
    for wanted, got in zip(dense.coefs_, model.coefs_, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=ATOL)
    np.testing.assert_allclose(model.loss_curve_, dense.loss_curve_, rtol=0, atol=ATOL)
    np.testing.assert_allclose(model._forward(rows), dense._forward(X), rtol=0, atol=ATOL)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_with_a_held_out_part(solver: str) -> None:
    X = mostly_zeros()
    y = targets("binary", X)
    a, b = pair(CLASSIFIER, early_stopping=True, solver=solver)
    rows = sparse.csr_array(X)
    atol = 1e-8 if solver == "lbfgs" else 1e-10
    assert_same(a.fit(rows, y), b.fit(rows, y), rows, atol=atol)


def test_a_block_of_sparse_rows_is_dense_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from deltarule.sklearn import _data

    X = mostly_zeros()
    y = targets("multiclass", X)
    rows = sparse.csr_array(X)
    whole = fit(CLASSIFIER, rows, y, solver="lbfgs")
    monkeypatch.setattr(_data, "_BLOCK_VALUES", 5 * 7)
    assert [rows[part].shape for part in _data.blocks(rows)] == [(7, 5)] * 21 + [(3, 5)]
    parts = fit(CLASSIFIER, rows, y, solver="lbfgs")
    np.testing.assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=0, atol=1e-8)
    np.testing.assert_array_equal(parts.predict_proba(rows), parts.predict_proba(X))


def test_sparse_labels() -> None:
    X = samples()
    y = targets("multilabel", X)
    model, dense = fit(CLASSIFIER, X, sparse.csr_array(y)), fit(CLASSIFIER, X, y)
    np.testing.assert_array_equal(model.coefs_[0], dense.coefs_[0])
    np.testing.assert_array_equal(model.predict(X).toarray(), dense.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("dtype", "given", "kept"),
    [
        (None, np.float32, np.float32),
        (None, np.float64, np.float64),
        (None, np.int64, np.float64),
        (None, np.float16, np.float64),
        ("float32", np.float64, np.float32),
        (np.float32, np.float64, np.float32),
        ("float64", np.float32, np.float64),
    ],
)
def test_the_dtype_that_is_computed_in(solver: str, dtype: Any, given: Any, kept: Any) -> None:
    X = (samples() * 4).astype(given)
    y = targets("binary", samples())
    model = fit(CLASSIFIER, X, y, solver=solver, dtype=dtype)
    assert {a.dtype for a in model.coefs_ + model.intercepts_} == {np.dtype(kept)}
    assert model.predict_proba(X).dtype == model.predict_log_proba(X).dtype == kept
    regressor = fit(REGRESSOR, X, X[:, 0], solver=solver, dtype=dtype)
    assert regressor.predict(X.astype(np.float64)).dtype == kept
    regressor.set_params(warm_start=True, dtype=None).fit(X.astype(np.float64), X[:, 0])
    assert regressor.coefs_[0].dtype == kept  # it goes on with what there is


@pytest.mark.parametrize("labels", [[False, True], ["a", "b"], [-1, 1], [2.0, 5.0]])
def test_two_labels_of_any_type(labels: list[Any]) -> None:
    X = samples()
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    a, b = pair(CLASSIFIER)
    assert_same(a.fit(X, y), b.fit(X, y), X)


def test_objects_as_labels() -> None:
    X = samples()
    y = np.array(["left", "right", "straight on"], dtype=object)[targets("multiclass", X) - 10]
    a, b = pair(CLASSIFIER)
    assert_same(a.fit(X, y), b.fit(X, y), X)


def test_one_class_only() -> None:
    X = samples()
    a, b = pair(CLASSIFIER)
    assert_same(a.fit(X, ["only"] * 150), b.fit(X, ["only"] * 150), X)


def test_a_column_of_targets_warns_as_in_scikit_learn() -> None:
    X = samples()
    for name, kind in [(CLASSIFIER, "multiclass"), (REGRESSOR, "one")]:
        y = targets(kind, X)
        with pytest.warns(UserWarning, match="column-vector y was passed"):
            model = fit(name, X, y.reshape(-1, 1))
        np.testing.assert_array_equal(model.coefs_[0], fit(name, X, y).coefs_[0])
        assert model.predict(X).shape == y.shape


@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_weight_is_a_multiplicity(name: str, solver: str) -> None:
    X = samples(40)
    y = targets("binary" if name == CLASSIFIER else "several", X)
    w = np.arange(40) % 3
    rows = np.repeat(np.arange(40), w)
    batch = {"batch_size": "auto", "shuffle": False, "solver": solver, "alpha": 0.1}
    weighted = fit(name, X, y, w, **batch)
    repeated = fit(name, X[rows], y[rows], **batch)
    for wanted, got in zip(repeated.coefs_, weighted.coefs_, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-8 if solver == "lbfgs" else 1e-12)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_batch_of_weight_0_changes_nothing(name: str, solver: str) -> None:
    X = samples(64)
    y = targets("binary" if name == CLASSIFIER else "several", X)
    w = np.repeat([1.0, 0.0], 32)
    model = fit(name, X, y, w, shuffle=False, solver=solver, max_iter=1)
    assert np.isfinite(model.loss_)
    assert all(np.isfinite(W).all() for W in model.coefs_)
    if not HAS_WEIGHTS:
        return
    # the first batch alone gives the gradient; the velocity or Adam's moments act once more
    alone = fit(name, X[:32], y[:32], shuffle=False, solver=solver, max_iter=1)
    assert model.loss_ == pytest.approx(alone.loss_ / 2)


@pytest.mark.parametrize("kind", ["one", "several"])
def test_numbers_of_any_type_as_targets(kind: str) -> None:
    X = samples()
    y = np.round(10 * targets(kind, X))
    wanted = fit(REGRESSOR, X, y).coefs_[0]
    for other in (y.astype(int), y.astype(np.float32), y.tolist(), np.asfortranarray(y)):
        np.testing.assert_array_equal(fit(REGRESSOR, X, other).coefs_[0], wanted)


def test_the_arrays_of_the_user_are_not_written() -> None:
    X, w = samples(), np.ones(150)
    y = targets("several", X)
    for array in (X, y, w):
        array.flags.writeable = False
    for layout in (X, np.asfortranarray(X), X[::-1]):
        fit(REGRESSOR, layout, y, w).predict(layout)
