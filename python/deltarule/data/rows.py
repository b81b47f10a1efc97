"""Rows that are converted for the core block by block: of sparse matrices and of large files.

Rows that take at most `WHOLE_BYTES` when converted are converted at once, to an array.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.layers import Array

# The most bytes of a block of converted rows, and of rows that are converted at once.
BLOCK_BYTES = 2**24
WHOLE_BYTES = 2**26

# The most bytes of a file that are mapped before its pages are released, and of the pages that the
# system maps around one read (measured with Linux 6.18: 380 KiB).
_RELEASE_BYTES = 2**25
_AROUND_BYTES = 2**19


def is_ready(array: object, dtype: np.dtype[Any]) -> bool:
    """Return whether the core can read an array as it is."""
    if type(array) is not np.ndarray or array.dtype != dtype:
        return False
    return array.flags.c_contiguous and array.flags.aligned


def converted(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return a C-ordered, aligned array of that dtype, copied only if needed."""
    if is_ready(array, dtype):
        return array
    with np.errstate(all="ignore"):  # an overflow is reported later, as an infinity
        return np.require(array, dtype, ["C", "A"])


def parts(n: int, size: int) -> Iterator[slice]:
    """Yield the slices of n rows, each of `size` rows, the last of the remainder."""
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


class Rows:
    """Rows (n, columns) of which only some are converted at a time.

    Attributes
    ----------
    shape : (int, int)
    dtype : dtype
        Of the converted rows.
    """

    def __init__(self, columns: int, dtype: np.dtype[Any], source_rows: int) -> None:
        self.dtype = dtype
        self._columns = columns
        self._source_rows = source_rows
        self._chosen: NDArray[np.int64] | None = None  # the source's rows; None: all

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._source_rows if self._chosen is None else len(self._chosen)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of columns."""
        return len(self), self._columns

    def rows_a_block(self, multiple_of: int = 1) -> int:
        """Return the rows per block: a multiple, at least one, of at most `BLOCK_BYTES`."""
        fit = BLOCK_BYTES // max(1, self._columns * self.dtype.itemsize)
        return max(1, fit // multiple_of) * multiple_of

    def take(self, which: slice | NDArray[np.int64]) -> Array:
        """Return these rows as the core reads them: (k, columns) of `dtype`, C-ordered."""
        return self._ready(which if self._chosen is None else self._chosen[which])

    def subset(self, which: NDArray[np.int64]) -> Rows:
        """Return these rows without a copy of the source."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._chosen = which if self._chosen is None else self._chosen[which]
        return other

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield (slice of the rows, converted rows) for each block, in order."""
        for part in parts(len(self), self.rows_a_block()):
            yield part, self.take(part)
            self.done()

    def done(self) -> None:
        """Release the resources of the rows that were taken last."""

    def _ready(self, which: slice | NDArray[np.int64]) -> Array:
        raise NotImplementedError  # an abc.ABC would make isinstance slow


class MappedRows(Rows):
    """Rows of a memory-mapped file, whose pages are released after reading.

    Parameters
    ----------
    array : memmap of shape (n, columns)
        Of any real dtype and layout.
    dtype : dtype
    """

    def __init__(self, array: np.memmap[Any, Any], dtype: np.dtype[Any]) -> None:
        super().__init__(array.shape[1], dtype, array.shape[0])
        self._array = np.asarray(array)
        # The modified pages of a copy-on-write map exist in memory only.
        mapped = getattr(array, "_mmap", None)
        releasable = array.mode != "c" and hasattr(mapped, "madvise")
        self._mapped = mapped if releasable and hasattr(mmap, "MADV_DONTNEED") else None

    def done(self) -> None:
        """Release the pages that were read; the file still has their content."""
        if self._mapped is not None:
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def _ready(self, which: slice | NDArray[np.int64]) -> Array:
        if isinstance(which, slice):
            return converted(self._array[which], self.dtype)
        block = np.empty((len(which), self._columns), self.dtype)
        with np.errstate(all="ignore"):
            for rows in self._in_file_order(which):
                block[rows] = self._array[which[rows]]
                self.done()
        return block

    def _in_file_order(self, which: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the positions in `which`, sorted by row and split where pages are released."""
        order = np.argsort(which)
        row, column = map(abs, self._array.strides)
        gaps = np.minimum(np.diff(which[order], prepend=which[order[:1]]) * row, _AROUND_BYTES)
        mapped = gaps * (self._columns if column > row else 1)
        return np.split(order, 1 + np.flatnonzero(np.diff(np.cumsum(mapped) // _RELEASE_BYTES)))


class SparseRows(Rows):
    """Rows of a SciPy sparse matrix or array.

    Parameters
    ----------
    csr : csr_matrix or csr_array of shape (n, columns)
        As `checked_csr` returns it.
    dtype : dtype
    """

    def __init__(self, csr: Any, dtype: np.dtype[Any]) -> None:
        super().__init__(csr.shape[1], dtype, csr.shape[0])
        self._csr = csr

    def _ready(self, which: slice | NDArray[np.int64]) -> Array:
        with np.errstate(all="ignore"):
            rows = self._csr[which].astype(self.dtype)
            return converted(rows.toarray(), self.dtype)


def whole(values: Array | Rows) -> Array:
    """Return all rows as an array."""
    return values.take(slice(0, len(values))) if isinstance(values, Rows) else values


def is_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether rows of this shape take more than `WHOLE_BYTES`."""
    return len(shape) == 2 and shape[0] * shape[1] * dtype.itemsize > WHOLE_BYTES
