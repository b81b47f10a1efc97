"""Files to arrays: CSV, TSV and Parquet through polars, npz through NumPy.

Rows are counted from 1, the header and blank lines not counted.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule.command.console import CommandError, one_line, require

if TYPE_CHECKING:
    import polars as pl

Label = str | int | bool
Values = list[str] | list[int] | list[bool] | list[float]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
FORMATS = "use .csv, .tsv, .parquet or .npz"
NAMES_SHOWN = 8


@dataclass(frozen=True)
class Samples:
    """Rows to train on.

    Attributes
    ----------
    features : tuple of str, or None
        The names of the columns of `x`; None where they have none (npz, the digits).
    x : ndarray of shape (n, d), float64
        The inputs, finite.
    target : str
        The name of what is to be predicted.
    y : list of length n
        The targets, all str, all bool, all int or all float (finite).
    """

    features: tuple[str, ...] | None
    x: NDArray[np.float64]
    target: str
    y: Values


def read_samples(
    path: Path, target: str | None, features: tuple[str, ...] | None = None
) -> Samples:
    """Read the inputs and targets of a file.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet; or npz with arrays ``x`` (n, d) and ``y`` (n,).
    target : str or None
        The target's column; for npz it must be None.
    features : tuple of str, optional
        The columns to take; by default every one but the target, in the file's order. Of an npz
        file all are taken.

    Returns
    -------
    Samples

    Raises
    ------
    CommandError
        The file cannot be read, lacks the column, or holds what is not a finite number among
        the features, or a missing value.
    """
    if _is_npz(path):
        if target is not None:
            raise CommandError(f"--target {target}: the target of an npz file is its array y")
        arrays = _read_npz(path, ("x", "y"))
        x, y = _npz_inputs(path, arrays["x"]), _npz_targets(path, arrays["y"])
        if len(x) != len(y):
            raise CommandError(f"{path}: x has {len(x)} rows, y has {len(y)}")
        return Samples(None, x, "y", y)
    frame = _read_frame(path)
    if target is None:
        raise CommandError(f"{path}: name its target with --target ({_listing(frame.columns)})")
    if target not in frame.columns:
        raise CommandError(f"{path}: no column {target!r} ({_listing(frame.columns)})")
    if features is None:
        features = tuple(name for name in frame.columns if name != target)
    if not features:
        raise CommandError(f"{path}: no column beside the target {target!r}")
    _check_features(path, frame, features)
    return Samples(features, _numbers(path, frame, features), target, _targets(path, frame[target]))


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
    if not _is_npz(path):
        return None
    y = _read_npz(path, ("y",))["y"]
    return _npz_numbers(path, y, "y") if y.ndim == 2 and y.shape[1] > 1 else None


def read_inputs(path: Path, features: tuple[str, ...] | None, n_features: int) -> NDArray[Any]:
    """Read the inputs of a file for a model.

    Parameters
    ----------
    path : Path
        As for `read_samples`; of an npz file only ``x`` is read.
    features : tuple of str, or None
        The columns the model takes, by name; None takes all columns in the file's order.
    n_features : int
        How many the model takes.

    Returns
    -------
    ndarray of shape (n, n_features), float64
        Finite.

    Raises
    ------
    CommandError
        As for `read_samples`, or a feature is missing, or their number differs.
    """
    if _is_npz(path):
        x = _npz_inputs(path, _read_npz(path, ("x",))["x"])
        if x.shape[1] != n_features:
            raise CommandError(f"{path}: x has {x.shape[1]} features, the model takes {n_features}")
    else:
        frame = _read_frame(path)
        if features is None:
            features = tuple(frame.columns)
            if len(features) != n_features:
                raise CommandError(
                    f"{path}: {len(features)} columns, the model takes {n_features} (it knows "
                    "its features by position)"
                )
        _check_features(path, frame, features)
        x = _numbers(path, frame, features)
    if len(x) == 0:
        raise CommandError(f"{path}: no rows")
    return x


def _check_features(path: Path, frame: pl.DataFrame, features: tuple[str, ...]) -> None:
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise CommandError(
            f"{path}: no column {missing[0]!r}, a feature of the model ({_listing(frame.columns)})"
        )


def _is_npz(path: Path) -> bool:
    """Return whether the file is npz rather than a table, after the checks all formats share."""
    suffix = path.suffix.lower()
    if suffix not in (*SEPARATORS, ".parquet", ".npz"):
        raise CommandError(f"{path}: unknown extension {suffix!r}, {FORMATS}")
    if not path.exists():
        raise CommandError(f"{path}: no such file")
    if not path.is_file():
        raise CommandError(f"{path}: not a file")
    if path.stat().st_size == 0:
        raise CommandError(f"{path}: the file is empty")
    return suffix == ".npz"


def _listing(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:NAMES_SHOWN]))
    more = len(names) - NAMES_SHOWN
    return f"its columns: {shown}" + (f" and {more} more" if more > 0 else "")


# Tables


def _read_frame(path: Path) -> pl.DataFrame:
    pl = require("polars", f"reading {path}")
    data = path.read_bytes()
    try:
        if path.suffix.lower() == ".parquet":
            return _checked(path, pl.read_parquet(io.BytesIO(data)))
        # No inference: every cell is text, so that an error can quote it.
        cells = pl.read_csv(
            data, has_header=False, separator=_separator(path, data), infer_schema_length=0
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        first = str(error).strip().partition("\n")[0]
        raise CommandError(f"{path}: not a readable table: {one_line(first)}") from None
    cells = cells.with_columns(pl.all().str.strip_chars()).with_columns(pl.all().replace("", None))
    names = ["" if name is None else name for name in cells.row(0)]
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise CommandError(f"{path}: the header has {repeated[0]!r} twice")
    rows = cells[1:].filter(~pl.all_horizontal(pl.all().is_null()))
    columns = [_infer(column).rename(name) for column, name in zip(rows, names, strict=True)]
    return _checked(path, pl.DataFrame(columns))


def _separator(path: Path, data: bytes) -> str:
    """Return the separator by extension; a .csv header with semicolons and no comma says so."""
    separator = SEPARATORS[path.suffix.lower()]
    header = data.partition(b"\n")[0]
    return ";" if separator == "," and b";" in header and b"," not in header else separator


def _checked(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    if frame.height == 0:
        raise CommandError(f"{path}: no rows")
    return frame


def _infer(text: pl.Series) -> pl.Series:
    """Return a column of text as whole numbers or as numbers, where all of it is that."""
    import polars as pl

    for dtype in (pl.Int64, pl.Float64):
        numbers = text.cast(dtype, strict=False)
        if numbers.null_count() == text.null_count() < len(text):
            return numbers
    return text


def _numbers(path: Path, frame: pl.DataFrame, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return columns as an array (n, d), or name the first cell that is not a finite number."""
    x = np.empty((frame.height, len(names)))
    for j, name in enumerate(names):
        x[:, j] = _column(path, frame[name])
    return x


