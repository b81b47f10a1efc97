"""The estimators with custom losses and activations."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import deltarule as dr
from custom_support import (
    LOSSES,
    SQUARES,
    TANH,
    own_activation,
    own_loss,
    pinball,
    pinball_gradient,
    swish,
    swish_derivative,
)
from deltarule import names
from deltarule.sklearn import MLPClassifier, MLPRegressor
from sklearn_support import ATOL, QUICK, samples, targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = samples()
SOLVERS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "sgd", "dropout": 0.3, "alpha": 0.1},
    {"solver": "sgd", "learning_rate": "invscaling", "early_stopping": "loss"},
    {"solver": "lbfgs"},
]


def assert_same(mine: Any, wanted: Any) -> None:
    of_mine, of_wanted = (net.coefs_ + net.intercepts_ for net in (mine, wanted))
    for a, b in zip(of_mine, of_wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=100 * ATOL)  # lbfgs multiplies roundings
    np.testing.assert_allclose(mine.loss_curve_, wanted.loss_curve_, rtol=0, atol=100 * ATOL)


@pytest.mark.parametrize("weight", [None, np.arange(150) % 4], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("settings", SOLVERS, ids=lambda s: s["solver"])
class TestACopyOfTheirLoss:
    """gives their results."""

    def test_regressor(self, settings: dict[str, Any], weight: Any) -> None:
        y = targets("one", X)
        settings = QUICK | {"activation": "tanh"} | settings
        own = settings | {"loss": SQUARES, "activation": [TANH, "tanh"]}
        mine, wanted = MLPRegressor(**own), MLPRegressor(**settings)
        assert_same(mine.fit(X, y, weight), wanted.fit(X, y, weight))
        np.testing.assert_allclose(mine.predict(X), wanted.predict(X), rtol=0, atol=1e-7)

    @pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
    def test_classifier(self, settings: dict[str, Any], weight: Any, kind: str) -> None:
        y = targets(kind, X)
        loss = "cross_entropy" if kind == "multiclass" else "binary_cross_entropy"
        settings = QUICK | {"activation": "tanh"} | settings
        own = settings | {"loss": own_loss(loss), "activation": TANH}
        mine, wanted = MLPClassifier(**own), MLPClassifier(**settings)
        assert_same(mine.fit(X, y, weight), wanted.fit(X, y, weight))
        np.testing.assert_array_equal(mine.predict(X), wanted.predict(X))
        np.testing.assert_allclose(mine.predict_proba(X), wanted.predict_proba(X), atol=1e-7)


ESTIMATOR = MLPRegressor(
    loss=LOSSES["pinball"], activation=(swish, swish_derivative), hidden_layer_sizes=(6,),
    max_iter=150, learning_rate_init=0.02, random_state=0, tol=1e-3,
)  # fmt: skip


def test_clones_pickles_and_searches() -> None:
    y = targets("one", X)
    copied = clone(ESTIMATOR)
    assert copied.loss == ESTIMATOR.loss and copied.activation == ESTIMATOR.activation
    mine, its = clone(ESTIMATOR).fit(X, y), copied.fit(X, y)
    np.testing.assert_array_equal(mine.predict(X), its.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mine)).predict(X), mine.predict(X))
    assert 0.8 < np.mean(y <= mine.predict(X)) <= 1.0  # the 0.9 quantile
    assert "CustomLoss(pinball, pinball_gradient)" in repr(mine)
    losses = ["squared_error", LOSSES["log_cosh"], (pinball, pinball_gradient)]
    search = GridSearchCV(ESTIMATOR, {"loss": losses}, cv=2)
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()
    assert np.isfinite(cross_val_score(ESTIMATOR, X, y, cv=2)).all()


def test_partial_fit_and_sparse_rows() -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    y = targets("several", X)
    dense, sparse = (clone(ESTIMATOR).set_params(activation=TANH) for _ in range(2))
    for _ in range(3):
        dense.partial_fit(X, y)
        sparse.partial_fit(scipy_sparse.csr_matrix(X), y)
    np.testing.assert_allclose(sparse.coefs_[0], dense.coefs_[0], rtol=0, atol=ATOL)


@pytest.mark.parametrize(
    ("estimator", "error", "rule"),
    [
        (MLPRegressor(loss=pinball), ValueError, "The 'loss' parameter of MLPRegressor must be"),
        (MLPRegressor(loss=("a", "b")), TypeError, r"loss must be a name, not \('a', 'b'\)"),
        (MLPClassifier(activation=swish), ValueError, "The 'activation' parameter of .* must be"),
        (MLPClassifier(activation=[swish]), TypeError, r"activation\[0\] must be a name, a Custom"),
        (MLPRegressor(loss=dr.CustomLoss(swish, swish)), TypeError, "swish.* takes 1 positional"),
        (MLPRegressor(loss=(pinball, lambda p, y: y[:, 0])), ValueError, r"loss\.gradient .*shape"),
    ],
)
def test_invalid_custom_functions_are_refused(
    estimator: Any, error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        estimator.fit(X, targets("binary", X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("g", names.ACTIVATIONS)
def test_any_activation_is_an_output_of_the_regressor(g: str, solver: str) -> None:
    y = np.abs(targets("one", X)) + 0.5
    settings = QUICK | {"solver": solver, "dtype": "float64"}
    named = MLPRegressor(out_activation=g, **settings).fit(X, y)
    mine = MLPRegressor(out_activation=own_activation(g), **settings).fit(X, y)
    assert_same(mine, named)
    assert mine.out_activation_.name == f"own {g}" and isinstance(named.out_activation_, str)
    np.testing.assert_allclose(mine.predict(X), named.predict(X), rtol=0, atol=1e-6)


def test_softplus_goes_with_poisson() -> None:
    y = np.abs(targets("one", X)) + 0.5
    model = MLPRegressor("poisson", out_activation="softplus", **QUICK | {"max_iter": 50}).fit(X, y)
    assert (model.predict(X) > 0).all() and model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_classifiers_output_is_a_probability() -> None:
    with pytest.raises(ValueError, match="out_activation must be softmax or logistic for multicl"):
        MLPClassifier(out_activation="relu").fit(X, np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match="out_activation must be logistic for binary y, not Cust"):
        MLPClassifier(out_activation=own_activation("relu")).fit(X, np.arange(len(X)) % 2)
