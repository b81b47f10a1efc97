"""Samples as the core reads them: dense rows, or a CSR matrix that is made dense batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import xlogy

Array = NDArray[Any]
Rows = slice | Array

# Values of a block of dense rows made from a sparse matrix where no batch says how many (32 MB).
_BLOCK_VALUES = 2**22


def as_rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """Return validated X as C-ordered rows of the core's dtype, or as CSR of it."""
    if issparse(X):
        return X.tocsr().astype(dtype, copy=False)
    return np.require(X, dtype, ["C", "A"])


def blocks(X: Any) -> Iterator[tuple[slice, Array]]:
    """Yield row ranges of X and their dense rows: X itself where it is dense."""
    if not issparse(X):
        yield slice(0, len(X)), X
        return
    rows = max(1, _BLOCK_VALUES // max(1, X.shape[1]))
    for first in range(0, X.shape[0], rows):
        of = slice(first, min(first + rows, X.shape[0]))
        yield of, X[of].toarray()


@dataclass(frozen=True)
class Samples:
    """Inputs, targets and weights of one call of `fit`, all checked.

    Attributes
    ----------
    x : ndarray or CSR matrix of shape (n, n_features)
    y : ndarray
        Class indices (n,) int64, or values (n, n_outputs).
    weight : ndarray of shape (n,), float64, or None
    constant : ndarray of shape (n,), float64, or None
        What the reported loss of a row has beyond the core's.
    """

    x: Any
    y: Array
    weight: Array | None = None
    constant: Array | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether x is a CSR matrix."""
        return bool(issparse(self.x))

    @property
    def total_weight(self) -> float:
        """The number of rows, or the sum of their weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    def take(self, rows: Rows) -> Self:
        """Return some rows, dense."""
        x = self.x[rows]
        return type(self)(
            x.toarray() if issparse(x) else x,
            self.y[rows],
            None if self.weight is None else self.weight[rows],
            None if self.constant is None else self.constant[rows],
        )

    def split(self, rows: Array) -> Self:
        """Return some rows, as sparse as these."""
        return type(self)(
            self.x[rows],
            self.y[rows],
            None if self.weight is None else self.weight[rows],
            None if self.constant is None else self.constant[rows],
        )

    def blocks(self) -> Iterator[Self]:
        """Yield all rows, dense, in as many parts as that takes."""
        for rows, x in blocks(self.x):
            weight = None if self.weight is None else self.weight[rows]
            constant = None if self.constant is None else self.constant[rows]
            yield type(self)(x, self.y[rows], weight, constant)

    def mean_constant(self) -> float:
        """Return the weighted mean of `constant`, 0 without one."""
        if self.constant is None or self.total_weight == 0.0:
            return 0.0
        with np.errstate(all="ignore"):
            return float(np.average(self.constant, weights=self.weight))


def poisson_constant(y: Array) -> Array:
    """Return sum_j (y_j log y_j - y_j) a row: half the deviance less y_hat - y log y_hat.

    Parameters
    ----------
    y : ndarray of shape (n, n_outputs)
    """
    y = y.astype(np.float64)
    with np.errstate(all="ignore"):
        constant: Array = (xlogy(y, y) - y).sum(axis=1)
    return constant
