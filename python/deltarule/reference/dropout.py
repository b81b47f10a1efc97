"""Dropout: which units a training step leaves out, from counters (Srivastava et al., JMLR 2014)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deltarule.reference.functions import Array


def mix(x: int) -> int:
    """The finalizer of Vigna's splitmix64, of the lowest 64 bits of x.

    Examples
    --------
    >>> mix(0)
    16294208416658607535
    """
    mask = 2**64 - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def _scramble(x: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Chris Wellons' lowbias32."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def dropout_masks(
    epoch_key: int, step: int, sizes: Sequence[int], rows: int, rates: Sequence[float]
) -> list[Array]:
    """The factor of each unit of layers 1 .. L-1 in a mini-batch: 0, or 1 / (1 - rate).

    The number of row r and unit j of layer l is
    scramble(low 32 bits of mix(mix(mix(key + step) + l) + r) + j * 0x9e3779b9), and the unit is
    left out where it is below rate * 2^32.

    Parameters
    ----------
    epoch_key : int
        Of 64 bits, drawn for the epoch.
    step : int
        Of the mini-batch in its epoch, from 0.
    sizes : sequence of int
        n_0 .. n_L.
    rows : int
        Of the mini-batch.
    rates : sequence of float
        In [0, 1), one per hidden layer.

    Returns
    -------
    list of ndarray, (rows, n_l), float64

    Examples
    --------
    >>> dropout_masks(7, 0, [3, 6, 1], 2, [0.5])
    [array([[0., 0., 2., 2., 0., 0.],
           [2., 0., 2., 0., 0., 2.]])]
    """
    masks: list[Array] = []
    for l, (n, rate) in enumerate(zip(sizes[1:-1], rates, strict=True), start=1):  # noqa: E741
        layer_key = mix(mix(epoch_key + step) + l)
        row_keys = np.array([mix(layer_key + r) % 2**32 for r in range(rows)], dtype=np.uint32)
        units = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9)
        numbers = _scramble(row_keys[:, np.newaxis] + units)
        masks.append(np.where(numbers < int(rate * 2**32), 0.0, 1.0 / (1.0 - rate)))
    return masks
