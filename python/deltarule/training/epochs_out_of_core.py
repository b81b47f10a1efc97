"""Passes over data that are never in memory as a whole: blocks of rows, a stream of batches."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from deltarule._load import core
from deltarule.backend import State
from deltarule.data.rows import parts
from deltarule.data.samples import Batch, Samples, mean_loss, weight_of
from deltarule.data.streams import Stream
from deltarule.layers import Array
from deltarule.training.core_call import CoreCall
from deltarule.training.epochs import Pass, first_rates
from deltarule.training.progress import START, BlocksCall, Partial, StreamCall
from deltarule.training.sampling import EpochSampler

# Rows of a stream that are kept for the advice after the fit.
_KEPT_ROWS = 1000


class BlocksPass(Pass[BlocksCall]):
    """A pass over blocks of rows, each of whole mini-batches: one call of the core per block.

    Parameters
    ----------
    core_call, validation, sampler, data
        As for `ArraysPass`.
    """

    new_call = BlocksCall

    def __init__(
        self,
        core_call: CoreCall,
        validation: Samples | None,
        sampler: EpochSampler,
        data: Samples,
    ) -> None:
        super().__init__(core_call, validation, sampler)
        self._data = data
        self._batch_size = core_call.samples_per_step(len(data))
        self.block = data.rows_a_block(self._batch_size)
        self.samples = len(data)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.samples / self._batch_size)

    def run(self, call: BlocksCall, seconds: float, pause: float, first_epoch: int) -> None:
        """See `Pass.run`."""
        lr = self._core_call.rates.of_epochs(1, self.steps)
        call.learning_rate = first_rates(lr, 1, self._core_call.lr)
        back = self._back(call)
        is_whole = False
        try:
            is_whole = self._epoch(call, lr, pause, back)
            self._core_call.rates.advance(is_whole)
        finally:
            if not is_whole:
                self._sampler.rewind(call.before, 0, len(self._data))
        if is_whole:
            call.finish(mean_loss(call.blocks, self._core_call.reduction), self._validate)

    def _epoch(self, call: BlocksCall, lr: Array | None, pause: float, back: State) -> bool:
        """Train on one block after another; return whether the epoch is complete."""
        n, stop = len(self._data), time.perf_counter() + pause
        drawn = self._sampler.epoch(n)
        begun, start = len(call.start.blocks), call.start
        for part in list(parts(n, self.block))[begun:]:
            batch = self._data.take(part if drawn.order is None else drawn.order[part])
            first, last = (math.ceil(row / self._batch_size) for row in (part.start, part.stop))
            some_lr = lr
            if lr is not None and lr.shape[1] > 1:
                some_lr = np.ascontiguousarray(lr[:, first:last])
            result = call.begin(weight_of(batch))
            self._core_call.train(
                batch,
                result,
                lr=some_lr,
                keys=drawn.key_from(first),
                start=start,
                pause=max(0.0, stop - time.perf_counter()),
            )
            self._data.done()
            if result.diverged:
                call.diverge(first + result.step, result.layer, back)
            if not result.loss:
                return False
            start = START
            if time.perf_counter() >= stop and last < self.steps:
                return False
        return True

    @property
    def metadata(self) -> dict[str, Any]:
        """See `Pass.metadata`."""
        return {"over": "blocks", "rows": self.block}

    def can_begin(self, partial: Partial) -> bool:
        """See `Pass.can_begin`."""
        done, steps = len(partial.blocks), math.ceil(self.block / self._batch_size)
        left = max(0, min(steps, self.steps - steps * done))
        fits = done <= math.ceil(self.samples / self.block) and partial.step <= left
        return fits and partial.trained is None

    def some_rows(self, count: int) -> Array:
        """See `Pass.some_rows`."""
        return self._data.spread(count)


class StreamPass(Pass[StreamCall]):
    """A pass over a stream: one step of the core per batch.

    Parameters
    ----------
    core_call, validation, sampler
        As for `Pass`.
    stream : Stream
    has_digest : bool
        Whether the digest of its batches is computed, for a checkpoint.
    """

    new_call = StreamCall

    def __init__(
        self,
        core_call: CoreCall,
        validation: Samples | None,
        sampler: EpochSampler,
        stream: Stream,
        has_digest: bool,
    ) -> None:
        super().__init__(core_call, validation, sampler)
        self._stream, self._has_digest = stream, has_digest
        # Of the present epoch: its remaining batches, samples so far, whether it is the first.
        self._batches: Iterator[Batch] | None = None
        self._seen = 0
        self._is_first: bool | None = None
        self._kept: list[Array] = []

    @property
    def _drawn_rows(self) -> int:
        return 0

    def run(self, call: StreamCall, seconds: float, pause: float, first_epoch: int) -> None:
        """See `Pass.run`."""
        lr = self._core_call.rates.of_epochs(1, 1)
        call.learning_rate = first_rates(lr, 1, self._core_call.lr)
        back = self._back(call)
        is_whole = False
        try:
            is_whole = self._epoch(call, lr, pause, first_epoch, back)
            self._core_call.rates.advance(is_whole)
        finally:
            if not is_whole:
                self._sampler.rewind(call.before, 0, 0)
        if is_whole:
            self.samples = self._seen
            call.finish(mean_loss(call.blocks, self._core_call.reduction), self._validate)

    def _epoch(
        self, call: StreamCall, lr: Array | None, pause: float, epoch: int, back: State
    ) -> bool:
        """Do one step per batch; return whether the epoch is complete."""
        stop = time.perf_counter() + pause
        drawn = self._sampler.epoch(0)
        for step, batch in enumerate(self._rest(call.start, epoch), start=len(call.start.blocks)):
            call.begin(batch, self._digest_of(call.digest, batch))
            loss, layer = self._step(call, batch, lr, drawn.key_from(step))
            if not math.isfinite(loss):
                call.diverge(step, layer, back)
                return False
            self._see(batch)
            if time.perf_counter() >= stop:
                return False
        self._batches = None
        return True

    def _step(
        self, call: StreamCall, batch: Batch, lr: Array | None, keys: Array | None
    ) -> tuple[float, int]:
        """Train on a mini-batch.

        Returns
        -------
        loss : float
            Not finite if the step diverged.
        layer : int
            Then the core's `first_not_finite`.
        """
        core_call = self._core_call
        if lr is not None or keys is not None:
            result = call.begin_in_result()
            replace(core_call, batch_size=None).train(batch, result, lr=lr, keys=keys)
            return (math.nan, result.layer) if result.diverged else (result.loss[0], 0)
        network, optimizer, threads = core_call.network, core_call.optimizer, core_call.threads
        try:
            loss = call.step(network.train_step, *batch, optimizer, threads)
        except core.UpdateOverflow:
            return math.nan, 0
        return loss, 0 if math.isfinite(loss) else network.first_not_finite(*batch)

    def _rest(self, start: Partial, epoch: int) -> Iterator[Batch]:
        """Return the remaining batches of the epoch; those before are read again and compared."""
        if self._batches is None:
            self._is_first = self._is_first is None
            self._seen = 0
            self._batches = self._stream.epoch(epoch)
            self._pass_over(self._batches, start, epoch)
        return self._batches

    def _pass_over(self, batches: Iterator[Batch], start: Partial, epoch: int) -> None:
        digest, done = "", len(start.blocks)
        for batch in islice(batches, done):
            digest = self._digest_of(digest, batch)
            self._see(batch)
            done -= 1
        if done or digest != start.digest:
            raise ValueError(
                f"x gives other batches than the run was trained on: the first "
                f"{len(start.blocks)} of epoch {epoch} differ"
            )

    def _see(self, batch: Batch) -> None:
        x = batch[0]
        if self._is_first and self._seen < _KEPT_ROWS:
            self._kept.append(x[: _KEPT_ROWS - self._seen].copy())
        self._seen += len(x)

    def _digest_of(self, before: str, batch: Batch) -> str:
        if not self._has_digest:
            return ""
        from deltarule.checkpoint.data_digest import digest_of_batch

        return digest_of_batch(before, batch)

    @property
    def metadata(self) -> dict[str, Any]:
        """See `Pass.metadata`."""
        return {"over": "stream"}

    def can_begin(self, partial: Partial) -> bool:
        """See `Pass.can_begin`."""
        return partial.trained is None and partial.step == 0

    def some_rows(self, count: int) -> Array:
        """See `Pass.some_rows`."""
        return np.concatenate(self._kept)[:count]
