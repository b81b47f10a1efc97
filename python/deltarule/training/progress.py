"""Where a fit is: told at any moment, whatever has just been raised.

Ctrl-C may come between any two lines of Python. So what a fit has done is never counted along: a
`Call` is there before the core trains, the core fills it without a line of Python in between, and
`Course`, what all calls before it did, is replaced by one assignment.
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
    from deltarule.training.early_stopping import Followed
    from deltarule.training.learning_rate import Watch


class Partial(NamedTuple):
    """An epoch as far as it has come.

    Attributes
    ----------
    blocks : tuple of (float, float)
        Loss and total weight of each block of rows, or batch of a stream, that is done; none where
        x and y are whole arrays.
    step : int
        Steps done of the block after those, or of whole arrays.
    loss, weight : float
        The core's sums over these steps.
    trained : float or None
        Of whole arrays: the loss of the epoch, where all that is left is what follows its steps.
    digest : str
        Of the batches of a stream.
    seconds : float
        That it took.
    origin : State or None
        The network before the epoch's first step, where it is known.
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
        """Whether a step is done."""
        return bool(self.blocks or self.step or self.trained is not None)


START = Partial()


class Entry(NamedTuple):
    """What a whole epoch enters in the history."""

    loss: float
    validation_loss: float | None
    seconds: float


class Call:
    """A call of `Pass.run`, and what it has done so far.

    Parameters
    ----------
    epochs : int
    start : Partial
        Where its first epoch begins.
    before : dict or None
        The state of the random generator before that epoch; None where nothing is drawn.

    Attributes
    ----------
    learning_rate : list of float
        At the beginning of each epoch.
    origin : State or None
        The network before the first step of that epoch, where it is known.
    diverged_in : int or None
        The step, from 0, of the epoch after the last whole one, in which the loss was not finite
        any more; the network is back at where that epoch began.
    layer : int
        Then the core's `first_not_finite`.
    is_torn : bool
        Whether the network is between two states, for a moment.
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
        """Return what the whole epochs enter in the history."""
        if self._trained is None or self._took is None:
            return []
        return [Entry(self._trained, self._validated, self._took)]

    def finish(self, loss: float, validate: Callable[[], float | None]) -> None:
        """Take the loss of the one epoch, and validate after it."""
        self._trained = loss
        self._validated = validate()
        self._took = self.seconds

    @property
    def seconds(self) -> float:
        """Since the first epoch began."""
        return self.start.seconds + time.perf_counter() - self._began

    def diverge(self, step: int, layer: int, back: State | None) -> None:
        """Take the step, from 0, and the layer where it diverged; the network back; None: it is."""
        self.layer = layer
        self.is_torn = True
        if back is not None:
            back.restore()
        self.start = START if self.origin is not None else self.start
        self.diverged_in = step
        self.is_torn = False

    def position(self) -> tuple[int, Partial]:
        """Return the number of whole epochs, and how far the one after them has come.

        Where the call is of one epoch, that is never whole: what follows it may be to be done.
        """
        raise NotImplementedError


class ArraysCall(Call):
    """A call over whole arrays: `result` is of the core's one call."""

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        super().__init__(epochs, start, before)
        self.result = core.TrainingResult()
        self.is_in_core = True  # all that an epoch needs

    def entries(self) -> list[Entry]:
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
        """Return the result of the core's call for the next block, of that weight."""
        self.settle()
        self._last = (len(self._blocks), core.TrainingResult(), weight)
        return self._last[1]

    def settle(self) -> None:
        """Count the block that was begun, where it is done."""
        at, result, weight = self._last
        if at == len(self._blocks) and result.loss:
            self._blocks.append((result.loss[0], weight))

    @property
    def blocks(self) -> list[tuple[float, float]]:
        """Loss and weight of those that are done."""
        self.settle()
        return self._blocks

    def position(self) -> tuple[int, Partial]:
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
    """A call over a stream, a step a batch."""

    def __init__(self, epochs: int, start: Partial, before: dict[str, Any] | None) -> None:
        super().__init__(epochs, start, before)
        self._losses = [loss for loss, _ in start.blocks]
        self._weights = [weight for _, weight in start.blocks]
        self._last = (len(start.blocks), core.TrainingResult())
        self._digests = (len(start.blocks), start.digest, start.digest)

    def begin(self, batch: Batch, digest: str) -> None:
        """Take a batch that is to be trained on, and the digest of those up to it."""
        self.settle()
        done = len(self._losses)
        del self._weights[done:]
        self._weights.append(weight_of(batch))
        self._digests = (done, self.digest, digest)

    def step(self, train_step: Callable[..., float], *arguments: Any) -> float:
        """Do a step and keep its loss: all within `extend`, which no signal interrupts."""
        self._losses.extend(starmap(train_step, [arguments]))
        return self._losses[-1]

    def begin_in_result(self) -> core.TrainingResult:
        """Return the result in which the core is to leave the step that was begun."""
        self._last = (len(self._losses), core.TrainingResult())
        return self._last[1]

    def settle(self) -> None:
        """Count the step that was begun, where it is done."""
        at, result = self._last
        if at == len(self._losses) and result.loss:
            self._losses.extend(result.loss)
        if self._losses and not math.isfinite(self._losses[-1]):
            self._losses.pop()  # nothing was updated

    @property
    def blocks(self) -> list[tuple[float, float]]:
        """Loss and weight of the batches that are done."""
        self.settle()
        return list(zip(self._losses, self._weights, strict=False))

    @property
    def digest(self) -> str:
        """Of the batches that are done."""
        self.settle()
        at, before, after = self._digests
        return after if len(self._losses) > at else before

    def position(self) -> tuple[int, Partial]:
        if self.diverged_in is not None:
            return 0, self.start
        blocks = tuple(self.blocks)
        if len(blocks) == len(self.start.blocks):
            return 0, self.start
        return 0, Partial(
            blocks=blocks, digest=self.digest, seconds=self.seconds, origin=self.origin
        )


class Course(NamedTuple):
    """What the epochs to come depend on, beside the network as it is.

    Attributes
    ----------
    epochs : int
        Whole ones, with all that follows an epoch.
    partial : Partial
        Of the next.
    call : Call or None
        The one under way, which goes on from here.
    watch : Watch or None
        What the network's last `Plateau` has seen.
    followed : Followed or None
        What early stopping has seen.
    best : State or None
        The network after the best epoch.
    end : str
        Who ended the fit before its last epoch: "", "early stopping" or "callback".
    """

    epochs: int = 0
    partial: Partial = START
    call: Call | None = None
    watch: Watch | None = None
    followed: Followed | None = None
    best: State | None = None
    end: str = ""
