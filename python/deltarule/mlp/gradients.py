"""The gradient of the loss, as `MLP.value_and_grad` returns it."""

from __future__ import annotations

from typing import NamedTuple

from deltarule.layers import Array, Layers


class Gradients(NamedTuple):
    """dL/dW and dL/db of every layer, shaped as the parameters.

    Attributes
    ----------
    weights : tuple of ndarray
        dL/dW[l], each (n_l, n_{l-1}).
    biases : tuple of ndarray
        dL/db[l], each (n_l,).
    theta : ndarray of shape (n_parameters,)
        The same in one vector: all weights in order, then all biases; the others are views of it.
    dL_dW, dL_db : Layers
        The same by the number of the layer: ``grads.dL_dW[1]`` is ``grads.weights[0]``.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    theta: Array

    @property
    def dL_dW(self) -> Layers:
        """dL/dW[l], (n_l, n_{l-1}), l = 1..L."""
        return Layers("dL_dW", self.weights)

    @property
    def dL_db(self) -> Layers:
        """dL/db[l], (n_l,), l = 1..L."""
        return Layers("dL_db", self.biases)
