"""The end of the forward pass: y_hat, L_i, dL/dy_hat and delta[L] by the reference, with bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deltarule.layers import Array
from deltarule.verification import error_terms
from deltarule.verification.arithmetic import FEW, U64
from deltarule.verification.reference_model import Model, asked


class Want(NamedTuple):
    """The expected values of a tensor, and the bound of its errors."""

    value: Array
    bound: Array


@dataclass(frozen=True, eq=False)
class OutputLayer:
    """One step of each from the core's z[L] and y_hat.

    Parameters
    ----------
    model : Model
    z, y_hat : ndarray of shape (n, K)
        In the network's dtype.
    y : ndarray of shape (n, K), float64
    c : ndarray of shape (n,)
        Of L = sum_i c_i L_i.
    """

    model: Model
    z: Array
    y_hat: Array
    y: Array
    c: Array

    @property
    def _wide(self) -> tuple[Any, Any, Array, Array]:
        """Output, loss, and z and y_hat in float64."""
        network = self.model.architecture
        return (
            network.output,
            network.loss,
            self.z.astype(np.float64),
            self.y_hat.astype(np.float64),
        )

    def outputs(self) -> Want:
        """y_hat = O(z[L])."""
        output, _, z, _ = self._wide
        y_hat = self._by_output(self.model.output.value, self.z)
        size = error_terms.of_value(output, z, y_hat) * error_terms.spread(output, z)
        return Want(y_hat, self.model.arithmetic.few(size, z))

    def losses(self) -> Want:
        """L_i: from z where the loss takes logarithms, else from y_hat; in float64 by the core."""
        output, loss, z, y_hat = self._wide
        if self.model.pair is None:
            terms = value = self._asked(self.model.loss.value)
            narrow = np.zeros_like(value)
        else:
            value = self.model.pair.value(z, self.y).sum(axis=1)
            terms, narrow = error_terms.of_loss(output, loss, z, y_hat, self.y)
        if self.model.has_own:  # all by NumPy, in the network's dtype
            narrow = narrow + np.abs(terms)
        return Want(value, FEW * U64 * np.abs(terms) + self.model.arithmetic.few(narrow))

    def gradient(self) -> Want:
        """dL/dy_hat of the reduced loss."""
        output, loss, z, _ = self._wide
        g, c = self._gradient(), self.c[:, np.newaxis]
        bound = self.model.arithmetic.few(
            c * error_terms.of_output_gradient(output, loss, z, self.y, g)
        )
        return Want(self._scaled(g), bound)

    def delta(self) -> Want:
        """delta[L] of the reduced loss: in closed form where there is one, else J_O^T dL/dy_hat."""
        output, loss, z, y_hat = self._wide
        c, pair = self.c[:, np.newaxis], self.model.pair
        if pair is not None:
            delta, g = pair.delta(z, y_hat, self.y), np.ones_like(z)
            magnitude = error_terms.of_closed_delta(output, loss, z, y_hat, self.y)
        else:
            g = self._gradient()
            delta = self._by_output(self.model.output.vjp, self.z, self.y_hat, g)
            magnitude = error_terms.of_chained_delta(output, z, y_hat, g, delta)
        bound = self.model.arithmetic.few(c * magnitude, c * g)
        return Want(self._scaled(delta), bound)

    def _scaled(self, own: Array) -> Array:
        """Return a derivative of the reduced loss from each sample's own.

        That comes first: where it is beyond the dtype, so is this.
        """
        c, limit = self.c[:, np.newaxis], float(np.finfo(self.z.dtype).max)
        scaled: Array = np.where(c > 0.0, c * np.where(np.abs(own) > limit, np.inf, own), 0.0)
        return scaled

    def _gradient(self) -> Array:
        """dL/dy_hat of each sample's own loss; infinite where the core may divide by 0."""
        output, loss, z, _ = self._wide
        if loss != "binary_cross_entropy":
            return self._asked(self.model.loss.gradient)
        p, q = error_terms.probabilities(output, z)  # q = 1 - p
        arithmetic = self.model.arithmetic
        subtracts = output == "softmax" or self.model.has_own
        least_q = arithmetic.u if subtracts else arithmetic.tiny
        is_0 = (p < FEW * arithmetic.tiny) | (q < FEW * least_q)
        return np.where(is_0, np.inf, (1.0 - self.y) / q - self.y / p)

    def _by_output(self, function: Any, *arrays: Array) -> Array:
        return asked(not isinstance(self.model.architecture.output, str), function, *arrays)

    def _asked(self, function: Any) -> Array:
        narrow = self.y.astype(self.y_hat.dtype)
        return asked(self.model.has_own_loss, function, self.y_hat, narrow)
