"""scikit-learn: `MLPClassifier` and `MLPRegressor`, plain SGD on the batch as it is given.

An estimator draws its own weights; those of the case are written over them, except in a whole
training, which starts from its own.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from deltarule.benchmark import cases, inputs

warnings.filterwarnings("ignore", category=ConvergenceWarning)


def estimator(case: cases.Case, rate: float, **settings: Any) -> Any:
    """Return a new estimator that does what the case says."""
    kind = MLPRegressor if case.output == "identity" else MLPClassifier
    return kind(
        hidden_layer_sizes=case.sizes[1:-1],
        activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
        solver="sgd",
        alpha=0,
        batch_size=case.rows,
        learning_rate_init=rate,
        momentum=0,
        nesterovs_momentum=False,
        random_state=0,
        **settings,
    )


def with_parameters(case: cases.Case, x: inputs.Array, y: inputs.Array) -> Any:
    """Return an estimator after a first step, with the case's parameters put in."""
    model = estimator(case, inputs.STEP_RATE, shuffle=False)
    if case.output == "identity":
        model.partial_fit(x, y)
    else:
        model.partial_fit(x, y, classes=np.arange(max(2, case.sizes[-1])))
    for w, b, new_w, new_b in zip(
        model.coefs_, model.intercepts_, *inputs.parameters(case), strict=True
    ):
        w[:], b[:] = new_w.T, new_b
    return model


def batch(case: cases.Case) -> tuple[inputs.Array, inputs.Array]:
    """Return the case's batch, one target a sample as a flat array."""
    x, y = inputs.batch(case)
    if case.output == "sigmoid" and case.sizes[-1] == 1:
        y = y.astype(np.int64)
    return x, y.ravel() if case.sizes[-1] == 1 else y


class TrainingStep:
    """One call of `partial_fit`."""

    def __init__(self, case: cases.TrainingStep) -> None:
        self._x, self._y = batch(case)
        self._model = with_parameters(case, self._x, self._y)

    def run(self) -> None:
        self._model.partial_fit(self._x, self._y)

    def parameters(self) -> inputs.Parameters:
        return [w.T for w in self._model.coefs_], self._model.intercepts_


class Prediction:
    """One call of `predict` for numbers, of `predict_proba` for classes."""

    def __init__(self, case: cases.Prediction) -> None:
        self._x, y = batch(case)
        model = with_parameters(case, self._x, y)
        self._predict = model.predict if case.output == "identity" else model.predict_proba

    def run(self) -> inputs.Array:
        return np.asarray(self._predict(self._x))


class Training:
    """One call of `fit`, without its stopping early."""

    def __init__(self, case: cases.Training) -> None:
        self._case = case
        self._data = inputs.data_set(case)

    def run(self) -> None:
        epochs = self._case.epochs
        settings = {"max_iter": epochs, "n_iter_no_change": epochs, "tol": 0}
        model = estimator(self._case, inputs.TRAINING_RATE, **settings)
        self._model = model.fit(self._data.x, self._data.y)

    def classes(self, x: inputs.Array) -> Any:
        return self._model.predict(x)
