"""Predictions and losses of any number of samples, a block at a time where they are not ready."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from deltarule.architecture import Core
from deltarule.data.rows import Rows
from deltarule.data.samples import Samples, mean_loss, weight_of

Array = NDArray[Any]


def predict_into(network: Core, x: Array | Rows, out: Array, threads: int) -> Array:
    """Write y_hat of x to `out` (n, n_L), and return it."""
    if not isinstance(x, Rows):
        network.predict(x, out, threads)
        return out
    for part, block in x.blocks():
        network.predict(block, out[part], threads)
    return out


def loss_of(network: Core, samples: Samples, reduction: str, threads: int) -> float:
    """Return the loss."""
    whole = samples.whole
    if whole is not None:
        return network.evaluate(*whole, threads)
    batches = [
        (network.evaluate(*batch, threads), weight_of(batch)) for _, batch in samples.blocks()
    ]
    return mean_loss(batches, reduction)
