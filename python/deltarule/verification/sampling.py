"""The samples and parameters that are verified, where all would take long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deltarule.architecture import Architecture
from deltarule.arguments import whole_number
from deltarule.data import validation
from deltarule.data.samples import Batch
from deltarule.layers import Array
from deltarule.verification.slopes import Entries


class Sampled(NamedTuple):
    """Some samples in their order, their row numbers in x, and the number of all samples."""

    batch: Batch
    rows: Array
    of: int

    def of_positive_weight(self) -> Sampled:
        """Return the samples of a weight above 0."""
        x, y, weight = self.batch
        if weight is None or weight.all():
            return self
        counted = weight > 0.0
        return Sampled((x[counted], y[counted], weight[counted]), self.rows[counted], self.of)


class Sampling:
    """A choice of samples, then of parameters; the same for the same seed.

    Parameters
    ----------
    seed : int
    max_rows, max_entries : int or None
        How many samples, and entries of each tensor; None: all.

    Raises
    ------
    TypeError, ValueError
        Naming the argument.
    """

    def __init__(self, seed: object, max_rows: object, max_entries: object) -> None:
        self.seed = whole_number(seed, "seed", 0)
        self._most_rows = _limit(max_rows, "max_rows")
        self._most_entries = _limit(max_entries, "max_entries")
        self._generator = np.random.default_rng(self.seed)

    def samples(
        self, network: Architecture, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> Sampled:
        """Return some samples, at least one of a weight above 0.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        """
        samples = validation.checked_samples(network, x, y, sample_weight)
        n, weight, most = len(samples), samples.weight, self._most_rows
        rows = np.arange(n)
        if most is not None and n > most:
            rows = self._generator.choice(n, most, replace=False)
            if weight is not None and not weight[rows].any():
                rows[0] = weight.argmax()
            rows.sort()
        batch = samples.take(rows)
        samples.done()
        return Sampled(batch, rows, n)

    def entries(self, network: Architecture) -> Iterator[Entries]:
        """Yield some entries of W[1], b[1], W[2], ..."""
        for layer, (n_out, n_in) in enumerate(network.shapes, start=1):
            yield Entries(layer, *np.divmod(self._some(n_out * n_in), n_in))
            yield Entries(layer, self._some(n_out), None)

    def _some(self, size: int) -> Array:
        most = self._most_entries
        if most is None or size <= most:
            return np.arange(size)
        return np.sort(self._generator.choice(size, most, replace=False))


def _limit(value: object, name: str) -> int | None:
    return None if value is None else whole_number(value, name, 1)
