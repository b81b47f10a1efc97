"""The course of a fit: many epochs a call of the core, or one by one where somebody looks on."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.errors import DivergenceError
from deltarule.history import History
from deltarule.optimizers import SGD, Optimizer

Array = NDArray[Any]
Core = core.NetworkF32 | core.NetworkF64

_DEFAULT = SGD()

# Seconds of training between two returns to Python, and row numbers drawn ahead at most (8 MB).
_SLICE_SECONDS = 0.25
_ORDER_LIMIT = 2**20


class EpochRecord(TypedDict):
    """What a callback of `MLP.fit` is given after each epoch."""

    epoch: int
    epochs: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    seconds: float


Callback = Callable[[EpochRecord], object]


def check_optimizer(optimizer: object) -> Optimizer:
    """Return the optimizer, SGD() by default."""
    if optimizer is None:
        return _DEFAULT
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a deltarule.SGD, Adam or AdamW, not {optimizer!r}")
    return optimizer


def check_flag(value: object, name: str) -> bool:
    """Return True or False, or raise naming the argument."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def whole_number(value: object, name: str, lowest: int) -> int:
    """Return an int of at least `lowest`, or raise naming the argument."""
    try:
        n = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if isinstance(value, bool) or n < lowest:
        raise ValueError(f"{name} must be {lowest} or more, not {value!r}")
    return n


def check_callbacks(callbacks: object) -> tuple[Callback, ...]:
    """Return the callbacks as a tuple of callables."""
    if callable(callbacks):
        return (callbacks,)
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be callables, not {callbacks!r}")
    functions = tuple(callbacks)
    for i, function in enumerate(functions):
        if not callable(function):
            raise TypeError(f"callbacks[{i}] must be callable, not {function!r}")
    return functions


@dataclass
class Fit:
    """One call of `MLP.fit`, its arguments checked."""

    network: Core
    rng: np.random.Generator | None  # None: no shuffling
    batch: tuple[Array, Array, Array | None]
    validation: tuple[Array, Array, Array | None] | None
    epochs: int
    batch_size: int
    optimizer: Optimizer
    settings: core.Optimizer  # the optimizer's, as the core takes them
    callbacks: Sequence[Callback]
    max_seconds: float
    threads: int

    def run(self, progress: AbstractContextManager[Callback] | None = None) -> History:
        """Train; whatever is raised, the network is at a whole mini-batch."""
        deadline = time.perf_counter() + self.max_seconds
        self.network.begin_training()
        try:
            with progress or nullcontext() as show:
                return self._epochs([*self.callbacks, *([show] if show else [])], deadline)
        finally:
            self.network.end_training()

    def _epochs(self, callbacks: Sequence[Callback], deadline: float) -> History:
        history = History()
        while len(history) < self.epochs:
            epochs = self._next_epochs(history, bool(callbacks))
            self._train(epochs, history, deadline - time.perf_counter())
            answers = [callback(self._record(history)) for callback in callbacks]
            stop = any(isinstance(a, bool | np.bool_) and bool(a) for a in answers)
            if stop or time.perf_counter() >= deadline:
                break
        return history

    def _next_epochs(self, history: History, watched: bool) -> int:
        left = self.epochs - len(history)
        if watched or not history.seconds:
            return min(left, 1)
        mean_seconds = sum(history.seconds) / len(history)
        by_time = _SLICE_SECONDS / max(mean_seconds, 1e-9)
        by_memory = max(1, _ORDER_LIMIT // len(self.batch[0]))
        return int(max(1, min(left, by_time, by_memory)))

    def _orders(self, epochs: int) -> Array | None:
        if self.rng is None:
            return None
        rows = len(self.batch[0])
        return np.stack([self.rng.permutation(rows) for _ in range(epochs)])

    def _train(self, epochs: int, history: History, seconds: float) -> None:
        before = self.rng.bit_generator.state if self.rng is not None else {}
        result = core.TrainingResult()
        try:
            self.network.train(
                *self.batch,
                order=self._orders(epochs),
                epochs=epochs,
                batch_size=self.batch_size,
                optimizer=self.settings,
                lr=None,
                dropout=None,
                validation=self.validation,
                threads=self.threads,
                seconds=seconds,
                result=result,
            )
        finally:
            complete = len(result.loss)
            if complete < epochs and self.rng is not None:
                # The generator goes back to where the complete epochs left it: a next fit goes on.
                self.rng.bit_generator.state = before
                for _ in range(complete):
                    self.rng.permutation(len(self.batch[0]))
        history._extend(
            result.loss, result.validation_loss, result.seconds, float(self.optimizer.lr)
        )
        if result.diverged:
            epoch, step = len(history) + 1, result.step + 1
            raise DivergenceError(
                f"the loss is not finite any more in epoch {epoch}, step {step}; the parameters "
                f"are those after epoch {epoch - 1}. Try a lower learning rate than "
                f"{self.optimizer.lr}, or scale the inputs",
                epoch,
                step,
            )

    def _record(self, history: History) -> EpochRecord:
        return {
            "epoch": len(history),
            "epochs": self.epochs,
            "loss": history.loss[-1],
            "validation_loss": history.validation_loss[-1] if history.validation_loss else None,
            "learning_rate": history.learning_rate[-1],
            "seconds": history.seconds[-1],
        }
