"""Arrays, their types, and the functions that activations and losses share, in stable forms.

No exponential of a large positive number, no logarithm of a rounded difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from deltarule.layers import Layers

Array: TypeAlias = NDArray[np.floating[Any]]
Arrays: TypeAlias = Sequence[Array]
Tensors: TypeAlias = Sequence[ArrayLike] | Layers  # one a layer
F1: TypeAlias = Callable[[Array], Array]
F2: TypeAlias = Callable[[Array, Array], Array]
F3: TypeAlias = Callable[[Array, Array, Array], Array]
F4: TypeAlias = Callable[[Array, Array, Array, Array], Array]


def numbers(name: str, given: ArrayLike, dtype: DTypeLike | None = None) -> Array:
    """An argument as an array of numbers, of the dtype given, else of its own.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, where it is ragged or holds no numbers.
    """
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{name} must hold numbers, not {array.dtype.name}")
    if dtype is None:
        return array
    with np.errstate(all="ignore"):  # a number too small for the dtype is 0
        return array.astype(dtype, copy=False)


def no_curvature(*arrays: Array) -> Array:
    """Stand in for a second derivative that was not given."""
    raise ValueError("curvature is not given: a second derivative is needed of every function")


def softplus(z: Array) -> Array:
    """log(1 + e^z)."""
    value: Array = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return value


def over(t: Array, p: Array) -> Array:
    """t / p, 0 where t is."""
    quotient: Array = np.divide(t, p, out=np.zeros_like(p), where=t != 0)
    return quotient


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z); sigmoid(-z) is 1 - sigmoid(z) without the cancellation."""
    e: Array = np.exp(-np.abs(z))
    value: Array = np.where(z >= 0, 1, e) / (1 + e)
    return value


def sigmoid_slope(z: Array) -> Array:
    """sigmoid'(z) = sigmoid(z) sigmoid(-z); sigmoid''(z) = -sigmoid'(z) tanh(z / 2)."""
    return sigmoid(z) * sigmoid(-z)


def softmax(z: Array) -> Array:
    """p_j = e^z_j / sum_i e^z_i, row by row."""
    e: Array = np.exp(z - z.max(axis=1, keepdims=True))
    total: Array = e.sum(axis=1, keepdims=True)
    return e / total


def softmax_product(p: Array, v: Array) -> Array:
    """J v = p * (v - p.v), row by row: J = diag(p) - p p^T is symmetric, the covariance of e(p)."""
    value: Array = p * (v - (p * v).sum(axis=1, keepdims=True))
    return value


def log_softmax(z: Array) -> Array:
    """log p_j = z_j - log sum_i e^z_i."""
    z = z - z.max(axis=1, keepdims=True)
    log_sum: Array = np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z - log_sum


def log_one_minus_softmax(z: Array) -> Array:
    """log(1 - p_j); for a p_j above 1/2, from the sum of the other exponentials."""
    log_p = log_softmax(z)
    others = log_p.copy()
    others[np.arange(len(z)), log_p.argmax(axis=1)] = np.finfo(z.dtype).min
    log_q: Array = np.logaddexp.reduce(others, axis=1, keepdims=True)
    return np.where(log_p > -math.log(2), log_q, np.log1p(-np.minimum(np.exp(log_p), 0.5)))
