"""The core's gradient beside slopes of the loss, by some entries of each tensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deltarule import reference
from deltarule.layers import Array
from deltarule.verification.compare_passes import (
    Passes,
    Quantities,
    a_name,
    delta_name,
    gradient_name,
)
from deltarule.verification.comparisons import Name
from deltarule.verification.reference_model import in_float64
from deltarule.verification.slope_error import of_gradient
from deltarule.verification.slopes import IMAGINARY_STEP, STEP, Entries, LossFunction

COMPLEX_STEP = f"gradient, by the complex step (h = {IMAGINARY_STEP:g})"
CENTRAL = f"gradient, by central differences (h = {STEP:g})"

BY_COMPLEX_STEP = "what the steps above rounded, and the rounding of float64 from x on"
BY_CENTRAL = f"{BY_COMPLEX_STEP}; u |L| / h, and for h^2 what 2 h changes"


@dataclass(frozen=True, eq=False)
class Differences:
    """The gradient of the reference's loss in float64, from x on: by its formulas and by slopes.

    Parameters
    ----------
    passes : Passes
        Compared before.
    core : Quantities
    theta : ndarray
        The core's gradient.
    """

    passes: Passes
    core: Quantities
    theta: Array

    @cached_property
    def _loss_function(self) -> LossFunction:
        """The loss around the parameters, without samples of weight 0, which may overflow."""
        model, net, (x, y, weight) = self.passes.model, self.passes.net, self.passes.batch
        weights, biases = in_float64(net.weights), in_float64(net.biases)
        c, counted = model.factors(len(x), weight), self._counted
        forward = reference.forward_propagation(weights, biases, x[counted], model.functions)
        return LossFunction(model, weights, biases, model.targets(y)[counted], c[counted], forward)

    @property
    def _counted(self) -> Array:
        x, _, weight = self.passes.batch
        counted: Array = np.ones(len(x), bool) if weight is None else weight > 0.0
        return counted

    @cached_property
    def _gradient(self) -> reference.Backward:
        at, weight = self._loss_function, self.passes.batch[2]
        return reference.back_propagation(
            at.weights, at.biases, at.forward, at.y, self.passes.model.functions,
            None if weight is None else weight[self._counted],
        )  # fmt: skip

    def overall(self) -> dict[str, float]:
        """Return how far the core's y_hat and gradient are from the reference's, at most."""
        y_hat, gradient = self._loss_function.forward.y_hat, self._gradient
        theta = reference.theta(gradient.weights, gradient.biases)
        return {
            "y_hat": float(np.abs(self.core.a[-1][self._counted] - y_hat).max()),
            "gradient": float(np.abs(self.theta - theta).max()),
        }

    def compare(self, choice: Iterable[Entries]) -> int:
        """Compare the core's gradient with slopes; return along how many parameters."""
        model, loss_function = self.passes.model, self._loss_function
        errors = of_gradient(loss_function, self._gradient)
        got, parameters = self.passes.net._gradients(self.theta), 0
        for entries in choice:
            slopes = loss_function.slopes(entries, errors.loss)
            rounded = entries.of(errors.weights, errors.biases)
            self.passes.comparisons.add(
                Name(CENTRAL if model.has_own else COMPLEX_STEP, entries.name),
                entries.of(got.weights, got.biases),
                slopes.values,
                slopes.bounds + 2.0 * rounded + self._steps_rounded(entries),
                BY_CENTRAL if model.has_own else BY_COMPLEX_STEP,
                inputs=[gradient_name(entries.layer, entries.kind)],
                places=entries.places,
                at_kink=slopes.at_kink,
            )
            parameters += len(entries.units)
        return parameters

    def _steps_rounded(self, entries: Entries) -> Array:
        """Return how far the core's own steps, each within its bound, have moved the gradient."""
        k = entries.layer - 1
        delta = self.core.delta[k].astype(np.float64)
        below = (self.core.a[k - 1] if k else self.passes.batch[0]).astype(np.float64)
        arithmetic = self.passes.model.arithmetic
        own = entries.of([arithmetic.row_product(delta, below)], [arithmetic.row_sum(delta)])
        if self.passes.comparisons.wrong([delta_name(k + 1), a_name(k)]):
            return own  # the steps have no valid bound
        steps = entries.of([delta.T @ below], [delta.sum(axis=0)])
        moved: Array = own + np.abs(
            steps - entries.of(self._gradient.weights, self._gradient.biases)
        )
        return moved
