"""The terms of an elementwise step that may cancel: its rounding is relative to their size.

They are those of the core's formulas (csrc/kernels/activations.hpp, losses.hpp); with a custom
function the result itself is taken.
"""

from __future__ import annotations

import numpy as np

from deltarule.layers import Array
from deltarule.reference.activations import ROWS
from deltarule.reference.functions import (
    log_one_minus_softmax,
    log_softmax,
    sigmoid,
    softmax,
    softplus,
)


def of_value(g: object, z: Array, a: Array) -> Array:
    """Of a = g(z); gelu is z/2 (1 + t)."""
    terms = ROWS[g].value_terms if isinstance(g, str) and g in ROWS else None
    return a if terms is None else terms(z, a)


def of_derivative(g: object, z: Array, slope: Array) -> Array:
    """Of g'(z)."""
    terms = ROWS[g].derivative_terms if isinstance(g, str) and g in ROWS else None
    return slope if terms is None else terms(z, slope)


def spread(output: object, z: Array) -> Array | float:
    """How much more e^(z - max z) rounds, z - max z being rounded itself, and its sum in a row."""
    if output != "softmax":
        return 1.0
    gap: Array = 1.0 + z.max(axis=1, keepdims=True) - z
    return gap * _row_sum(z)


def _row_sum(z: Array) -> float:
    """How much more a sum along a row rounds than some operations do."""
    return 1.0 + float(z.shape[1]) / 64


def probabilities(output: object, z: Array) -> tuple[Array, Array]:
    """Return p = y_hat and 1 - p without the cancellation, for softmax and sigmoid."""
    if output == "softmax":
        return softmax(z), np.exp(log_one_minus_softmax(z))
    return sigmoid(z), sigmoid(-z)


def _log_probabilities(output: object, z: Array) -> tuple[Array, Array]:
    """Return log y_hat (also of exp and softplus) and log(1 - y_hat), for softmax and sigmoid."""
    if output == "softmax":
        return log_softmax(z), log_one_minus_softmax(z)
    if output in ("exp", "softplus"):
        log_y_hat = z if output == "exp" else np.log(softplus(np.maximum(z, -40.0)))
        return log_y_hat, log_y_hat
    return -softplus(-z), -softplus(z)


def of_loss(output: object, loss: object, z: Array, y_hat: Array, y: Array) -> tuple[Array, Array]:
    """Of a loss from z, each (n,): of the terms in float64, and of those in the network's dtype.

    The latter are the outputs of poisson, and sum_j e^z_j of the softmax, of which a logarithm is
    taken.
    """
    log_p, log_q = _log_probabilities(output, z)
    terms, narrow = np.abs(y * log_p) + np.abs(y * z), np.zeros_like(z)
    if loss == "binary_cross_entropy":
        terms = terms + np.abs((1.0 - y) * log_q) + np.abs(z)
    if loss == "poisson":
        narrow = np.abs(y_hat) * spread(output, z)
    if output == "softmax":
        logs = np.abs(y) + (np.abs(1.0 - y) if loss == "binary_cross_entropy" else 0.0)
        narrow = narrow + logs * _row_sum(z)
    return terms.sum(axis=1), narrow.sum(axis=1)


def of_output_gradient(output: object, loss: object, z: Array, y: Array, g: Array) -> Array:
    """Of g = dL/dy_hat; with p = y_hat, binary cross-entropy: (1 - y) / (1 - p) - y / p."""
    if loss == "poisson":
        return 1.0 + np.abs(g - 1.0)
    if loss != "binary_cross_entropy":
        return g
    p, q = probabilities(output, z)
    terms: Array = spread(output, z) * (y / p + (1.0 - y) / q * (1.0 + p / q))
    return terms


def of_closed_delta(output: object, loss: object, z: Array, p: Array, y: Array) -> Array:
    """Of delta[L] from z, p and y; softmax with binary cross-entropy: sum_j (p_j - y_j) J_ij."""
    if output != "softmax":
        return np.abs(y) + np.abs(p)
    if loss != "binary_cross_entropy":
        terms: Array = np.abs(y) + p * (1.0 + np.abs(y).sum(axis=1, keepdims=True))
        return terms * spread(output, z)
    log_p, log_q, terms = log_softmax(z), log_one_minus_softmax(z), np.zeros_like(z)
    for j in range(z.shape[1]):
        jacobian_j = np.exp(np.minimum(log_p - log_q[:, [j]], 0.0))
        jacobian_j[:, j] = 1.0
        terms += (p + y)[:, [j]] * jacobian_j
    return terms * spread(output, z)


def of_chained_delta(output: object, z: Array, y_hat: Array, g: Array, delta: Array) -> Array:
    """Of delta[L] = J_O(z)^T g; softmax: y_hat (g - sum_j g_j y_hat_j); else g O'(z)."""
    g = np.abs(g)
    if output != "softmax":
        slope = np.divide(np.abs(delta), g, out=np.zeros_like(z), where=np.isfinite(g) & (g > 0.0))
        return g * of_derivative(output, z, slope)
    terms: Array = y_hat * (g + (g * y_hat).sum(axis=1, keepdims=True))
    return terms * _row_sum(g)
