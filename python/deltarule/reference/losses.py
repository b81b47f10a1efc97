"""Losses of a sample: the plain formulas (notes 000 to 004), and with an output, from z."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from deltarule.reference.formulas import Formulas, formulas
from deltarule.reference.functions import (
    F1,
    F2,
    F3,
    F4,
    Array,
    absolute,
    log_one_minus_softmax,
    log_softmax,
    log_softplus,
    no_curvature,
    over,
    sigmoid,
    sigmoid_slope,
    softmax,
    softmax_product,
    softplus,
)


class Loss(NamedTuple):
    """value(y_hat, y) = L of each row, (n,), beside its two derivatives by y_hat, (n, K).

    gradient(y_hat, y) = dL/dy_hat and curvature(y_hat, y) = d2L/dy_hat2, which is diagonal: L is a
    sum over the outputs. curvature is 0 for absolute_error, and 1 on the kink of huber.
    """

    value: F2
    gradient: F2
    curvature: F2 = no_curvature


_ERROR, _ERROR_TEX = "(ŷ_ij − y_ij)", r"(\hat y_{ij} - y_{ij})"
_SQUARES, _SQUARES_TEX = f"Σ_j {_ERROR}²", rf"\sum_j {_ERROR_TEX}^2"


def _of_error(value: F1, gradient: F1, curvature: F1) -> Loss:
    """sum_j value(e_j), e = y_hat - y."""
    return Loss(
        lambda y_hat, y: value(y_hat - y).sum(axis=1),
        lambda y_hat, y: gradient(y_hat - y),
        lambda y_hat, y: curvature(y_hat - y),
    )


def huber(d: float) -> Loss:
    """sum_j e_j^2 / 2 up to |e_j| = d, beyond it the tangent line."""
    return _of_error(
        lambda e: np.where(np.abs(e.real) <= d, e * e / 2, d * (absolute(e) - d / 2)),
        lambda e: np.clip(e, -d, d),
        lambda e: (np.abs(e) <= d).astype(e.dtype),
    )


# Each loss beside its formulas.
_TABLE: dict[str, tuple[Loss, Formulas]] = {
    "squared_error": (
        _of_error(lambda e: e * e / 2, lambda e: e, np.ones_like),
        formulas(f"½ {_SQUARES}", rf"\frac{{1}}{{2}} {_SQUARES_TEX}", _ERROR, _ERROR_TEX),
    ),
    "sum_squared_error": (
        _of_error(lambda e: e * e, lambda e: 2 * e, lambda e: np.full_like(e, 2)),
        formulas(_SQUARES, _SQUARES_TEX, f"2 {_ERROR}", f"2 {_ERROR_TEX}"),
    ),
    "mean_squared_error": (
        _of_error(
            lambda e: e * e / e.shape[1],
            lambda e: 2 * e / e.shape[1],
            lambda e: np.full_like(e, 2 / e.shape[1]),
        ),
        formulas(
            f"1/K {_SQUARES}", rf"\frac{{1}}{{K}} {_SQUARES_TEX}",
            f"2/K {_ERROR}", rf"\frac{{2}}{{K}} {_ERROR_TEX}",
        ),
    ),
    "absolute_error": (
        _of_error(absolute, np.sign, np.zeros_like),
        formulas(
            "Σ_j |ŷ_ij − y_ij|", r"\sum_j \lvert \hat y_{ij} - y_{ij} \rvert",
            f"sign{_ERROR}", rf"\mathrm{{sign}}{_ERROR_TEX}",
        ),
    ),
    "huber": (
        huber(1.0),
        formulas(
            f"Σ_j h{_ERROR}", rf"\sum_j h{_ERROR_TEX}",
            "max(−huber_delta, min(huber_delta, ŷ_ij − y_ij))",
            r"\max(-huber_delta, \min(huber_delta, \hat y_{ij} - y_{ij}))",
            "h(e) = ½ e² where |e| ≤ d, else d (|e| − ½ d), d = huber_delta",
            r"h(e) = \begin{cases} \frac{1}{2} e^2 & \lvert e \rvert \le d \cr"
            r" d (\lvert e \rvert - \frac{1}{2} d) & \text{else} \end{cases} \quad d = huber_delta",
        ),
    ),
    "binary_cross_entropy": (
        Loss(
            lambda y_hat, y: -(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)).sum(axis=1),
            lambda y_hat, y: over(1 - y, 1 - y_hat) - over(y, y_hat),
            lambda y_hat, y: y / y_hat**2 + (1 - y) / (1 - y_hat) ** 2,
        ),
        formulas(
            "−Σ_j (y_ij log ŷ_ij + (1 − y_ij) log(1 − ŷ_ij))",
            r"-\sum_j (y_{ij} \log \hat y_{ij} + (1 - y_{ij}) \log(1 - \hat y_{ij}))",
            f"{_ERROR} / (ŷ_ij (1 − ŷ_ij))",
            rf"{_ERROR_TEX} / (\hat y_{{ij}} (1 - \hat y_{{ij}}))",
        ),
    ),
    "cross_entropy": (
        Loss(
            lambda y_hat, y: -(y * np.log(y_hat)).sum(axis=1),
            lambda y_hat, y: -over(y, y_hat),
            lambda y_hat, y: y / y_hat**2,
        ),
        formulas(
            "−Σ_j y_ij log ŷ_ij", r"-\sum_j y_{ij} \log \hat y_{ij}",
            "(−y_ij / ŷ_ij)", r"(-y_{ij} / \hat y_{ij})",
        ),
    ),
    "poisson": (
        Loss(
            lambda y_hat, y: (y_hat - y * np.log(y_hat)).sum(axis=1),
            lambda y_hat, y: 1 - over(y, y_hat),
            lambda y_hat, y: y / y_hat**2,
        ),
        formulas(
            "Σ_j (ŷ_ij − y_ij log ŷ_ij)", r"\sum_j (\hat y_{ij} - y_{ij} \log \hat y_{ij})",
            "(1 − y_ij / ŷ_ij)", r"(1 - y_{ij} / \hat y_{ij})",
        ),
    ),
}  # fmt: skip
LOSSES: dict[str, Loss] = {name: loss for name, (loss, _) in _TABLE.items()}
FORMULAS: dict[str, Formulas] = {name: formulas for name, (_, formulas) in _TABLE.items()}

# A loss with logarithms, with each output in its domain: from z, so that nothing saturates.


class Pair(NamedTuple):
    """value(z, y), the (n, K) terms whose sum is L, beside delta(z, y_hat, y) = dL/dz.

    hessian(z, y_hat, y, v) = d2L/dz2 v, and gauss_newton(z, y_hat, y, v) = J_O d2L/dy_hat2 J_O v,
    what is left of it without the curvature of the output; None where the pair is canonical, so
    that z takes the place of y_hat and hessian is the same for both (Schraudolph 2002).
    """

    value: F2
    delta: F3
    hessian: F4
    gauss_newton: F4 | None = None


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


def _softmax_without(j: int, z: Array) -> Array:
    """p_i / q_j, zero for i = j: the softmax of the others, of which there are some."""
    others = z.copy()
    others[:, j] = np.finfo(z.dtype).min
    return softmax(others)


def _softmax_binary_hessian(z: Array, p: Array, y: Array, v: Array) -> Array:
    """K C(p) v - sum_j (1 - y_j) C(p without j) v, C(p) v = p * (v - p.v).

    For log p_j = z_j - s and log q_j = s_j - s, s the logarithm of the sum of all exponentials and
    s_j of all but j.
    """
    product: Array = z.shape[1] * softmax_product(p, v)
    for j in range(z.shape[1]):
        product -= (1 - y[:, [j]]) * softmax_product(_softmax_without(j, z), v)
    return product


def _softmax_log_gauss_newton(z: Array, p: Array, y: Array, v: Array) -> Array:
    """sum_j y_j r_j r_j^T v, r_j = d(log p_j)/dz = e(j) - p."""
    r_v = y * (v - (p * v).sum(axis=1, keepdims=True))
    product: Array = r_v - p * r_v.sum(axis=1, keepdims=True)
    return product


def _softmax_binary_gauss_newton(z: Array, p: Array, y: Array, v: Array) -> Array:
    """As for log p_j, plus sum_j (1 - y_j) r_j r_j^T v, r_j = d(log q_j)/dz.

    r_j = -p_j (e(j) - the softmax without j).
    """
    product = _softmax_log_gauss_newton(z, p, y, v)
    for j in range(z.shape[1]):
        r = _softmax_without(j, z)
        r[:, j] = -1
        r *= p[:, [j]]
        product += (1 - y[:, [j]]) * (r * v).sum(axis=1, keepdims=True) * r
    return product


def _log_softplus_slope(z: Array) -> Array:
    """d(log softplus(z))/dz = sigmoid(z) / softplus(z), which is 1 - e^z / 2 far below 0."""
    far = z < -40
    ratio: Array = sigmoid(z) / np.where(far, 1, softplus(z))
    return np.where(far, 1, ratio).astype(z.dtype)


def _log_softplus_bend(z: Array) -> Array:
    """-d2(log softplus(z))/dz2 over its first derivative: (1 - (1 + s) e^-s) / s, s = softplus(z).

    For small s by its series, sum_k (-1)^k (k - 1) / k! s^(k - 1) from k = 2.
    """
    s = softplus(z)
    near, far = np.minimum(s, 0.5), np.maximum(s, 0.5)
    series = sum((-near) ** k * -k / math.factorial(k + 1) for k in range(1, 20))
    second: Array = np.where(s < 0.5, series, (1 - (1 + far) * np.exp(-far)) / far)
    return second.astype(z.dtype)


PAIRS: dict[tuple[str, str], Pair] = {
    ("softmax", "cross_entropy"): Pair(
        lambda z, y: -y * log_softmax(z),
        lambda z, y_hat, y: y_hat - y,
        lambda z, y_hat, y, v: softmax_product(y_hat, v),
    ),
    ("softmax", "binary_cross_entropy"): Pair(
        lambda z, y: -y * log_softmax(z) - (1 - y) * log_one_minus_softmax(z),
        _softmax_binary_delta,
        _softmax_binary_hessian,
        _softmax_binary_gauss_newton,
    ),
    ("softmax", "poisson"): Pair(
        lambda z, y: softmax(z) - y * log_softmax(z),
        lambda z, y_hat, y: y_hat * y.sum(axis=1, keepdims=True) - y,
        lambda z, y_hat, y, v: y.sum(axis=1, keepdims=True) * softmax_product(y_hat, v),
        _softmax_log_gauss_newton,
    ),
    ("sigmoid", "cross_entropy"): Pair(
        lambda z, y: y * softplus(-z),
        lambda z, y_hat, y: -y * sigmoid(-z),
        lambda z, y_hat, y, v: y * sigmoid_slope(z) * v,
        lambda z, y_hat, y, v: y * sigmoid(-z) ** 2 * v,
    ),
    ("sigmoid", "binary_cross_entropy"): Pair(
        lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
        lambda z, y_hat, y: y_hat - y,
        lambda z, y_hat, y, v: sigmoid_slope(z) * v,
    ),
    ("sigmoid", "poisson"): Pair(
        lambda z, y: sigmoid(z) + y * softplus(-z),
        lambda z, y_hat, y: (y_hat - y) * sigmoid(-z),
        lambda z, y_hat, y, v: sigmoid_slope(z) * (y - np.tanh(z / 2)) * v,
        lambda z, y_hat, y, v: y * sigmoid(-z) ** 2 * v,
    ),
    ("softplus", "poisson"): Pair(
        lambda z, y: softplus(z) - y * log_softplus(z),
        lambda z, y_hat, y: sigmoid(z) - y * _log_softplus_slope(z),
        lambda z, y_hat, y, v: (
            (sigmoid_slope(z) + y * _log_softplus_slope(z) * _log_softplus_bend(z)) * v
        ),
        lambda z, y_hat, y, v: y * _log_softplus_slope(z) ** 2 * v,
    ),
    ("exp", "poisson"): Pair(
        lambda z, y: np.exp(z) - y * z,
        lambda z, y_hat, y: y_hat - y,
        lambda z, y_hat, y, v: y_hat * v,
    ),
}
