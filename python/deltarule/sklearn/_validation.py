"""X, y and sample weights of the estimators, checked; each message names the row and column."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, validate_data

from deltarule.data.frames import is_missing, place_of
from deltarule.data.sparse import checked_csr, is_sparse
from deltarule.data.validation import check_total_weight, samples
from deltarule.layers import Array


def check_some_weight(sample_weight: Any, of: str = "") -> None:
    """Raise ValueError where all of some weights are 0: their mean is not defined."""
    given = np.asarray(sample_weight)
    if given.ndim == 1 and given.size and given.dtype.kind in "biuf" and not given.any():
        raise ValueError(f"sample_weight must be above zero for some sample{of}, but all are zero")


def checked_weight(sample_weight: Any, X: Any) -> Array | None:
    """Return weights as float64 (n,), 0 or more and not all 0; None stays None."""
    if sample_weight is None:
        return None
    check_some_weight(sample_weight)
    weight: Array = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        at = int(np.argmax(weight < 0))
        raise ValueError(f"sample_weight must be 0 or more, but [{at}] is {weight[at]}")
    check_total_weight(weight, "sample_weight")
    return weight


def validated(estimator: Any, *data: Any, **options: Any) -> Any:
    """Return X, or X and y, as scikit-learn's `validate_data` checks and converts them."""
    X, *y = data
    data = (checked_csr(X, "X") if is_sparse(X) else X, *y)
    with np.errstate(all="ignore"):  # what overflows is found, and named, as an infinity
        try:
            return validate_data(estimator, *data, accept_sparse=["csr", "csc"], **options)
        except ValueError as error:
            if "X contains" not in str(error):
                raise
            place = _first_not_finite(X)
            raise ValueError(f"{place}. {error}" if place else str(error)) from None


def _first_not_finite(X: Any) -> str | None:
    """Say where a dense X has its first value that is missing or infinite, by row and column."""
    try:
        samples(X, np.shape(X)[1], np.dtype(np.float64), "X")
    except (TypeError, ValueError) as error:
        return str(error)
    return None


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
    for place, label in _values_to_check(y):
        _check_present(label, f"{name}{place}", name)
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
    for place, value in _values_to_check(y):
        _check_present(value, f"{name}{place}", name)
        try:
            float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}{place} is {value!r}; every value must be a number") from None
    return y


def _check_present(value: object, where: str, name: str) -> None:
    if is_missing(value):
        raise ValueError(f"{name} contains NaN or another missing value: {where} is {value!r}")
    if isinstance(value, float | np.floating) and np.isinf(value):
        raise ValueError(f"{name} contains infinity: {where} is {value}")


def _values_to_check(y: Any) -> Iterable[tuple[str, Any]]:
    """Yield place and value of objects and dates, and of the first number that is not finite."""
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
