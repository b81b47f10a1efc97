"""The network with custom functions, trained step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from deltarule import reference
from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.backend import Core, State
from deltarule.custom.passes import CustomPasses, Rows, quiet
from deltarule.data.samples import Batch
from deltarule.layers import Array


class CustomNetwork(CustomPasses):
    """A network with custom functions; the update is the core's.

    Parameters
    ----------
    architecture : Architecture
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        # Between them only the calling thread may use the network, or no thread may change it.
        self.begin_training, self.end_training = self._core.begin_training, self._core.end_training
        self.begin_reading, self.end_reading = self._core.begin_reading, self._core.end_reading

    def train_step(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None,
        optimizer: core.Optimizer,
        threads: int,
    ) -> float:
        """Return L before the step; NaN, and no step, where it is not finite.

        Raises
        ------
        core.UpdateOverflow
            If the update overflows; the network is as it was.
        """
        rows = Rows.of((x, y, sample_weight))
        self.begin_training()
        try:
            return self._reduced(self._step(rows, optimizer), rows.total_weight)
        finally:
            self.end_training()

    def _step(self, rows: Rows, optimizer: core.Optimizer) -> float:
        """Return sum_i w_i L_i and its penalty; NaN, and no step, where that is not finite."""
        loss_sum, gradient = self._loss_and_gradient(rows)
        if gradient is None:
            return math.nan
        if optimizer.penalizes_sum:
            loss_sum += optimizer.weight_decay / 2 * self._squared_weights()
        if not math.isfinite(loss_sum):
            return math.nan
        self._core.descend(gradient, optimizer, rows.total_weight)
        return loss_sum

    @quiet
    def _squared_weights(self) -> float:
        weights = map(self.weight_view, range(1, len(self._sizes)))
        return sum(float((W.astype(np.float64) ** 2).sum()) for W in weights)

    def train(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None,
        order: Array | None,
        epochs: int,
        batch_size: int,
        optimizer: core.Optimizer,
        lr: Array | None,
        dropout: tuple[Array, Array] | None,
        validation: Batch | None,
        threads: int,
        seconds: float,
        result: core.TrainingResult,
        first_step: int = 0,
        first_loss: float = 0.0,
        first_weight: float = 0.0,
        pause: float = math.inf,
    ) -> None:
        """Train for epochs of mini-batches as the core does, filling `result` as they pass."""
        mini_batches = _MiniBatches(
            (x, y, sample_weight), order, batch_size, optimizer, lr, dropout
        )
        start = time.perf_counter()
        mini_batches.stop = start + pause
        result.step = first_step
        result.partial_loss, result.partial_weight = first_loss, first_weight
        self.begin_training()
        try:
            for number in range(epochs):
                began, before = time.perf_counter(), State(cast(Core, self))
                if not self._epoch(mini_batches.steps(number, result.step, self._sizes), result):
                    before.restore()
                    return
                if result.step < mini_batches.count:
                    return  # the pause is due
                loss = self._reduced(result.partial_loss, result.partial_weight)
                if validation is not None:
                    value = self.evaluate(*validation, threads)
                    result.validation_loss = [*result.validation_loss, value]
                result.loss = [*result.loss, loss]
                result.step, result.partial_loss, result.partial_weight = 0, 0.0, 0.0
                now = time.perf_counter()
                result.seconds = [*result.seconds, now - began]
                if now - start >= seconds:
                    return
        finally:
            self.end_training()

    def _epoch(
        self, steps: Iterator[tuple[Rows, core.Optimizer]], result: core.TrainingResult
    ) -> bool:
        """Take the steps, adding them up in `result`; return whether none diverged."""
        for rows, optimizer in steps:
            try:
                loss_sum = self._step(rows, optimizer)
            except core.UpdateOverflow:
                result.diverged = True
                return False
            if math.isnan(loss_sum):
                result.diverged, result.layer = True, self._layer_not_finite(rows)
                return False
            result.step += 1
            result.partial_loss += loss_sum
            if not math.isfinite(result.partial_loss):
                result.step, result.diverged = result.step - 1, True
                return False
            result.partial_weight += rows.total_weight
        return True


@dataclass(eq=False, repr=False)
class _MiniBatches:
    """The samples of `CustomNetwork.train` and their order, mini-batch by mini-batch."""

    data: Batch
    order: NDArray[np.int64] | None
    batch_size: int
    optimizer: core.Optimizer
    lr: Array | None
    dropout: tuple[Array, Array] | None
    stop: float = math.inf  # by the clock, after the first step

    @property
    def count(self) -> int:
        """The number of steps of an epoch."""
        return -(-self._rows // self.batch_size)

    @property
    def _rows(self) -> int:
        return len(self.data[0]) if self.order is None else self.order.shape[1]

    def steps(
        self, number: int, first_step: int, sizes: tuple[int, ...]
    ) -> Iterator[tuple[Rows, core.Optimizer]]:
        """Yield the rows of each mini-batch of an epoch, and the optimizer at its rate."""
        x, y, weight = self.data
        for first in range(first_step * self.batch_size, self._rows, self.batch_size):
            step, rows = first // self.batch_size, slice(first, first + self.batch_size)
            which = rows if self.order is None else self.order[number, rows]
            batch = x[which], y[which], None if weight is None else weight[which]
            masks = None
            if self.dropout is not None:
                rates, keys = self.dropout
                key = int(keys[number])
                masks = reference.dropout_masks(key, step, sizes, len(batch[0]), rates.tolist())
            yield Rows.of(batch, masks), self._optimizer(number, step)
            if time.perf_counter() >= self.stop:
                return

    def _optimizer(self, number: int, step: int) -> core.Optimizer:
        if self.lr is None:
            return self.optimizer
        return self.optimizer.at(float(self.lr[number, step if self.lr.shape[1] > 1 else 0]))
