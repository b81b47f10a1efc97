"""The arguments of the training methods that are no data: returned as used, or an error."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def number(value: Real) -> float:
    """Return a float, infinite for a whole number beyond float64."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def check_number(name: str, value: object, low: float, high: float, rule: str) -> None:
    """Raise naming the argument unless the value is a number in [low, high)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(number(value)) and low <= number(value) < high):
        raise ValueError(f"{name} must be {rule}, not {value!r}")


def check_flag(value: object, name: str) -> bool:
    """Return True or False, or raise naming the argument."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def whole_number(value: object, name: str, lowest: int) -> int:
    """Return an int of at least `lowest`, or raise naming the argument."""
    try:
        n = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if isinstance(value, bool) or n < lowest:
        raise ValueError(f"{name} must be {lowest} or more, not {value!r}")
    return n


def check_batch_size(value: object) -> int | None:
    """Return the samples of a mini-batch, 32 for "auto"; None for all."""
    if isinstance(value, str) and value == "auto":
        return 32
    return None if value is None else whole_number(value, "batch_size", 1)


def check_dropout(dropout: object, hidden: int) -> NDArray[np.float64] | None:
    """Return a rate for each of so many hidden layers; None where all are 0."""
    given: list[Any] = [dropout]
    many = isinstance(dropout, Sequence | np.ndarray) and not isinstance(dropout, str)
    if isinstance(dropout, Sequence | np.ndarray) and many:
        given = list(dropout)
    for i, rate in enumerate(given):
        check_number(f"dropout[{i}]" if many else "dropout", rate, 0.0, 1.0, "in [0, 1)")
    if many and len(given) != hidden:
        raise ValueError(
            f"dropout must be a number, or one a hidden layer ({hidden}), not {dropout!r}"
        )
    rates = np.array(given if many else given * hidden, dtype=np.float64)
    if not hidden and given[0]:
        raise ValueError(f"dropout must be 0 for a network without hidden layers, not {dropout!r}")
    return rates if rates.any() else None


def check_callbacks(callbacks: object) -> tuple[Callable[[Any], object], ...]:
    """Return the callbacks as a tuple of callables."""
    if type(callbacks) is tuple and not callbacks:  # as a rule
        return ()
    if callable(callbacks):
        return (callbacks,)
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be callables, not {callbacks!r}")
    functions = tuple(callbacks)
    for i, function in enumerate(functions):
        if not callable(function):
            raise TypeError(f"callbacks[{i}] must be callable, not {function!r}")
    return functions


def check_seconds(max_seconds: object) -> float:
    """Return a number above 0, infinite for None."""
    if max_seconds is None:
        return math.inf
    is_number = isinstance(max_seconds, Real) and not isinstance(max_seconds, bool)
    seconds = number(max_seconds) if isinstance(max_seconds, Real) else math.nan
    if not (is_number and seconds > 0):
        raise ValueError(f"max_seconds must be a number above 0, not {max_seconds!r}")
    return seconds


def check_verbose(verbose: object) -> bool:
    """Return whether a line is to be written for each epoch."""
    if whole_number(verbose + 0 if isinstance(verbose, bool) else verbose, "verbose", 0) > 1:
        raise ValueError(f"verbose must be 0 (silent) or 1 (a line an epoch), not {verbose!r}")
    return bool(verbose)


def check_fraction(value: object, name: str) -> float:
    """Return a number in (0, 1)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not 0 < number(value) < 1:
        raise ValueError(f"{name} must be in (0, 1), not {value!r}")
    return float(value)
