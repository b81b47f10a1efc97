"""What happens after each iteration, as after each epoch of other optimizers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.backend import MLPLike, loss_of
from deltarule.data.samples import Samples
from deltarule.training.early_stopping import Follower
from deltarule.training.history import EpochRecord, History
from deltarule.training.metrics import Measure

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Course:
    """One fit, which leaves the network at a whole iteration at any time."""

    network: MLPLike
    samples: int
    epochs: int
    validation: Samples | None
    measure: Measure | None
    measured: Samples | None  # what the metrics are of
    follower: Follower | None
    threads: int

    def begin(
        self, callbacks: Sequence[Callable[[EpochRecord], object]], max_seconds: float
    ) -> None:
        """Start the clock."""
        self._callbacks = callbacks
        self._history = self.network._history = History()
        if self.measure is not None:
            self._history.metrics = {name: [] for name in self.measure.names}
        self._best: Array | None = None
        self._began = time.perf_counter()
        self._deadline = self._began + max_seconds

    def after(self, theta: Array, loss: float) -> bool:
        """Take an iteration; return whether it was the last."""
        network, history = self.network, self._history
        network._core.set_theta(theta)
        network._epochs += 1
        validation_loss = []
        if self.validation is not None:
            value = loss_of(network._core, self.validation, network.reduction, self.threads)
            validation_loss.append(value)
        history._extend([loss], validation_loss, [time.perf_counter() - self._began], [1.0])
        if self.measure is not None and self.measured is not None:
            for name, value in self.measure.of(network._core, self.measured, self.threads).items():
                history.metrics[name].append(value)
        self._follow(theta)
        record = history._record(self.epochs, self.samples)
        answers = [callback(record) for callback in self._callbacks]
        self._began = time.perf_counter()
        return (
            any(isinstance(a, bool | np.bool_) and bool(a) for a in answers)
            or (self.follower is not None and self.follower.is_over)
            or self._began >= self._deadline
        )

    def end(self) -> History:
        """Leave the network at the best iteration, where that is asked for."""
        if self._best is not None:
            self.network._core.set_theta(self._best)
        return self._history

    def _follow(self, theta: Array) -> None:
        if self.follower is None:
            return
        history = self._history
        value = history.to_dict()[self.follower.figure][-1]
        is_best = self.follower.is_best(len(history), value)
        history.best_epoch = self.follower.best_epoch
        if is_best and self.follower.settings.restore_best:
            self._best = theta
