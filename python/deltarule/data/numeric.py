"""Arrays of real, finite numbers, or an error naming the argument, the place and the value."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule._load import core
from deltarule.data import frames
from deltarule.data.sparse import checked_csr, is_sparse
from deltarule.layers import Array

# The largest number of each dtype.
LARGEST: dict[np.dtype[Any], float] = {
    np.dtype(t): float(np.finfo(t).max) for t in (np.float32, np.float64)
}


def numeric(value: Any, name: str) -> Array:
    """Return `value` as an array of real numbers of whatever dtype it has."""
    if frames.is_frame(value):
        return frames.frame_values(value, name)
    if is_sparse(value):
        check_real(value.dtype, name)
        return np.asarray(checked_csr(value, name).toarray())
    try:
        array = frames.series_values(value) if frames.is_series(value) else np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from None
    _check_not_masked(value, name)
    if array.dtype.kind in "US" and isinstance(value, list | tuple):
        objects = np.asarray(value, dtype=object)  # of a number beside text, NumPy makes text
        array = array if all(isinstance(v, str | bytes) for v in objects.flat) else objects
    check_real(array.dtype, name, array)
    return array


def _check_not_masked(value: object, name: str) -> None:
    if isinstance(value, list | tuple):
        for i, row in enumerate(value):
            if isinstance(row, np.ma.MaskedArray):
                _check_not_masked(row, f"{name}[{i}]")
    elif isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        mask = np.ma.getmaskarray(value)
        first = frames.place_of(map(int, np.unravel_index(int(mask.argmax()), mask.shape)))
        raise ValueError(f"{name} has masked values, first {name}{first}; fill or drop them first")


def check_real(dtype: np.dtype[Any], name: str, array: Array | None = None) -> None:
    """Raise TypeError unless numbers of that dtype are real; `array` has their places."""
    if dtype.kind in "biuf":
        return
    kind = "object (ragged or mixed)" if dtype.kind == "O" else dtype.name
    hint = ""
    found = frames.first_not_real(array) if dtype.kind == "O" and array is not None else None
    if found is not None and found[0]:
        place, value = found
        what = "missing" if frames.is_missing(value) else "no number"
        hint = f"; {name}{frames.place_of(place)} is {what}: {value!r}"
    if name == "y" and dtype.kind in "OUS":
        hint += "; numpy.unique(labels, return_inverse=True) makes class indices of names"
    raise TypeError(f"{name} must hold real numbers, not {kind}{hint}")


def check_within(
    array: Array,
    name: str,
    low: float,
    high: float,
    rule: str,
    *,
    given: object = None,
    first_row: int = 0,
) -> None:
    """Raise ValueError naming the first value of a core-ready array outside [low, high].

    `given` is what the array was made of, and `first_row` the number of its first row there.
    """
    at = core.first_outside(array, low, high)
    if at < 0:
        return
    where = tuple(int(i) for i in np.unravel_index(at, array.shape))
    value = array[where].item()
    if not np.isfinite(value):
        rule = f"finite (in {array.dtype.name})"
    if not where:
        raise ValueError(f"{name} is {value}; it must be {rule}")
    where = (where[0] + first_row, *where[1:])
    position = frames.place_of(where) + frames.column_note(given, where)
    raise ValueError(f"{name}{position} is {value}; every value must be {rule}")


def check_finite(array: Array, name: str, *, given: object = None, first_row: int = 0) -> None:
    """Raise ValueError naming the first NaN or infinity of a core-ready array."""
    limit = LARGEST[array.dtype]
    check_within(array, name, -limit, limit, "finite", given=given, first_row=first_row)
