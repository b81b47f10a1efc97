"""Hidden activations (notes 000, 002, 003) and outputs, each beside its two derivatives."""

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


class Row(NamedTuple):
    """An activation by name, and all else that is known of it.

    Attributes
    ----------
    function : Activation
    formulas : Formulas
    uses_he : bool
        Whether init "auto" draws the weights below by he_normal: g passes a positive half-line on.
    value_terms, derivative_terms : callable, optional
        The size of the terms that cancel in the core's g, of (z, a), and in its g', of (z, g');
        by default the results themselves.
    """

    function: Activation
    formulas: Formulas
    uses_he: bool = False
    value_terms: F2 | None = None
    derivative_terms: F2 | None = None


_SIGMOID = ("σ(z) = 1 / (1 + e^−z)", r"\sigma(z) = \frac{1}{1 + e^{-z}}")


def leaky_relu(slope: float) -> Activation:
    """z above 0, slope z below."""
    return Activation(
        lambda z: np.where(z.real > 0, z, slope * z),
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


def _gelu_terms(z: Array, slope: Array) -> Array:
    """Of 1/2 (1 + t + c z (1 - t^2) (1 + 3 d z^2)), where 1 - t^2 is 0 from |z| = 7 on."""
    z = np.minimum(np.abs(z), 7.0)
    return 1.0 + z * (1.0 + 3 * 0.044715 * z * z)


ROWS: dict[str, Row] = {
    "identity": Row(
        Activation(lambda z: z, lambda z, a: np.ones_like(z), lambda z, a: np.zeros_like(z)),
        formulas("z[l]", r"z^{[l]}", "g'(z) = 1", r"g'(z) = 1"),
    ),
    "sigmoid": Row(
        Activation(
            sigmoid, lambda z, a: a * (1 - a), lambda z, a: -sigmoid_slope(z) * np.tanh(z / 2)
        ),
        formulas(
            "σ(z[l])", r"\sigma(z^{[l]})", "g'(z) = a (1 − a)", r"g'(z) = a (1 - a)", *_SIGMOID
        ),
    ),
    "tanh": Row(
        Activation(np.tanh, lambda z, a: 1 - a * a, lambda z, a: -2 * a * (1 - a * a)),
        formulas("tanh(z[l])", r"\tanh(z^{[l]})", "g'(z) = 1 − a²", r"g'(z) = 1 - a^2"),
        derivative_terms=lambda z, slope: np.ones_like(z),
    ),
    "relu": Row(
        Activation(
            lambda z: np.where(z.real <= 0, 0, z),
            lambda z, a: (z > 0).astype(z.dtype),
            lambda z, a: np.zeros_like(z),
        ),
        formulas(
            "max(0, z[l])", r"\max(0, z^{[l]})", "g'(z) = 1(z > 0)", r"g'(z) = \mathbf{1}(z > 0)"
        ),
        uses_he=True,
    ),
    "leaky_relu": Row(
        leaky_relu(0.01),
        formulas(
            "max(0, z[l]) + leaky_slope min(0, z[l])",
            r"\max(0, z^{[l]}) + leaky_slope \min(0, z^{[l]})",
            "g'(z) = 1 where z > 0, else leaky_slope",
            r"g'(z) = \begin{cases} 1 & z > 0 \cr leaky_slope & \text{else} \end{cases}",
        ),
        uses_he=True,
    ),
    "elu": Row(
        Activation(
            lambda z: np.where(z.real > 0, z, np.expm1(np.where(z.real > 0, 0, z))),
            lambda z, a: np.exp(np.minimum(z, 0)),
            lambda z, a: np.where(z < 0, np.exp(np.minimum(z, 0)), 0).astype(z.dtype),
        ),
        formulas(
            "elu(z[l])",
            r"\mathrm{elu}(z^{[l]})",
            "g'(z) = 1 where z > 0, else e^z",
            r"g'(z) = \begin{cases} 1 & z > 0 \cr e^z & \text{else} \end{cases}",
            "elu(z) = z where z > 0, else e^z − 1",
            r"\mathrm{elu}(z) = \begin{cases} z & z > 0 \cr e^z - 1 & \text{else} \end{cases}",
        ),
        uses_he=True,
        derivative_terms=lambda z, slope: np.ones_like(z),
    ),
    "softplus": Row(
        Activation(softplus, lambda z, a: sigmoid(z), lambda z, a: sigmoid_slope(z)),
        formulas(
            "log(1 + exp(z[l]))",
            r"\log(1 + e^{z^{[l]}})",
            "g'(z) = 1 / (1 + e^−z)",
            r"g'(z) = \frac{1}{1 + e^{-z}}",
        ),
        uses_he=True,
    ),
    "gelu": Row(
        Activation(lambda z: z * sigmoid(_gelu_2u(z)), _gelu_derivative, _gelu_curvature),
        formulas(
            "gelu(z[l])",
            r"\mathrm{gelu}(z^{[l]})",
            "g'(z) = ½ (1 + tanh u) + ½ z (1 − (tanh u)²) √(2/π) (1 + 0.134145 z²)",
            r"g'(z) = \frac{1}{2} (1 + \tanh u) + \frac{1}{2} z (1 - (\tanh u)^2)"
            r" \sqrt{2 / \pi} (1 + 0.134145 z^2)",
            "gelu(z) = ½ z (1 + tanh u), u = √(2/π) (z + 0.044715 z³)",
            r"\mathrm{gelu}(z) = \frac{1}{2} z (1 + \tanh u),"
            r" \quad u = \sqrt{2 / \pi} (z + 0.044715 z^3)",
        ),
        uses_he=True,
        value_terms=lambda z, a: z,
        derivative_terms=_gelu_terms,
    ),
    "silu": Row(
        Activation(
            lambda z: z * sigmoid(z),
            lambda z, a: sigmoid(z) + a * sigmoid(-z),
            lambda z, a: sigmoid_slope(z) * (2 - z * np.tanh(z / 2)),
        ),
        formulas(
            "z[l] σ(z[l])",
            r"z^{[l]} \sigma(z^{[l]})",
            "g'(z) = σ(z) (1 + z (1 − σ(z)))",
            r"g'(z) = \sigma(z) (1 + z (1 - \sigma(z)))",
            *_SIGMOID,
        ),
        uses_he=True,
        derivative_terms=lambda z, slope: np.abs(slope) + sigmoid(z) * (1.0 + np.abs(z)),
    ),
}
ACTIVATIONS: dict[str, Activation] = {name: row.function for name, row in ROWS.items()}


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

OUTPUT_FORMULAS: dict[str, Formulas] = {
    **{name: row.formulas.of_output() for name, row in ROWS.items()},
    "softmax": formulas(
        "softmax(z[l])",
        r"\mathrm{softmax}(z^{[l]})",
        "J_O = diag(ŷ) − ŷ ŷᵀ",
        r"J_O = \mathrm{diag}(\hat y) - \hat y \hat y^\top",
        "ŷ_j = e^z_j / Σ_k e^z_k",
        r"\hat y_j = \frac{e^{z_j}}{\sum_k e^{z_k}}",
        "J_Oᵀ ∂L/∂ŷ",
        r"J_O^\top \frac{\partial L}{\partial \hat y}",
    ),
    "exp": formulas("exp(z[l])", r"\exp(z^{[l]})", "O'(z) = ŷ", r"O'(z) = \hat y"),
}
