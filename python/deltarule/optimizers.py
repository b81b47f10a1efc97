"""Optimizers: settings only. What they remember between steps lives with the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np

from deltarule._load import core


def number(value: Real) -> float:
    """Return a float, infinite for a whole number beyond float64."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _check_number(name: str, value: object, low: float, high: float, rule: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(number(value)) and low <= number(value) < high):
        raise ValueError(f"{name} must be {rule}, not {value!r}")


class _CoreSettings:
    """Where an optimizer keeps its settings as the core takes them: no field, not in `vars`."""

    __slots__ = ("_settings",)
    _settings: core.Sgd


@dataclass(frozen=True)
class SGD(_CoreSettings):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay.

    With g = dL/dtheta, and g = dL/dW + weight_decay * W for the weights (not the biases)::

        momentum = 0:  theta <- theta - lr g
        momentum > 0:  v <- momentum v - lr g;  theta <- theta + v
        nesterov:      v <- momentum v - lr g;  theta <- theta + momentum v - lr g

    The velocity v starts at 0 and lives with the network, so one SGD may serve many networks.

    Parameters
    ----------
    lr : float, default 0.01
        Learning rate, above 0.
    momentum : float, default 0.0
        In [0, 1).
    nesterov : bool, default False
        Needs momentum above 0.
    weight_decay : float, default 0.0
        Factor of the weights in the gradient, 0 or more: the gradient of weight_decay / 2 * |W|^2.
        The losses that are reported leave that term out.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton, On the importance of initialization and momentum in deep
    learning, ICML 2013.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.SGD(lr=0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        infinite = math.inf
        _check_number("lr", self.lr, math.ulp(0.0), infinite, "above 0 and finite")
        _check_number("momentum", self.momentum, 0.0, 1.0, "in [0, 1)")
        _check_number("weight_decay", self.weight_decay, 0.0, infinite, "0 or more and finite")
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"nesterov must be True or False, not {self.nesterov!r}")
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs momentum above 0, not momentum=0.0")
        settings = core.Sgd(
            float(self.lr), float(self.momentum), float(self.weight_decay), self.nesterov
        )
        object.__setattr__(self, "_settings", settings)

    def __reduce__(self) -> tuple[type[SGD], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    def _settings_in(self, dtype: np.dtype[Any]) -> core.Sgd:
        limit = float(np.finfo(dtype).max)
        for name in ("lr", "weight_decay"):
            value = float(getattr(self, name))
            if value > limit:
                raise ValueError(f"{name} must be finite in {dtype.name}, not {value!r}")
        return self._settings
