"""Samples in the core's format: dense rows, or a CSR matrix that is made dense batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from scipy.special import xlogy

from deltarule.data.rows import parts
from deltarule.layers import Array

# Values per dense block of a sparse matrix, where no batch size limits it (32 MB).
_BLOCK_VALUES = 2**22


def as_rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """Return validated X as C-ordered rows of the core's dtype, or as CSR of it."""
    if issparse(X):
        return X.tocsr().astype(dtype, copy=False)
    return np.require(X, dtype, ["C", "A"])


def dense(X: Any) -> Array:
    """Return X as an array."""
    rows: Array = X.toarray() if issparse(X) else X
    return rows


def blocks(X: Any) -> Iterator[slice]:
    """Yield ranges of rows: all at once of a dense X, few enough to be made dense of a sparse."""
    n, n_features = X.shape
    return parts(n, max(1, _BLOCK_VALUES // max(1, n_features)) if issparse(X) else n)


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
        The part of each row's reported loss that does not depend on the network.
    """

    x: Any
    y: Array
    weight: Array | None = None
    constant: Array | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def total_weight(self) -> float:
        """The number of rows, or the sum of their weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    def subset(self, rows: slice | Array) -> Self:
        """Return some rows, as sparse as these."""
        weight, constant = (None if a is None else a[rows] for a in (self.weight, self.constant))
        return type(self)(self.x[rows], self.y[rows], weight, constant)

    def batch(self, rows: slice | Array) -> Self:
        """Return some rows, dense."""
        subset = self.subset(rows)
        return replace(subset, x=dense(subset.x))

    def blocks(self) -> Iterator[Self]:
        """Yield all rows, dense, in blocks."""
        return map(self.batch, blocks(self.x))

    def mean_constant(self) -> float:
        """Return the weighted mean of `constant`, 0 without one."""
        if self.constant is None or self.total_weight == 0.0:
            return 0.0
        with np.errstate(all="ignore"):
            return float(np.average(self.constant, weights=self.weight))


def poisson_constant(y: Array) -> Array:
    """Return sum_j (y_j log y_j - y_j) per row: half the deviance less y_hat - y log y_hat.

    Parameters
    ----------
    y : ndarray of shape (n, n_outputs)
    """
    y = y.astype(np.float64)
    with np.errstate(all="ignore"):
        constant: Array = (xlogy(y, y) - y).sum(axis=1)
    return constant
