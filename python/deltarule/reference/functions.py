"""Arrays, their types, and the functions that activations and losses share, in stable forms.

No exponential of a large positive number, no logarithm of a rounded difference. They take complex
numbers too, and are analytic in each piece of the real line: f(v + ih) = f(v) + ih f'(v) to h^2
gives the derivative without a difference (Squire, Trapp, Using complex variables to estimate
derivatives of real functions, SIAM Review 40, 1998). The real part chooses the piece.
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
Tensors: TypeAlias = Sequence[ArrayLike] | Layers  # one per layer
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
    value: Array = np.where(z.real > 0, z, 0) + log_1_plus(np.exp(_minus_absolute(z)))
    return value


def log_1_plus(w: Array) -> Array:
    """log(1 + w); NumPy's own, of a small complex w, loses the real part."""
    if not np.iscomplexobj(w):
        return np.log1p(w)
    value: Array = np.log1p(w)
    value.real = np.log1p(w.real)
    return value


def absolute(e: Array) -> Array:
    """|e|, with derivative 0 at 0."""
    value: Array = np.sign(e.real) * e
    return value


def _minus_absolute(z: Array) -> Array:
    """-|z|, with derivative 1 at 0."""
    return np.where(z.real > 0, -z, z)


def over(t: Array, p: Array) -> Array:
    """t / p, 0 where t is."""
    quotient: Array = np.divide(t, p, out=np.zeros_like(p), where=t != 0)
    return quotient


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z); sigmoid(-z) is 1 - sigmoid(z) without the cancellation."""
    e: Array = np.exp(_minus_absolute(z))
    value: Array = np.where(z.real > 0, 1, e) / (1 + e)
    return value


def sigmoid_slope(z: Array) -> Array:
    """sigmoid'(z) = sigmoid(z) sigmoid(-z); sigmoid''(z) = -sigmoid'(z) tanh(z / 2)."""
    return sigmoid(z) * sigmoid(-z)


def softmax(z: Array) -> Array:
    """p_j = e^z_j / sum_i e^z_i, row by row."""
    e: Array = np.exp(z - z.real.max(axis=1, keepdims=True))
    total: Array = e.sum(axis=1, keepdims=True)
    return e / total


def softmax_product(p: Array, v: Array) -> Array:
    """J v = p * (v - p.v), row by row: J = diag(p) - p p^T is symmetric, the covariance of e(p)."""
    value: Array = p * (v - (p * v).sum(axis=1, keepdims=True))
    return value


def log_sum_exp(z: Array) -> Array:
    """log sum_j e^z_j of each row, (n, 1)."""
    highest: Array = z.real.max(axis=1, keepdims=True)
    total: Array = highest + np.log(np.exp(z - highest).sum(axis=1, keepdims=True))
    return total


def log_softmax(z: Array) -> Array:
    """log p_j = z_j - log sum_i e^z_i."""
    z = z - z.real.max(axis=1, keepdims=True)
    log_sum: Array = np.log(np.exp(z).sum(axis=1, keepdims=True))
    return z - log_sum


def log_one_minus_softmax(z: Array) -> Array:
    """log(1 - p_j); for a p_j above 1/2, from the sum of the other exponentials."""
    log_p = log_softmax(z)
    others, p = log_p.copy(), np.exp(log_p)
    others[np.arange(len(z)), log_p.real.argmax(axis=1)] = np.finfo(z.dtype).min
    is_large = log_p.real > -math.log(2)
    return np.where(is_large, log_sum_exp(others), log_1_plus(-np.where(p.real > 0.5, 0.5, p)))


def log_softplus(z: Array) -> Array:
    """log log(1 + e^z), which is z to rounding far below 0."""
    far = z.real < -40
    return np.where(far, z, np.log(softplus(np.where(far, 0, z))))
