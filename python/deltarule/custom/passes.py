"""Forward and backward passes with custom functions, by the reference, and derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np

from deltarule import reference
from deltarule.architecture import Architecture
from deltarule.backend import make_compiled
from deltarule.custom.validated import in_reference
from deltarule.data.samples import Batch
from deltarule.layers import Array, Layers
from deltarule.reference.propagation import deltas

_WRT = {False: "x", True: "theta"}  # by `by_theta`

P = ParamSpec("P")
R = TypeVar("R")


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Turn NumPy's warnings off in a function, which checks for overflow itself."""

    @wraps(function)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return quietly


@dataclass(eq=False, repr=False)
class Rows:
    """Samples of a pass.

    Attributes
    ----------
    x, y : ndarray
    weight : ndarray of shape (n,), float64
    masks : list of ndarray (n, n_l), or None
        Of dropout.
    """

    x: Array
    y: Array
    weight: Array
    masks: list[Array] | None = None

    @classmethod
    def of(cls, batch: Batch, masks: Sequence[Array] | None = None) -> Rows:
        """Return the samples of a weight other than 0: the others have no effect."""
        x, y, weight = batch
        given = None if masks is None else list(masks)
        if weight is None or weight.all():
            return cls(x, y, np.ones(len(x)) if weight is None else weight, given)
        counted = weight != 0
        masks = None if given is None else [mask[counted] for mask in given]
        return cls(x[counted], y[counted], weight[counted], masks)

    @property
    def total_weight(self) -> float:
        """sum_i w_i."""
        return float(self.weight.sum())


@dataclass(eq=False, repr=False)
class Pass:
    """A forward pass and the weights that it was made with."""

    weights: list[Array]
    forward: reference.Forward

    @property
    def activations(self) -> list[Array]:
        """The activations a[1] .. a[L]."""
        return list(self.forward.a)[1:]