def _column(path: Path, column: pl.Series) -> NDArray[np.float64]:
    import polars as pl

    if column.dtype == pl.String and column.null_count() < len(column):
        column = _booleans(path, column)
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.String, pl.Null)):
        raise CommandError(
            f"{path}: column {column.name!r} is not numeric, its type is {column.dtype}"
        )
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    _check_finite(values, lambda at: f"{path}: column {column.name!r}, row {at[0] + 1}")
    return np.asarray(values, dtype=np.float64)


def _booleans(path: Path, column: pl.Series) -> pl.Series:
    """Return a column of the words true and false as booleans, or name its first other cell."""
    import polars as pl

    lower = column.str.to_lowercase()
    if lower.drop_nulls().is_in(["true", "false"]).all():
        return lower == "true"
    text = column.is_not_null()
    other = text & column.cast(pl.Float64, strict=False).is_null()
    row = _first(other if other.any() else text)
    raise CommandError(
        f"{path}: column {column.name!r} is not numeric, row {row + 1} holds {column[row]!r}"
    )


def _targets(path: Path, column: pl.Series) -> Values:
    import polars as pl

    where = f"{path}: target {column.name!r}"
    if column.null_count():
        raise CommandError(f"{where}, row {_first(column.is_null()) + 1}: a missing value")
    if column.dtype.is_float() or column.dtype.is_decimal():
        numbers = column.cast(pl.Float64)
        _check_finite(numbers.to_numpy(), lambda at: f"{where}, row {at[0] + 1}")
        return numbers.to_list()
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_integer() or column.dtype in (pl.Boolean, pl.String):
        return column.to_list()
    raise CommandError(f"{where} must hold text, booleans or numbers, its type is {column.dtype}")


def _first(mask: pl.Series) -> int:
    """Return the position of the first True of a mask that has one."""
    return int(mask.arg_max() or 0)


def _check_finite(values: NDArray[Any], where: Callable[[tuple[int, ...]], str]) -> None:
    """Refuse the first value, in row order, that is missing (not a number) or infinite."""
    finite = np.isfinite(values)
    if not finite.all():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmin(finite)), values.shape))
        kind = "a missing value" if np.isnan(values[at]) else "an infinite value"
        raise CommandError(f"{where(at)}: {kind}")


# npz


def _read_npz(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise CommandError(f"{path}: not an npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            stored = list(archive.files)
            arrays = {name: archive[name] for name in names if name in stored}
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes fail in zipfile, zlib and NumPy, each its own way
        raise CommandError(f"{path}: not a readable npz file: {one_line(error)}") from None
    for name in names:
        if name not in arrays:
            raise CommandError(f"{path}: no array {name!r} (its arrays: {', '.join(stored)})")
        if not isinstance(arrays[name], np.ndarray):  # NumPy gives such a member back as bytes
            raise CommandError(f"{path}: not a readable npz file: {name} is not an array")
    return arrays


def _npz_inputs(path: Path, x: NDArray[Any]) -> NDArray[np.float64]:
    if x.ndim != 2 or x.shape[1] == 0:
        raise CommandError(f"{path}: x must be (samples, features), its shape is {x.shape}")
    return _npz_numbers(path, x, "x")


def _npz_numbers(path: Path, array: NDArray[Any], name: str) -> NDArray[np.float64]:
    if array.dtype.kind not in "biuf":
        raise CommandError(f"{path}: {name} must hold numbers, its dtype is {array.dtype}")
    values = array.astype(np.float64)
    _check_finite(values, lambda at: f"{path}: {name}, row {at[0] + 1}, column {at[1] + 1}")
    return values


def _npz_targets(path: Path, y: NDArray[Any]) -> Values:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise CommandError(f"{path}: y must be (samples,), its shape is {y.shape}")
    if y.dtype.kind == "f":
        y = y.astype(np.float64)
        _check_finite(y, lambda at: f"{path}: y, row {at[0] + 1}")
    elif y.dtype.kind not in "biuU":
        raise CommandError(f"{path}: y must hold text, booleans or numbers, it is {y.dtype}")
    values: Values = y.tolist()
    return values
