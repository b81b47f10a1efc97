"""Files to samples: CSV and TSV, Parquet through polars, npz through NumPy.

Rows are counted from 1, the header not counted.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deltarule.command import cells, delimited, npz
from deltarule.command import columns as of_columns
from deltarule.command.columns import Label, Table, Values
from deltarule.command.console import CommandError, require
from deltarule.command.double_double import DoubleDouble

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = [
    "Inputs",
    "Label",
    "Samples",
    "Values",
    "check_file",
    "read_inputs",
    "read_samples",
    "read_target_rows",
]

FORMATS = "use .csv, .tsv, .parquet or .npz"
NAMES_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows to predict.

    Attributes
    ----------
    names : tuple of str
        What each column of `x` is called in messages.
    x : DoubleDouble of shape (n, d)
        Finite.
    """

    names: tuple[str, ...]
    x: DoubleDouble


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows to train on.

    Attributes
    ----------
    features : tuple of str, or None
        The names of the columns of `x`; None where they have none (npz, a table without a
        header, the digits).
    x : DoubleDouble of shape (n, d)
        The inputs, finite.
    target : str
        The name of what is to be predicted.
    y : list of length n
        The targets, all str, all bool, all int or all float (finite).
    text : bool
        Whether `y` are the cells of a text file, in which numbers are text, too.
    """

    features: tuple[str, ...] | None
    x: DoubleDouble
    target: str
    y: Values
    text: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What each column of `x` is called in messages."""
        return _numbered(self.x.shape[1]) if self.features is None else self.features


def read_samples(
    path: Path,
    target: str | None,
    features: tuple[str, ...] | None = None,
    header: bool | None = None,
) -> Samples:
    """Read the inputs and targets of a file.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet; or npz with arrays ``x`` (n, d) and ``y`` (n,).
    target : str or None
        The target's column, without a header its number from 1; for npz it must be None.
    features : tuple of str, optional
        The columns to take; by default every one but the target, in the file's order. Of an npz
        file, and of a table without a header, all are taken.
    header : bool, optional
        Whether the first line of a CSV or TSV file has the names of the columns. By default it
        has, and names that are all numbers are refused.

    Returns
    -------
    Samples

    Raises
    ------
    CommandError
        The file cannot be read, lacks the column, or holds what is not a finite number among
        the features, or a missing value.
    """
    if check_file(path) == ".npz":
        _refuse_header(path, header)
        if target is not None:
            raise CommandError(f"--target {target}: the target of an npz file is its array y")
        arrays = npz.read(path, ("x", "y"))
        x, y = npz.inputs(path, arrays["x"]), npz.targets(path, arrays["y"])
        if len(x) != len(y):
            raise CommandError(f"{path}: x has {len(x)} rows, y has {len(y)}")
        return Samples(None, x, "y", y)
    table = _read_table(path, header, features)
    names = list(table.columns)
    if target is None:
        raise CommandError(f"{path}: name its target with --target ({_listing(names)})")
    if target not in names:
        raise CommandError(f"{path}: no column {target!r} ({_listing(names)})")
    if features is None or not table.named:
        features = tuple(name for name in names if name != target)
        _refuse_unnamed(path, names)
    if not features:
        raise CommandError(f"{path}: no column beside the target {cells.shown(target)}")
    _check_features(path, names, features)
    x, y = of_columns.numbers(table, features), of_columns.targets(table, target)
    return Samples(features if table.named else None, x, target, y, table.text)


def read_target_rows(path: Path) -> NDArray[np.float64] | None:
    """Read the targets (n, K) of an npz file whose array ``y`` has K > 1 columns.

    Returns
    -------
    ndarray of shape (n, K), float64, or None
        Finite; None of a table, and of one target a row.

    Raises
    ------
    CommandError
        As for `read_samples`.
    """
    if check_file(path) != ".npz":
        return None
    y = npz.read(path, ("y",))["y"]
    return npz.numbers(path, y, "y").high if y.ndim == 2 and y.shape[1] > 1 else None


def read_inputs(
    path: Path, features: tuple[str, ...] | None, n_features: int, header: bool | None = None
) -> Inputs:
    """Read the inputs of a file for a model.

    Parameters
    ----------
    path : Path
        As for `read_samples`; of an npz file only ``x`` is read.
    features : tuple of str, or None
        The columns the model takes, by name; None takes all columns in the file's order, as is
        done of a table without a header.
    n_features : int
        How many the model takes.
    header : bool, optional
        As for `read_samples`.

    Returns
    -------
    Inputs

    Raises
    ------
    CommandError
        As for `read_samples`, or a feature is missing, or their number differs.
    """
    if check_file(path) == ".npz":
        _refuse_header(path, header)
        x = npz.inputs(path, npz.read(path, ("x",))["x"])
        if x.shape[1] != n_features:
            raise CommandError(f"{path}: x has {x.shape[1]} features, the model takes {n_features}")
        inputs = Inputs(features or _numbered(n_features), x)
    else:
        table = _read_table(path, header, features)
        names = list(table.columns)
        if features is None or not table.named:
            if len(names) != n_features:
                raise CommandError(
                    f"{path}: {len(names)} columns, the model takes {n_features} (it knows "
                    "its features by position)"
                )
            features = tuple(names)
        _check_features(path, names, features)
        inputs = Inputs(features, of_columns.numbers(table, features))
    if len(inputs.x) == 0:
        raise CommandError(f"{path}: no rows")
    return inputs


