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
    from polars import Series

Label = str | int | bool
Values = list[str] | list[int] | list[bool] | list[float]

_BOOLEANS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class Table:
    """A table in the types of its file.

    Attributes
    ----------
    path : Path
    columns : dict of str to Series
        By name, of one length; of String throughout where `text`.
    text : bool
        Whether the file is text, whose cells have no type.
    named : bool
        Whether the columns have names, not only their numbers from 1.
    """

    path: Path
    columns: dict[str, Series]
    text: bool
    named: bool

    def __len__(self) -> int:
        """Return the number of rows."""
        return min(map(len, self.columns.values()), default=0)


def numbers(table: Table, names: tuple[str, ...]) -> DoubleDouble:
    """Return columns as numbers (n, d).

    Raises
    ------
    CommandError
        Names the column, the row and the cell that is not a finite number.
    """
    high, low = np.empty((len(table), len(names))), None
    for j, name in enumerate(names):
        column = table.columns[name]
        high[:, j] = _floats(table, column, name)
        if (np.abs(high[:, j]) >= FIRST_INEXACT).any():
            part = double_double.of_integers(_integers(column), high[:, j]).low
            if part is not None:
                low = np.zeros_like(high) if low is None else low
                low[:, j] = part
    return DoubleDouble(high, low)


def _floats(table: Table, column: Series, name: str) -> NDArray[np.float64]:
    import polars as pl

    where = f"{table.path}: column {cells.shown(name)}"
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String, pl.Null)):
        raise CommandError(f"{where} is not numeric, its type is {column.dtype}")
    floats = column.cast(pl.Float64, strict=False)
    typed_text = column.dtype == pl.String and not table.text
    if floats.null_count() > column.null_count() or (
        typed_text and column.null_count() < len(column)
    ):
        floats = _booleans(column, where)
    values = floats.to_numpy()
    check_finite(values, lambda at: f"{where}, row {at[0] + 1}")
    return values


def _booleans(column: Series, where: str) -> Series:
    """Return the texts true and false as 1 and 0, or name the first cell of another kind."""
    values = column.str.to_lowercase().replace_strict(_BOOLEANS, default=None)
    boolean, text = values.is_not_null(), column.is_not_null()
    if boolean.sum() < text.sum():
        wrong = text & ~boolean
        if 2 * boolean.sum() <= text.sum():  # the column is rather one of numbers
            wrong = text & ~column.str.contains(cells.NUMBER)
        row = _first(wrong if wrong.any() else text)
        raise CommandError(
            f"{where} is not numeric, row {row + 1} holds {cells.shown(column[row])}"
        )
    return values


def _integers(column: Series) -> list[Any]:
    """Return the values that are whole numbers, and None for the others."""
    import polars as pl

    if column.dtype == pl.String:
        return [cells.whole(cell) for cell in column]
    whole = column.dtype.is_integer() or column.dtype.is_decimal()
    return column.to_list() if whole else [None] * len(column)


def targets(table: Table, name: str) -> Values:
    """Return a column as the text of its cells, or as the values of its type.

    Raises
    ------
    CommandError
        A value is missing or infinite, or the type is none of a target.
    """
    import polars as pl

    column = table.columns[name]
    where = f"{table.path}: target {cells.shown(name)}"
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
