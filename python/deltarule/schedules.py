"""Learning rates over the course of a training, for ``MLP.fit(schedule=...)``.

A schedule is any callable from the epoch, counted from 0 over all fits of the network, to the
learning rate; it stands in for the optimizer's `lr`. Those of this module are asked before every
step, with the epoch as a fraction; a function of yours once an epoch, with a whole number.

>>> import deltarule as dr
>>> cosine = dr.schedules.Cosine(0.1, epochs=20)
>>> cosine(0), round(cosine(10), 6), cosine(20)
(0.1, 0.05, 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule.optimizers import check_number

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "Plateau",
    "Step",
    "WarmUp",
]

Array = NDArray[Any]
Schedule = Callable[[Any], Any]


def _above_zero(name: str, value: object) -> None:
    check_number(name, value, math.ulp(0.0), math.inf, "above 0 and finite")


@dataclass(frozen=True)
class Constant:
    """The same rate throughout.

    Parameters
    ----------
    lr : float
        Above 0.

    Examples
    --------
    >>> Constant(0.1)(5)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        _above_zero("lr", self.lr)

    def __call__(self, epoch: Any) -> Any:
        return _number(self.lr + 0.0 * epoch)


@dataclass(frozen=True)
class Step:
    """lr * factor^floor(epoch / every).

    Parameters
    ----------
    lr : float
        Above 0.
    every : float
        Epochs between two falls, above 0.
    factor : float, default 0.1
        Above 0.

    Examples
    --------
    >>> step = Step(0.1, every=10, factor=0.5)
    >>> step(9.9), step(10), step(20)
    (0.1, 0.05, 0.025)
    """

    lr: float
    every: float
    factor: float = 0.1

    def __post_init__(self) -> None:
        for name in ("lr", "every", "factor"):
            _above_zero(name, getattr(self, name))

    def __call__(self, epoch: Any) -> Any:
        return _number(self.lr * self.factor ** np.floor(epoch / self.every))


@dataclass(frozen=True)
class Exponential:
    """lr * factor^epoch.

    Parameters
    ----------
    lr : float
        Above 0.
    factor : float, default 0.95
        Of the rate from one epoch to the next, above 0.

    Examples
    --------
    >>> Exponential(0.1, factor=0.5)(2)
    0.025
    """

    lr: float
    factor: float = 0.95

    def __post_init__(self) -> None:
        for name in ("lr", "factor"):
            _above_zero(name, getattr(self, name))

    def __call__(self, epoch: Any) -> Any:
        return _number(self.lr * self.factor**epoch)


@dataclass(frozen=True)
class Cosine:
    """From lr to `final` in half a cosine, then constant (Loshchilov, Hutter, SGDR, ICLR 2017).

    final + (lr - final) (1 + cos(pi min(epoch / epochs, 1))) / 2

    Parameters
    ----------
    lr : float
        At the beginning, above 0.
    epochs : float
        Until `final` is reached, above 0.
    final : float, default 0.0
        0 or more.

    Examples
    --------
    >>> round(Cosine(0.2, epochs=4, final=0.1)(2), 6)
    0.15
    """

    lr: float
    epochs: float
    final: float = 0.0

    def __post_init__(self) -> None:
        for name in ("lr", "epochs"):
            _above_zero(name, getattr(self, name))
        check_number("final", self.final, 0.0, math.inf, "0 or more and finite")

    def __call__(self, epoch: Any) -> Any:
        part = np.cos(math.pi * np.minimum(epoch / self.epochs, 1.0))
        return _number(self.final + (self.lr - self.final) * (1.0 + part) / 2.0)


@dataclass(frozen=True)
class InverseScaling:
    """lr / (1 + epoch)^power.

    Parameters
    ----------
    lr : float
        Above 0.
    power : float, default 0.5
        Above 0.

    Examples
    --------
    >>> InverseScaling(0.1)(3)
    0.05
    """

    lr: float
    power: float = 0.5

    def __post_init__(self) -> None:
        for name in ("lr", "power"):
            _above_zero(name, getattr(self, name))

    def __call__(self, epoch: Any) -> Any:
        return _number(self.lr / (1.0 + epoch) ** self.power)