def check_file(path: Path) -> str:
    """Return the extension of a file, after the checks that all formats share.

    Raises
    ------
    CommandError
        There is no such file, it is empty, or its extension is none of a table.
    """
    if path.is_dir():
        raise CommandError(f"{path}: not a file, but a folder")
    suffix = path.suffix.lower()
    if suffix not in (*delimited.SEPARATORS, ".parquet", ".npz"):
        raise CommandError(f"{path}: unknown extension {suffix!r}, {FORMATS}")
    if not path.exists():
        raise CommandError(f"{path}: no such file")
    if not path.is_file():
        raise CommandError(f"{path}: not a file")
    if path.stat().st_size == 0:
        raise CommandError(f"{path}: the file is empty")
    return suffix


def _read_table(path: Path, header: bool | None, features: tuple[str, ...] | None) -> Table:
    if path.suffix.lower() == ".parquet":
        _refuse_header(path, header)
        frame = _read_parquet(path)
        columns = dict(zip(frame.columns, frame.get_columns(), strict=True))
        table = Table(path, columns, text=False, named=True)
    else:
        read = delimited.read_cells(path)
        if header is False:
            names = list(_numbered(len(read)))
        else:
            names = ["" if column[0] is None else column[0] for column in read]
            read = [column.slice(1) for column in read]
            if header is None:
                _check_names(path, names, features)
            _check_distinct(path, names)
        columns = dict(zip(names, read, strict=True))
        table = Table(path, columns, text=True, named=header is not False)
    if len(table) == 0:
        raise CommandError(f"{path}: no rows")
    return table


def _read_parquet(path: Path) -> DataFrame:
    pl = require("polars", f"reading {path}")
    try:
        frame: DataFrame = pl.read_parquet(io.BytesIO(path.read_bytes()))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise delimited.unreadable(path, error) from None
    return frame


def _refuse_header(path: Path, header: bool | None) -> None:
    if header is not None:
        option = "--header" if header else "--no-header"
        raise CommandError(f"{option}: is for CSV and TSV, not for {path}")


def _check_names(path: Path, names: list[str], features: tuple[str, ...] | None) -> None:
    """Refuse a header whose names are all numbers, unless the model's features are among them."""
    if features is not None and set(features) <= set(names):
        return
    given = [name for name in names if name and not cells.is_no_value(name)]
    if given and all(cells.is_number(name) or cells.has_commas(name) for name in given):
        shown = ", ".join(map(cells.shown, names[:NAMES_SHOWN]))
        raise CommandError(
            f"{path}: the header is all numbers ({shown}{', ...' * (len(names) > NAMES_SHOWN)}): "
            "--no-header takes it as the first row, --header as names"
        )


def _check_distinct(path: Path, names: list[str]) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if "" in repeated:
        _refuse_unnamed(path, names)
    if repeated:
        raise CommandError(f"{path}: the header has {cells.shown(repeated[0])} twice")


def _refuse_unnamed(path: Path, names: list[str]) -> None:
    unnamed = [str(at) for at, name in enumerate(names, start=1) if name == ""]
    if unnamed:
        several = len(unnamed) > 1
        them = "them" if several else "it"
        raise CommandError(
            f"{path}: no name in the header for column{'s' * several} "
            f"{', '.join(unnamed[:NAMES_SHOWN])}{', ...' * (len(unnamed) > NAMES_SHOWN)} "
            f"of {len(names)}: name {them} or leave {them} out (pandas writes its index so)"
        )


def _check_features(path: Path, names: list[str], features: tuple[str, ...]) -> None:
    known = set(names)
    for name in features:
        if name not in known:
            raise CommandError(
                f"{path}: no column {cells.shown(name)}, a feature of the model ({_listing(names)})"
            )


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(1, n + 1)))


def _listing(names: list[str]) -> str:
    shown = ", ".join(map(cells.shown, names[:NAMES_SHOWN]))
    more = len(names) - NAMES_SHOWN
    return f"its columns: {shown}" + (f" and {more} more" if more > 0 else "")
