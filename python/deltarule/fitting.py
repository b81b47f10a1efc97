"""The course of a fit: many epochs a call of the core, or one by one where somebody looks on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.data.samples import Samples
from deltarule.errors import DivergenceError
from deltarule.history import EpochRecord, History
from deltarule.metrics import Measure
from deltarule.passes import Pass, State, Training
from deltarule.stopping import Follower

Array = NDArray[Any]

# Seconds of training between two returns to Python.
_SLICE_SECONDS = 0.25


Callback = Callable[[EpochRecord], object]
# A callback that is there while the fit runs, or None: nothing to show.
Watcher = AbstractContextManager[Callback | None]


@dataclass(eq=False, repr=False)
class Fit:
    """One call of `MLP.fit`, its arguments checked."""

    training: Training
    data: Pass
    epochs: int
    callbacks: Sequence[Callback]
    max_seconds: float
    measure: Measure | None
    measured: Samples | None  # what the metrics are of
    follower: Follower | None

    def run(self, watchers: Sequence[Watcher] = ()) -> History:
        """Train; whatever is raised, the network is at a whole mini-batch."""
        deadline = time.perf_counter() + self.max_seconds
        network = self.training.network
        network.begin_training()
        try:
            if not watchers:
                return self._epochs(self.callbacks, deadline)
            with ExitStack() as stack:
                shown = [stack.enter_context(watcher) for watcher in watchers]
                return self._epochs([*self.callbacks, *filter(None, shown)], deadline)
        finally:
            network.end_training()

    def _epochs(self, callbacks: Sequence[Callback], deadline: float) -> History:
        history = History()
        if self.measure is not None:
            history.metrics = {name: [] for name in self.measure.names}
        best: State | None = None
        pace = self.training.pace
        is_watched = bool(callbacks or self.measure or self.follower or pace.is_watching)
        while len(history) < self.epochs:
            epochs = self._next_epochs(history, is_watched)
            self._train(epochs, history, deadline - time.perf_counter())
            pace.see((history.validation_loss or history.loss)[-1])
            self._measure(history)
            if self._is_best(history) and self.follower and self.follower.settings.restore_best:
                best = State(self.training.network)
            answers = [
                callback(history._record(self.epochs, self.data.samples)) for callback in callbacks
            ]
            stop = any(isinstance(a, bool | np.bool_) and bool(a) for a in answers)
            stop = stop or (self.follower is not None and self.follower.is_over)
            if stop or time.perf_counter() >= deadline:
                break
        if best is not None and history.best_epoch != len(history):
            best.restore()
        return history

    def _next_epochs(self, history: History, watched: bool) -> int:
        left = self.epochs - len(history)
        if watched or not history.seconds:
            return min(left, 1)
        mean_seconds = sum(history.seconds) / len(history)
        by_time = _SLICE_SECONDS / max(mean_seconds, 1e-9)
        return int(max(1, min(left, by_time, self.data.epochs_at_once)))

    def _train(self, epochs: int, history: History, seconds: float) -> None:
        result = self.data.run(epochs, seconds, len(history) + 1)
        history._extend(result.loss, result.validation_loss, result.seconds, result.learning_rate)
        if result.diverged:
            epoch, step = len(history) + 1, result.step + 1
            raise DivergenceError(
                f"the loss is not finite any more in epoch {epoch}, step {step}; the parameters "
                f"are those after epoch {epoch - 1}. Try a lower learning rate than "
                f"{result.learning_rate[len(result.loss)]}, or scale the inputs",
                epoch,
                step,
            )

    def _measure(self, history: History) -> None:
        if self.measure is None or self.measured is None:
            return
        training = self.training
        values = self.measure.of(training.network, self.measured, training.threads)
        for name, value in values.items():
            history.metrics[name].append(value)

    def _is_best(self, history: History) -> bool:
        if self.follower is None:
            return False
        value = history.to_dict()[self.follower.figure][-1]
        is_best = self.follower.is_best(len(history), value)
        history.best_epoch = self.follower.best_epoch
        return is_best
