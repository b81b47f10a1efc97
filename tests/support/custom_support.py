"""Losses and activations as users write them, and copies of the built-in ones from the reference.

Functions of a module, so that pickles hold them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule import reference

Array = NDArray[Any]


def own_activation(name: str) -> dr.CustomActivation:
    """A built-in activation, as if it were a user's."""
    g = reference.ACTIVATIONS[name]
    return dr.CustomActivation(g.value, g.derivative, name=f"own {name}")


def own_loss(name: str) -> dr.CustomLoss:
    """A built-in loss by its plain formula, as if it were a user's."""
    loss = reference.LOSSES[name]
    return dr.CustomLoss(loss.value, loss.gradient, name=f"own {name}")


def squares(y_hat: Array, y: Array) -> Array:
    return ((y_hat - y) ** 2).sum(axis=1) / 2


def residual(y_hat: Array, y: Array) -> Array:
    return y_hat - y


def pseudo_huber(y_hat: Array, y: Array) -> Array:
    """sum_j sqrt(1 + e_j^2) - 1 (Charbonnier et al., 1997)."""
    return (np.sqrt(1 + (y_hat - y) ** 2) - 1).sum(axis=1)


def pseudo_huber_gradient(y_hat: Array, y: Array) -> Array:
    return (y_hat - y) / np.sqrt(1 + (y_hat - y) ** 2)


def pinball(y_hat: Array, y: Array) -> Array:
    """The loss of the 0.9 quantile (Koenker and Bassett, 1978)."""
    return np.maximum(0.9 * (y - y_hat), 0.1 * (y_hat - y)).sum(axis=1)


def pinball_gradient(y_hat: Array, y: Array) -> Array:
    return np.where(y > y_hat, -0.9, 0.1)


def log_cosh(y_hat: Array, y: Array) -> Array:
    e = np.abs(y_hat - y)
    return (e + np.log1p(np.exp(-2 * e)) - np.log(2)).sum(axis=1)


def log_cosh_gradient(y_hat: Array, y: Array) -> Array:
    return np.tanh(y_hat - y)


def swish(z: Array) -> Array:
    """z sigmoid(1.5 z) (Ramachandran, Zoph, Le, 2017)."""
    return z / (1 + np.exp(-1.5 * z))


def swish_derivative(z: Array, a: Array) -> Array:
    s = 1 / (1 + np.exp(-1.5 * z))
    return s + 1.5 * a * (1 - s)


def softsign(z: Array) -> Array:
    return z / (1 + np.abs(z))


def softsign_derivative(z: Array, a: Array) -> Array:
    return (1 - np.abs(a)) ** 2


def sine(z: Array) -> Array:
    return np.sin(z)


def sine_derivative(z: Array, a: Array) -> Array:
    return np.cos(z)


LOSSES = {
    "pseudo_huber": dr.CustomLoss(pseudo_huber, pseudo_huber_gradient),
    "pinball": dr.CustomLoss(pinball, pinball_gradient),
    "log_cosh": dr.CustomLoss(log_cosh, log_cosh_gradient),
}
ACTIVATIONS = {
    "swish": dr.CustomActivation(swish, swish_derivative),
    "softsign": dr.CustomActivation(softsign, softsign_derivative),
    "sine": dr.CustomActivation(sine, sine_derivative),
}
TANH = dr.CustomActivation(np.tanh, reference.ACTIVATIONS["tanh"].derivative)
SQUARES = dr.CustomLoss(squares, residual)
