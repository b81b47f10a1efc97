"""The core with the options of a fit: the one place where it is called to train."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.backend import Core, MLPLike
from deltarule.data.samples import Batch
from deltarule.layers import Array
from deltarule.optimizers import Optimizer
from deltarule.training.learning_rate import LearningRates
from deltarule.training.options import FitOptions
from deltarule.training.progress import START, Partial


@dataclass(eq=False, repr=False)
class CoreCall:
    """The core network of a fit, with the options that each of its calls takes.

    Attributes
    ----------
    network : core network
    optimizer : core.Optimizer
    lr : float
        The optimizer's.
    rates : LearningRates
    dropout : ndarray or None
        One rate per hidden layer.
    batch_size : int or None
        None: all samples.
    threads : int
    reduction : {"mean", "sum"}
    """

    network: Core
    optimizer: core.Optimizer
    lr: float
    rates: LearningRates
    dropout: NDArray[np.float64] | None
    batch_size: int | None
    threads: int
    reduction: str

    @classmethod
    def of_fit(cls, network: MLPLike, options: FitOptions, rates: LearningRates) -> CoreCall:
        """Return the calls of a fit with an optimizer of the core."""
        optimizer = options.optimizer
        assert isinstance(optimizer, Optimizer)
        return cls(
            network._core,
            optimizer._settings_in(network.dtype),
            float(optimizer.lr),
            rates,
            options.dropout,
            options.batch_size,
            options.threads,
            network.reduction,
        )

    def train(
        self,
        batch: Batch,
        result: core.TrainingResult,
        *,
        order: Array | None = None,
        epochs: int = 1,
        lr: Array | None = None,
        keys: Array | None = None,
        validation: Batch | None = None,
        seconds: float = math.inf,
        start: Partial = START,
        pause: float = math.inf,
    ) -> None:
        """Train for epochs of mini-batches, filling `result` whatever is raised.

        Parameters
        ----------
        batch, result, order, epochs, lr, keys, validation, seconds
            As in the core's `train`.
        start : Partial
            The state of the first epoch over these samples.
        pause : float
            Seconds after which to stop at a whole step, after at least one.
        """
        self.network.train(
            *batch,
            order=order,
            epochs=epochs,
            batch_size=self.samples_per_step(len(batch[0])),
            optimizer=self.optimizer,
            lr=lr,
            dropout=None if keys is None or self.dropout is None else (self.dropout, keys),
            validation=validation,
            threads=self.threads,
            seconds=seconds,
            result=result,
            first_step=start.step,
            first_loss=start.loss,
            first_weight=start.weight,
            pause=pause,
        )

    def samples_per_step(self, n: int) -> int:
        """Return the samples of a mini-batch of n samples."""
        return n if self.batch_size is None else min(n, self.batch_size)
