"""Passes over the training data: what they have in common, and whole arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from deltarule.backend import State, loss_of
from deltarule.data.samples import Samples
from deltarule.training.core_call import Training
from deltarule.training.progress import ArraysCall, Call, Partial
from deltarule.training.sampling import Draws

Array = NDArray[Any]

# Row numbers drawn ahead at most (8 MB).
_ORDER_LIMIT = 2**20

AnyCall = TypeVar("AnyCall", bound=Call)


class Pass(ABC, Generic[AnyCall]):
    """How a fit goes over its data.

    Parameters
    ----------
    training : Training
    validation : Samples or None
        Evaluated after each epoch.
    draws : Draws
    """

    samples = 0  # of the last epoch
    new_call: type[AnyCall]

    def __init__(self, training: Training, validation: Samples | None, draws: Draws) -> None:
        self._training = training
        self._validation = validation
        self._draws = draws

    @property
    def epochs_at_once(self) -> int:
        """How many epochs a call may be of."""
        return 1

    def call(self, epochs: int, start: Partial) -> AnyCall:
        """Return a call of `run` that has done nothing yet."""
        return self.new_call(epochs, start, self._draws.state)

    @abstractmethod
    def run(self, call: AnyCall, seconds: float, pause: float, first_epoch: int) -> None:
        """Train for the epochs of a call, which knows what was done whatever is raised.

        Parameters
        ----------
        call : Call
        seconds : float
            No epoch begins after that time.
        pause : float
            Seconds after which to stop within an epoch, at a whole step; one at least is done.
        first_epoch : int
            Its number in the fit, from 1.
        """

    def generator_after(self, call: Call, epochs: int) -> dict[str, Any] | None:
        """Return the state of the random generator after so many epochs of a call."""
        return self._draws.state_after(call.before, epochs, self._drawn_rows)

    @abstractmethod
    def some_rows(self, count: int) -> Array:
        """Return x of at most `count` of the samples."""

    @property
    @abstractmethod
    def words(self) -> dict[str, Any]:
        """How the data are gone over, where that decides on bits of the losses."""

    @abstractmethod
    def can_begin(self, partial: Partial) -> bool:
        """Whether an epoch can have come that far."""

    @property
    def _drawn_rows(self) -> int:
        """Of which an epoch draws an order."""
        return self.samples

    def _validate(self) -> float | None:
        if self._validation is None:
            return None
        training = self._training
        return loss_of(training.network, self._validation, training.reduction, training.threads)

    def _back(self, call: Call) -> State:
        """Return the network as it is to be where the epoch diverges."""
        back = call.origin or State(self._training.network)
        if not call.start.is_begun:
            call.origin = back
        return back


class ArraysPass(Pass[ArraysCall]):
    """Over whole arrays: many epochs a call of the core.

    Parameters
    ----------
    training, validation, draws
        As for `Pass`.
    data : Samples
    """

    new_call = ArraysCall

    def __init__(
        self, training: Training, validation: Samples | None, draws: Draws, data: Samples
    ) -> None:
        super().__init__(training, validation, draws)
        self._data = data
        batch = data.whole
        assert batch is not None
        self._batch = batch
        self._in_core = None if validation is None else validation.whole
        self.samples = len(data)

    @property
    def epochs_at_once(self) -> int:
        if self._validation is not None and self._in_core is None:
            return 1
        return max(1, _ORDER_LIMIT // len(self._data))

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return math.ceil(self.samples / self._training.batch_of(self.samples))

    def run(self, call: ArraysCall, seconds: float, pause: float, first_epoch: int) -> None:
        n, result, epochs, back = len(self._data), call.result, call.epochs, call.origin
        call.is_in_core = self._validation is None or self._in_core is not None
        lr = self._training.pace.rates(epochs, self.steps)
        call.learning_rate = first_rates(lr, epochs, self._training.lr)
        try:
            drawn = [self._draws.epoch(n) for _ in range(epochs)]
            if call.start.trained is None:
                # Without a pause the core remembers how the epoch began.
                if pause < math.inf and epochs == 1:
                    back = self._back(call)
                self._training.train(
                    self._batch,
                    result,
                    order=_stacked([draw.order for draw in drawn]),
                    epochs=epochs,
                    lr=lr,
                    keys=_stacked([draw.key_from(0) for draw in drawn]),
                    validation=self._in_core,
                    seconds=seconds,
                    start=call.start,
                    pause=pause,
                )
        finally:
            trained = 1 if call.start.trained is not None else len(result.loss)
            self._training.pace.advance(trained)
            if trained < epochs:
                # The generator goes back to where the complete epochs left it: a next fit goes on.
                self._draws.go_back(call.before, trained, n)
        if result.diverged:
            call.diverge(result.step, result.layer, None if result.loss else back)
        elif trained and (not call.is_in_core or call.start.trained is not None):
            loss = result.loss[0] if call.start.trained is None else call.start.trained
            call.finish(loss, self._validate)

    @property
    def words(self) -> dict[str, Any]:
        return {"over": "arrays"}

    def can_begin(self, partial: Partial) -> bool:
        return not partial.blocks and partial.step <= self.steps

    def some_rows(self, count: int) -> Array:
        return self._data.spread(count)


def _stacked(arrays: list[Array | None]) -> Array | None:
    """Return the orders of the epochs below each other, or their keys in a row."""
    some = [array for array in arrays if array is not None]
    if not some:
        return None
    if some[0].dtype == np.uint64:
        return np.concatenate(some)
    return some[0][np.newaxis] if len(some) == 1 else np.stack(some)


def first_rates(lr: Array | None, epochs: int, constant: float) -> list[float]:
    """Return the learning rate at the beginning of each epoch."""
    return [constant] * epochs if lr is None else [float(rate) for rate in lr[:, 0]]
