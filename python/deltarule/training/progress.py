"""Progress of a fit, consistent at every instruction, so that Ctrl-C cannot lose or repeat a step.

Ctrl-C may come between any two lines of Python. Therefore nothing counts steps in Python: a `Call`
exists before the core trains, the core fills it without a line of Python in between, and
`Progress`, the result of all calls before it, is replaced by one assignment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

from deltarule._load import core
from deltarule.data.samples import weight_of

if TYPE_CHECKING:
    from deltarule.backend import State
    from deltarule.data.samples import Batch
    from deltarule.training.early_stopping import MonitorState
    from deltarule.training.learning_rate import PlateauState


class Partial(NamedTuple):
    """A begun epoch.

    Attributes
    ----------
    blocks : tuple of (float, float)
        Loss and total weight of each completed block of rows, or batch of a stream; empty where x
        and y are arrays in memory.
    step : int
        Completed steps of the next block, or of arrays in memory.
    loss, weight : float
        The core's sums over these steps.
    trained : float or None
        The loss of the epoch, where all steps over arrays in memory are done and only validation,
        metrics and callbacks are left.
    digest : str
        Of the completed batches of a stream.
    seconds : float
        Time spent on the epoch.
    origin : State or None
        The network before the epoch's first step, if known.
    """

    blocks: tuple[tuple[float, float], ...] = ()
    step: int = 0
    loss: float = 0.0
    weight: float = 0.0
    trained: float | None = None
    digest: str = ""
    seconds: float = 0.0
    origin: State | None = None

    @property
    def is_begun(self) -> bool:
        """Whether the epoch has a completed step."""
        return bool(self.blocks or self.step or self.trained is not None)


START = Partial()


class Entry(NamedTuple):
    """The figures of a complete epoch for the history."""

    loss: float
    validation_loss: float | None
    seconds: float


class Call:
    """A call of `Pass.run` and its progress.

    Parameters
    ----------
    epochs : int
    start : Partial
        The state in which its first epoch begins.
    before : dict or None
        The state of the random generator before that epoch; None if nothing is drawn.

    Attributes
    ----------
    learning_rate : list of float
        At the beginning of each epoch.
    origin : State or None
        The network before the first step of the first epoch, if known.
    diverged_in : int or None
        The step, from 0, of the epoch after the last complete one, in which the loss was not finite
        any more; the network has been restored to the beginning of that epoch.
    layer : int
        Then the core's `first_not_finite`.
    is_torn : bool
        Whether the network is being restored, so that it is in no consistent state.
    """

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        self.epochs, self.start, self.before = epochs, start, before
        self.learning_rate: list[float] = []
        self.origin = start.origin
        self.diverged_in: int | None = None
        self.layer = 0
        self.is_torn = False
        self._trained: float | None = start.trained
        self._validated: float | None = None
        self._took: float | None = None
        self._began = time.perf_counter()

    def entries(self) -> list[Entry]:
        """Return the figures of the complete epochs."""
        if self._trained is None or self._took is None:
            return []
        return [Entry(self._trained, self._validated, self._took)]

    def finish(self, loss: float, validate: Callable[[], float | None]) -> None:
        """Record the loss of the one epoch, then validate."""
        self._trained = loss
        self._validated = validate()
        self._took = self.seconds

    @property
    def seconds(self) -> float:
        """Time since the first epoch began."""
        return self.start.seconds + time.perf_counter() - self._began

    def diverge(self, step: int, layer: int, back: State | None) -> None:
        """Record the step, from 0, and the layer of the divergence, and restore the network.

        Without `back` the core has restored it.
        """
        self.layer = layer
        self.is_torn = True
        if back is not None:
            back.restore()
        self.start = START if self.origin is not None else self.start
        self.diverged_in = step
        self.is_torn = False

    def position(self) -> tuple[int, Partial]:
        """Return the number of complete epochs, and the begun one after them.

        The epoch of a call of one epoch is never complete: its validation, metrics and callbacks
        may not be done.
        """
        raise NotImplementedError


class ArraysCall(Call):
    """A call over arrays in memory: `result` is that of one call of the core."""

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        super().__init__(epochs, start, before)
        self.result = core.TrainingResult()
        self.is_in_core = True  # the whole epoch, validation included

    def entries(self) -> list[Entry]:
        """See `Call.entries`."""
        if not self.is_in_core or self.start.trained is not None:
            return super().entries()
        result = self.result
        seconds = result.seconds
        if seconds:
            seconds[0] += self.start.seconds
        losses = result.loss
        validation: list[Any] = result.validation_loss or [None] * len(losses)
        return list(map(Entry, losses, validation, seconds))

    def position(self) -> tuple[int, Partial]:
        """See `Call.position`."""
        result, start = self.result, self.start
        losses = [start.trained] if start.trained is not None else result.loss
        if losses and self.epochs == 1:
            return 0, Partial(trained=losses[0], seconds=self.seconds, origin=self.origin)
        if result.diverged or result.step == 0:
            return len(losses), START if losses else start
        return len(losses), Partial(
            step=result.step,
            loss=result.partial_loss,
            weight=result.partial_weight,
            seconds=self.seconds - sum(entry.seconds for entry in self.entries()),
            origin=None if losses else self.origin,
        )


class BlocksCall(Call):
    """A call over blocks of rows, each a call of the core."""

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        super().__init__(epochs, start, before)
        self._blocks = list(start.blocks)
        self._last = (len(start.blocks), core.TrainingResult(), 0.0)

    def begin(self, weight: float) -> core.TrainingResult:
        """Return the result that the core fills for the next block, whose weight is given."""
        self.settle()
        self._last = (len(self._blocks), core.TrainingResult(), weight)
        return self._last[1]

    def settle(self) -> None:
        """Count the begun block if it is complete."""
        at, result, weight = self._last
        if at == len(self._blocks) and result.loss:
            self._blocks.append((result.loss[0], weight))

    @property
    def blocks(self) -> list[tuple[float, float]]:
        """Loss and weight of the completed blocks."""
        self.settle()
        return self._blocks

    def position(self) -> tuple[int, Partial]:
        """See `Call.position`."""
        if self.diverged_in is not None:
            return 0, self.start
        blocks = tuple(self.blocks)
        at, result, _ = self._last
        if len(blocks) == len(self.start.blocks) and (result.step == 0 or result.diverged):
            return 0, self.start
        under_way = at == len(blocks) and not result.diverged
        return 0, Partial(
            blocks=blocks,
            step=result.step if under_way else 0,
            loss=result.partial_loss if under_way else 0.0,
            weight=result.partial_weight if under_way else 0.0,
            seconds=self.seconds,
            origin=self.origin,
        )


class StreamCall(Call):
    """A call over a stream, one step per batch."""

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        super().__init__(epochs, start, before)
        self._losses = [loss for loss, _ in start.blocks]
        self._weights = [weight for _, weight in start.blocks]
        self._last = (len(start.blocks), core.TrainingResult())
        self._digests = (len(start.blocks), start.digest, start.digest)

    def begin(self, batch: Batch, digest: str) -> None:
        """Record the next batch, and the digest of the batches up to it."""
        self.settle()
        done = len(self._losses)
        del self._weights[done:]
        self._weights.append(weight_of(batch))
        self._digests = (done, self.digest, digest)

    def step(self, train_step: Callable[..., float], *arguments: Any) -> float:
        """Do a step and record its loss, all within `extend`, which no signal interrupts."""
        self._losses.extend(starmap(train_step, [arguments]))
        return self._losses[-1]

    def begin_in_result(self) -> core.TrainingResult:
        """Return the result that the core fills for the begun step."""
        self._last = (len(self._losses), core.TrainingResult())
        return self._last[1]

    def settle(self) -> None:
        """Count the begun step if it is complete."""
        at, result = self._last
        if at == len(self._losses) and result.loss:
            self._losses.extend(result.loss)
        if self._losses and not math.isfinite(self._losses[-1]):
            self._losses.pop()  # nothing was updated

    @property
    def blocks(self) -> list[tuple[float, float]]:
        """Loss and weight of the completed batches."""
        self.settle()
        return list(zip(self._losses, self._weights, strict=False))

    @property
    def digest(self) -> str:
        """Of the completed batches."""
        self.settle()
        at, before, after = self._digests
        return after if len(self._losses) > at else before

    def position(self) -> tuple[int, Partial]:
        """See `Call.position`."""
        if self.diverged_in is not None:
            return 0, self.start
        blocks = tuple(self.blocks)
        if len(blocks) == len(self.start.blocks):
            return 0, self.start
        return 0, Partial(
            blocks=blocks, digest=self.digest, seconds=self.seconds, origin=self.origin
        )


class Progress(NamedTuple):
    """The state on which the next epochs depend, besides the network.

    Attributes
    ----------
    epochs : int
        Complete ones, with their metrics and callbacks.
    partial : Partial
        Of the next epoch.
    call : Call or None
        The call that continues from here, while it runs.
    plateau : PlateauState or None
        Of the network's last `Plateau`.
    monitor : MonitorState or None
        Of early stopping.
    best : State or None
        The network after the best epoch.
    end : str
        What ended the fit before its last epoch: "", "early stopping" or "callback".
    """

    epochs: int = 0
    partial: Partial = START
    call: Call | None = None
    plateau: PlateauState | None = None
    monitor: MonitorState | None = None
    best: State | None = None
    end: str = ""
