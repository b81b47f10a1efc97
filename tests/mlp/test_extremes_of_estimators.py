"""The estimators' settings and weights at the ends of the numbers: finite, or refused by name."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")

from sklearn.exceptions import ConvergenceWarning

import deltarule as dr
from deltarule.sklearn import MLPClassifier, MLPRegressor

X = np.linspace(-1, 1, 40).reshape(-1, 1)
Y = X[:, 0] ** 2
QUICK: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 5, "random_state": 0, "tol": 0}
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]


def parameters(estimator: Any) -> bytes:
    return b"".join(p.tobytes() for p in (*estimator.coefs_, *estimator.intercepts_))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "adam", "epsilon": 5e-324},
        {"solver": "adam", "beta_1": 1 - 2**-53, "beta_2": 1 - 2**-53},
        {"solver": "adam", "beta_2": 0.0},
        {"solver": "sgd", "momentum": 1 - 2**-53},
        {"solver": "sgd", "learning_rate": "invscaling", "power_t": 1e308},
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1.2e-38},
        {"solver": "lbfgs", "alpha": 1e38},
    ],
    ids=str,
)
def test_a_finite_loss_that_falls(settings: dict[str, Any], dtype: Any) -> None:
    estimator = MLPRegressor(**QUICK, **settings).fit(X.astype(dtype), Y.astype(dtype))
    assert all(np.isfinite(p).all() for p in (*estimator.coefs_, *estimator.intercepts_))
    curve = estimator.loss_curve_
    assert np.isfinite(curve).all() and curve[-1] <= curve[0] * (1 + 1e-12)


def test_an_epsilon_below_the_roots_of_v() -> None:
    """Taken as the least that adam's steps are defined with: MLP refuses it."""
    least, less = (
        MLPRegressor(**QUICK, solver="adam", alpha=0, epsilon=epsilon).fit(
            np.float32(1e-20) * X.astype(np.float32), np.full(40, 1e-20, np.float32)
        )
        for epsilon in (np.sqrt(np.finfo(np.float32).tiny / (1 - 0.999)).item(), 1e-30)
    )
    assert parameters(less) == parameters(least)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate_init": 1e-39}, r"learning_rate_init must be in \[.*\] in float32, not"),
        ({"learning_rate_init": 1e39}, r"learning_rate_init must be in \[.*\] in float32, not"),
        ({"alpha": 1e39}, r"alpha must be finite in float32, not 1e\+39"),
        ({"epsilon": 1e39}, r"epsilon must be finite in float32, not 1e\+39"),
    ],
)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_setting_that_a_dtype_cannot_hold(
    solver: str, settings: dict[str, Any], message: str
) -> None:
    estimator = MLPRegressor(**QUICK, solver=solver, **settings)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X.astype(np.float32), Y.astype(np.float32))
    assert not hasattr(estimator, "coefs_")


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (1e308, "sample_weight sums to infinity"),
        (4e306, r"sample_weight sums to 1\.6e\+308; the sum must be at most 4\.49e\+307"),
        (5e-324, "sample_weight is 0 for every sample"),
    ],
)
def test_weights_over_whose_sum_nothing_can_be_divided(
    weight: float, message: str, solver: str
) -> None:
    estimator = MLPRegressor(**QUICK, solver=solver)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, Y, sample_weight=np.full(40, weight))
    classifier = MLPClassifier(**QUICK, solver=solver, class_weight={0: weight, 1: weight})
    with pytest.raises(ValueError, match="class_weight"):
        classifier.fit(X, X[:, 0] > 0)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("weight", [1e-300, 1e300])
def test_large_and_small_weights_are_relative(weight: float, solver: str) -> None:
    """Without alpha, whose share is of their sum."""
    plain, weighted = (
        MLPRegressor(**QUICK, solver=solver, alpha=0).fit(X, Y, sample_weight=np.full(40, w))
        for w in (1.0, weight)
    )
    # the weights over their sum are 1/40, rounded
    np.testing.assert_allclose(weighted.predict(X), plain.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("solver", "settings"),
    [
        ("sgd", {}),
        ("adam", {}),
        ("lbfgs", {}),
        ("adam", {"alpha": 1e308}),
        ("lbfgs", {"alpha": 1e308}),
    ],
    ids=str,
)
def test_a_loss_or_update_beyond_float64(solver: str, settings: dict[str, Any]) -> None:
    """It is divergence, with parameters as they were drawn."""
    y = Y if settings else np.full(40, 1e300)
    estimator = MLPRegressor(**QUICK, solver=solver, **settings)
    with pytest.raises(dr.DivergenceError, match="not finite"):
        estimator.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = MLPRegressor(**QUICK, solver="sgd", learning_rate_init=1e-307).fit(X, Y)
    assert parameters(estimator) == parameters(drawn)
