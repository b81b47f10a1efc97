"""Samples x, y and weights: arrays, or `Rows`, which are converted block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deltarule.data.rows import Rows, parts, whole
from deltarule.layers import Array

Batch = tuple[Array, Array, Array | None]  # x, y, sample_weight as the core reads them


@dataclass(eq=False, repr=False)
class Samples:
    """Checked samples, of which there are n.

    Attributes
    ----------
    x, y : ndarray or Rows
        (n, n_0); (n, n_L) or class indices (n,).
    weight : ndarray of shape (n,), float64, or None
    y_to_learn : callable, optional
        Returns the targets to learn, from those of a batch.
    """

    x: Array | Rows
    y: Array | Rows
    weight: Array | None
    y_to_learn: Callable[[Array], Array] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    @property
    def is_in_blocks(self) -> bool:
        """Whether samples are converted block by block."""
        return isinstance(self.x, Rows) or isinstance(self.y, Rows)

    @property
    def whole(self) -> Batch | None:
        """All samples as the core reads them; None if they are in blocks."""
        if isinstance(self.x, Rows) or isinstance(self.y, Rows):
            return None
        return self.x, self._learned(self.y), self.weight

    def take(self, which: slice | NDArray[np.int64]) -> Batch:
        """Return some samples as the core reads them."""
        weight = None if self.weight is None else _take(self.weight, which)
        return _take(self.x, which), self._learned(_take(self.y, which)), weight

    def subset(self, which: NDArray[np.int64]) -> Samples:
        """Return these samples; arrays are copied, `Rows` are not."""
        return replace(
            self,
            x=_subset(self.x, which),
            y=_subset(self.y, which),
            weight=None if self.weight is None else self.weight[which],
        )

    def rows_a_block(self, multiple_of: int = 1) -> int:
        """Return the samples per block."""
        rows = [a.rows_a_block(multiple_of) for a in (self.x, self.y) if isinstance(a, Rows)]
        return min(rows, default=max(1, len(self)))

    def blocks(self) -> Iterator[tuple[slice, Batch]]:
        """Yield (slice of the samples, batch) for each block, in order."""
        for part in parts(len(self), self.rows_a_block()):
            yield part, self.take(part)
            self.done()

    def done(self) -> None:
        """Release the resources of the samples that were taken last."""
        for a in (self.x, self.y):
            if isinstance(a, Rows):
                a.done()

    def targets(self) -> Array:
        """Return all of y, unchanged."""
        return whole(self.y)

    def spread(self, count: int) -> Array:
        """Return x of at most `count` samples, evenly spaced."""
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
    """Return the loss of all samples from loss and weight of each batch, in float64.

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
    except (OverflowError, ValueError):  # the sum overflows, or infinities of both signs
        return sum(values)


def _take(values: Array | Rows, which: slice | NDArray[np.int64]) -> Array:
    if isinstance(values, Rows):
        return values.take(which)
    return np.ascontiguousarray(values[which])


def _subset(values: Array | Rows, which: NDArray[np.int64]) -> Array | Rows:
    return values.subset(which) if isinstance(values, Rows) else values[which]
