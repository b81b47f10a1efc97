"""How far a step in floating point may be from the exact one.

u, half an eps, is the unit roundoff: an operation is off by at most u of its result, and a sum of K
terms by at most K u of their magnitudes, whatever their signs (Higham, Accuracy and Stability of
Numerical Algorithms, 2002, section 4.2). The reference, in float64, rounds as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.layers import Array

U64 = 2.0**-53

# Roundings of an elementwise step, with room: the functions are within 2.5 ulps, 5 u, and are
# combined by a few products (docs/engine.md).
FEW = 16

# The numeric contract (docs/engine.md): sums are chains over so many inputs, or over so many rows,
# whose sums are added within so many.
FAN_IN_BLOCK, ROW_BLOCK, SUPER_BLOCK = 256, 64, 1024


@dataclass(frozen=True)
class Arithmetic:
    """The arithmetic of a network.

    Parameters
    ----------
    dtype : dtype
    in_blocks : bool
        Whether sums go by the numeric contract; else they go in any order.
    """

    dtype: np.dtype[Any]
    in_blocks: bool = True

    @property
    def u(self) -> float:
        """The unit roundoff."""
        return float(np.finfo(self.dtype).eps) / 2

    @property
    def tiny(self) -> float:
        """Smaller magnitudes are taken and returned as 0."""
        return float(np.finfo(self.dtype).tiny)

    def chain(self, terms: int) -> int:
        """Return how often a sum over inputs or outputs, and one more term, rounds at most."""
        blocks = -(-terms // FAN_IN_BLOCK)
        return (min(terms, FAN_IN_BLOCK) + blocks if self.in_blocks else terms) + 1

    def row_chain(self, rows: int) -> int:
        """Return how often a sum over the rows rounds at most."""
        blocks = -(-min(rows, SUPER_BLOCK) // ROW_BLOCK) + -(-rows // SUPER_BLOCK)
        return min(rows, ROW_BLOCK) + blocks if self.in_blocks else rows

    def product(self, left: Array, right: Array, added: Array | float = 0.0) -> Array:
        """Return the bound of left @ right + added, a sum over inputs or outputs."""
        return self._sum(np.abs(left), np.abs(right), np.abs(added), self.chain(left.shape[1]))

    def row_product(self, left: Array, right: Array) -> Array:
        """Return the bound of left^T @ right, a sum over the rows."""
        return self._sum(np.abs(left).T, np.abs(right), 0.0, self.row_chain(len(left)))

    def row_sum(self, values: Array) -> Array:
        """Return the bound of the sum over the rows."""
        bound: Array = self.row_product(values, np.ones((len(values), 1)))[:, 0]
        return bound

    def _sum(self, left: Array, right: Array, added: Array | float, roundings: int) -> Array:
        K = left.shape[1]
        # where a factor or a product is below `tiny`, it is 0
        lost: Array = left.sum(axis=1, keepdims=True) + right.sum(axis=0) + K
        bound: Array = (roundings * self.u + (K + 1) * U64) * (left @ right + added)
        return bound + self.tiny * lost

    def few(self, magnitude: Array, factor: Array | float = 0.0) -> Array:
        """Return the bound of some operations, entry by entry, on numbers of that magnitude.

        factor: what multiplies a number that `tiny` may have made 0.
        """
        bound: Array = FEW * (self.u * np.abs(magnitude) + self.tiny * (1.0 + np.abs(factor)))
        return bound
