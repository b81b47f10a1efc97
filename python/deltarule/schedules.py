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
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.arguments import check_number, number

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
        (lr,) = _settings(self)
        return _number(lr + 0.0 * epoch)


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
        lr, every, factor = _settings(self)
        with np.errstate(all="ignore"):
            return _number(lr * factor ** np.floor(epoch / every))


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
        lr, factor = _settings(self)
        with np.errstate(all="ignore"):
            return _number(lr * np.float64(factor) ** epoch)


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
        lr, epochs, final = _settings(self)
        with np.errstate(all="ignore"):
            part = np.cos(math.pi * np.minimum(epoch / epochs, 1.0))
            return _number(final + (lr - final) * ((1.0 + part) / 2.0))


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
        lr, power = _settings(self)
        with np.errstate(all="ignore"):
            return _number(lr / np.float64(1.0 + epoch) ** power)


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
        if isinstance(self.then, Plateau) or not (callable(self.then) or is_number(self.then)):
            raise TypeError(f"then must be a schedule of the epoch, or a number, not {self.then!r}")
        if is_number(self.then):
            _above_zero("then", self.then)
            object.__setattr__(self, "then", Constant(float(self.then)))

    def __call__(self, epoch: Any) -> Any:
        rate = self.then(epoch)
        if np.ndim(epoch) == 0:
            if not is_number(rate):
                raise TypeError(f"then({epoch}) must be a number, not {rate!r}")
            rate = number(rate)
        epochs, start = float(self.epochs), float(self.start)
        with np.errstate(all="ignore"):
            risen = np.minimum(epoch / epochs, 1.0)
            return _number((start + (1.0 - start) * risen) * rate)


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


def is_number(value: object) -> bool:
    """Return whether a value is a real number, which a bool is not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _settings(schedule: Any) -> list[float]:
    """Return the fields of a schedule, all of which are numbers, in float64."""
    return [float(getattr(schedule, field.name)) for field in fields(schedule)]


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
