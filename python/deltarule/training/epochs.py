"""Passes over the training data: their base, and the pass over arrays in memory."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np

from deltarule.backend import State, loss_of
from deltarule.data.samples import Samples
from deltarule.layers import Array
from deltarule.training.core_call import CoreCall
from deltarule.training.progress import ArraysCall, Call, Partial
from deltarule.training.sampling import EpochSampler

# Most row numbers drawn ahead (8 MB).
_ORDER_LIMIT = 2**20

AnyCall = TypeVar("AnyCall", bound=Call)


class Pass(ABC, Generic[AnyCall]):
    """How a fit goes over its data.

    Parameters
    ----------
    core_call : CoreCall
    validation : Samples or None
        Evaluated after each epoch.
    sampler : EpochSampler
    """

    samples = 0  # of the last epoch
    new_call: type[AnyCall]

    def __init__(
        self, core_call: CoreCall, validation: Samples | None, sampler: EpochSampler
    ) -> None:
        self._core_call, self._validation, self._sampler = core_call, validation, sampler

    @property
    def epochs_at_once(self) -> int:
        """The most epochs of one call."""
        return 1

    def call(self, epochs: int, start: Partial) -> AnyCall:
        """Return a new call of `run`."""
        return self.new_call(epochs, start, self._sampler.state)

    @abstractmethod
    def run(self, call: AnyCall, seconds: float, pause: float, first_epoch: int) -> None:
        """Train for the epochs of a call, which has its progress whatever is raised.

        Parameters
        ----------
        call : Call
        seconds : float
            No epoch begins after that time.
        pause : float
            Seconds after which to stop within an epoch, at a whole step, after at least one.
        first_epoch : int
            The number of the call's first epoch in the fit, from 1.
        """

    def generator_after(self, call: Call, epochs: int) -> dict[str, Any] | None:
        """Return the state of the random generator after so many epochs of a call."""
        return self._sampler.state_after(call.before, epochs, self._drawn_rows)

    @abstractmethod
    def some_rows(self, count: int) -> Array:
        """Return x of at most `count` of the samples."""

    @property
    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """How the pass reads the data, as far as bits of the losses depend on it; for JSON."""

    @abstractmethod
    def can_begin(self, partial: Partial) -> bool:
        """Return whether an epoch of this pass can be in that state."""

    @property
    def _drawn_rows(self) -> int:
        """The length of the order that an epoch draws."""
        return self.samples

    def _validate(self) -> float | None:
        if self._validation is None:
            return None
        call = self._core_call
        return loss_of(call.network, self._validation, call.reduction, call.threads)

    def _back(self, call: Call) -> State:
        """Return the state to restore if the epoch diverges."""
        back = call.origin or State(self._core_call.network)
        if not call.start.is_begun:
            call.origin = back
        return back


class ArraysPass(Pass[ArraysCall]):
    """A pass over arrays in memory: many epochs per call of the core.

    Parameters
    ----------
    core_call, validation, sampler
        As for `Pass`.
    data : Samples
    """

    new_call = ArraysCall

    def __init__(
        self,
        core_call: CoreCall,
        validation: Samples | None,
        sampler: EpochSampler,
        data: Samples,
    ) -> None:
        super().__init__(core_call, validation, sampler)
        self._data = data
        batch = data.whole
        assert batch is not None
        self._batch = batch
        self._in_core = None if validation is None else validation.whole
        self.samples = len(data)

    @property
    def epochs_at_once(self) -> int:
        """See `Pass.epochs_at_once`."""
        if self._validation is not None and self._in_core is None:
            return 1
        return max(1, _ORDER_LIMIT // len(self._data))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.samples / self._core_call.samples_per_step(self.samples))

    def run(self, call: ArraysCall, seconds: float, pause: float, first_epoch: int) -> None:
        """See `Pass.run`."""
        n, result, epochs, back = len(self._data), call.result, call.epochs, call.origin
        call.is_in_core = self._validation is None or self._in_core is not None
        lr = self._core_call.rates.of_epochs(epochs, self.steps)
        call.learning_rate = first_rates(lr, epochs, self._core_call.lr)
        try:
            drawn = [self._sampler.epoch(n) for _ in range(epochs)]
            if call.start.trained is None:
                # Without a pause the core itself restores the beginning of an epoch.
                if pause < math.inf and epochs == 1:
                    back = self._back(call)
                self._core_call.train(
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
            self._core_call.rates.advance(trained)
            if trained < epochs:
                # Back to the generator's state after the complete epochs: the next fit continues.
                self._sampler.rewind(call.before, trained, n)
        if result.diverged:
            call.diverge(result.step, result.layer, None if result.loss else back)
        elif trained and (not call.is_in_core or call.start.trained is not None):
            loss = result.loss[0] if call.start.trained is None else call.start.trained
            call.finish(loss, self._validate)

    @property
    def metadata(self) -> dict[str, Any]:
        """See `Pass.metadata`."""
        return {"over": "arrays"}

    def can_begin(self, partial: Partial) -> bool:
        """See `Pass.can_begin`."""
        return not partial.blocks and partial.step <= self.steps

    def some_rows(self, count: int) -> Array:
        """See `Pass.some_rows`."""
        return self._data.spread(count)


def _stacked(arrays: list[Array | None]) -> Array | None:
    """Return the orders of the epochs, (epochs, n), or their keys, (epochs,)."""
    some = [array for array in arrays if array is not None]
    if not some:
        return None
    if some[0].dtype == np.uint64:
        return np.concatenate(some)
    return some[0][np.newaxis] if len(some) == 1 else np.stack(some)


def first_rates(lr: Array | None, epochs: int, constant: float) -> list[float]:
    """Return the learning rate at the beginning of each epoch."""
    return [constant] * epochs if lr is None else [float(rate) for rate in lr[:, 0]]
