"""The quantities of the derivation, independent of their rendering."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.architecture import Architecture
from deltarule.layers import Array, Layers


@dataclass(frozen=True, eq=False, repr=False)
class Quantities:
    """The fields of `Trace`, which describes them."""

    network: Architecture
    W: Layers
    b: Layers
    z: Layers
    a: Layers
    y: Array
    of_labels: bool
    sample_weight: Array | None
    losses: Array
    loss: float
    dL_dy_hat: Array
    delta: Layers
    dL_da: Layers
    dL_dW: Layers
    dL_db: Layers

    @property
    def y_hat(self) -> Array:
        """The outputs, a[L]."""
        return self.a[self.network.n_layers]
