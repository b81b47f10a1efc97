"""The passes of the core, each step beside the reference's step from the core's own numbers.

z[l] is compared with W[l] a[l-1] + b[l] of the core's a[l-1], delta[l] with what the core's
delta[l+1] makes, and so on from x to the gradient. So a bound holds one step's rounding and nothing
of the steps before, both are on the same side of a kink, and what is wrong is wrong where it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deltarule.backend import MLPLike
from deltarule.data.samples import Batch
from deltarule.errors import DivergenceError
from deltarule.layers import Array
from deltarule.verification import error_terms
from deltarule.verification.arithmetic import FEW, U64
from deltarule.verification.comparisons import Comparisons, Name
from deltarule.verification.output_errors import OutputLayer, Want
from deltarule.verification.reference_model import Model, in_float64

if TYPE_CHECKING:
    from deltarule.backend import Core


FORWARD, LOSS, BACKWARD, GRADIENT = "forward pass", "loss", "backward pass", "gradient"

Z = "K u (|W| |a| + |b|)"
A = "16 u |a|, the core's functions being within 2.5 ulps; gelu |z|, softmax p (1 + max z - z)"
TERMS = "16 u of the magnitudes of its terms"
L = "2 n u of |L_i|, summed in float64"
DA = "K u |W|^T |delta|"
DELTA = "16 u |dL/da| |g'|; tanh, elu, silu, gelu: of the terms that make up g'"
SUM_OVER_ROWS = "K u |delta|^T |a|, K by the rows"


def z_name(layer: int) -> Name:
    """z[l]."""
    return Name(FORWARD, f"z[{layer}]")


def a_name(layer: int) -> Name:
    """a[l] of a hidden layer."""
    return Name(FORWARD, f"a[{layer}]")


Y_HAT = Name(FORWARD, "y_hat")
SAMPLE_LOSSES = Name(LOSS, "L_i")


def delta_name(layer: int) -> Name:
    """delta[l]."""
    return Name(BACKWARD, f"delta[{layer}]")


def da_name(layer: int) -> Name:
    """dL/da[l]."""
    return Name(BACKWARD, f"dL/da[{layer}]")


def gradient_name(layer: int, kind: str) -> Name:
    """dL/dW[l] or dL/db[l]."""
    return Name(GRADIENT, f"dL/d{kind}[{layer}]")


class Quantities(NamedTuple):
    """What `core.propagate` returns: z[l], a[l], delta[l] and da[l] at l - 1; a without x."""

    z: list[Array]
    a: list[Array]
    losses: Array
    dy_hat: Array
    delta: list[Array]
    da: list[Array]


def propagated(core: Core, batch: Batch, threads: int, when: str = "") -> Quantities:
    """Return the core's quantities.

    when: of the message, where it is not at once.

    Raises
    ------
    DivergenceError
        If the loss is not finite.
    """
    weight, quantities = batch[2], core.propagate(*batch, threads)
    if quantities is not None:
        losses = quantities[2] if weight is None else quantities[2][weight > 0.0]
        if np.isfinite(losses).all():
            return Quantities(*quantities)
    raise DivergenceError(f"the loss is not finite{when}; there is nothing to verify", 1, 1)


@dataclass(frozen=True, eq=False)
class Passes:
    """The passes of a network over some rows.

    Parameters
    ----------
    net : MLPLike
    model : Model
    batch : Batch
    rows : ndarray of int
        Which rows of the user's they are.
    threads : int
    comparisons : Comparisons
        Where the comparisons go.
    """

    net: MLPLike
    model: Model
    batch: Batch
    rows: Array
    threads: int
    comparisons: Comparisons

    @property
    def n_layers(self) -> int:
        """L."""
        return self.model.architecture.n_layers

    def compare(self) -> tuple[Quantities, Array]:
        """Compare everything; return the core's quantities, and its gradient as theta.

        Raises
        ------
        DivergenceError
            If the loss is not finite.
        """
        core = propagated(self.net._core, self.batch, self.threads)
        last = OutputLayer(
            self.model, core.z[-1], core.a[-1], self.model.targets(self.batch[1]), self._factors
        )
        self._forward(core, last)
        self._losses(core, last)
        self._backward(core, last)
        return core, self._gradient(core)

    @property
    def _factors(self) -> Array:
        return self.model.factors(len(self.rows), self.batch[2])

    def _forward(self, core: Quantities, last: OutputLayer) -> None:
        arithmetic, hidden = self.model.arithmetic, self.model.architecture.hidden
        weights, biases = in_float64(self.net.weights), in_float64(self.net.biases)
        below = in_float64([self.batch[0], *core.a])
        for l in range(1, self.n_layers + 1):  # noqa: E741
            a, W, b, z = below[l - 1], weights[l - 1], biases[l - 1], core.z[l - 1]
            want = Want(a @ W.T + b, arithmetic.product(a, W.T, b))
            self._add(z_name(l), z, want, Z, a_name(l - 1))
            if l < self.n_layers:
                value, wide = self.model.value(l, z), z.astype(np.float64)
                size = error_terms.of_value(hidden[l - 1], wide, value)
                want = Want(value, arithmetic.few(size, wide))
                self._add(a_name(l), core.a[l - 1], want, A, z_name(l))
        want, predicted = last.outputs(), self.net.predict(self.batch[0], threads=self.threads)
        self._add(Y_HAT, core.a[-1], want, A, z_name(self.n_layers))
        self._add(Name(FORWARD, "y_hat (predict)"), predicted, want, A, z_name(self.n_layers))

    def _losses(self, core: Quantities, last: OutputLayer) -> None:
        want, there = last.losses(), self._factors > 0.0
        self.comparisons.add(
            SAMPLE_LOSSES, core.losses[there], want.value[there], want.bound[there], TERMS,
            inputs=[z_name(self.n_layers), Y_HAT], places=self.rows[there],
        )  # fmt: skip
        self.compare_loss(Name(LOSS, "L"), self.net._core.evaluate(*self.batch, self.threads), core)

    def compare_loss(self, name: Name, loss: float, core: Quantities) -> None:
        """Compare a reduced loss with the core's L_i."""
        shares = np.where(self._factors > 0.0, self._factors * core.losses, 0.0)
        bound = (2 * len(shares) + FEW) * U64 * np.abs(shares).sum()
        self.comparisons.add(name, loss, shares.sum(), bound, L, inputs=[SAMPLE_LOSSES])

    def _backward(self, core: Quantities, last: OutputLayer) -> None:
        ends, hidden = (z_name(self.n_layers), Y_HAT), self.model.architecture.hidden
        self._add(Name(BACKWARD, "dL/dy_hat"), core.dy_hat, last.gradient(), TERMS, *ends)
        self._add(delta_name(self.n_layers), core.delta[-1], last.delta(), TERMS, *ends)
        weights = in_float64(self.net.weights)
        for l in range(self.n_layers - 1, 0, -1):  # noqa: E741
            self.compare_da(da_name(l), core, l, weights[l], delta_name(l + 1))
            z, a, da = core.z[l - 1], core.a[l - 1], core.da[l - 1].astype(np.float64)
            slope = self.model.derivative(l, z, a)
            size = error_terms.of_derivative(hidden[l - 1], z.astype(np.float64), slope)
            want = Want(da * slope, self.model.arithmetic.few(da * size, da))
            inputs = (da_name(l), z_name(l), a_name(l))
            self._add(delta_name(l), core.delta[l - 1], want, DELTA, *inputs)

    def compare_da(self, name: Name, core: Quantities, layer: int, W: Array, *inputs: Name) -> None:
        """Compare dL/da[l] with W[l+1]^T delta[l+1], W being that of layer l + 1."""
        delta = core.delta[layer].astype(np.float64)
        want = Want(delta @ W, self.model.arithmetic.product(delta, W))
        self._add(name, core.da[layer - 1], want, DA, *inputs)

    def _gradient(self, core: Quantities) -> Array:
        loss, theta = self.net._core.value_and_gradient(*self.batch, self.threads)
        self.compare_loss(Name(GRADIENT, "L (value_and_grad)"), loss, core)
        got, fed = self.net._gradients(theta), in_float64([self.batch[0], *core.a[:-1]])
        arithmetic = self.model.arithmetic
        for l in range(1, self.n_layers + 1):  # noqa: E741
            delta, below, name = core.delta[l - 1].astype(np.float64), fed[l - 1], delta_name(l)
            self.comparisons.add(
                gradient_name(l, "W"), got.weights[l - 1], delta.T @ below,
                arithmetic.row_product(delta, below), SUM_OVER_ROWS, inputs=[name, a_name(l - 1)],
            )  # fmt: skip
            self.comparisons.add(
                gradient_name(l, "b"), got.biases[l - 1], delta.sum(axis=0),
                arithmetic.row_sum(delta), SUM_OVER_ROWS, inputs=[name],
            )  # fmt: skip
        return theta

    def _add(self, name: Name, got: Array, want: Want, reason: str, *inputs: Name) -> None:
        self.comparisons.add(
            name, got, want.value, want.bound, reason, inputs=inputs, places=self.rows
        )
