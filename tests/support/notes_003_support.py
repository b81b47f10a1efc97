"""Notes 003, feedforward networks: the two propagation algorithms as written, and data.

a_i is the pre-activation of layer i and h_i its activation (z[i] and a[i] elsewhere): h_0 = x,
a_i = b_i + W_i h_{i-1}, h_i = g(a_i), y_hat = O(a_L). One example is a column. Classes are
numbered from 0. W_i is (out, in), as W_i h_{i-1} asks for; the notes print W_L's shape transposed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from notes_support import (
    Array,
    Functions,
    Parameters,
    Targets,
    draw_parameters,
)

N_INPUTS = 4
N_OUTPUTS = 3
SIZES = (N_INPUTS, 3, 3, N_OUTPUTS)  # two hidden layers, W_2 in R^(3 x 3)
LAST = 3  # L
N_SAMPLES = 12


def logistic(a: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-a))


def linear(a: Array) -> Array:
    return a


def softmax(a: Array) -> Array:
    total: Array = np.exp(a).sum(axis=0)
    return np.exp(a) / total


G: dict[str, Callable[[Array], Array]] = {"logistic": logistic, "tanh": np.tanh, "linear": linear}
G_PRIME: dict[str, Callable[[Array], Array]] = {
    "logistic": lambda a: logistic(a) * (1.0 - logistic(a)),
    "tanh": lambda a: 1.0 - np.tanh(a) ** 2,
    "linear": np.ones_like,
}


def e(label: int) -> Array:
    """e(l): 1 at l, 0 elsewhere."""
    vector = np.zeros(N_OUTPUTS)
    vector[label] = 1.0
    return vector


def describe(g: str, output: str) -> Functions:
    """Linear output with the squared loss, softmax output with the cross entropy."""
    return Functions(g, output, "sum_squared_error" if output == "linear" else "cross_entropy")


class Data(NamedTuple):
    """x (n, 4) and targets as passed on; ``y`` (3, n) holds y_i or e(l_i) as columns."""

    x: Array
    targets: Targets
    y: Array


def draw_data(output: str, n_samples: int = N_SAMPLES) -> Data:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_samples, N_INPUTS))
    if output == "softmax":
        labels = rng.integers(0, N_OUTPUTS, n_samples)
        return Data(x, labels, np.column_stack([e(label) for label in labels]))
    targets = rng.normal(size=(n_samples, N_OUTPUTS))
    return Data(x, targets, targets.T)


def draw_theta() -> Parameters:
    return draw_parameters(SIZES, seed=33)


class Forward(NamedTuple):
    """h_0..h_{L-1} and a_1..a_L by layer, and y_hat: columns."""

    h: dict[int, Array]
    a: dict[int, Array]
    y_hat: Array


class Backward(NamedTuple):
    """The gradients with respect to a_k and h_k (columns), W_k and b_k, by layer."""

    a: dict[int, Array]
    h: dict[int, Array]
    w: dict[int, Array]
    b: dict[int, Array]


def forward_propagation(theta: Parameters, x: Array, g: str, output: str) -> Forward:
    """The algorithm of the notes."""
    h = {0: x.T}
    a: dict[int, Array] = {}
    for k in range(1, LAST):
        a[k] = theta.biases[k - 1][:, None] + theta.weights[k - 1] @ h[k - 1]
        h[k] = G[g](a[k])
    a[LAST] = theta.biases[LAST - 1][:, None] + theta.weights[LAST - 1] @ h[LAST - 1]
    return Forward(h, a, softmax(a[LAST]) if output == "softmax" else a[LAST])


def back_propagation(
    theta: Parameters, forward: Forward, y: Array, g: str, output: str
) -> Backward:
    """The algorithm of the notes for the mean loss of the columns: W_k and b_k sum over them."""
    n_samples = y.shape[1]
    if output == "softmax":
        grad_a = {LAST: -(y - forward.y_hat) / n_samples}
    else:
        grad_a = {LAST: 2.0 * (forward.y_hat - y) / n_samples}
    grad_h: dict[int, Array] = {}
    grad_w: dict[int, Array] = {}
    grad_b: dict[int, Array] = {}
    for k in range(LAST, 0, -1):
        grad_w[k] = grad_a[k] @ forward.h[k - 1].T
        grad_b[k] = grad_a[k].sum(axis=1)
        if k > 1:
            grad_h[k - 1] = theta.weights[k - 1].T @ grad_a[k]
            grad_a[k - 1] = grad_h[k - 1] * G_PRIME[g](forward.a[k - 1])
    return Backward(grad_a, grad_h, grad_w, grad_b)


def mean_loss(y_hat: Array, y: Array, output: str) -> float:
    """1/N sum_i sum_j (y_hat_ij - y_ij)^2, or 1/N sum_i -sum_c y_ic log y_hat_ic."""
    if output == "softmax":
        return float(-(y * np.log(y_hat)).sum() / y.shape[1])
    return float(((y_hat - y) ** 2).sum() / y.shape[1])
