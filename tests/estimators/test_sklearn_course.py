"""The course of a fit: stopping, validation, callbacks, the clock, interrupts, going on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sklearn_support import (
    CLASSIFIER,
    HAS_WEIGHTS,
    KINDS,
    QUICK,
    REGRESSOR,
    ours,
    samples,
    targets,
    theirs,
)

metrics = pytest.importorskip(
    "sklearn.metrics", reason="needs the extra: pip install 'deltarule[sklearn]'"
)
exceptions = pytest.importorskip(
    "sklearn.exceptions", reason="needs the extra: pip install 'deltarule[sklearn]'"
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**parameters: Any) -> Any:
    return ours.MLPClassifier(**(QUICK | parameters))


def regressor(**parameters: Any) -> Any:
    return ours.MLPRegressor(**(QUICK | parameters))


def labelled(kind: str = "multiclass") -> tuple[Any, Any]:
    X = samples()
    return X, targets(kind, X)


# Validation


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_validation_loss_curve_is_the_log_loss(solver: str, weighted: bool) -> None:
    X, y = labelled()
    w = (np.linspace(0.1, 2.0, 50),) if weighted else ()
    model = classifier(solver=solver).fit(X[:100], y[:100], validation_data=(X[100:], y[100:], *w))
    assert len(model.validation_loss_curve_) == model.n_iter_ == len(model.loss_curve_)
    probabilities = model.predict_proba(X[100:])
    wanted = metrics.log_loss(y[100:], probabilities, sample_weight=w[0] if weighted else None)
    assert model.validation_loss_curve_[-1] == pytest.approx(wanted, rel=1e-12)
    if solver != "lbfgs":
        assert model.validation_scores_ is None and model.best_loss_ == min(model.loss_curve_)


def test_validation_data_take_the_place_of_the_held_out_part() -> None:
    X, y = labelled()
    held_out = (X[100:], y[100:])
    model = classifier(early_stopping=True).fit(X[:100], y[:100], validation_data=held_out)
    plain = classifier().fit(X[:100], y[:100])
    assert model.loss_curve_ == plain.loss_curve_  # all rows are trained on
    best = int(np.argmax(model.validation_scores_))
    assert model.best_validation_score_ == max(model.validation_scores_)
    at_best = classifier(max_iter=best + 1).fit(X[:100], y[:100])
    np.testing.assert_array_equal(model.coefs_[0], at_best.coefs_[0])
    assert model.best_validation_score_ == metrics.accuracy_score(y[100:], at_best.predict(X[100:]))


@pytest.mark.parametrize("model", [classifier, regressor])
def test_stopping_by_the_validation_loss(model: Any) -> None:
    X, y = labelled()
    settings = {"early_stopping": "loss", "max_iter": 300, "n_iter_no_change": 4, "tol": 0.0}
    stopped = model(learning_rate_init=0.1, **settings).fit(X, y)
    curve = stopped.validation_loss_curve_
    assert stopped.n_iter_ < 300 and len(curve) == stopped.n_iter_
    best = int(np.argmin(curve))
    assert stopped.n_iter_ == best + 1 + 5  # the epochs without improvement that were let pass
    again = model(learning_rate_init=0.1, **(settings | {"max_iter": best + 1})).fit(X, y)
    np.testing.assert_array_equal(stopped.coefs_[0], again.coefs_[0])
    last = model(learning_rate_init=0.1, restore_best=False, **settings).fit(X, y)
    assert not np.array_equal(last.coefs_[0], stopped.coefs_[0])
    assert last.validation_loss_curve_ == curve


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_warm_starts_with_early_stopping_keep_the_best(name: str, kind: str) -> None:
    X = samples()
    y = targets(kind, X)
    model = getattr(ours, name)(**(QUICK | {"warm_start": True, "early_stopping": True}))
    model.set_params(learning_rate_init=0.3, max_iter=3)
    best = []
    for _ in range(4):
        model.fit(X, y, validation_data=(X[:30], y[:30]))
        best.append((model.best_validation_score_, model.score(X[:30], y[:30])))
    assert len(model.validation_scores_) == 12
    for noted, reached in best:
        assert reached == pytest.approx(noted, abs=1e-12)


@pytest.mark.parametrize("criterion", [True, "loss"])
def test_warm_starts_with_early_stopping_go_on_from_lbfgs(criterion: bool | str) -> None:
    X, y = labelled()
    model = classifier(solver="lbfgs", early_stopping=criterion, warm_start=True).fit(X, y)
    assert model.validation_scores_ is None
    for solver in ("sgd", "adam"):
        model.set_params(solver=solver).fit(X, y)
        assert len(model.validation_scores_) > 0 and model.best_loss_ is None
    model.set_params(solver="lbfgs").fit(X, y)
    assert model.validation_scores_ is None and model.best_loss_ < np.inf


def test_early_stopping_takes_names_as_labels() -> None:
    X, y = labelled("named")
    model = classifier(early_stopping=True).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_


# Who else may end a training


def records(model: Any, X: Any, y: Any, **fit: Any) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    model.set_params(callbacks=[seen.append]).fit(X, y, **fit)
    return seen


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_callbacks_see_every_epoch(solver: str) -> None:
    X, y = labelled()
    model = classifier(solver=solver, early_stopping=solver != "lbfgs")
    seen = records(model, X, y, validation_data=(X, y))
    assert [record["epoch"] for record in seen] == [1, 2, 3, 4, 5]
    assert [record["loss"] for record in seen] == model.loss_curve_
    assert [record["validation_loss"] for record in seen] == model.validation_loss_curve_
    assert {record["epochs"] for record in seen} == {5}
    assert all(record["seconds"] > 0 for record in seen)
    if solver != "lbfgs":
        assert [record["validation_score"] for record in seen] == model.validation_scores_
        assert {record["learning_rate"] for record in seen} == {0.01}


def test_callbacks_see_the_learning_rate_fall() -> None:
    X, y = labelled()
    seen = records(classifier(solver="sgd", learning_rate="invscaling"), X, y)
    wanted = [0.01 / (150 * t + 1) ** 0.5 for t in range(1, 6)]
    assert [record["learning_rate"] for record in seen] == pytest.approx(wanted)


@pytest.mark.parametrize("answer", [True, np.True_])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_that_returns_true_ends_the_training(solver: str, answer: object) -> None:
    X, y = labelled()
    model = classifier(
        solver=solver, callbacks=lambda record: answer if record["epoch"] == 2 else 1
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.n_iter_ == 2 == len(model.loss_curve_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_max_seconds_ends_the_training_after_an_epoch(solver: str) -> None:
    X, y = labelled()
    assert classifier(solver=solver, max_seconds=1e-9).fit(X, y).n_iter_ == 1


def test_an_interrupt_keeps_the_completed_epochs() -> None:
    X, y = labelled()

    def interrupt(record: dict[str, Any]) -> None:
        if record["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = classifier(callbacks=interrupt).fit(X, y)
    assert model.n_iter_ == 3
    np.testing.assert_array_equal(model.coefs_[0], classifier(max_iter=3).fit(X, y).coefs_[0])


def test_reaching_max_iter_warns() -> None:
    X, y = labelled()
    with pytest.warns(exceptions.ConvergenceWarning, match="max_iter=5"):
        classifier().fit(X, y)
    with pytest.warns(exceptions.ConvergenceWarning, match="max_fun=3"):
        classifier(solver="lbfgs", max_fun=3, max_iter=100).fit(X, y)
    with pytest.warns(UserWarning, match="batch_size=400 is more than the 150 samples"):
        classifier(batch_size=400).fit(X, y)


# Going on


def test_partial_fit_is_an_epoch_of_fit() -> None:
    X, y = labelled()
    whole = classifier(shuffle=False).fit(X, y)
    parts = classifier(shuffle=False)
    for _ in range(5):
        parts.partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(parts.coefs_[0], whole.coefs_[0])
    assert parts.loss_curve_ == whole.loss_curve_ and parts.t_ == whole.t_ == 5 * len(X)


def test_partial_fit_continues_fit_with_its_optimizer_state() -> None:
    X, y = labelled()
    longer = classifier(shuffle=False, max_iter=6).fit(X, y)
    model = classifier(shuffle=False, max_iter=5).fit(X, y).partial_fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], longer.coefs_[0])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_takes_a_new_learning_rate(solver: str) -> None:
    X, y = labelled()
    model = classifier(solver=solver).fit(X, y)
    before = model.coefs_[0].copy()
    model.set_params(learning_rate_init=1e-12).partial_fit(X, y)
    change = np.abs(model.coefs_[0] - before).max()
    # the velocity that there is moves sgd on; Adam's steps are at most some learning rates
    assert change < (1e-9 if solver == "adam" else 0.1) and model._rate == 1e-12


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_curves_go_on_with_warm_starts(solver: str) -> None:
    X, y = labelled()
    model = classifier(solver=solver, warm_start=True)
    for calls in (1, 2, 3):
        seen = records(model, X, y, validation_data=(X, y))
        assert [record["epoch"] for record in seen] == [1, 2, 3, 4, 5] and model.n_iter_ == 5
        assert len(model.loss_curve_) == len(model.validation_loss_curve_) == 5 * calls
        assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_warm_start_takes_the_activation_it_has_now() -> None:
    X, y = labelled()
    model = classifier(warm_start=True, activation="relu").fit(X, y)
    model.set_params(activation="tanh").fit(X, y)
    assert model._network.architecture.hidden == ("tanh", "tanh")


def test_partial_fit_of_several_labels_that_are_not_all_there() -> None:
    X, y = labelled("multilabel")
    y = y.copy()
    y[:40, 1] = 0
    model = classifier()
    model.partial_fit(X[:40], y[:40], classes=[0, 1, 2]).partial_fit(X[40:], y[40:])
    assert model.predict(X).shape == y.shape and model.n_outputs_ == 3


def test_a_fit_after_partial_fit_starts_anew() -> None:
    X, y = labelled()
    model = classifier().partial_fit(X, y, classes=np.unique(y)).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], classifier().fit(X, y).coefs_[0])


@pytest.mark.skipif(not HAS_WEIGHTS, reason="sample_weight came with scikit-learn 1.7")
@pytest.mark.parametrize("name", [CLASSIFIER, REGRESSOR])
def test_partial_fit_with_weights(name: str) -> None:
    X, y = labelled("binary" if name == CLASSIFIER else "one")
    first = {"classes": [3, 7]} if name == CLASSIFIER else {}
    w = np.random.RandomState(0).uniform(0.1, 2.0, len(X))
    a, b = (getattr(module, name)(**QUICK) for module in (theirs, ours))
    for model in (a, b):
        model.partial_fit(X, y, sample_weight=w, **first)
        model.partial_fit(X, y, sample_weight=w)
    np.testing.assert_allclose(b.coefs_[0], a.coefs_[0], rtol=0, atol=1e-10)
