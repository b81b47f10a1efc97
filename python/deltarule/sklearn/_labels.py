"""Labels of the estimators, checked before scikit-learn sorts them."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.data.frames import is_missing, place_of
from deltarule.data.sparse import checked_csr, is_sparse

Array = NDArray[Any]


def checked_labels(y: Any, name: str = "y") -> Any:
    """Return labels as they are, sparse ones as CSR.

    Raises
    ------
    ValueError
        Naming the first label that is missing or not finite.
    TypeError
        If they are of several kinds, as text and numbers, which have no order.
    """
    if is_sparse(y):
        return checked_csr(y, name)
    first: dict[object, str] = {}
    for place, label in _suspects(y):
        _check_there(label, f"{name}{place}", name)
        first.setdefault(_kind(label), f"{name}{place} is {label!r}")
        if len(first) > 1:
            raise TypeError(
                f"{name} must hold labels of one kind, but {' and '.join(first.values())}"
            )
    return y


def checked_numbers(y: Any, name: str = "y") -> Any:
    """Return the targets of a regression as they are.

    Raises
    ------
    ValueError
        Naming the first that is missing or no number.
    """
    for place, value in _suspects(y):
        _check_there(value, f"{name}{place}", name)
        try:
            float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}{place} is {value!r}; every value must be a number") from None
    return y


def _check_there(value: object, where: str, name: str) -> None:
    if is_missing(value):
        raise ValueError(f"{name} contains NaN or another missing value: {where} is {value!r}")
    if isinstance(value, float | np.floating) and np.isinf(value):
        raise ValueError(f"{name} contains infinity: {where} is {value}")


def _suspects(y: Any) -> Iterable[tuple[str, Any]]:
    """Yield place and value of what may be no label or number: objects, dates, and NaN, inf."""
    try:
        values = np.asarray(y)
        if values.dtype.kind == "U" and isinstance(y, list | tuple):
            values = np.asarray(y, dtype=object)  # of a number beside text, NumPy makes text
    except ValueError:  # ragged, which scikit-learn refuses
        return
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0]
        yield place_of(place), values[tuple(place)].item()
    if values.ndim and values.dtype.kind in "OM":
        for place, value in np.ndenumerate(values):
            yield place_of(place), value


def _kind(label: object) -> object:
    if isinstance(label, str):
        return str
    return Real if isinstance(label, Real | np.bool_) else type(label)
