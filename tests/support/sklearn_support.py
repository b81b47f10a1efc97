"""The estimators beside scikit-learn's own: data of every kind, both trained alike, compared."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")
pytest.importorskip("scipy", reason="needs the extra: pip install 'deltarule[second-order]'")

from sklearn import neural_network as theirs  # noqa: E402

from deltarule import sklearn as ours  # noqa: E402

Array = np.ndarray

CLASSIFIER, REGRESSOR = "MLPClassifier", "MLPRegressor"

# Five epochs of some ten float64 steps on parameters near 1: some hundred roundings; what is
# promised is 1e-10.
ATOL = 1e-10

# What came to scikit-learn with 1.7.
HAS_WEIGHTS = "sample_weight" in inspect.signature(theirs.MLPClassifier.fit).parameters
HAS_LOSS = "loss" in inspect.signature(theirs.MLPRegressor).parameters

# Quick, with a smaller last batch.
QUICK: dict[str, Any] = {
    "hidden_layer_sizes": (9, 6),
    "max_iter": 5,
    "random_state": 3,
    "batch_size": 32,
    "learning_rate_init": 0.01,
}


def samples(n: int = 150) -> Array:
    return np.random.RandomState(0).randn(n, 5)


def targets(kind: str, X: Array) -> Array:
    """Return y: two classes or more, "multilabel", "one" or "several" outputs, "counts"."""
    return {
        "binary": lambda: np.where(X[:, 0] > 0.2, 7, 3),
        "named": lambda: np.where(X[:, 0] > 0.2, "yes", "no"),
        "multiclass": lambda: np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5]) + 10,
        "multilabel": lambda: (X[:, :3] > 0).astype(int),
        "one": lambda: X[:, 0] ** 2 + X[:, 1],
        "several": lambda: np.column_stack([X[:, 0] * X[:, 1], X[:, 2], X[:, 3] - X[:, 0]]),
        "counts": lambda: np.round(np.exp(X[:, 0] / 2)),
    }[kind]()


KINDS = [
    (CLASSIFIER, "binary"),
    (CLASSIFIER, "multiclass"),
    (CLASSIFIER, "multilabel"),
    (REGRESSOR, "one"),
    (REGRESSOR, "several"),
]


def pair(name: str, **parameters: Any) -> tuple[Any, Any]:
    """Return scikit-learn's estimator and deltarule's."""
    parameters = QUICK | parameters
    return getattr(theirs, name)(**parameters), getattr(ours, name)(**parameters)


def assert_same(a: Any, b: Any, X: Array, atol: float = ATOL) -> None:
    """Assert that two fitted estimators are the same in all that scikit-learn names."""
    for wanted, got in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=atol)
        assert got.dtype == wanted.dtype and got.flags.c_contiguous
    for name in ("n_iter_", "t_", "n_features_in_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("loss_", "best_loss_", "loss_curve_", "validation_scores_"):
        if hasattr(a, name) and getattr(a, name) is not None:
            np.testing.assert_allclose(
                getattr(b, name), getattr(a, name), rtol=0, atol=atol, err_msg=name
            )
        elif hasattr(a, name):
            assert getattr(b, name) is None, name
    wanted, got = a.predict(X), b.predict(X)
    assert wanted.dtype == got.dtype and wanted.shape == got.shape
    if hasattr(a, "predict_proba"):
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(b.classes_, a.classes_)
        np.testing.assert_allclose(b.predict_proba(X), a.predict_proba(X), rtol=0, atol=atol)
        np.testing.assert_allclose(
            np.exp(b.predict_log_proba(X)), a.predict_proba(X), rtol=0, atol=atol
        )
    else:
        np.testing.assert_allclose(got, wanted, rtol=0, atol=10 * atol)
