"""Passes over the training data: whole arrays, rows a block at a time, a stream of batches."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.architecture import Core
from deltarule.data.rows import parts
from deltarule.data.samples import Batch, MeanLoss, Samples
from deltarule.data.streams import Stream
from deltarule.draws import Draw, Draws
from deltarule.errors import UPDATE_OVERFLOWED, UPDATE_OVERFLOWS
from deltarule.evaluation import loss_of
from deltarule.pace import Pace

Array = NDArray[Any]

# Row numbers drawn ahead at most (8 MB), and rows of a stream that are kept to look at.
_ORDER_LIMIT = 2**20
_KEPT_ROWS = 1000


@dataclass(eq=False, repr=False)
class Outcome:
    """What some epochs gave: a number for each that is complete, and how they ended."""

    learning_rate: list[float]  # of each epoch asked for, at its beginning
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    diverged: bool = False
    step: int = 0  # whole steps in the epoch after the last complete one


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
    ) -> None:
        """Train for epochs of mini-batches, filling `result` whatever is raised."""
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
        )

    def batch_of(self, n: int) -> int:
        """Return the samples of a mini-batch where there are n."""
        return n if self.batch_size is None else min(n, self.batch_size)

    def step(self, batch: Batch, lr: Array | None, keys: Array | None) -> float:
        """Train on one mini-batch; returns its loss, not finite where nothing good came of it."""
        if lr is not None or keys is not None:
            result = core.TrainingResult()
            replace(self, batch_size=None).train(batch, result, lr=lr, keys=keys)
            return math.nan if result.diverged else result.loss[0]
        try:
            return self.network.train_step(*batch, self.settings, self.threads)
        except (OverflowError, ValueError) as error:
            if str(error) not in (UPDATE_OVERFLOWS, UPDATE_OVERFLOWED):
                raise
            return math.nan


class State:
    """What training changes in a network, parameters and the optimizer's memory, as it is now.

    Parameters
    ----------
    network : core network
    """

    def __init__(self, network: Core) -> None:
        self._network = network
        self._theta = network.get_theta()
        self._memory = network.get_memory()

    def restore(self) -> None:
        """Make the network as it was."""
        self._network.set_theta(self._theta)
        self._network.set_memory(*self._memory)


class Pass(ABC):
    """How a fit goes over its data.

    Parameters
    ----------
    training : Training
    validation : Samples or None
        Evaluated after each epoch.
    """

    samples = 0  # of the last epoch

    def __init__(self, training: Training, validation: Samples | None) -> None:
        self._training = training
        self._validation = validation

    @property
    def epochs_at_once(self) -> int:
        """How many epochs a run may be of."""
        return 1

    @abstractmethod
    def run(self, epochs: int, seconds: float, first_epoch: int) -> Outcome:
        """Train for some epochs; none begins after that time.

        Parameters
        ----------
        epochs : int
            At most `epochs_at_once`.
        seconds : float
        first_epoch : int
            Its number in the fit.
        """

    @abstractmethod
    def some_rows(self, count: int) -> Array:
        """Return x of at most `count` of the samples."""

    def _validate(self, outcome: Outcome) -> None:
        if self._validation is not None:
            training = self._training
            value = loss_of(
                training.network, self._validation, training.reduction, training.threads
            )
            outcome.validation_loss.append(value)


class ArraysPass(Pass):
    """Over whole arrays: many epochs a call of the core.

    Parameters
    ----------
    training, validation
        As for `Pass`.
    data : Samples
    draws : Draws
    """

    def __init__(
        self,
        training: Training,
        validation: Samples | None,
        data: Samples,
        draws: Draws,
    ) -> None:
        super().__init__(training, validation)
        self._data, self._draws = data, draws
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

    def run(self, epochs: int, seconds: float, first_epoch: int) -> Outcome:
        n, before = len(self._data), self._draws.state
        steps = math.ceil(n / self._training.batch_of(n))
        lr = self._training.pace.rates(epochs, steps)
        result = core.TrainingResult()
        try:
            drawn = [self._draws.epoch(n) for _ in range(epochs)]
            self._training.train(
                self._batch,
                result,
                order=_stacked([draw.order for draw in drawn]),
                epochs=epochs,
                lr=lr,
                keys=_stacked([draw.key_from(0) for draw in drawn]),
                validation=self._in_core,
                seconds=seconds,
            )
        finally:
            self._training.pace.advance(len(result.loss))
            if len(result.loss) < epochs:
                # The generator goes back to where the complete epochs left it: a next fit goes on.
                self._draws.go_back(before, len(result.loss), n)
        outcome = Outcome(
            _first_rates(lr, epochs, self._training.lr),
            result.loss,
            result.validation_loss,
            result.seconds,
            result.diverged,
            result.step,
        )
        if self._in_core is None and outcome.loss:
            start = time.perf_counter()
            self._validate(outcome)
            outcome.seconds[-1] += time.perf_counter() - start
        return outcome

    def some_rows(self, count: int) -> Array:
        return self._data.spread(count)


class BlocksPass(Pass):
    """Over rows of which some are ready at a time: whole mini-batches, a block of them a call.

    Parameters
    ----------
    training, validation, data, draws
        As for `ArraysPass`.
    """

    def __init__(
        self,
        training: Training,
        validation: Samples | None,
        data: Samples,
        draws: Draws,
    ) -> None:
        super().__init__(training, validation)
        self._data, self._draws = data, draws
        self._batch_size = training.batch_of(len(data))
        self._block = data.rows_a_block(self._batch_size)
        self.samples = len(data)

    def run(self, epochs: int, seconds: float, first_epoch: int) -> Outcome:
        start, n, before = time.perf_counter(), len(self._data), self._draws.state
        lr = self._training.pace.rates(1, math.ceil(n / self._batch_size))
        outcome = Outcome(_first_rates(lr, 1, self._training.lr))
        state = State(self._training.network)
        try:
            self._epoch(outcome, lr)
        finally:
            if not outcome.loss:
                self._draws.go_back(before, 0, n)
        if outcome.diverged:
            state.restore()
            return outcome
        self._validate(outcome)
        outcome.seconds.append(time.perf_counter() - start)
        return outcome

    def _epoch(self, outcome: Outcome, lr: Array | None) -> None:
        n, loss = len(self._data), MeanLoss(self._training.reduction)
        drawn = self._draws.epoch(n)
        for part in parts(n, self._block):
            batch = self._data.take(part if drawn.order is None else drawn.order[part])
            result = core.TrainingResult()
            first, last = (math.ceil(row / self._batch_size) for row in (part.start, part.stop))
            some_lr = lr
            if lr is not None and lr.shape[1] > 1:
                some_lr = np.ascontiguousarray(lr[:, first:last])
            self._training.train(batch, result, lr=some_lr, keys=drawn.key_from(first))
            self._data.done()
            if result.diverged:
                outcome.diverged = True
                outcome.step += result.step
                return
            outcome.step += math.ceil((part.stop - part.start) / self._batch_size)
            loss.add(result.loss[0], batch)
        outcome.loss.append(loss.value)
        self._training.pace.advance(1)
        outcome.step = 0

    def some_rows(self, count: int) -> Array:
        return self._data.spread(count)


class StreamPass(Pass):
    """Over a stream: a step of the core for each batch.

    Parameters
    ----------
    training, validation
        As for `Pass`.
    stream : Stream
    draws : Draws
    """

    def __init__(
        self, training: Training, validation: Samples | None, stream: Stream, draws: Draws
    ) -> None:
        super().__init__(training, validation)
        self._stream, self._draws = stream, draws
        self._kept: list[Array] = []

    def run(self, epochs: int, seconds: float, first_epoch: int) -> Outcome:
        start, samples = time.perf_counter(), 0
        lr = self._training.pace.rates(1, 1)
        outcome = Outcome(_first_rates(lr, 1, self._training.lr))
        state, loss = State(self._training.network), MeanLoss(self._training.reduction)
        before = self._draws.state
        drawn = self._draws.epoch(0)
        try:
            samples = self._epoch(outcome, loss, drawn, lr, first_epoch)
        finally:
            if not samples:
                self._draws.go_back(before, 0, 0)
        if outcome.diverged:
            state.restore()
            return outcome
        self.samples, outcome.step = samples, 0
        outcome.loss.append(loss.value)
        self._training.pace.advance(1)
        self._validate(outcome)
        outcome.seconds.append(time.perf_counter() - start)
        return outcome

    def _epoch(
        self, outcome: Outcome, loss: MeanLoss, drawn: Draw, lr: Array | None, epoch: int
    ) -> int:
        """Take a step for each batch; return the samples, 0 where it diverged."""
        samples = 0
        for batch in self._stream.epoch(epoch):
            value = self._training.step(batch, lr, drawn.key_from(outcome.step))
            if not math.isfinite(value):
                outcome.diverged = True
                return 0
            self._keep(batch[0], samples, epoch)
            samples += len(batch[0])
            outcome.step += 1
            loss.add(value, batch)
        return samples

    def _keep(self, x: Array, before: int, epoch: int) -> None:
        if epoch == 1 and before < _KEPT_ROWS:
            self._kept.append(x[: _KEPT_ROWS - before].copy())

    def some_rows(self, count: int) -> Array:
        return np.concatenate(self._kept)[:count]


def pass_over(
    data: Samples | Stream,
    training: Training,
    validation: Samples | None,
    draws: Draws,
) -> Pass:
    """Return the way to go over these data."""
    if isinstance(data, Stream):
        return StreamPass(training, validation, data, draws)
    over = BlocksPass if data.is_in_blocks else ArraysPass
    return over(training, validation, data, draws)


def _stacked(arrays: list[Array | None]) -> Array | None:
    """Return the orders of the epochs below each other, or their keys in a row."""
    some = [array for array in arrays if array is not None]
    if not some:
        return None
    if some[0].dtype == np.uint64:
        return np.concatenate(some)
    return some[0][np.newaxis] if len(some) == 1 else np.stack(some)


def _first_rates(lr: Array | None, epochs: int, constant: float) -> list[float]:
    return [constant] * epochs if lr is None else [float(rate) for rate in lr[:, 0]]
