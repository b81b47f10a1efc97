"""The estimators as scikit-learn's tools use them: its own checks, pipelines, searches, copies."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from sklearn_support import CLASSIFIER, KINDS, QUICK, REGRESSOR, ours, samples, targets

joblib = pytest.importorskip("joblib", reason="needs the extra: pip install 'deltarule[sklearn]'")

from sklearn.base import clone, is_classifier, is_regressor  # noqa: E402
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.ensemble import BaggingClassifier, VotingClassifier  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import (  # noqa: E402
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOTH = [CLASSIFIER, REGRESSOR]

CHECKED = [
    ours.MLPClassifier(),
    ours.MLPRegressor(),
    ours.MLPClassifier(solver="sgd", learning_rate_init=0.05),
    ours.MLPRegressor(solver="lbfgs", n_threads=1, max_iter=50),
    ours.MLPRegressor(loss="huber", activation="gelu", dtype="float64"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(*pair, id=f"{pair[0]}-{getattr(pair[1], 'func', pair[1]).__name__}")
        for estimator in CHECKED
        for pair in estimator_checks_generator(estimator)
    ],
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def fitted(name: str, kind: str, **parameters: Any) -> tuple[Any, Any, Any]:
    X = samples()
    y = targets(kind, X)
    return getattr(ours, name)(**(QUICK | parameters)).fit(X, y), X, y


def test_the_kind_of_estimator() -> None:
    assert is_classifier(ours.MLPClassifier()) and is_regressor(ours.MLPRegressor())


@pytest.mark.parametrize(("name", "kind"), [(CLASSIFIER, "multiclass"), (REGRESSOR, "one")])
def test_a_search_in_a_pipeline_on_two_processes(name: str, kind: str) -> None:
    X = samples()
    y = targets(kind, X)
    model = make_pipeline(StandardScaler(), getattr(ours, name)(max_iter=5, random_state=0))
    grid = {f"{name.lower()}__{key}": values for key, values in GRID.items()}
    search = GridSearchCV(model, grid, n_jobs=2, cv=2).fit(X, y)
    alone = GridSearchCV(model, grid, cv=2).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    assert search.predict(X).shape == y.shape


GRID = {"hidden_layer_sizes": [(4,), (4, 3)], "activation": ["tanh", "silu"], "alpha": [0.1]}


def test_cross_validation() -> None:
    X = samples()
    y = targets("binary", X)
    model = ours.MLPClassifier(**QUICK)
    scores = cross_val_score(model, X, y, cv=3, n_jobs=2)
    assert scores.shape == (3,) and scores.mean() > 0.5
    assert cross_val_predict(model, X, y, cv=3, method="predict_proba").shape == (len(X), 2)
    model = ours.MLPRegressor(hidden_layer_sizes=(4,), random_state=0)
    sizes, _, _ = learning_curve(model, X, X[:, 0], exploit_incremental_learning=True, cv=2)
    assert len(sizes) == 5


def test_meta_estimators() -> None:
    X = samples()
    y = targets("multiclass", X)
    model = ours.MLPClassifier(**QUICK)
    vote = VotingClassifier([("a", model), ("b", clone(model))], voting="soft").fit(X, y)
    assert vote.predict_proba(X).shape == (len(X), 3)
    bag = BaggingClassifier(model, n_estimators=2, random_state=0).fit(X, y)
    assert bag.predict(X).shape == y.shape
    scaled = TransformedTargetRegressor(ours.MLPRegressor(**QUICK), transformer=StandardScaler())
    assert scaled.fit(X, X[:, 0]).predict(X).shape == (len(X),)


def test_names_of_features_go_through_a_pipeline() -> None:
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(samples(), columns=list("abcde"))
    y = targets("binary", X.to_numpy())
    model = make_pipeline(StandardScaler(), ours.MLPClassifier(**QUICK))
    model.set_output(transform="pandas").fit(X, y)
    assert list(model[-1].feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        model[-1].predict(X.rename(columns={"a": "z"}))


def test_polars_frames_are_taken() -> None:
    polars = pytest.importorskip("polars")
    X = samples()
    y = targets("binary", X)
    frame = polars.DataFrame(X, schema=list("abcde"))
    model = ours.MLPClassifier(**QUICK).fit(frame, polars.Series(y))
    np.testing.assert_array_equal(
        model.predict(frame), ours.MLPClassifier(**QUICK).fit(X, y).predict(X)
    )


@pytest.mark.parametrize(("name", "kind"), KINDS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_copy_predicts_and_trains_on_as_the_original(
    name: str, kind: str, solver: str, tmp_path: Path
) -> None:
    model, X, y = fitted(name, kind, solver=solver)
    joblib.dump(model, tmp_path / "model.joblib")
    copies = [
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        joblib.load(tmp_path / "model.joblib"),
        joblib.load(tmp_path / "model.joblib", mmap_mode="r"),
    ]
    model.partial_fit(X, y)
    for other in copies:
        other.partial_fit(X, y)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        for wanted, got in zip(model.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", BOTH)
def test_a_clone_is_not_fitted_and_has_the_same_parameters(name: str) -> None:
    parameters = {"callbacks": [print], "activation": ["tanh", "relu"], "dtype": "float32"}
    model = getattr(ours, name)(hidden_layer_sizes=[3, 2], **parameters)
    other = clone(model)
    assert other.get_params()["activation"] == ["tanh", "relu"]
    assert repr(other) == repr(model)
    with pytest.raises(NotFittedError):
        other.predict(samples())


@pytest.mark.parametrize("name", BOTH)
def test_parameters_that_the_user_sets_are_predicted_with(name: str) -> None:
    model, X, _ = fitted(name, "binary" if name == CLASSIFIER else "one")
    before = model._forward(X)
    model.coefs_[0][:] = 0.0  # in place
    model.intercepts_ = [np.zeros_like(b) for b in model.intercepts_]
    constant = model._forward(X)
    assert np.ptp(constant) == 0.0 and np.ptp(before) > 0.0
    model.coefs_[0] = np.zeros((1, 2))
    with pytest.raises(ValueError, match=r"coefs_\[0\] must have shape \(5, 9\), not \(1, 2\)"):
        model.predict(X)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_parameters_that_the_user_sets_without_a_fit(name: str, kind: str) -> None:
    model, X, y = fitted(name, kind)
    bare = getattr(ours, name)(**QUICK)
    kept = ("coefs_", "intercepts_", "out_activation_", "n_features_in_", "n_outputs_")
    for attribute in (*kept, *(("classes_", "_label_binarizer") if name == CLASSIFIER else ())):
        setattr(bare, attribute, copy.deepcopy(getattr(model, attribute)))
    np.testing.assert_array_equal(bare.predict(X), model.predict(X))
    before = [W.copy() for W in bare.coefs_]
    bare.partial_fit(X, y)
    assert not np.array_equal(before[0], bare.coefs_[0]) and bare.loss_ < model.loss_curve_[0]
    assert bare.t_ == len(X) and len(bare.loss_curve_) == 1


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_threads_change_no_bit(name: str, kind: str, small_work_in_teams: None) -> None:
    one, X, _ = fitted(name, kind, n_threads=1)
    two, _, _ = fitted(name, kind, n_threads=2)
    for wanted, got in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(two.predict(X), one.predict(X))


def test_without_scikit_learn_the_error_names_the_extra() -> None:
    program = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda m, *a: None if m == 'sklearn' else real(m, *a)\n"
        "import deltarule\n"
        "try:\n"
        "    import deltarule.sklearn\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "sklearn is not installed" in shown.stdout and "deltarule[sklearn]" in shown.stdout


def test_deltarule_alone_does_not_import_scikit_learn() -> None:
    program = "import sys, deltarule; print('sklearn' in sys.modules or 'scipy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip() == "False"


def test_the_digits() -> None:
    X, y = dr.load_digits()
    model = ours.MLPClassifier((32,), max_iter=50, random_state=0).fit(X[:1500], y[:1500])
    assert model.score(X[1500:], y[1500:]) > 0.85
