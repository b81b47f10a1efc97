"""The course of a fit: many epochs a call of the core, or one by one where somebody looks on."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.backend import State
from deltarule.data.samples import Samples
from deltarule.errors import DivergenceError, at_layer
from deltarule.training.core_call import Training
from deltarule.training.early_stopping import Follower
from deltarule.training.epochs import Pass
from deltarule.training.history import EpochRecord, History
from deltarule.training.metrics import Measure
from deltarule.training.progress import START, Call, Course

if TYPE_CHECKING:
    from deltarule.checkpoint.writer import Keeper

Array = NDArray[Any]

# Seconds of training between two returns to Python.
_SLICE_SECONDS = 0.25


Callback = Callable[[EpochRecord], object]
# A callback that is there while the fit runs, or None: nothing to show.
Watcher = AbstractContextManager[Callback | None]


@dataclass(eq=False, repr=False)
class Fit:
    """One call of `MLP.fit`, its arguments checked.

    Attributes
    ----------
    training, data, epochs, callbacks, max_seconds, measure, follower
    measured : Samples or None
        What the metrics are of.
    history : History
        Of the epochs before, to which those to come are added.
    course : Course
        Where the fit begins.
    keeper : Keeper or None
        Writes the checkpoints.
    """

    training: Training
    data: Pass[Any]
    epochs: int
    callbacks: Sequence[Callback]
    max_seconds: float
    measure: Measure | None
    measured: Samples | None
    follower: Follower | None
    history: History
    course: Course
    keeper: Keeper | None

    def run(self, watchers: Sequence[Watcher] = ()) -> History:
        """Train; whatever is raised, the network is at a whole mini-batch."""
        deadline = time.perf_counter() + self.max_seconds
        network = self.training.network
        network.begin_training()
        try:
            if not watchers:
                self._train(self.callbacks, deadline)
                return self.history
            with ExitStack() as stack:
                shown = [stack.enter_context(watcher) for watcher in watchers]
                self._train([*self.callbacks, *filter(None, shown)], deadline)
        finally:
            network.end_training()
        return self.history

    def save_first(self) -> None:
        """Write a checkpoint of where the fit begins, if it is not there."""
        if not self._is_saved:
            self.save()

    @property
    def _is_saved(self) -> bool:
        """Whether where the fit is now is the last checkpoint."""
        course = self.course
        return self.keeper is None or self.keeper.has(course, self._is_over(course))

    def save(self) -> None:
        """Write a checkpoint of where the fit is now."""
        if self.keeper is None:
            return
        course = self.course
        history, generator = self.history._until(course.epochs), None
        if course.call is not None:
            epochs, partial = course.call.position()
            entries = course.call.entries()[:epochs]
            history._enter(entries, course.call.learning_rate)
            generator = self.data.generator_after(course.call, epochs)
            course = course._replace(epochs=course.epochs + epochs, partial=partial, call=None)
        self.keeper.save(course, history, generator, is_over=self._is_over(course))

    def _train(self, callbacks: Sequence[Callback], deadline: float) -> None:
        try:
            self._epochs(callbacks, deadline)
            if not self._is_saved:
                self._save_in_time()
        except BaseException as error:
            self.history._even()
            self._save_last(error)
            raise
        best, followed = self.course.best, self.course.followed
        if best is not None and followed is not None and followed.epoch != self.course.epochs:
            best.restore()

    def _save_last(self, error: BaseException) -> None:
        call = self.course.call
        if self.keeper is None or (call is not None and (call.is_torn or self._is_custom)):
            return
        try:
            self.save()
        except Exception as problem:
            error.add_note(f"The last checkpoint could not be written: {problem}")

    @property
    def _is_custom(self) -> bool:
        """Whether Python does the steps, which may be raised between one and its count."""
        return not isinstance(self.training.network, core.NetworkF32 | core.NetworkF64)

    def _is_over(self, course: Course) -> bool:
        return course.epochs >= self.epochs or bool(course.end)

    def _epochs(self, callbacks: Sequence[Callback], deadline: float) -> None:
        history, pace, follower = self.history, self.training.pace, self.follower
        is_watched = bool(callbacks or self.measure or follower or pace.is_watching)
        while not self._is_over(self.course):
            if self._run(self._next_epochs(is_watched), deadline):
                pace.see((history.validation_loss or history.loss)[-1])
                self._measure()
                best = self._best()
                record = partial(history._record, self.epochs, self.data.samples)
                answers = [callback(record()) for callback in callbacks]
                end = ""
                if any(isinstance(a, bool | np.bool_) and bool(a) for a in answers):
                    end = "callback"
                elif follower is not None and follower.is_over:
                    end = "early stopping"
                seen = None if follower is None else follower.seen
                self.course = Course(len(history), START, None, pace.watch, seen, best, end)
                if time.perf_counter() >= deadline:
                    return
            if self.keeper is not None and self.keeper.is_due(self.course.epochs):
                self._save_in_time()

    def _save_in_time(self) -> None:
        """Write a checkpoint; where that fails, the training goes on without it."""
        try:
            self.save()
        except (OSError, MemoryError) as error:
            warnings.warn(
                f"a checkpoint could not be written, the one before it is left: {error}",
                RuntimeWarning,
                stacklevel=7,
            )

    def _next_epochs(self, watched: bool) -> int:
        seconds = self.history.seconds
        left = self.epochs - self.course.epochs
        if self.keeper is not None:
            left = min(left, self.keeper.epochs_left(self.course.epochs))
        if watched or not seconds:
            return min(left, 1)
        mean_seconds = sum(seconds) / len(seconds)
        by_time = _SLICE_SECONDS / max(mean_seconds, 1e-9)
        return int(max(1, min(left, by_time, self.data.epochs_at_once)))

    def _run(self, epochs: int, deadline: float) -> bool:
        """Train for some epochs; whether whole ones, not stopped within one for a checkpoint."""
        call = self.data.call(epochs, self.course.partial)
        self.course = self.course._replace(call=call)
        pause = math.inf if self.keeper is None or epochs > 1 else self.keeper.seconds_left
        try:
            self.data.run(call, deadline - time.perf_counter(), pause, len(self.history) + 1)
        finally:
            entries = call.entries()
            self.history._enter(entries, call.learning_rate)
        if call.diverged_in is not None:
            self._raise_diverged(call)
        if not entries:
            self.course = self.course._replace(partial=call.position()[1], call=None)
        return bool(entries)

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

    def _measure(self) -> None:
        if self.measure is None or self.measured is None:
            return
        training = self.training
        values = self.measure.of(training.network, self.measured, training.threads)
        for name, value in values.items():
            self.history.metrics[name].append(value)

    def _best(self) -> State | None:
        """Return the network after the best epoch, where it is to be kept."""
        follower, history = self.follower, self.history
        if follower is None:
            return None
        value = history.to_dict()[follower.figure][-1]
        is_best = follower.is_best(len(history), value)
        history.best_epoch = follower.best_epoch
        if not follower.settings.restore_best:
            return None
        return State(self.training.network) if is_best else self.course.best
