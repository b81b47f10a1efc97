"""The part that the peers share: a case made ready, done by a peer's class `Model`."""

from __future__ import annotations

from functools import partial
from typing import Any

from deltarule.benchmark import inputs
from deltarule.benchmark.cases import Case, Prediction, Training
from deltarule.layers import Array


class BaseModel:
    """The network of a case; each peer's class adds the methods of the work that it does.

    ``step(x, y)``
        One step of gradient descent, on the arrays that `convert` returns.
    ``parameters()``
        Weights of shape (outputs, inputs) and biases, after the steps.
    ``predict(x)``
        The outputs of NumPy rows as a NumPy array.
    ``train(data)``
        The epochs of a `Training`, on a `DataSet`, from the case's parameters.

    Parameters
    ----------
    case : Case
    rate : float
        The learning rate.

    Attributes
    ----------
    epochs : int
        Of a training.
    """

    def __init__(self, case: Case, rate: float) -> None:
        self.case, self.rate = case, rate
        self.epochs = case.epochs if isinstance(case, Training) else 1

    def convert(self, x: Array, y: Array) -> tuple[Any, Any]:
        """Return inputs and targets as the package takes them."""
        return x, y

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        raise NotImplementedError

    def classes(self, x: Array) -> Array:
        """Return the class of each row after a training."""
        classes: Array = self.predict(x).argmax(axis=1)
        return classes


class Job:
    """A case and a peer's model; ``run()`` is timed.

    Parameters
    ----------
    case : Case
    kind : class
        The peer's `Model`.
    """

    def __init__(self, case: Case, kind: Any) -> None:
        if isinstance(case, Training):
            self.run = partial(self._train, case, kind, inputs.data_set(case))
            return
        self.model = kind(case, inputs.STEP_RATE)
        x, y = inputs.batch(case)
        if isinstance(case, Prediction):
            self.run = partial(self.model.predict, x)
        else:
            self.run = partial(self.model.step, *self.model.convert(x, y))

    def _train(self, case: Case, kind: Any, data: inputs.DataSet) -> None:
        self.model = kind(case, inputs.TRAINING_RATE)
        self.model.train(data)
