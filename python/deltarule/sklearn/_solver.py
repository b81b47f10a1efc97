"""The base of the solvers: the network, its data, and the record of each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.arguments import check_callbacks
from deltarule.sklearn._core_training import Network
from deltarule.sklearn._data import Samples


@dataclass(frozen=True)
class Validation:
    """Samples that are not trained on.

    Attributes
    ----------
    samples : Samples
        For the loss.
    score : callable
        Network -> score, higher is better.
    """

    samples: Samples
    score: Callable[[Network], float]


@dataclass
class Solver:
    """One call of `fit` or `partial_fit`; writes the fitted attributes.

    Attributes
    ----------
    of : BaseMLP
        The estimator.
    network : Network
        Trained in place.
    samples : Samples
    validation : Validation or None
    threads : int
    incremental : bool
        One epoch, and the optimizer continues from the last call.
    """

    of: Any
    network: Network
    samples: Samples
    validation: Validation | None
    threads: int
    incremental: bool = False

    def __post_init__(self) -> None:
        self.callbacks = check_callbacks(self.of.callbacks)
        self.started = self.epoch_started = time.perf_counter()
        self.epochs = 1 if self.incremental else self.of.max_iter

    def run(self) -> None:
        """Train; FitDivergedError if that leads to values that are not finite."""
        raise NotImplementedError

    def record_loss(self, epoch: int, loss: float, network: Network) -> None:
        """Record the training loss of an epoch, and the validation loss after it."""
        self.of.loss_curve_.append(loss)
        if self.of.verbose:
            print(f"Iteration {epoch}, loss = {loss:.8f}")
        if self.validation is not None:
            validation_loss = network.loss(self.validation.samples, self.threads)
            self.of.validation_loss_curve_.append(validation_loss)

    def is_stopped(self, epoch: int, score: float | None, rate: float | None) -> bool:
        """Call all callbacks with the epoch's record; return whether to stop.

        Parameters
        ----------
        epoch : int
        score : float or None
            On the validation samples.
        rate : float or None
            The learning rate.
        """
        of = self.of
        record = {
            "epoch": epoch,
            "epochs": self.epochs,
            "loss": of.loss_curve_[-1],
            "validation_loss": of.validation_loss_curve_[-1] if self.validation else None,
            "validation_score": score,
            "learning_rate": rate,
            "seconds": time.perf_counter() - self.epoch_started,
        }
        answers = [callback(record) for callback in self.callbacks]
        self.epoch_started = time.perf_counter()
        limit = math.inf if of.max_seconds is None else float(of.max_seconds)
        late = self.epoch_started - self.started >= limit
        return late or any(isinstance(a, bool | np.bool_) and bool(a) for a in answers)
