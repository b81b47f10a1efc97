"""Checks of arguments that are not data: each returns the value as used, or raises."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

# Ranges for `check_number`: low (included), high (excluded), the rule as text.
POSITIVE = (math.ulp(0.0), math.inf, "above 0 and finite")
NON_NEGATIVE = (0.0, math.inf, "0 or more and finite")
FRACTION = (math.ulp(0.0), 1.0, "in (0, 1)")
BELOW_ONE = (0.0, 1.0, "in [0, 1)")


def is_number(value: object) -> TypeGuard[Real]:
    """Return whether a value is a real number, which a bool is not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number(value: Real) -> float:
    """Return a float, infinite for a whole number beyond float64."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def check_number(name: str, value: object, low: float, high: float, rule: str) -> float:
    """Return a finite number in [low, high) as a float, or raise naming the argument."""
    if not is_number(value):
        raise TypeError(f"{name} must be a number, not {value!r}")
    as_float = number(value)
    if not (math.isfinite(as_float) and low <= as_float < high):
        raise ValueError(f"{name} must be {rule}, not {value!r}")
    return as_float


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
    """Return the number of samples in a mini-batch, 32 for "auto"; None for all samples."""
    if isinstance(value, str) and value == "auto":
        return 32
    return None if value is None else whole_number(value, "batch_size", 1)


def check_dropout(dropout: Any, hidden: int) -> NDArray[np.float64] | None:
    """Return one rate per hidden layer, of which there are `hidden`; None if all are 0."""
    many = isinstance(dropout, Sequence | np.ndarray) and not isinstance(dropout, str)
    given = list(dropout) if many else [dropout]
    for i, rate in enumerate(given):
        check_number(f"dropout[{i}]" if many else "dropout", rate, *BELOW_ONE)
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
    if not (is_number(max_seconds) and number(max_seconds) > 0):
        raise ValueError(f"max_seconds must be a number above 0, not {max_seconds!r}")
    return number(max_seconds)


def check_verbose(verbose: object) -> bool:
    """Return whether to print one line per epoch."""
    if whole_number(verbose + 0 if isinstance(verbose, bool) else verbose, "verbose", 0) > 1:
        raise ValueError(f"verbose must be 0 (silent) or 1 (a line an epoch), not {verbose!r}")
    return bool(verbose)


def check_fraction(value: object, name: str) -> float:
    """Return a number in (0, 1)."""
    return check_number(name, value, *FRACTION)
