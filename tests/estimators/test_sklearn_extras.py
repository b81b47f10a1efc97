"""What the estimators have beyond scikit-learn's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from sklearn_support import CLASSIFIER, KINDS, QUICK, REGRESSOR, ours, samples, targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit(name: str, kind: str, *args: Any, **parameters: Any) -> tuple[Any, Any, Any]:
    X = samples()
    y = targets(kind, X)
    return getattr(ours, name)(**(QUICK | parameters)).fit(X, y, *args), X, y


def network_of(model: Any) -> dr.MLP:
    """Return the same network through the front door."""
    architecture = model._network.architecture
    net = dr.MLP(
        architecture.sizes,
        hidden=architecture.hidden,
        output=architecture.output,
        loss=architecture.loss,
        dtype=architecture.dtype,
    )
    net.set_parameters([W.T for W in model.coefs_], model.intercepts_)
    return net


# Weights of classes


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("kind", ["named", "multiclass", "multilabel"])
def test_class_weight_multiplies_sample_weight(kind: str, solver: str) -> None:
    X = samples()
    y = targets(kind, X)
    w = np.linspace(0.5, 1.5, 150)
    weights: Any = {"named": {"yes": 3.0, "no": 0.5}, "multiclass": {10: 1.0, 11: 2.0, 12: 4.0}}
    if kind == "multilabel":
        of_class: Any = [{0: 1.0, 1: 2.0 + i} for i in range(3)]
        by_hand = np.prod([np.where(y[:, i] == 1, 2.0 + i, 1.0) for i in range(3)], axis=0)
    else:
        of_class = weights[kind]
        by_hand = np.array([of_class[label] for label in y])
    model, _, _ = fit(CLASSIFIER, kind, w, class_weight=of_class, solver=solver)
    plain, _, _ = fit(CLASSIFIER, kind, w * by_hand, solver=solver)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


def test_balanced_classes_are_of_the_same_weight() -> None:
    X = samples()
    y = (X[:, 0] > 1.2).astype(int)
    plain = ours.MLPClassifier(random_state=0, max_iter=60).fit(X, y)
    balanced = ours.MLPClassifier(random_state=0, max_iter=60, class_weight="balanced").fit(X, y)
    assert balanced.predict(X).mean() > plain.predict(X).mean()
    counts = np.bincount(y)
    by_hand = ours.MLPClassifier(
        random_state=0, max_iter=60, class_weight=dict(enumerate(150 / (2 * counts)))
    ).fit(X, y)
    np.testing.assert_array_equal(by_hand.coefs_[0], balanced.coefs_[0])


# The network


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_one_activation_per_layer(name: str, kind: str) -> None:
    model, X, _ = fit(name, kind, activation=["gelu", "leaky_relu"])
    net = network_of(model)
    assert net.hidden == ("gelu", "leaky_relu")
    np.testing.assert_array_equal(net.predict(X), model._forward(X))
    same, _, _ = fit(name, kind, activation=np.array(["logistic", "sigmoid"]))
    plain, _, _ = fit(name, kind, activation="logistic")
    np.testing.assert_array_equal(same.coefs_[0], plain.coefs_[0])


@pytest.mark.parametrize("activation", ["elu", "gelu", "leaky_relu", "silu", "softplus", "sigmoid"])
def test_every_activation_learns(activation: str) -> None:
    model, _, _ = fit(CLASSIFIER, "multiclass", activation=activation, max_iter=40)
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_several_classes_one_against_the_rest(solver: str) -> None:
    model, X, y = fit(
        CLASSIFIER, "multiclass", out_activation="logistic", solver=solver, max_iter=60
    )
    assert model.out_activation_ == "logistic" and model.n_outputs_ == 3
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), model.classes_[probabilities.argmax(axis=1)])
    assert model.score(X, y) > 0.7


@pytest.mark.parametrize("output", ["logistic", "tanh", "exp"])
def test_an_output_activation_bounds_what_is_predicted(output: str) -> None:
    X = samples()
    y = 1 / (1 + np.exp(-X[:, 0]))
    model = ours.MLPRegressor(out_activation=output, random_state=0, max_iter=300).fit(X, y)
    assert model.out_activation_ == output
    predicted = model.predict(100 * X)
    assert predicted.min() >= (-1 if output == "tanh" else 0)
    assert output == "exp" or predicted.max() <= 1
    assert model.score(X, y) > 0.7


# Losses


def objective(model: Any, X: Any, y: Any, w: Any = None) -> float:
    return network_of(model).evaluate(X, y, sample_weight=w)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_reported_loss_of_a_regressor(loss: str, weighted: bool) -> None:
    X = samples()
    y = np.abs(targets("several", X))
    w = np.linspace(0.5, 1.5, 150) if weighted else None
    settings = QUICK | {"max_iter": 1, "learning_rate_init": 1e-300, "batch_size": 150, "alpha": 0}
    model = ours.MLPRegressor(loss=loss, **settings).fit(X, y, w, validation_data=(X, y, w))
    y_hat = model.predict(X)
    e = np.abs(y_hat - y)
    if loss == "poisson":  # reported as the sum over the outputs
        elements = 3 * (y * np.log(y / y_hat) - y + y_hat)
    elif loss == "huber":
        elements = np.where(e <= 1, e**2 / 2, e - 0.5)
    else:
        elements = e if loss == "absolute_error" else e**2 / 2
    wanted = np.average(elements.mean(axis=1), weights=w)
    assert model.loss_ == pytest.approx(wanted, rel=1e-12)
    assert model.validation_loss_curve_ == pytest.approx([wanted], rel=1e-12)


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_robust_losses_pass_over_outliers(loss: str, solver: str) -> None:
    X = samples()
    clean = X[:, 0] - X[:, 1]
    y = clean + np.where(np.arange(150) % 10 == 0, 100.0, 0.0)
    settings = {"solver": solver, "random_state": 0, "hidden_layer_sizes": ()}
    settings |= {"max_iter": 500, "learning_rate_init": 0.05, "tol": 1e-9}
    errors = {
        name: np.abs(ours.MLPRegressor(loss=name, **settings).fit(X, y).predict(X) - clean).mean()
        for name in (loss, "squared_error")
    }
    assert errors[loss] < 0.1 * errors["squared_error"]


def test_the_loss_of_a_classifier() -> None:
    plain, X, y = fit(CLASSIFIER, "multiclass")
    for name in ("log_loss", "cross_entropy"):
        other, _, _ = fit(CLASSIFIER, "multiclass", loss=name)
        np.testing.assert_array_equal(other.coefs_[0], plain.coefs_[0])
    brier, _, _ = fit(CLASSIFIER, "multiclass", loss="squared_error", max_iter=60)
    assert network_of(brier).loss == "squared_error" and brier.score(X, y) > 0.7


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_label_smoothing(kind: str) -> None:
    sharp, X, _ = fit(CLASSIFIER, kind, solver="lbfgs", max_iter=300, alpha=0.0)
    smooth, _, _ = fit(
        CLASSIFIER, kind, solver="lbfgs", max_iter=300, alpha=0.0, label_smoothing=0.2
    )
    assert smooth.predict_proba(X).max() < sharp.predict_proba(X).max()
    same, _, _ = fit(CLASSIFIER, kind, label_smoothing=0.0)
    plain, _, _ = fit(CLASSIFIER, kind)
    np.testing.assert_allclose(same.coefs_[0], plain.coefs_[0], rtol=0, atol=1e-12)


def test_smoothed_targets_are_what_the_core_sees() -> None:
    settings = {"max_iter": 1, "learning_rate_init": 1e-300, "batch_size": 150, "alpha": 0.0}
    for kind, shares in [("binary", 2), ("multiclass", 3), ("multilabel", 2)]:
        model, X, y = fit(CLASSIFIER, kind, label_smoothing=0.3, **settings)
        hot = {"binary": (y == 7).reshape(-1, 1), "multilabel": y}.get(kind)
        if hot is None:
            hot = y[:, None] == [10, 11, 12]
        soft = hot * 0.7 + 0.3 / shares
        assert model.loss_ == pytest.approx(objective(model, X, soft), rel=1e-12)


def test_the_gradient_is_of_the_objective_that_lbfgs_minimizes() -> None:
    X = samples()
    y = targets("several", X)
    model = ours.MLPRegressor(**QUICK).fit(X, y)
    batch = model._samples(X, y, None, model._network.architecture)
    network, h = model._network, 1e-6
    theta = network.theta
    _, gradient, _ = network.value_and_gradient(batch, 0.7, 1)
    for at in range(0, len(theta), 7):
        values = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[at] += sign * h
            network.theta = moved
            values.append(network.value_and_gradient(batch, 0.7, 1)[0])
        assert (values[0] - values[1]) / (2 * h) == pytest.approx(gradient[at], abs=1e-7)


# Dropout, initial parameters


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_dropout_is_drawn_from_random_state(name: str, kind: str, solver: str) -> None:
    one, X, _ = fit(name, kind, dropout=0.4, solver=solver)
    two, _, _ = fit(name, kind, dropout=0.4, solver=solver)
    none, _, _ = fit(name, kind, solver=solver)
    other, _, _ = fit(name, kind, dropout=0.4, solver=solver, random_state=4)
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])
    assert not np.array_equal(one.coefs_[0], none.coefs_[0])
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])
    np.testing.assert_array_equal(one.predict(X), one.predict(X))


def test_dropout_learns_and_spares_a_network_without_hidden_layer() -> None:
    model, X, y = fit(CLASSIFIER, "multiclass", dropout=0.2, hidden_layer_sizes=(50,), max_iter=80)
    assert model.score(X, y) > 0.7
    plain, _, _ = fit(CLASSIFIER, "multiclass", hidden_layer_sizes=())
    same, _, _ = fit(CLASSIFIER, "multiclass", hidden_layer_sizes=(), dropout=0.5)
    np.testing.assert_array_equal(same.coefs_[0], plain.coefs_[0])


def test_dropout_with_weights_and_sparse_rows() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    X = samples()
    y = targets("multiclass", X)
    settings = QUICK | {"dropout": 0.3}
    dense = ours.MLPClassifier(**settings).fit(X, y, np.ones(150))
    rows = ours.MLPClassifier(**settings).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(rows.coefs_[0], dense.coefs_[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("init", ["he_normal", "glorot_uniform", "torch", "auto", "notes"])
def test_initial_parameters_by_name(init: str) -> None:
    settings = {"learning_rate_init": 1e-300, "max_iter": 1, "hidden_layer_sizes": (400, 300)}
    model, _, _ = fit(REGRESSOR, "one", init=init, **settings)
    again, _, _ = fit(REGRESSOR, "one", init=init, **settings)
    np.testing.assert_array_equal(model.coefs_[1], again.coefs_[1])
    variance = {
        "he_normal": 2 / 400,
        "auto": 2 / 400,
        "glorot_uniform": 2 / 700,
        "torch": 1 / (3 * 400),
        "notes": 1 / 400,
    }[init]
    assert model.coefs_[1].var() == pytest.approx(variance, rel=0.05)
    assert [W.shape for W in model.coefs_] == list(pairwise((5, 400, 300, 1)))
