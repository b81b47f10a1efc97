"""The learning rates of a fit: its schedule, evaluated for the next epochs or steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeGuard

import numpy as np

from deltarule.arguments import number
from deltarule.layers import Array
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


@dataclass(frozen=True)
class PlateauState:
    """The losses that a `Plateau` has seen so far, and the learning rate that follows."""

    schedule: Plateau
    lr: float = field(default=math.nan)
    best: float = math.inf
    waited: int = 0

    def after(self, loss: float) -> PlateauState:
        """Return the state after an epoch of that loss."""
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


Watch = PlateauState  # the name in pickles of 0.1.0


class TrainingState(Protocol):
    """A network's count of epochs over all fits, and the state of the last fit's `Plateau`."""

    _epochs: int
    _plateau: PlateauState | None


class LearningRates:
    """The learning rates of a fit; the epochs count over all fits of the network.

    Parameters
    ----------
    schedule : schedule, Plateau or None
        None: the optimizer's rate.
    network : MLP
        Holds the count of epochs and the state of a plateau.
    epochs : int
        How many the fit has still to do.

    Raises
    ------
    TypeError, ValueError
        If the rate of the next epoch, or with a schedule of this package of any epoch, is no rate.
    """

    def __init__(
        self, schedule: Schedule | Plateau | None, network: TrainingState, epochs: int = 1
    ) -> None:
        self._schedule, self._network = schedule, network
        self._known: dict[int, float] = {}  # of a user's schedule, by epoch
        self._plateau: PlateauState | None = None
        if isinstance(schedule, Plateau):
            before = network._plateau
            continues = before is not None and before.schedule == schedule
            self._plateau = before if continues else PlateauState(schedule)
        self.of_epochs(1, 1)
        if epochs > 1 and is_vector(schedule):
            # Bounded, or rising throughout: if the first and last rates are good, all are.
            rates(schedule, network._epochs + epochs - 1, 1, 1)

    @property
    def plateau(self) -> PlateauState | None:
        """The state of the network's last `Plateau`."""
        return self._network._plateau

    @property
    def follows_loss(self) -> bool:
        """Whether `after_epoch` needs the loss of each epoch."""
        return self._plateau is not None

    def of_epochs(self, epochs: int, steps: int) -> Array | None:
        """Return `rates` of the next epochs; None without a schedule."""
        schedule = self._schedule
        if schedule is None:
            return None
        if self._plateau is not None:
            return np.full((epochs, 1), float(self._plateau.rate))
        assert not isinstance(schedule, Plateau)
        first = self._network._epochs
        if is_vector(schedule):
            return rates(schedule, first, epochs, steps)
        for epoch in range(first, first + epochs):  # a user's function is called once per epoch
            if epoch not in self._known:
                self._known[epoch] = float(rates(schedule, epoch, 1, 1)[0, 0])
        return np.array([[self._known[first + i]] for i in range(epochs)])

    def advance(self, epochs: int) -> None:
        """Count complete epochs."""
        self._network._epochs += epochs

    def after_epoch(self, loss: float) -> None:
        """Let a `Plateau` take the loss of an epoch."""
        if self._plateau is not None:
            self._network._plateau = self._plateau = self._plateau.after(loss)


SCHEDULES = (Constant, Step, Exponential, Cosine, InverseScaling, WarmUp)


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
        table = np.array([[_rate(schedule, int(epoch))] for epoch in numbers], dtype=np.float64)
    bad = np.argwhere(~(np.isfinite(table) & (table >= 0)))
    if len(bad):
        epoch, step = (int(i) for i in bad[0])
        raise ValueError(
            f"schedule gives the rate {table[epoch, step]} in epoch {first + epoch}; "
            "a rate must be 0 or more and finite"
        )
    return np.ascontiguousarray(table)


def is_vector(schedule: object) -> TypeGuard[Schedule]:
    """Return whether a schedule takes an array of epochs, as those of this package do."""
    inner = schedule.then if isinstance(schedule, WarmUp) else schedule
    return isinstance(inner, SCHEDULES) and (inner is schedule or is_vector(inner))


def _rate(schedule: Schedule, epoch: int) -> float:
    rate = schedule(epoch)
    if not is_number(rate):
        raise TypeError(f"schedule({epoch}) must be a number, not {rate!r}")
    return number(rate)
