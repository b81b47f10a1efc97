"""The epoch loop of a fit: many epochs per call of the core, or one where observers follow it."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from deltarule._load import core
from deltarule.backend import State
from deltarule.errors import DivergenceError, at_layer
from deltarule.training.core_call import CoreCall
from deltarule.training.epochs import Pass
from deltarule.training.history import History
from deltarule.training.observers import Observers
from deltarule.training.options import FitOptions
from deltarule.training.progress import START, Call, Progress

if TYPE_CHECKING:
    from deltarule.checkpoint.writer import CheckpointWriter

# Seconds of training between two returns to Python.
_SLICE_SECONDS = 0.25


@dataclass(eq=False, repr=False)
class FitLoop:
    """One fit by epochs.

    Attributes
    ----------
    options, core_call, data, observers
    history : History
        Of the epochs before, to which this fit adds its own.
    progress : Progress
        The state in which the fit begins; replaced after each call of the core.
    writer : CheckpointWriter or None
    """

    options: FitOptions
    core_call: CoreCall
    data: Pass[Any]
    observers: Observers
    history: History
    progress: Progress
    writer: CheckpointWriter | None = None

    def run(self) -> None:
        """Train; whatever is raised, the network is at a whole mini-batch."""
        deadline = time.perf_counter() + self.options.max_seconds
        try:
            with self.observers.displayed(self.progress.epochs):
                self._epochs(deadline)
                if not self._is_saved:
                    self._save_in_time()
        except BaseException as error:
            self.history._even()
            self._save_last(error)
            raise
        progress = self.progress
        if progress.best is not None and progress.monitor is not None:
            if progress.monitor.epoch != progress.epochs:
                progress.best.restore()

    def save_first(self) -> None:
        """Write a checkpoint of the beginning, unless the fit was resumed from it."""
        if not self._is_saved:
            self.save()

    def save(self) -> None:
        """Write a checkpoint of the present state, also within a call of the core."""
        if self.writer is None:
            return
        progress = self.progress
        history, generator = self.history._until(progress.epochs), None
        if progress.call is not None:
            epochs, partial = progress.call.position()
            entries = progress.call.entries()[:epochs]
            history._enter(entries, progress.call.learning_rate)
            generator = self.data.generator_after(progress.call, epochs)
            progress = progress._replace(
                epochs=progress.epochs + epochs, partial=partial, call=None
            )
        self.writer.save(progress, history, generator, is_over=self._is_over(progress))

    @property
    def _is_saved(self) -> bool:
        """Whether the last checkpoint holds the present state."""
        progress = self.progress
        return self.writer is None or self.writer.has(progress, self._is_over(progress))

    def _is_over(self, progress: Progress) -> bool:
        return progress.epochs >= self.options.epochs or bool(progress.end)

    def _save_last(self, error: BaseException) -> None:
        call = self.progress.call
        if self.writer is None or (call is not None and (call.is_torn or self._steps_in_python)):
            return
        try:
            self.save()
        except Exception as problem:
            error.add_note(f"The last checkpoint could not be written: {problem}")

    @property
    def _steps_in_python(self) -> bool:
        """Whether steps run in Python, where Ctrl-C may come between a step and its count."""
        return not isinstance(self.core_call.network, core.NetworkF32 | core.NetworkF64)

    def _epochs(self, deadline: float) -> None:
        history, observers, rates = self.history, self.observers, self.core_call.rates
        while not self._is_over(self.progress):
            if self._run(self._next_epochs(), deadline):
                rates.after_epoch((history.validation_loss or history.loss)[-1])
                best = self.progress.best
                if observers.evaluate(self.core_call.network, history):
                    best = State(self.core_call.network)
                end = observers.notify(history, self.data.samples)
                monitor = None if observers.monitor is None else observers.monitor.state
                self.progress = Progress(
                    len(history), START, None, rates.plateau, monitor, best, end
                )
                if time.perf_counter() >= deadline:
                    return
            if self.writer is not None and self.writer.is_due(self.progress.epochs):
                self._save_in_time()

    def _next_epochs(self) -> int:
        """Return how many epochs the next call of the core is of."""
        observers, seconds = self.observers, self.history.seconds
        left = self.options.epochs - self.progress.epochs
        if self.writer is not None:
            left = min(left, self.writer.epochs_left(self.progress.epochs))
        is_observed = bool(observers.callbacks or observers.evaluator or observers.monitor)
        if is_observed or self.core_call.rates.follows_loss or not seconds:
            return min(left, 1)
        mean_seconds = sum(seconds) / len(seconds)
        by_time = _SLICE_SECONDS / max(mean_seconds, 1e-9)
        return int(max(1, min(left, by_time, self.data.epochs_at_once)))

    def _run(self, epochs: int, deadline: float) -> bool:
        """Train for some epochs; return False where a checkpoint interrupts the first of them."""
        call = self.data.call(epochs, self.progress.partial)
        self.progress = self.progress._replace(call=call)
        pause = math.inf if self.writer is None or epochs > 1 else self.writer.seconds_left
        try:
            self.data.run(call, deadline - time.perf_counter(), pause, len(self.history) + 1)
        finally:
            entries = call.entries()
            self.history._enter(entries, call.learning_rate)
        if call.diverged_in is not None:
            self._raise_diverged(call)
        if not entries:
            self.progress = self.progress._replace(partial=call.position()[1], call=None)
        return bool(entries)

    def _save_in_time(self) -> None:
        """Write a checkpoint; where that fails, warn and train on."""
        try:
            self.save()
        except (OSError, MemoryError) as error:
            warnings.warn(
                f"a checkpoint could not be written, the one before it is left: {error}",
                RuntimeWarning,
                stacklevel=6,
            )

    def _raise_diverged(self, call: Call) -> NoReturn:
        assert call.diverged_in is not None
        epoch, step = len(self.history) + 1, call.diverged_in + 1
        where = f"after epoch {epoch - 1}"
        if call.start.is_begun and not call.entries():
            where = "that the checkpoint holds"
        what = "the loss" if call.layer else "the loss or the update"
        raise DivergenceError(
            f"{what} is not finite any more in epoch {epoch}, step {step}; "
            f"{at_layer(call.layer)}; the parameters are those {where}. Try a lower learning rate "
            f"than {call.learning_rate[len(call.entries())]}, or scale the inputs",
            epoch,
            step,
            call.layer or None,
        )