class CustomPasses:
    """Passes and derivatives of a network with custom functions.

    The methods are those of the core's networks, but NumPy chooses the number of threads. A core
    network holds parameters and optimizer state.

    Parameters
    ----------
    architecture : Architecture
    """

    def __init__(self, architecture: Architecture) -> None:
        self._sizes, self._is_mean = architecture.sizes, architecture.reduction == "mean"
        # The share of each sample in the loss is computed here, in float64.
        self._words = replace(in_reference(architecture), reduction="sum")
        self._custom = architecture.custom
        named = replace(
            architecture,
            hidden=("identity",) * len(architecture.hidden),
            output="identity",
            loss="squared_error",
        )
        self._core = make_compiled(named)
        self.n_parameters = self._core.n_parameters
        self.weight_view, self.bias_view = self._core.weight_view, self._core.bias_view
        self.get_theta, self.set_theta = self._core.get_theta, self._core.set_theta
        self.get_optimizer_state, self.set_optimizer_state = (
            self._core.get_optimizer_state,
            self._core.set_optimizer_state,
        )

    @quiet
    def predict(self, x: Array, out: Array, threads: int) -> None:
        """Write y_hat (n, K) to `out`."""
        out[...] = self._forward(x).forward.y_hat

    @quiet
    def evaluate(self, x: Array, y: Array, sample_weight: Array | None, threads: int) -> float:
        """Return L."""
        rows = Rows.of((x, y, sample_weight))
        if not len(rows.x):
            return 0.0
        losses = self._losses(self._forward(rows.x), rows)
        return self._reduced(float(rows.weight @ losses), rows.total_weight)

    def first_not_finite(self, x: Array, y: Array, sample_weight: Array | None) -> int:
        """Return the first layer, from 1, where z or a of a sample that counts is not finite."""
        return self._layer_not_finite(Rows.of((x, y, sample_weight)))

    @quiet
    def _layer_not_finite(self, rows: Rows) -> int:
        passed = self._forward(rows.x, rows.masks)
        for layer, (z, a) in enumerate(zip(passed.forward.z, passed.activations, strict=True), 1):
            if not (np.isfinite(z).all() and np.isfinite(a).all()):
                return layer
        return 0

    def value_and_gradient(
        self, x: Array, y: Array, sample_weight: Array | None, threads: int
    ) -> tuple[float, Array]:
        """Return L and dL/dtheta; infinity, and 0, where a sample's loss is not finite."""
        rows = Rows.of((x, y, sample_weight))
        loss_sum, gradient = self._loss_and_gradient(rows)
        if gradient is None:
            return math.inf, np.zeros_like(self.get_theta())
        return self._reduced(loss_sum, rows.total_weight), gradient

    @quiet
    def _loss_and_gradient(self, rows: Rows) -> tuple[float, Array | None]:
        """Return sum_i w_i L_i and dL/dtheta; None in its place where an L_i is not finite."""
        if not len(rows.x):
            return 0.0, np.zeros_like(self.get_theta())
        passed = self._forward(rows.x, rows.masks)
        losses = self._losses(passed, rows)
        if not np.isfinite(losses).all():
            return math.nan, None
        delta, _ = self._deltas(passed, self._last_delta(passed, rows), rows.masks)
        dW = [d.T @ a for d, a in zip(delta, passed.forward.fed, strict=True)]
        db = [d.sum(axis=0) for d in delta]
        return float(rows.weight @ losses), reference.theta(dW, db)

    # The stages

    def _parameters(self) -> tuple[list[Array], list[Array]]:
        return reference.unflatten(self.get_theta(), self._sizes)

    def _forward(self, x: Array, masks: Sequence[Array] | None = None) -> Pass:
        weights, biases = self._parameters()
        forward = reference.forward_propagation(weights, biases, x, self._words, masks)
        return Pass(weights, forward)

    def _losses(self, passed: Pass, rows: Rows) -> Array:
        """Return L_i (n,)."""
        losses = reference.sample_losses(passed.forward, rows.y, self._words)
        return losses.astype(np.float64)

    def _reduced(self, loss_sum: float, total_weight: float) -> float:
        return loss_sum * self._scale(total_weight)

    def _scale(self, total_weight: float) -> float:
        if not self._is_mean:
            return 1.0
        return 1.0 / total_weight if total_weight > 0 else 0.0

    def _shares(self, rows: Rows, dtype: np.dtype[Any]) -> Array:
        """Return c (n, 1) of L = sum_i c_i L_i."""
        shares = rows.weight * self._scale(rows.total_weight)
        return shares.astype(dtype)[:, np.newaxis]

    def _last_delta(self, passed: Pass, rows: Rows) -> Array:
        """Return delta[L] (n, K) of the reduced loss."""
        delta = reference.output_delta(passed.forward, rows.y, self._words)
        return delta * self._shares(rows, delta.dtype)

    def _deltas(
        self, passed: Pass, last: Array, masks: Sequence[Array] | None = None
    ) -> tuple[Layers, list[Array]]:
        """Return delta[1] .. delta[L] and dL/da[1] .. dL/da[L-1]."""
        return deltas(Layers("W", passed.weights), passed.forward, self._words, last, masks)

    # Derivatives beyond the gradient

    @quiet
    def propagate(
        self, x: Array, y: Array, sample_weight: Array | None, threads: int
    ) -> tuple[list[Array], list[Array], Array, Array, list[Array], list[Array]] | None:
        """Return z, a[1] .. a[L], L_i, dL/dy_hat, delta, dL/da[1] .. dL/da[L-1].

        None where an L_i is not finite.
        """
        rows = Rows(x, y, np.ones(len(x)) if sample_weight is None else sample_weight)
        passed, absent = self._forward(x), rows.weight == 0
        losses = self._losses(passed, rows)
        losses[absent] = 0
        if not np.isfinite(losses).all():
            return None
        last = self._last_delta(passed, rows)
        dy_hat = reference.output_gradient(passed.forward, y, self._words)
        dy_hat = dy_hat * self._shares(rows, dy_hat.dtype)
        last[absent] = dy_hat[absent] = 0
        delta, da = self._deltas(passed, last)
        return list(passed.forward.z), passed.activations, losses, dy_hat, list(delta), da

    @quiet
    def forward(self, x: Array) -> reference.Forward:
        """Return the forward pass."""
        return self._forward(x).forward

    @quiet
    def activations(self, x: Array, threads: int) -> list[Array]:
        """Return a[1] .. a[L]."""
        return self._forward(x).activations

    @quiet
    def input_gradient(
        self, x: Array, y: Array, sample_weight: Array | None, threads: int
    ) -> Array | None:
        """Return dL/dx (n, n_0); None where an L_i is not finite."""
        quantities = self.propagate(x, y, sample_weight, threads)
        if quantities is None:
            return None
        gradient: Array = quantities[4][0] @ self.weight_view(1)
        return gradient

    @quiet
    def per_sample_gradients(
        self, x: Array, y: Array, out: Array | None, threads: int
    ) -> Array | None:
        """Return dL_i/dtheta (n, D); None where an L_i is not finite."""
        if not math.isfinite(self.evaluate(x, y, None, threads)):
            return None
        gradients = reference.per_sample_gradients(*self._parameters(), x, y, self._words)
        return _written(gradients, out)

    @quiet
    def output_jacobian(
        self, x: Array, first: int, count: int, by_theta: bool, out: Array | None, threads: int
    ) -> Array:
        """Return dy_hat_k/dx (n, count, n_0) or dy_hat_k/dtheta (n, count, D), k from `first`."""
        rows = reference.jacobian(*self._parameters(), x, self._words, _WRT[by_theta])
        return _written(rows[:, first : first + count], out)

    @quiet
    def vjp(self, x: Array, u: Array, by_theta: bool, threads: int) -> Array | None:
        """Return J^T u: (n, n_0), or the sum over the samples (D,); None where not finite."""
        product = reference.vjp(*self._parameters(), x, u, self._words, _WRT[by_theta])
        return product if np.isfinite(product).all() else None

    @quiet
    def jvp(self, x: Array, v: Array, by_theta: bool, threads: int) -> Array:
        """Return J v (n, K), v being (n, n_0) or (D,)."""
        return reference.jvp(*self._parameters(), x, v, self._words, _WRT[by_theta])

    def hessian_product(
        self,
        x: Array,
        y: Array,
        sample_weight: Array | None,
        v: Array,
        gauss_newton: bool,
        threads: int,
    ) -> NoReturn:
        """Raise TypeError: custom functions have no second derivative."""
        name, function = next(iter(self._custom.items()))
        raise TypeError(
            "hvp and gauss_newton_vp need second derivatives: all activations and the loss must "
            f"be names, but {name} is {function!r}"
        )


def _written(values: Array, out: Array | None) -> Array:
    """Return the values, written to `out` where it is given."""
    if out is None:
        return np.ascontiguousarray(values)
    out[...] = values
    return out
