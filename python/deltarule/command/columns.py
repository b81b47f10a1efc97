"""Columns of a table, text or typed, as numbers and as targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.command import cells, double_double
from deltarule.command.console import CommandError
from deltarule.command.double_double import FIRST_INEXACT, DoubleDouble

if TYPE_CHECKING:
    from polars import DataFrame, Series

Label = str | int | bool
Values = list[str] | list[int] | list[bool] | list[float]

LONGEST_WHOLE = 40  # characters; what a pair of float64 could not hold anyway


@dataclass(frozen=True, eq=False)
class Table:
    """A table as its file has it.

    Attributes
    ----------
    path : Path
    frame : DataFrame
        Of String throughout where `text`.
    text : bool
        Whether the file is text, whose cells have no type.
    named : bool
        Whether the columns have names, not only their numbers from 1.
    """

    path: Path
    frame: DataFrame
    text: bool
    named: bool


def numbers(table: Table, names: tuple[str, ...]) -> DoubleDouble:
    """Return columns as numbers (n, d).

    Raises
    ------
    CommandError
        Names the column, the row and the cell that is not a finite number.
    """
    import polars as pl

    path, frame = table.path, table.frame.select(names)
    types = frame.dtypes
    for name, dtype in zip(names, types, strict=True):
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.String, pl.Null)):
            raise CommandError(f"{path}: column {name!r} is not numeric, its type is {dtype}")
    floats = frame.select(pl.all().cast(pl.Float64, strict=False))
    lost = np.array(floats.null_count().row(0)) > np.array(frame.null_count().row(0))
    typed_text = np.array([dtype == pl.String and not table.text for dtype in types])
    empty = np.array(frame.null_count().row(0)) == frame.height
    words = [names[j] for j in np.flatnonzero((lost | typed_text) & ~empty)]
    if words:
        floats = floats.with_columns(_booleans(path, frame.select(words)))
    high = np.ascontiguousarray(floats.to_numpy(), dtype=np.float64)
    check_finite(high, lambda at: f"{path}: column {names[at[1]]!r}, row {at[0] + 1}")
    low = None
    series = frame.get_columns()
    for j in np.flatnonzero((np.abs(high) >= FIRST_INEXACT).any(axis=0)):
        part = double_double.of_integers(_integers(series[j]), high[:, j]).low
        if part is not None:
            low = np.zeros_like(high) if low is None else low
            low[:, j] = part
    return DoubleDouble(high, low)


def _integers(column: Series) -> list[Any]:
    """Return the values that are whole numbers, and None for the others."""
    import polars as pl

    values = column.to_list()
    if column.dtype == pl.String:
        return [v if len(v) <= LONGEST_WHOLE and cells.is_whole(v) else None for v in values]
    return (
        values if column.dtype.is_integer() or column.dtype.is_decimal() else [None] * len(values)
    )


def of_cells(text: list[str]) -> DoubleDouble:
    """Return cells that are numbers, each of them."""
    high = np.array(text, dtype=np.float64)
    whole = [v if len(v) <= LONGEST_WHOLE and cells.is_whole(v) else None for v in text]
    return double_double.of_integers(whole, high)


def _booleans(path: Path, frame: DataFrame) -> DataFrame:
    """Return columns of the words true and false as 1 and 0, or name the first other cell."""
    import polars as pl

    lower = frame.select(pl.all().str.to_lowercase())
    boolean = lower.select(pl.all().is_in(["true", "false"]).all()).row(0)
    for name, is_boolean in zip(frame.columns, boolean, strict=True):
        if not is_boolean:
            column = frame[name]
            text = column.is_not_null()
            other = text & column.cast(pl.Float64, strict=False).is_null()
            row = _first(other if other.any() else text)
            raise CommandError(
                f"{path}: column {name!r} is not numeric, row {row + 1} holds {column[row]!r}"
            )
    return lower.select((pl.all() == "true").cast(pl.Float64))


def targets(table: Table, name: str) -> Values:
    """Return a column as its cells' text, or as the values that the file has.

    Raises
    ------
    CommandError
        A value is missing or infinite, or the type is none of a target.
    """
    import polars as pl

    column = table.frame[name]
    where = f"{table.path}: target {name!r}"
    if column.null_count():
        raise CommandError(f"{where}, row {_first(column.is_null()) + 1}: a missing value")
    if column.dtype.is_float() or column.dtype.is_decimal():
        values = column.cast(pl.Float64)
        check_finite(values.to_numpy(), lambda at: f"{where}, row {at[0] + 1}")
        return values.to_list()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_integer() or column.dtype in (pl.Boolean, pl.String):
        return column.to_list()
    raise CommandError(f"{where} must hold text, booleans or numbers, its type is {column.dtype}")


def _first(mask: Series) -> int:
    """Return the position of the first True of a mask that has one."""
    return int(mask.arg_max() or 0)


def check_finite(values: NDArray[Any], where: Callable[[tuple[int, ...]], str]) -> None:
    """Refuse the first value, in row order, that is missing (not a number) or infinite."""
    finite = np.isfinite(values)
    if not finite.all():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), values.shape))
        kind = "a missing value" if np.isnan(values[at]) else "an infinite value"
        raise CommandError(f"{where(at)}: {kind}")
