"""Tables of pandas, polars and their kin -> arrays, by their own methods: none is imported."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


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
        Naming the first column that holds no real numbers.
    """
    columns = []
    for label, column in _columns(frame):
        values = series_values(column)
        if values.dtype.kind not in "biuf" or values.ndim != 1:
            kind = getattr(column, "dtype", None) or getattr(column, "type", values.dtype)
            raise TypeError(
                f"{name} must hold real numbers, but its column {label!r} holds {kind}"
                + _example(values)
            )
        columns.append(values)
    dtype = np.result_type(*{values.dtype for values in columns}) if columns else np.dtype(float)
    table = np.empty((len(columns[0]) if columns else 0, len(columns)), dtype)
    for j, values in enumerate(columns):
        table[:, j] = values
    return table


def series_values(column: Any) -> Array:
    """Return a column as an array; missing numbers are NaN, whichever mark the library has."""
    values = np.asarray(column)
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if values.dtype.kind == "O" and isinstance(kind, str) and kind in "biuf":
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))  # pandas' Int64 ..
    return values


def column_note(given: object, position: tuple[int, ...]) -> str:
    """Return the words that name the column of a table at this position, if it is a table."""
    if len(position) != 2 or not is_frame(given):
        return ""
    return f" (column {_columns(given)[position[1]][0]!r})"


def _example(values: Array) -> str:
    """Return the first value that is no number, in words."""
    strange = (v for v in values.ravel() if not isinstance(v, Real) or isinstance(v, bool))
    first = next(strange, None)
    return "" if first is None else f", as {str(first)!r}"


def _columns(frame: Any) -> list[tuple[Any, Any]]:
    if hasattr(frame, "iter_columns"):  # polars
        return [(column.name, column) for column in frame.iter_columns()]
    if hasattr(frame, "items"):  # pandas
        return list(frame.items())
    return list(zip(frame.column_names, frame.columns, strict=True))
