"""Hidden activations (notes 000, 002, 003) and outputs, each beside its derivative."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from deltarule.reference.functions import F1, F2, F3, Array, sigmoid, softmax, softplus


class Activation(NamedTuple):
    """a = g(z), elementwise, beside derivative(z, a) = g'(z)."""

    value: F1
    derivative: F2


def leaky_relu(slope: float) -> Activation:
    """z above 0, slope z below."""
    return Activation(
        lambda z: np.where(z > 0, z, slope * z),
        lambda z, a: np.where(z > 0, 1, slope).astype(z.dtype),
    )


def _gelu_2u(z: Array) -> Array:
    """2u = sqrt(8 / pi) (z + 0.044715 z^3), so that (1 + tanh u) / 2 = sigmoid(2u)."""
    return math.sqrt(8 / math.pi) * (z + 0.044715 * z * z * z)


def _gelu_derivative(z: Array, a: Array) -> Array:
    d_2u = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * z * z)
    return sigmoid(_gelu_2u(z)) + a * sigmoid(-_gelu_2u(z)) * d_2u


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda z: z, lambda z, a: np.ones_like(z)),
    "sigmoid": Activation(sigmoid, lambda z, a: a * (1 - a)),
    "tanh": Activation(np.tanh, lambda z, a: 1 - a * a),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
    "leaky_relu": leaky_relu(0.01),
    "elu": Activation(
        lambda z: np.maximum(z, 0) + np.expm1(np.minimum(z, 0)),
        lambda z, a: np.exp(np.minimum(z, 0)),
    ),
    "softplus": Activation(softplus, lambda z, a: sigmoid(z)),
    "gelu": Activation(lambda z: z * sigmoid(_gelu_2u(z)), _gelu_derivative),
    "silu": Activation(lambda z: z * sigmoid(z), lambda z, a: sigmoid(z) + a * sigmoid(-z)),
}


class Output(NamedTuple):
    """y_hat = O(z) beside vjp(z, y_hat, g) = J_O(z)^T g: from g = dL/dy_hat to dL/dz."""

    value: F1
    vjp: F3


OUTPUTS: dict[str, Output] = {
    "identity": Output(lambda z: z, lambda z, y_hat, g: g),
    "sigmoid": Output(sigmoid, lambda z, y_hat, g: g * y_hat * (1 - y_hat)),
    "tanh": Output(np.tanh, lambda z, y_hat, g: g * (1 - y_hat * y_hat)),
    "softmax": Output(
        softmax, lambda z, y_hat, g: y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True))
    ),
    "exp": Output(np.exp, lambda z, y_hat, g: g * y_hat),
}
