"""The functions of a network for complex numbers, analytic in each piece of the real line.

f(v + ih) = f(v) + ih f'(v) to h^2: the imaginary part over h is the derivative, without a
difference (Squire, Trapp, Using complex variables to estimate derivatives of real functions, SIAM
Review 40, 1998). A piece is chosen by the real part, as the derivative's formula chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deltarule.architecture import Architecture

Array = NDArray[Any]
Of1: TypeAlias = Callable[[Array], Array]
Of2: TypeAlias = Callable[[Array, Array], Array]


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z)."""
    e = np.exp(np.where(z.real < 0.0, z, -z))
    return np.where(z.real < 0.0, e, 1.0) / (1.0 + e)


def softplus(z: Array) -> Array:
    """log(1 + e^z)."""
    is_positive = z.real > 0.0
    return np.where(is_positive, z, 0.0) + log_1_plus(np.exp(np.where(is_positive, -z, z)))


def log_1_plus(w: Array) -> Array:
    """log(1 + w); NumPy's own, of a small complex w, loses the real part."""
    if not np.iscomplexobj(w):
        return np.log1p(w)
    complete: Array = np.log1p(w.real) + 1j * np.log1p(w).imag
    return complete


def log_softplus(z: Array) -> Array:
    """log log(1 + e^z), which is z - e^z / 2 far below 0."""
    far = z.real < -40.0
    return np.where(far, z, np.log(softplus(np.where(far, 0.0, z))))


def log_sum_exp(z: Array) -> Array:
    """log sum_j e^z_j of each row, (n, 1)."""
    highest = z.real.max(axis=1, keepdims=True)
    total: Array = highest + np.log(np.exp(z - highest).sum(axis=1, keepdims=True))
    return total


def log_softmax(z: Array) -> Array:
    """log p_j."""
    return z - log_sum_exp(z)


def log_one_minus_softmax(z: Array) -> Array:
    """log(1 - p_j), from the sum of the others."""
    others = [log_sum_exp(np.delete(z, j, axis=1)) for j in range(z.shape[1])]
    return np.concatenate(others, axis=1) - log_sum_exp(z)


def gelu(z: Array) -> Array:
    """z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2."""
    return z * sigmoid(math.sqrt(8 / math.pi) * (z + 0.044715 * z * z * z))


def absolute(e: Array) -> Array:
    """|e|, its derivative at 0 being 0."""
    size: Array = np.sign(e.real) * e
    return size


ACTIVATIONS: dict[str, Of1] = {
    "identity": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z.real > 0.0, z, 0.0),
    "elu": lambda z: np.where(z.real > 0.0, z, np.expm1(np.where(z.real > 0.0, 0.0, z))),
    "softplus": softplus,
    "gelu": gelu,
    "silu": lambda z: z * sigmoid(z),
}

OUTPUTS: dict[str, Of1] = {
    **ACTIVATIONS,
    "softmax": lambda z: np.exp(log_softmax(z)),
    "exp": np.exp,
}

# Of e = y_hat - y, summed over the outputs.
RESIDUALS: dict[str, Of1] = {
    "squared_error": lambda e: e * e / 2.0,
    "sum_squared_error": lambda e: e * e,
    "mean_squared_error": lambda e: e * e / e.shape[1],
    "absolute_error": absolute,
}

# From z, as `reference.PAIRS`.
PAIRS: dict[tuple[str, str], Of2] = {
    ("softmax", "cross_entropy"): lambda z, y: -y * log_softmax(z),
    ("softmax", "binary_cross_entropy"): lambda z, y: (
        -y * log_softmax(z) - (1.0 - y) * log_one_minus_softmax(z)
    ),
    ("softmax", "poisson"): lambda z, y: np.exp(log_softmax(z)) - y * log_softmax(z),
    ("sigmoid", "cross_entropy"): lambda z, y: y * softplus(-z),
    ("sigmoid", "binary_cross_entropy"): lambda z, y: y * softplus(-z) + (1.0 - y) * softplus(z),
    ("sigmoid", "poisson"): lambda z, y: sigmoid(z) + y * softplus(-z),
    ("softplus", "poisson"): lambda z, y: softplus(z) - y * log_softplus(z),
    ("exp", "poisson"): lambda z, y: np.exp(z) - y * z,
}


def leaky_relu(slope: float) -> Of1:
    """z above 0, slope z below."""
    return lambda z: np.where(z.real > 0.0, z, slope * z)


def huber(d: float) -> Of1:
    """e^2 / 2 up to |e| = d, beyond it the line."""
    return lambda e: np.where(np.abs(e.real) <= d, e * e / 2.0, d * (absolute(e) - d / 2.0))


def functions(architecture: Architecture) -> tuple[list[Of1], Of2]:
    """Return g of each hidden layer, and f(z[L], y) = L_i of each row, (n,); all by their names."""
    known = ACTIVATIONS | {"leaky_relu": leaky_relu(architecture.leaky_slope)}
    return [known[str(g)] for g in architecture.hidden], _sample_losses(architecture)


def _sample_losses(architecture: Architecture) -> Of2:
    output, loss = str(architecture.output), str(architecture.loss)
    pair = PAIRS.get((output, loss))
    if pair is not None:
        return lambda z, y: pair(z, y).sum(axis=1)
    residual = huber(architecture.huber_delta) if loss == "huber" else RESIDUALS[loss]
    last = (OUTPUTS | {"leaky_relu": leaky_relu(architecture.leaky_slope)})[output]
    return lambda z, y: residual(last(z) - y).sum(axis=1)
