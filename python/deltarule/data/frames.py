"""Tables of pandas, polars and their kin -> arrays, by their own methods: none is imported."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np

from deltarule.layers import Array

# Objects of a broadcast array, which may have more than memory, among which an example is sought.
_MOST_SOUGHT = 2**16

# Scalars of NumPy that are shown as Python's.
_PLAIN = np.str_ | np.bytes_ | np.complexfloating


def is_frame(value: Any) -> bool:
    """Whether it is a table of named columns."""
    if isinstance(value, np.ndarray):
        return False
    if hasattr(value, "to_numpy"):
        return hasattr(value, "columns")  # pandas, polars
    return hasattr(value, "column_names") and hasattr(value, "to_pandas")  # Arrow


def is_series(value: Any) -> bool:
    """Whether it is one such column."""
    return hasattr(value, "to_numpy") and not isinstance(value, np.ndarray) and not is_frame(value)


def frame_values(frame: Any, name: str) -> Array:
    """Return the table as an array (n_rows, n_columns) of the columns' common dtype.

    Raises
    ------
    TypeError
        Naming the first column that holds no real numbers, and its first other value.
    ValueError
        Naming the first missing value of a column of Python objects.
    """
    columns = []
    for j, (label, column) in enumerate(_columns(frame)):
        try:
            values = series_values(column)
        except ValueError as error:
            raise ValueError(f"{name}, column {label!r}: {error}") from None
        if values.dtype.kind not in "biuf" or values.ndim != 1:
            kind = getattr(column, "dtype", None) or getattr(column, "type", values.dtype)
            place, value = (values.ndim == 1 and first_not_real(values)) or ((), None)
            where = name + place_of([*place, j])
            if place and is_missing(value):
                raise ValueError(f"{where} (column {label!r}) is missing ({value})")
            example = f": {where} is {value!r}" if place else f" ({name}[:, {j}])"
            raise TypeError(
                f"{name} must hold real numbers, but its column {label!r} holds {kind}{example}"
            )
        columns.append(values)
    dtype = np.result_type(*{values.dtype for values in columns}) if columns else np.dtype(float)
    table = np.empty((len(columns[0]) if columns else 0, len(columns)), dtype)
    for j, values in enumerate(columns):
        table[:, j] = values
    return table


def series_values(column: Any) -> Array:
    """Return a column as an array; missing numbers are NaN, whichever mark the library has.

    Raises
    ------
    ValueError
        If the library has no array for it.
    """
    try:
        values = np.asarray(column)
    except MemoryError:
        raise
    except Exception as error:  # each library has its own
        raise ValueError(str(error)) from None
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if values.dtype.kind == "O" and isinstance(kind, str) and kind in "biuf":
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))  # pandas' Int64 ..
    return values


def column_note(given: object, position: tuple[int, ...]) -> str:
    """Return text for messages that names the column at this position; "" if x is no table."""
    if len(position) != 2 or not is_frame(given):
        return ""
    return f" (column {_columns(given)[position[1]][0]!r})"


def place_of(position: Iterable[int]) -> str:
    """Return an index as messages have it: ``[1, 2]``."""
    return f"[{', '.join(map(str, position))}]"


def first_not_real(values: Array) -> tuple[tuple[int, ...], Any] | None:
    """Return the place and the value of the first that is neither a real number nor missing.

    Where there is none, those of the first missing value; None where there is none of either.
    """
    missing = None
    most = _MOST_SOUGHT if 0 in values.strides else values.size
    for place, value in islice(np.ndenumerate(values), most):
        if is_missing(value):
            missing = missing or (place, value)
        elif not isinstance(value, Real | np.bool_) or isinstance(value, np.timedelta64):
            return place, value.item() if isinstance(value, _PLAIN) else value
    return missing


def is_missing(value: object) -> bool:
    """Whether it is a mark of a missing value: None, NaN, NaT, pandas.NA."""
    if isinstance(value, float | np.floating):
        return bool(value != value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _columns(frame: Any) -> list[tuple[Any, Any]]:
    if hasattr(frame, "iter_columns"):  # polars
        return [(column.name, column) for column in frame.iter_columns()]
    if hasattr(frame, "items"):  # pandas
        return list(frame.items())
    return list(zip(frame.column_names, frame.columns, strict=True))
