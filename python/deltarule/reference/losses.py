"""Losses of a sample: the plain formulas (notes 000 to 004), and with an output, from z."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deltarule.reference.functions import (
    F1,
    F2,
    F3,
    Array,
    log_one_minus_softmax,
    log_softmax,
    sigmoid,
    softmax,
    softplus,
)


class Loss(NamedTuple):
    """value(y_hat, y) = L of each row, (n,), beside gradient(y_hat, y) = dL/dy_hat, (n, K)."""

    value: F2
    gradient: F2


def _of_error(value: F1, gradient: F1) -> Loss:
    """sum_j value(e_j), e = y_hat - y."""
    return Loss(lambda y_hat, y: value(y_hat - y).sum(axis=1), lambda y_hat, y: gradient(y_hat - y))


def huber(d: float) -> Loss:
    """sum_j e_j^2 / 2 up to |e_j| = d, beyond it the line that goes on from there."""
    return _of_error(
        lambda e: np.where(np.abs(e) <= d, e * e / 2, d * (np.abs(e) - d / 2)),
        lambda e: np.clip(e, -d, d),
    )


LOSSES: dict[str, Loss] = {
    "squared_error": _of_error(lambda e: e * e / 2, lambda e: e),
    "sum_squared_error": _of_error(lambda e: e * e, lambda e: 2 * e),
    "mean_squared_error": _of_error(lambda e: e * e / e.shape[1], lambda e: 2 * e / e.shape[1]),
    "absolute_error": _of_error(np.abs, np.sign),
    "huber": huber(1.0),
    "binary_cross_entropy": Loss(
        lambda y_hat, y: -(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)).sum(axis=1),
        lambda y_hat, y: (y_hat - y) / (y_hat * (1 - y_hat)),
    ),
    "cross_entropy": Loss(
        lambda y_hat, y: -(y * np.log(y_hat)).sum(axis=1), lambda y_hat, y: -y / y_hat
    ),
    "poisson": Loss(
        lambda y_hat, y: (y_hat - y * np.log(y_hat)).sum(axis=1), lambda y_hat, y: 1 - y / y_hat
    ),
}

# A loss with logarithms, with each output in its domain: from z, so that nothing saturates.


class Pair(NamedTuple):
    """value(z, y), the (n, K) terms whose sum is L, beside delta(z, y_hat, y) = dL/dz."""

    value: F2
    delta: F3


def _softmax_binary_delta(z: Array, p: Array, y: Array) -> Array:
    """delta_i = (p_i - y_i) - sum_{j != i} (p_j - y_j) p_i / q_j, q_j = 1 - p_j.

    q_j, a sum that holds p_i, may underflow; the quotient, at most 1, is taken from logarithms.
    """
    log_p, log_q, delta = log_softmax(z), log_one_minus_softmax(z), np.zeros_like(z)
    for j in range(z.shape[1]):
        jacobian_j: Array = -np.exp(np.minimum(log_p - log_q[:, [j]], 0))
        jacobian_j[:, j] = 1
        delta += (p - y)[:, [j]] * jacobian_j
    return delta


PAIRS: dict[tuple[str, str], Pair] = {
    ("softmax", "cross_entropy"): Pair(
        lambda z, y: -y * log_softmax(z), lambda z, y_hat, y: y_hat - y
    ),
    ("softmax", "binary_cross_entropy"): Pair(
        lambda z, y: -y * log_softmax(z) - (1 - y) * log_one_minus_softmax(z),
        _softmax_binary_delta,
    ),
    ("softmax", "poisson"): Pair(
        lambda z, y: softmax(z) - y * log_softmax(z),
        lambda z, y_hat, y: y_hat * y.sum(axis=1, keepdims=True) - y,
    ),
    ("sigmoid", "cross_entropy"): Pair(
        lambda z, y: y * softplus(-z), lambda z, y_hat, y: -y * sigmoid(-z)
    ),
    ("sigmoid", "binary_cross_entropy"): Pair(
        lambda z, y: y * softplus(-z) + (1 - y) * softplus(z), lambda z, y_hat, y: y_hat - y
    ),
    ("sigmoid", "poisson"): Pair(
        lambda z, y: sigmoid(z) + y * softplus(-z), lambda z, y_hat, y: (y_hat - y) * sigmoid(-z)
    ),
    ("exp", "poisson"): Pair(lambda z, y: np.exp(z) - y * z, lambda z, y_hat, y: y_hat - y),
}
