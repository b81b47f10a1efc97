"""Hidden activations (notes 000, 002, 003) and outputs, each beside its two derivatives."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from deltarule.reference.functions import (
    F1,
    F2,
    F3,
    F4,
    Array,
    no_curvature,
    sigmoid,
    sigmoid_slope,
    softmax,
    softmax_product,
    softplus,
)


class Activation(NamedTuple):
    """a = g(z), elementwise, beside derivative(z, a) = g'(z) and curvature(z, a) = g''(z).

    At a kink they are those of one side: 0 for z = 0 of relu, the slope of leaky_relu, 1 and 0 of
    elu, which is z above 0.
    """

    value: F1
    derivative: F2
    curvature: F2 = no_curvature


def leaky_relu(slope: float) -> Activation:
    """z above 0, slope z below."""
    return Activation(
        lambda z: np.where(z > 0, z, slope * z),
        lambda z, a: np.where(z > 0, 1, slope).astype(z.dtype),
        lambda z, a: np.zeros_like(z),
    )


def _gelu_2u(z: Array) -> Array:
    """2u = sqrt(8 / pi) (z + 0.044715 z^3), so that (1 + tanh u) / 2 = sigmoid(2u)."""
    return math.sqrt(8 / math.pi) * (z + 0.044715 * z * z * z)


def _gelu_derivative(z: Array, a: Array) -> Array:
    d_2u = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * z * z)
    return sigmoid(_gelu_2u(z)) + a * sigmoid(-_gelu_2u(z)) * d_2u


def _gelu_curvature(z: Array, a: Array) -> Array:
    """s' (2 d + z d') + z s'' d^2, d = d(2u)/dz, s = sigmoid(2u)."""
    d = math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * z * z)
    dd = math.sqrt(8 / math.pi) * 6 * 0.044715 * z
    return sigmoid_slope(_gelu_2u(z)) * (2 * d + z * dd - z * d * d * np.tanh(_gelu_2u(z) / 2))


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(
        lambda z: z, lambda z, a: np.ones_like(z), lambda z, a: np.zeros_like(z)
    ),
    "sigmoid": Activation(
        sigmoid, lambda z, a: a * (1 - a), lambda z, a: -sigmoid_slope(z) * np.tanh(z / 2)
    ),
    "tanh": Activation(np.tanh, lambda z, a: 1 - a * a, lambda z, a: -2 * a * (1 - a * a)),
    "relu": Activation(
        lambda z: np.maximum(z, 0),
        lambda z, a: (z > 0).astype(z.dtype),
        lambda z, a: np.zeros_like(z),
    ),
    "leaky_relu": leaky_relu(0.01),
    "elu": Activation(
        lambda z: np.maximum(z, 0) + np.expm1(np.minimum(z, 0)),
        lambda z, a: np.exp(np.minimum(z, 0)),
        lambda z, a: np.where(z < 0, np.exp(np.minimum(z, 0)), 0).astype(z.dtype),
    ),
    "softplus": Activation(softplus, lambda z, a: sigmoid(z), lambda z, a: sigmoid_slope(z)),
    "gelu": Activation(lambda z: z * sigmoid(_gelu_2u(z)), _gelu_derivative, _gelu_curvature),
    "silu": Activation(
        lambda z: z * sigmoid(z),
        lambda z, a: sigmoid(z) + a * sigmoid(-z),
        lambda z, a: sigmoid_slope(z) * (2 - z * np.tanh(z / 2)),
    ),
}


class Output(NamedTuple):
    """y_hat = O(z), vjp(z, y_hat, g) = J_O(z)^T g, and its derivative by z.

    vjp goes from g = dL/dy_hat to dL/dz; J_O is symmetric for every output, so that vjp(z, y_hat,
    v) is J_O v too. curvature(z, y_hat, g, v) = d(J_O(z)^T g)/dz v, g held: sum_j g_j H_j v, H_j
    the Hessian of y_hat_j by z.
    """

    value: F1
    vjp: F3
    curvature: F4


def _softmax_curvature(z: Array, p: Array, g: Array, v: Array) -> Array:
    """dp * (g - p.g) - p (dp.g), dp = J v."""
    dp = softmax_product(p, v)
    mean_g: Array = (p * g).sum(axis=1, keepdims=True)
    d_mean_g: Array = (dp * g).sum(axis=1, keepdims=True)
    return dp * (g - mean_g) - p * d_mean_g


def elementwise(f: Activation) -> Output:
    """The output y_hat_j = f(z_j), whose Jacobian is diagonal (note 004: any f)."""
    return Output(
        f.value,
        lambda z, y_hat, g: g * f.derivative(z, y_hat),
        lambda z, y_hat, g, v: g * f.curvature(z, y_hat) * v,
    )


OUTPUTS: dict[str, Output] = {
    **{name: elementwise(f) for name, f in ACTIVATIONS.items()},
    "softmax": Output(
        softmax,
        lambda z, y_hat, g: y_hat * (g - (g * y_hat).sum(axis=1, keepdims=True)),
        _softmax_curvature,
    ),
    "exp": Output(np.exp, lambda z, y_hat, g: g * y_hat, lambda z, y_hat, g, v: g * y_hat * v),
}
