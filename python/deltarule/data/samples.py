"""Samples x, y and weights: whole arrays, or rows of which some are ready at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.data.rows import Rows, parts

Array = NDArray[Any]
Batch = tuple[Array, Array, Array | None]  # x, y, sample_weight, ready for the core


@dataclass(eq=False, repr=False)
class Samples:
    """n samples, checked.

    Attributes
    ----------
    x, y : ndarray or Rows
        (n, n_0); (n, n_L) or class indices (n,).
    weight : ndarray of shape (n,), float64, or None
    y_to_learn : callable, optional
        y of a batch as the core is to learn it, from y as it is.
    """

    x: Array | Rows
    y: Array | Rows
    weight: Array | None
    y_to_learn: Callable[[Array], Array] | None = None

    def __len__(self) -> int:
        """Return n."""
        return len(self.x)

    @property
    def is_in_blocks(self) -> bool:
        """Whether only some are ready at a time."""
        return isinstance(self.x, Rows) or isinstance(self.y, Rows)

    @property
    def whole(self) -> Batch | None:
        """All samples as the core takes them, where they are whole arrays."""
        if isinstance(self.x, Rows) or isinstance(self.y, Rows):
            return None
        return self.x, self._learned(self.y), self.weight

    def take(self, which: slice | NDArray[np.int64]) -> Batch:
        """Return some samples as the core takes them."""
        weight = None if self.weight is None else np.ascontiguousarray(self.weight[which])
        return _take(self.x, which), self._learned(_take(self.y, which)), weight

    def subset(self, which: NDArray[np.int64]) -> Samples:
        """Return these samples; arrays are copied, rows are not."""
        return replace(
            self,
            x=_subset(self.x, which),
            y=_subset(self.y, which),
            weight=None if self.weight is None else self.weight[which],
        )

    def rows_a_block(self, multiple_of: int = 1) -> int:
        """Return how many samples to have ready at a time."""
        rows = [a.rows_a_block(multiple_of) for a in (self.x, self.y) if isinstance(a, Rows)]
        return min(rows, default=max(1, len(self)))

    def blocks(self) -> Iterator[tuple[slice, Batch]]:
        """Yield all samples in order, block after block, each with its place."""
        for part in parts(len(self), self.rows_a_block()):
            yield part, self.take(part)
            self.done()

    def done(self) -> None:
        """Say that the samples taken last are not needed any more."""
        for a in (self.x, self.y):
            if isinstance(a, Rows):
                a.done()

    def targets(self) -> Array:
        """Return y whole, as it is."""
        return self.y.take(slice(0, len(self))) if isinstance(self.y, Rows) else self.y

    def spread(self, count: int) -> Array:
        """Return x of at most `count` samples, evenly spread over all."""
        count = min(count, len(self))
        rows = _take(self.x, np.arange(count) * len(self) // count)
        self.done()
        return rows

    def _learned(self, y: Array) -> Array:
        return y if self.y_to_learn is None else self.y_to_learn(y)


def weight_of(batch: Batch) -> float:
    """Return the total weight of a batch."""
    return float(len(batch[0])) if batch[2] is None else float(batch[2].sum())


def mean_loss(batches: Iterable[tuple[float, float]], reduction: str) -> float:
    """Return the loss of many samples from loss and weight of their batches, in float64.

    Parameters
    ----------
    batches : iterable of (float, float)
    reduction : {"mean", "sum"}
    """
    pairs = list(batches)
    if reduction == "sum":
        return _sum([loss for loss, _ in pairs])
    weight = _sum([weight for _, weight in pairs])
    return _sum([loss * weight for loss, weight in pairs]) / weight if weight > 0 else 0.0


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # too large together, or infinities of both signs
        return sum(values)


def _take(values: Array | Rows, which: slice | NDArray[np.int64]) -> Array:
    if isinstance(values, Rows):
        return values.take(which)
    return np.ascontiguousarray(values[which])


def _subset(values: Array | Rows, which: NDArray[np.int64]) -> Array | Rows:
    return values.subset(which) if isinstance(values, Rows) else values[which]
