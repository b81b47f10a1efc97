"""A network as the reference has it: parameters in float64, functions of `reference`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule import reference
from deltarule.architecture import Architecture
from deltarule.custom.validated import in_reference
from deltarule.layers import Array
from deltarule.reference.network import activations_of, loss_of, output_of, pair_of
from deltarule.verification.arithmetic import Arithmetic


@dataclass(frozen=True, eq=False)
class Model:
    """The functions of a network, and one step of each from what the core has.

    Custom functions are computed in the network's dtype, as in the network: differences are their
    only reference.

    Parameters
    ----------
    architecture : Architecture
    functions : reference.Network
    """

    architecture: Architecture
    functions: reference.Network

    @classmethod
    def of(cls, architecture: Architecture) -> Model:
        """Return the model of a network."""
        return cls(architecture, in_reference(architecture))

    @property
    def has_own_loss(self) -> bool:
        """Whether the loss is custom."""
        return not isinstance(self.architecture.loss, str)

    @property
    def has_own(self) -> bool:
        """Whether any function is custom; NumPy then computes the network."""
        return bool(self.architecture.custom)

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic of the network."""
        return Arithmetic(self.architecture.dtype, in_blocks=not self.has_own)

    @property
    def activations(self) -> list[reference.Activation]:
        """The g of each hidden layer."""
        return activations_of(self.functions, self.architecture.n_layers - 1)

    @property
    def output(self) -> reference.Output:
        """The function of the last layer."""
        return output_of(self.functions)

    @property
    def loss(self) -> reference.Loss:
        """The plain formula of the loss."""
        return loss_of(self.functions)

    @property
    def pair(self) -> reference.Pair | None:
        """The formulas of output and loss from z, where there are some."""
        return pair_of(self.functions)

    def value(self, layer: int, z: Array) -> Array:
        """Return g(z[l]) of a hidden layer."""
        return self._asked(layer, self.activations[layer - 1].value, z)

    def derivative(self, layer: int, z: Array, a: Array) -> Array:
        """Return g'(z[l])."""
        return self._asked(layer, self.activations[layer - 1].derivative, z, a)

    def _asked(self, layer: int, function: Any, *arrays: Array) -> Array:
        own = not isinstance(self.architecture.hidden[layer - 1], str)
        return asked(own, function, *arrays)

    def targets(self, y: Array) -> Array:
        """Return y as (n, K) in float64; class indices k become the rows 1(y = k)."""
        rows = y if y.ndim == 2 else y[:, np.newaxis] == np.arange(self.architecture.sizes[-1])
        return rows.astype(np.float64)

    def factors(self, rows: int, weight: Array | None) -> Array:
        """Return c of L = sum_i c_i L_i, (n,)."""
        w = np.ones(rows) if weight is None else weight
        total = w.sum()
        if self.architecture.reduction == "sum":
            return w
        mean: Array = w / total if total else np.zeros(rows)
        return mean


def asked(own: bool, function: Any, *arrays: Array) -> Array:
    """Return f(arrays) in float64, computed in float64 unless the function is custom."""
    given = arrays if own else tuple(a.astype(np.float64) for a in arrays)
    result: Array = np.asarray(function(*given)).astype(np.float64)
    return result


def in_float64(tensors: Sequence[Array]) -> list[Array]:
    """Return copies in float64, which holds every float32."""
    return [t.astype(np.float64) for t in tensors]
