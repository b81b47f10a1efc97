"""The learning rates of a fit: its schedule, asked for the epochs or steps that come next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule.arguments import number
from deltarule.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    Plateau,
    Schedule,
    Step,
    WarmUp,
    is_number,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Watch:
    """What a `Plateau` has seen so far, and the rate that follows from it."""

    schedule: Plateau
    lr: float = field(default=math.nan)
    best: float = math.inf
    waited: int = 0

    def after(self, loss: float) -> Watch:
        """Return the watch after an epoch of that loss."""
        plateau = self.schedule
        lr = plateau.lr if math.isnan(self.lr) else self.lr
        if self.best == math.inf or loss < self.best - plateau.min_delta * abs(self.best):
            return replace(self, lr=lr, best=loss, waited=0)
        if self.waited < plateau.patience:
            return replace(self, lr=lr, waited=self.waited + 1)
        return replace(self, lr=max(lr * plateau.factor, plateau.least), waited=0)

    @property
    def rate(self) -> float:
        """The rate of the next epoch."""
        return self.schedule.lr if math.isnan(self.lr) else self.lr


class Counted(Protocol):
    """A network that counts the epochs of its fits, and keeps what the last `Plateau` saw."""

    _epochs: int
    _watch: Watch | None


class Pace:
    """The learning rates of a fit, which goes on where the fits of the network before it ended.

    Parameters
    ----------
    schedule : schedule, Plateau or None
        None: the optimizer's rate.
    network : MLP
        Keeps how many epochs it had, and what a plateau saw.
    epochs : int
        Of the fit that are to come.

    Raises
    ------
    TypeError, ValueError
        If the rate of the next epoch is no rate; of this package's schedules, that of any epoch.
    """

    def __init__(
        self, schedule: Schedule | Plateau | None, network: Counted, epochs: int = 1
    ) -> None:
        self._schedule, self._network = schedule, network
        self._asked: dict[int, float] = {}
        self._watch: Watch | None = None
        if isinstance(schedule, Plateau):
            seen = network._watch
            goes_on = seen is not None and seen.schedule == schedule
            self._watch = seen if goes_on else Watch(schedule)
        self.rates(1, 1)
        if (
            epochs > 1
            and not (schedule is None or isinstance(schedule, Plateau))
            and (is_vector(schedule))
        ):
            # These are bounded, or rise all the way: the last is the one to look at.
            rates(schedule, network._epochs + epochs - 1, 1, 1)

    @property
    def watch(self) -> Watch | None:
        """What the network's last `Plateau` has seen."""
        return self._network._watch

    @property
    def is_watching(self) -> bool:
        """Whether it has to see the loss of each epoch."""
        return self._watch is not None

    def rates(self, epochs: int, steps: int) -> Array | None:
        """Return what `rates` does for the next epochs; None where there is no schedule."""
        schedule = self._schedule
        if schedule is None:
            return None
        if isinstance(schedule, Plateau):
            return np.full((epochs, 1), float((self._watch or Watch(schedule)).rate))
        first = self._network._epochs
        if is_vector(schedule):
            return rates(schedule, first, epochs, steps)
        for epoch in range(first, first + epochs):  # each is asked for once
            if epoch not in self._asked:
                self._asked[epoch] = float(rates(schedule, epoch, 1, 1)[0, 0])
        return np.array([[self._asked[first + i]] for i in range(epochs)])

    def advance(self, epochs: int) -> None:
        """Count epochs that are complete."""
        self._network._epochs += epochs

    def see(self, loss: float) -> None:
        """Take the loss of an epoch."""
        if self._watch is not None:
            self._network._watch = self._watch = self._watch.after(loss)


OURS = (Constant, Step, Exponential, Cosine, InverseScaling, WarmUp)


def check_schedule(schedule: object) -> Schedule | Plateau | None:
    """Return the schedule, or raise."""
    is_class = isinstance(schedule, type)
    if not is_class and (schedule is None or isinstance(schedule, Plateau) or callable(schedule)):
        return schedule
    raise TypeError(
        f"schedule must be one of deltarule.schedules or a callable, not {schedule!r}; "
        "a constant rate is the optimizer's lr"
    )


def rates(schedule: Schedule, first: int, epochs: int, steps: int) -> Array:
    """Return the rate of each epoch, (epochs, 1), or of each step of it, (epochs, steps).

    Raises
    ------
    TypeError, ValueError
        For a rate that is no number, or below 0 or not finite.
    """
    numbers = np.arange(first, first + epochs)
    if is_vector(schedule):
        at = numbers[:, np.newaxis] + np.arange(steps) / steps
        with np.errstate(all="ignore"):
            table = np.asarray(schedule(at), dtype=np.float64)
    else:
        table = np.array([[_asked(schedule, int(epoch))] for epoch in numbers], dtype=np.float64)
    bad = np.argwhere(~(np.isfinite(table) & (table >= 0)))
    if len(bad):
        epoch, step = (int(i) for i in bad[0])
        raise ValueError(
            f"schedule gives the rate {table[epoch, step]} in epoch {first + epoch}; "
            "a rate must be 0 or more and finite"
        )
    return np.ascontiguousarray(table)


def is_vector(schedule: object) -> bool:
    """Return whether a schedule takes an array of epochs, as those of this module do."""
    inner = schedule.then if isinstance(schedule, WarmUp) else schedule
    return isinstance(inner, OURS) and (inner is schedule or is_vector(inner))


def _asked(schedule: Schedule, epoch: int) -> float:
    rate = schedule(epoch)
    if not is_number(rate):
        raise TypeError(f"schedule({epoch}) must be a number, not {rate!r}")
    return number(rate)
