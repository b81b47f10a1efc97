"""Sparse matrices of SciPy, whose index arrays are checked before compiled code follows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.layers import Array

# What SciPy raises for parts that do not fit together.
_MALFORMED = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)


def is_sparse(value: Any) -> bool:
    """Whether it is a sparse matrix or array."""
    return hasattr(value, "tocsr") and hasattr(type(value), "nnz")  # which a bad one raises at


def checked_csr(x: Any, name: str) -> Any:
    """Return a sparse matrix or array of any format as CSR, with index arrays of its own.

    Parameters
    ----------
    x : sparse matrix or array
        Never changed. Its values are shared where it is CSR.
    name : str

    Raises
    ------
    ValueError
        Naming the first part of its format that is not sound.
    """
    kind = getattr(x, "format", "sparse")
    try:
        if kind == "csr":
            return _own_csr(x, name)
        if kind in ("csc", "bsr"):
            _check_compressed(x, x.indices, x.indptr, kind, name)
        elif kind == "coo":
            _check_coordinates(x, name)
        elif kind == "dia":
            _check_diagonals(x, name)
        elif kind == "lil":
            _check_lists(x, name)
        csr = x.tocsr()
        _check_compressed(csr, csr.indices, csr.indptr, "csr", name)
    except _Malformed as error:
        raise ValueError(*error.args) from None
    except _MALFORMED as error:
        raise ValueError(f"{name} is no sound {kind} matrix: {error}") from None
    if csr.shape != x.shape:
        raise ValueError(f"{name} has shape {x.shape}, but as CSR {csr.shape}")
    return csr


class _Malformed(ValueError):
    """An error whose text is complete."""


def _own_csr(x: Any, name: str) -> Any:
    """Return the matrix with copies of the index arrays, which no caller can change later."""
    indices, indptr = np.array(x.indices), np.array(x.indptr)
    _check_compressed(x, indices, indptr, "csr", name)
    end = indptr[-1]
    return type(x)((x.data[:end], indices[:end], indptr), shape=x.shape)


def _check_compressed(x: Any, indices: Array, indptr: Array, kind: str, name: str) -> None:
    rows, columns = x.shape if len(x.shape) == 2 else (1, *x.shape)
    values = x.data
    if kind == "bsr":
        if values.ndim != 3 or 0 in values.shape[1:]:
            raise _Malformed(f"{name}.data must be 3-D with blocks, but has shape {values.shape}")
        height, width = values.shape[1:]
        if rows % height or columns % width:
            raise _Malformed(
                f"{name}.data has blocks {(height, width)}, which do not divide shape {x.shape}"
            )
        rows, columns = rows // height, columns // width
    elif values.ndim != 1:
        raise _Malformed(f"{name}.data must be 1-D, but has shape {values.shape}")
    major, minor = (columns, rows) if kind == "csc" else (rows, columns)
    _check_integers(indices, f"{name}.indices")
    _check_integers(indptr, f"{name}.indptr")
    if len(indptr) != major + 1:
        raise _Malformed(f"{name}.indptr must have {major + 1} entries, but has {len(indptr)}")
    if indptr[0] != 0:
        raise _Malformed(f"{name}.indptr[0] is {indptr[0]}, but must be 0")
    falls = np.flatnonzero(indptr[1:] < indptr[:-1])
    if len(falls):
        at = int(falls[0]) + 1
        raise _Malformed(
            f"{name}.indptr[{at}] is {indptr[at]}, but must not be below the entry before it, "
            f"{indptr[at - 1]}"
        )
    entries = min(len(indices), len(values))
    if indptr[-1] > entries:
        raise _Malformed(
            f"{name}.indptr[{major}] is {indptr[-1]}, but there are {len(indices)} indices and "
            f"{len(values)} values"
        )
    _check_range(indices[: indptr[-1]], 0, minor - 1, f"{name}.indices")


def _check_coordinates(x: Any, name: str) -> None:
    coordinates = x.coords if hasattr(x, "coords") else (x.row, x.col)
    for axis, (index, size) in enumerate(zip(coordinates, x.shape, strict=True)):
        part = f"{name}.coords[{axis}]"
        _check_integers(index, part)
        if x.data.ndim != 1 or len(index) != len(x.data):
            raise _Malformed(f"{part} has {len(index)} entries, {name}.data shape {x.data.shape}")
        _check_range(index, 0, size - 1, part)


def _check_diagonals(x: Any, name: str) -> None:
    _check_integers(x.offsets, f"{name}.offsets")
    _check_range(x.offsets, -x.shape[0], x.shape[1], f"{name}.offsets")
    if x.data.ndim != 2 or len(x.data) != len(x.offsets):
        raise _Malformed(
            f"{name}.data must have a row for each of {len(x.offsets)} offsets, but has shape "
            f"{x.data.shape}"
        )


def _check_lists(x: Any, name: str) -> None:
    for part in (x.rows, x.data):
        if part.shape != x.shape[:1]:
            raise _Malformed(
                f"{name}.rows and {name}.data must have {x.shape[0]} lists, not {len(part)}"
            )
    for i, (indices, values) in enumerate(zip(x.rows, x.data, strict=True)):
        if len(indices) != len(values):
            raise _Malformed(
                f"{name}.rows[{i}] has {len(indices)} entries, {name}.data[{i}] {len(values)}"
            )


def _check_integers(array: Array, name: str) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
        kind = getattr(array, "dtype", type(array).__name__)
        raise _Malformed(f"{name} must be an array of whole numbers, not {kind}")
    if array.ndim != 1:
        raise _Malformed(f"{name} must be 1-D, but has shape {array.shape}")


def _check_range(array: Array, low: int, high: int, name: str) -> None:
    if len(array) and (array.min() < low or array.max() > high):
        at = int(np.argmax((array < low) | (array > high)))
        raise _Malformed(f"{name}[{at}] is {array[at]}, but must be in {low}..{high}")
