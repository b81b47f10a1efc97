"""scikit-learn: `MLPClassifier` and `MLPRegressor`, plain SGD on the batch as it is given.

An estimator draws its own weights; those of the case are written over them, except in a whole
training, which starts from its own.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.layers import Array

warnings.filterwarnings("ignore", category=ConvergenceWarning)


class Model(BaseModel):
    """One call of `partial_fit`, `predict`, `predict_proba`, or `fit` without stopping early."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        kind = MLPRegressor if case.output == "identity" else MLPClassifier
        self._model = kind(
            hidden_layer_sizes=case.sizes[1:-1],
            activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
            solver="sgd",
            alpha=0,
            batch_size=case.rows,
            learning_rate_init=rate,
            max_iter=self.epochs,
            n_iter_no_change=self.epochs,
            tol=0,
            momentum=0,
            nesterovs_momentum=False,
            random_state=0,
            shuffle=isinstance(case, cases.Training),
        )
        if not isinstance(case, cases.Training):
            self._set_parameters()

    def _set_parameters(self) -> None:
        """Put the case's parameters in, after a step that makes the model's own."""
        case = self.case
        x, y = self.convert(*inputs.batch(case))
        classes = {"classes": np.arange(max(2, case.sizes[-1]))}
        self._model.partial_fit(x, y, **({} if case.output == "identity" else classes))
        parameters = inputs.parameters(case)
        for w, b, new_w, new_b in zip(
            self._model.coefs_, self._model.intercepts_, *parameters, strict=True
        ):
            w[:], b[:] = new_w.T, new_b

    def convert(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return x and y, one target per sample as a flat array."""
        if self.case.output == "sigmoid" and self.case.sizes[-1] == 1:
            y = y.astype(np.int64)
        return x, y.ravel() if self.case.sizes[-1] == 1 else y

    def step(self, x: Array, y: Array) -> None:
        """Take one step of gradient descent."""
        self._model.partial_fit(x, y)

    def parameters(self) -> inputs.Parameters:
        """Return weights of shape (outputs, inputs) and biases."""
        return [w.T for w in self._model.coefs_], self._model.intercepts_

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        model = self._model
        return np.asarray(
            model.predict(x) if self.case.output == "identity" else model.predict_proba(x)
        )

    def train(self, data: inputs.DataSet) -> None:
        """Train for all epochs."""
        self._model.fit(data.x, data.y)
