"""Changing the import changes no result: parameters, losses and predictions are scikit-learn's."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from sklearn_support import (
    CLASSIFIER,
    HAS_LOSS,
    HAS_WEIGHTS,
    KINDS,
    REGRESSOR,
    assert_same,
    ours,
    pair,
    samples,
    targets,
    theirs,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*batch_size"),
]

SOLVERS: list[dict[str, Any]] = [
    {"solver": "sgd", "alpha": 0.0, "nesterovs_momentum": False},
    {"solver": "sgd", "alpha": 0.5},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.1},
    {"solver": "adam", "alpha": 0.0},
    {"solver": "adam", "alpha": 0.5, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3},
]


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_five_epochs(name: str, kind: str, solver: dict[str, Any], activation: str) -> None:
    X = samples()
    y = targets(kind, X)
    a, b = pair(name, activation=activation, **solver)
    assert_same(a.fit(X, y), b.fit(X, y), X)


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (), "activation": "logistic"},
        {"hidden_layer_sizes": 7},
        {"hidden_layer_sizes": [4, 3, 2]},
        {"batch_size": "auto"},
        {"batch_size": 1, "max_iter": 2},
        {"batch_size": 1000},
        {"shuffle": False},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.1},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1,
         "max_iter": 20},
        {"solver": "sgd", "momentum": 1.0},
        {"tol": 0.01, "n_iter_no_change": 2, "max_iter": 40},
        {"tol": 10.0, "n_iter_no_change": 3, "max_iter": 40},
        {"early_stopping": True, "max_iter": 30, "n_iter_no_change": 3},
        {"early_stopping": True, "validation_fraction": 0.3, "solver": "sgd", "max_iter": 20},
        {"early_stopping": True, "solver": "sgd", "learning_rate": "adaptive",
         "n_iter_no_change": 1, "max_iter": 20},
        {"n_iter_no_change": np.inf, "tol": 10.0},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_setting(name: str, kind: str, parameters: dict[str, Any]) -> None:
    X = samples()
    y = targets(kind, X)
    a, b = pair(name, **parameters)
    assert_same(a.fit(X, y), b.fit(X, y), X)
    assert a.best_validation_score_ == pytest.approx(b.best_validation_score_)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(("name", "kind"), [k for k in KINDS if k[1] != "several"])
def test_lbfgs(name: str, kind: str, activation: str) -> None:
    X = samples()
    y = targets(kind, X)
    a, b = pair(name, solver="lbfgs", activation=activation, alpha=0.1)
    # The line search multiplies differences of roundings.
    assert_same(a.fit(X, y), b.fit(X, y), X, atol=1e-8)


@pytest.mark.parametrize("parameters", [{"tol": 0.1}, {"max_fun": 4}, {"max_iter": 1}], ids=str)
def test_lbfgs_stops_where_scikit_learns_does(parameters: dict[str, Any]) -> None:
    X = samples()
    y = targets("multiclass", X)
    a, b = pair(CLASSIFIER, **({"solver": "lbfgs", "max_iter": 50} | parameters))
    assert_same(a.fit(X, y), b.fit(X, y), X, atol=1e-8)


@pytest.mark.skipif(not HAS_WEIGHTS, reason="sample_weight came with scikit-learn 1.7")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("name", "kind"), [k for k in KINDS if k[1] != "several"])
def test_sample_weight(name: str, kind: str, early_stopping: bool, solver: str) -> None:
    X = samples()
    y = targets(kind, X)
    w = np.random.RandomState(1).uniform(0.1, 3.0, len(X))
    a, b = pair(name, solver=solver, alpha=0.3, early_stopping=early_stopping)
    assert_same(a.fit(X, y, w), b.fit(X, y, w), X, atol=1e-8 if solver == "lbfgs" else 1e-10)


@pytest.mark.skipif(not HAS_LOSS, reason="poisson came with scikit-learn 1.7")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_poisson(solver: str, weighted: bool) -> None:
    X = samples()
    y = targets("counts", X)
    w = np.random.RandomState(1).uniform(0.1, 3.0, len(X)) if weighted else None
    a, b = pair(REGRESSOR, loss="poisson", solver=solver)
    assert_same(a.fit(X, y, w), b.fit(X, y, w), X, atol=1e-8 if solver == "lbfgs" else 1e-10)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_float32(name: str, kind: str, solver: str) -> None:
    X = samples().astype(np.float32)
    y = targets(kind, X)
    a, b = pair(name, solver=solver)
    a.fit(X, y)
    b.fit(X, y)
    assert b.coefs_[0].dtype == b.intercepts_[0].dtype == np.float32
    # Some hundred roundings of float32; adam divides by roots that may be small.
    for wanted, got in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-4)
    assert a.predict(X).dtype == b.predict(X).dtype
    np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-4)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_partial_fit(name: str, kind: str, solver: str) -> None:
    X = samples()
    y = targets(kind, X)
    first: dict[str, Any] = {}
    if name == CLASSIFIER:
        first = {"classes": np.arange(3) if kind == "multilabel" else np.unique(y)}
    a, b = pair(name, solver=solver, learning_rate="invscaling", batch_size=16)
    for model in (a, b):
        model.partial_fit(X[:70], y[:70], **first)
        model.partial_fit(X[70:], y[70:])
        model.partial_fit(X[:40], y[:40])
    assert_same(a, b, X)
    assert len(b.loss_curve_) == 3


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_partial_fit_on_a_batch_without_some_classes(kind: str) -> None:
    X = samples()
    y = targets(kind, X)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    a, b = pair(CLASSIFIER)
    for model in (a, b):
        model.partial_fit(X[:20], y[:20], classes=np.unique(y))
        model.partial_fit(X[-20:], y[-20:])
    assert_same(a, b, X)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("name", "kind"), [k for k in KINDS if k[1] != "several"])
def test_warm_start(name: str, kind: str, solver: str) -> None:
    X = samples()
    y = targets(kind, X)
    a, b = pair(name, solver=solver, warm_start=True)
    for _ in range(3):
        a.fit(X, y)
        b.fit(X, y)
        assert_same(a, b, X, atol=1e-7 if solver == "lbfgs" else 1e-10)


def test_a_random_state_object_is_drawn_from_in_the_same_order() -> None:
    X = samples()
    y = targets("binary", X)
    states = [np.random.RandomState(5), np.random.RandomState(5)]
    a, b = pair(CLASSIFIER, early_stopping=True)
    for model, state in zip((a, b), states, strict=True):
        model.set_params(random_state=state).fit(X, y)
    assert_same(a, b, X)
    assert states[0].uniform() == states[1].uniform()


def test_verbose_prints_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    X = samples()
    y = targets("multiclass", X)
    printed = []
    for model in pair(CLASSIFIER, early_stopping=True, verbose=True, n_iter_no_change=1):
        model.set_params(max_iter=9, tol=0.5).fit(X, y)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "Stopping" in printed[1]


@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
def test_the_constructors_begin_with_scikit_learns_parameters(name: str) -> None:
    wanted = inspect.signature(getattr(theirs, name)).parameters
    got = inspect.signature(getattr(ours, name)).parameters
    shared = [p for p in got if p in wanted]
    first = 0 if HAS_LOSS or name == CLASSIFIER else 1  # loss came first with 1.7
    assert shared == list(wanted)
    assert list(got)[first : first + len(wanted)] == list(wanted)
    for parameter in wanted:
        assert got[parameter].default == wanted[parameter].default
        assert got[parameter].kind == wanted[parameter].kind


@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
def test_every_public_name_of_scikit_learns_estimators_exists(name: str) -> None:
    X = samples()
    y = targets("binary" if name == CLASSIFIER else "one", X)
    a, b = (model.fit(X, y) for model in pair(name))
    wanted = {n for n in dir(a) if not n.startswith("_")}
    assert wanted - set(dir(b)) == {"loss"} - set(dir(b))
