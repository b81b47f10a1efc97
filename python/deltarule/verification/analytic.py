"""The functions of a network for complex numbers: slopes without a difference, no derivative used.

The values of `reference` are analytic in each piece of the real line, see `reference.functions`:
the imaginary part of f(v + ih) over h is f'(v). No formula of a derivative takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from deltarule.architecture import Architecture
from deltarule.custom.validated import in_reference
from deltarule.layers import Array
from deltarule.reference.network import activations_of, loss_of, output_of, pair_of

Of1: TypeAlias = Callable[[Array], Array]
Of2: TypeAlias = Callable[[Array, Array], Array]


def functions(architecture: Architecture) -> tuple[list[Of1], Of2]:
    """Return g of each hidden layer, and f(z[L], y) = L_i of each row, (n,)."""
    network = in_reference(architecture)
    output, loss, pair = output_of(network), loss_of(network), pair_of(network)

    def losses(z: Array, y: Array) -> Array:
        if pair is None:
            return loss.value(output.value(z), y)
        value: Array = pair.value(z, y).sum(axis=1)
        return value

    return [g.value for g in activations_of(network, architecture.n_layers - 1)], losses
