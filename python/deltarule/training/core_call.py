"""The core with the settings of a fit: the one place where it is called to train."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from deltarule._load import core
from deltarule.backend import Core
from deltarule.data.samples import Batch
from deltarule.training.learning_rate import Pace
from deltarule.training.progress import START, Partial

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Training:
    """The core with the settings of a fit: the one place where it is called to train."""

    network: Core
    settings: core.Optimizer
    lr: float  # of the settings
    pace: Pace
    dropout: Array | None  # rates of the hidden layers
    batch_size: int | None  # None: all samples
    threads: int
    reduction: str

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
            As the core takes them.
        start : Partial
            Where the first epoch, over these samples, begins.
        pause : float
            Seconds after which to stop at a whole step, of which it does one or more.
        """
        self.network.train(
            *batch,
            order=order,
            epochs=epochs,
            batch_size=self.batch_of(len(batch[0])),
            optimizer=self.settings,
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

    def batch_of(self, n: int) -> int:
        """Return the samples of a mini-batch where there are n."""
        return n if self.batch_size is None else min(n, self.batch_size)
