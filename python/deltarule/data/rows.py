"""Rows that are made ready for the core a block at a time: sparse ones, and those of a large file.

What fits into `WHOLE_BYTES` when it is ready is made ready whole, as any other array is.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Bytes of rows that are ready at a time, and of those that may be ready all at once.
BLOCK_BYTES = 2**24
WHOLE_BYTES = 2**26

# Bytes of a mapped file that are mapped between two returns of its pages, and what one read may map
# around it (measured with Linux 6.18: 380 KiB).
_RETURN_BYTES = 2**25
_AROUND_BYTES = 2**19


def converted(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return a C-ordered, aligned array of that dtype, copied only if needed."""
    with np.errstate(all="ignore"):  # what overflows is found, and named, as an infinity
        return np.require(array, dtype, ["C", "A"])


def parts(n: int, size: int) -> Iterator[slice]:
    """Yield the slices of n rows, `size` rows each."""
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


class Rows:
    """Rows (n, columns) of which only some are ever ready at once.

    Attributes
    ----------
    shape : (int, int)
    dtype : dtype
        Of the rows that are ready.
    """

    def __init__(self, columns: int, dtype: np.dtype[Any], source_rows: int) -> None:
        self.dtype = dtype
        self._columns = columns
        self._source_rows = source_rows
        self._chosen: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._source_rows if self._chosen is None else len(self._chosen)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, columns)."""
        return len(self), self._columns

    def rows_a_block(self, multiple_of: int = 1) -> int:
        """Return how many rows a block has: `BLOCK_BYTES`, but whole multiples, at least one."""
        fit = BLOCK_BYTES // max(1, self._columns * self.dtype.itemsize)
        return max(1, fit // multiple_of) * multiple_of

    def take(self, which: slice | NDArray[np.int64]) -> Array:
        """Return these rows ready for the core: (k, columns) of `dtype`, C-ordered."""
        if self._chosen is None:
            return self._ready(which)
        return self._ready(self._chosen[which])

    def subset(self, which: NDArray[np.int64]) -> Rows:
        """Return these rows of it, nothing copied."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._chosen = which if self._chosen is None else self._chosen[which]
        return other

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Yield all rows in order, block after block, each with its place."""
        for part in parts(len(self), self.rows_a_block()):
            yield part, self.take(part)
            self.done()

    def done(self) -> None:
        """Say that the rows taken last are not needed any more."""
        return

    def _ready(self, which: slice | NDArray[np.int64]) -> Array:
        raise NotImplementedError  # an abc.ABC would make isinstance slow


class MappedRows(Rows):
    """Rows of a memory-mapped file. What was read of it is returned to the system.

    Parameters
    ----------
    array : memmap of shape (n, columns)
        Of any real dtype and layout.
    dtype : dtype
    """

    def __init__(self, array: np.memmap[Any, Any], dtype: np.dtype[Any]) -> None:
        super().__init__(array.shape[1], dtype, array.shape[0])
        self._array = np.asarray(array)
        # Pages written to in a copy-on-write map are nowhere else.
        mapped = getattr(array, "_mmap", None)
        returnable = array.mode != "c" and hasattr(mapped, "madvise")
        self._mapped = mapped if returnable and hasattr(mmap, "MADV_DONTNEED") else None

    def done(self) -> None:
        """Return the pages that were read, which the file still has."""
        if self._mapped is not None:
            self._mapped.madvise(mmap.MADV_DONTNEED)

    def _ready(self, which: slice | NDArray[np.int64]) -> Array:
        if isinstance(which, slice):
            return converted(self._array[which], self.dtype)
        block = np.empty((len(which), self._columns), self.dtype)
        with np.errstate(all="ignore"):
            for rows in self._in_files_order(which):
                block[rows] = self._array[which[rows]]
                self.done()
        return block

    def _in_files_order(self, which: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the positions in `which` by their rows, split between returns of pages."""
        order = np.argsort(which)
        row, column = map(abs, self._array.strides)
        gaps = np.minimum(np.diff(which[order], prepend=which[order[:1]]) * row, _AROUND_BYTES)
        mapped = gaps * (self._columns if column > row else 1)
        return np.split(order, 1 + np.flatnonzero(np.diff(np.cumsum(mapped) // _RETURN_BYTES)))


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


def is_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether rows of this shape are too many to be ready all at once."""
    return len(shape) == 2 and shape[0] * shape[1] * dtype.itemsize > WHOLE_BYTES
