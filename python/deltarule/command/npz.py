"""Arrays of npz files as inputs and targets."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.command import double_double
from deltarule.command.columns import Values, check_finite
from deltarule.command.console import CommandError, one_line
from deltarule.command.double_double import DoubleDouble


def read(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays of those names.

    Raises
    ------
    CommandError
        The file is none of npz, or lacks an array.
    """
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


def inputs(path: Path, x: NDArray[Any]) -> DoubleDouble:
    """Return the array ``x`` (n, d), finite numbers, or refuse it."""
    if x.ndim != 2 or x.shape[1] == 0:
        raise CommandError(f"{path}: x must be (samples, features), its shape is {x.shape}")
    return numbers(path, x, "x")


def numbers(path: Path, array: NDArray[Any], name: str) -> DoubleDouble:
    """Return a matrix of finite numbers, or name its first other entry."""
    if array.dtype.kind not in "biuf":
        raise CommandError(f"{path}: {name} must hold numbers, its dtype is {array.dtype}")
    values = double_double.of_array(array)
    check_finite(values.high, lambda at: f"{path}: {name}, row {at[0] + 1}, column {at[1] + 1}")
    return values


def targets(path: Path, y: NDArray[Any]) -> Values:
    """Return the array ``y``, (n,) or (n, 1), as a list, or refuse it."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise CommandError(f"{path}: y must be (samples,), its shape is {y.shape}")
    if y.dtype.kind == "f":
        y = y.astype(np.float64)
        check_finite(y, lambda at: f"{path}: y, row {at[0] + 1}")
    elif y.dtype.kind not in "biuU":
        raise CommandError(f"{path}: y must hold text, booleans or numbers, it is {y.dtype}")
    values: Values = y.tolist()
    return values
