"""Predictions and losses of any number of samples, a block at a time where they are not ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from deltarule.architecture import Core
from deltarule.data.rows import Rows
from deltarule.data.samples import Samples, mean_loss, weight_of

Array = NDArray[Any]


@contextmanager
def unchanged(network: Core) -> Iterator[None]:
    """Keep other threads from changing the network between calls: they wait."""
    network.begin_reading()
    try:
        yield
    finally:
        network.end_reading()


def predict_into(network: Core, x: Array | Rows, out: Array, threads: int) -> Array:
    """Write y_hat of x to `out` (n, n_L), and return it."""
    if not isinstance(x, Rows):
        network.predict(x, out, threads)
        return out
    with unchanged(network):
        for part, block in x.blocks():
            network.predict(block, out[part], threads)
    return out


def loss_of(network: Core, samples: Samples, reduction: str, threads: int) -> float:
    """Return the loss."""
    whole = samples.whole
    if whole is not None:
        return network.evaluate(*whole, threads)
    with unchanged(network):
        batches = [
            (network.evaluate(*batch, threads), weight_of(batch)) for _, batch in samples.blocks()
        ]
    return mean_loss(batches, reduction)
