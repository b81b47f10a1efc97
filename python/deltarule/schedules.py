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
from typing import Any, ClassVar

import numpy as np

from deltarule.arguments import BELOW_ONE, FRACTION, NON_NEGATIVE, POSITIVE, check_number, number
from deltarule.arguments import is_number as is_number

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "Plateau",
    "Step",
    "WarmUp",
]

Schedule = Callable[[Any], Any]


class _Numbers:
    """The fields of a schedule: numbers above 0, unless `_ranges` has another range."""

    _ranges: ClassVar[dict[str, tuple[float, float, str]]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            limits = self._ranges.get(field.name, POSITIVE)
            check_number(field.name, getattr(self, field.name), *limits)


class _Formula(_Numbers):
    """A schedule that is a formula of the epoch and of its fields."""

    # The learning rate from the epoch, a number or an array, and the fields in float64.
    _rate: ClassVar[Callable[..., Any]]

    def __call__(self, epoch: Any) -> Any:
        """Return the learning rate at an epoch, counted from 0, or at each of an array."""
        settings = [float(getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]
        with np.errstate(all="ignore"):
            return _scalar(self._rate(epoch, *settings))


@dataclass(frozen=True)
class Constant(_Formula):
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

    @staticmethod
    def _rate(epoch: Any, lr: float) -> Any:
        return lr + 0.0 * epoch


@dataclass(frozen=True)
class Step(_Formula):
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

    @staticmethod
    def _rate(epoch: Any, lr: float, every: float, factor: float) -> Any:
        return lr * factor ** np.floor(epoch / every)


@dataclass(frozen=True)
class Exponential(_Formula):
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

    @staticmethod
    def _rate(epoch: Any, lr: float, factor: float) -> Any:
        return lr * np.float64(factor) ** epoch


@dataclass(frozen=True)
class Cosine(_Formula):
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

    _ranges: ClassVar = {"final": NON_NEGATIVE}

    @staticmethod
    def _rate(epoch: Any, lr: float, epochs: float, final: float) -> Any:
        part = np.cos(math.pi * np.minimum(epoch / epochs, 1.0))
        return final + (lr - final) * ((1.0 + part) / 2.0)


@dataclass(frozen=True)
class InverseScaling(_Formula):
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

    @staticmethod
    def _rate(epoch: Any, lr: float, power: float) -> Any:
        return lr / np.float64(1.0 + epoch) ** power


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
        The rate that is multiplied: a schedule, or a constant.
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
        check_number("epochs", self.epochs, *POSITIVE)
        check_number("start", self.start, *BELOW_ONE)
        if isinstance(self.then, Plateau) or not (callable(self.then) or is_number(self.then)):
            raise TypeError(f"then must be a schedule of the epoch, or a number, not {self.then!r}")
        if is_number(self.then):
            lr = check_number("then", self.then, *POSITIVE)
            object.__setattr__(self, "then", Constant(lr))

    def __call__(self, epoch: Any) -> Any:
        """Return the learning rate at an epoch, counted from 0, or at each of an array."""
        rate = self.then(epoch)
        if np.ndim(epoch) == 0:
            if not is_number(rate):
                raise TypeError(f"then({epoch}) must be a number, not {rate!r}")
            rate = number(rate)
        epochs, start = float(self.epochs), float(self.start)
        with np.errstate(all="ignore"):
            risen = np.minimum(epoch / epochs, 1.0)
            return _scalar((start + (1.0 - start) * risen) * rate)


@dataclass(frozen=True)
class Plateau(_Numbers):
    """lr, times `factor` whenever the loss has not fallen for some epochs.

    It follows the validation loss if there is one, else the training loss. Its state stays with the
    network: the next fit with an equal schedule continues it.

    Parameters
    ----------
    lr : float
        At the beginning, above 0.
    factor : float, default 0.1
        In (0, 1).
    patience : int, default 10
        Epochs without a new best loss that are waited for, 0 or more.
    min_delta : float, default 1e-4
        The least improvement on the best loss, relative to it, that counts as one; 0 or more.
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

    _ranges: ClassVar = {
        "factor": FRACTION,
        "patience": NON_NEGATIVE,
        "min_delta": NON_NEGATIVE,
        "least": NON_NEGATIVE,
    }

    def __post_init__(self) -> None:
        if isinstance(self.patience, bool) or not isinstance(self.patience, int):
            raise TypeError(f"patience must be a whole number, not {self.patience!r}")
        super().__post_init__()
        if self.least > self.lr:
            raise ValueError(f"least must be at most lr {self.lr!r}, not {self.least!r}")


def _scalar(value: Any) -> Any:
    """Return a value without axes as a float, an array as it is."""
    return float(value) if np.ndim(value) == 0 else value