@dataclass(frozen=True)
class WarmUp:
    """Another schedule, in the first epochs times a factor that rises in a line to 1.

    (start + (1 - start) min(epoch / epochs, 1)) * then(epoch). Where rates are of an epoch, as for
    a function or a stream, the whole first epoch has the factor `start`.

    Parameters
    ----------
    epochs : float
        Of the rise, above 0.
    then : schedule or float
        What the factor is of: a schedule, or a constant rate.
    start : float, default 0.0
        The factor at the beginning, in [0, 1).

    Examples
    --------
    >>> warm = WarmUp(4, 0.1)
    >>> warm(0), warm(2), warm(8)
    (0.0, 0.05, 0.1)
    """

    epochs: float
    then: Any
    start: float = 0.0

    def __post_init__(self) -> None:
        _above_zero("epochs", self.epochs)
        check_number("start", self.start, 0.0, 1.0, "in [0, 1)")
        if isinstance(self.then, Plateau) or not (callable(self.then) or _is_number(self.then)):
            raise TypeError(f"then must be a schedule of the epoch, or a number, not {self.then!r}")
        if _is_number(self.then):
            object.__setattr__(self, "then", Constant(float(self.then)))

    def __call__(self, epoch: Any) -> Any:
        risen = np.minimum(epoch / self.epochs, 1.0)
        return _number((self.start + (1.0 - self.start) * risen) * self.then(epoch))


@dataclass(frozen=True)
class Plateau:
    """lr, times `factor` whenever the loss has not fallen for some epochs.

    It looks at the validation loss where there is one, else at the training loss. What it has seen
    stays with the network: a next fit with an equal schedule goes on.

    Parameters
    ----------
    lr : float
        At the beginning, above 0.
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 10
        Epochs without a new best loss that are waited for, 0 or more.
    min_delta : float, default 1e-4
        What a loss must be below the best by, relative to it, to be a new best; 0 or more.
    least : float, default 0.0
        No rate is below it.

    Examples
    --------
    >>> import deltarule as dr
    >>> net = dr.MLP([64, 10], output="softmax", seed=0)
    >>> x, y = dr.load_digits()
    >>> history = net.fit(x, y, epochs=3, schedule=dr.schedules.Plateau(0.1))
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    least: float = 0.0

    def __post_init__(self) -> None:
        _above_zero("lr", self.lr)
        check_number("factor", self.factor, math.ulp(0.0), 1.0, "in (0, 1)")
        for name in ("min_delta", "least"):
            check_number(name, getattr(self, name), 0.0, math.inf, "0 or more and finite")
        if isinstance(self.patience, bool) or not isinstance(self.patience, int):
            raise TypeError(f"patience must be a whole number, not {self.patience!r}")
        check_number("patience", self.patience, 0.0, math.inf, "0 or more and finite")
        if self.least > self.lr:
            raise ValueError(f"least must be at most lr {self.lr!r}, not {self.least!r}")


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

    Raises
    ------
    TypeError, ValueError
        If the rate of the next epoch is no rate.
    """

    def __init__(self, schedule: Schedule | Plateau | None, network: Counted) -> None:
        self._schedule, self._network = schedule, network
        self._asked: dict[int, float] = {}
        self._watch: Watch | None = None
        if isinstance(schedule, Plateau):
            seen = network._watch
            goes_on = seen is not None and seen.schedule == schedule
            self._watch = seen if goes_on else Watch(schedule)
        self.rates(1, 1)

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
            return np.full((epochs, 1), (self._watch or Watch(schedule)).rate)
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
    if not _is_number(rate):
        raise TypeError(f"schedule({epoch}) must be a number, not {rate!r}")
    return float(rate)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
