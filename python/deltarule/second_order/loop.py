"""The end of each iteration: history, observers, the end of the fit."""

from __future__ import annotations

import time

from deltarule.backend import MLPLike, loss_of
from deltarule.data.samples import Samples
from deltarule.layers import Array
from deltarule.training.history import History
from deltarule.training.observers import Observers
from deltarule.training.options import FitOptions


class IterationLoop:
    """One fit, which leaves the network at a whole iteration at any time.

    Parameters
    ----------
    network : MLPLike
    samples : int
        To train on.
    validation : Samples or None
    observers : Observers
    options : FitOptions
    """

    def __init__(
        self,
        network: MLPLike,
        samples: int,
        validation: Samples | None,
        observers: Observers,
        options: FitOptions,
    ) -> None:
        self._network, self._samples, self._validation = network, samples, validation
        self._observers, self._threads = observers, options.threads
        self._history = network._history = observers.new_history()
        self._best: Array | None = None
        self._began = time.perf_counter()
        self._deadline = self._began + options.max_seconds

    def after_iteration(self, theta: Array, loss: float) -> bool:
        """Take theta and the loss of an iteration; return whether it was the last."""
        network, history = self._network, self._history
        network._core.set_theta(theta)
        network._epochs += 1
        validation_loss = []
        if self._validation is not None:
            value = loss_of(network._core, self._validation, network.reduction, self._threads)
            validation_loss.append(value)
        history._extend([loss], validation_loss, [time.perf_counter() - self._began], [1.0])
        if self._observers.evaluate(network._core, history):
            self._best = theta
        end = self._observers.notify(history, self._samples)
        self._began = time.perf_counter()
        return bool(end) or self._began >= self._deadline

    def end(self) -> History:
        """Restore the best iteration if early stopping asks for it; return the history."""
        if self._best is not None:
            self._network._core.set_theta(self._best)
        return self._history
