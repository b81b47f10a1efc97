"""Parameters: their first values, and theta in R^D (note 001)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from deltarule import defaults
from deltarule.layers import Layers, split_theta
from deltarule.reference.activations import ROWS
from deltarule.reference.functions import Array, Tensors, numbers
from deltarule.reference.network import canonical, hidden_names


class Initializer(NamedTuple):
    """A distribution beside scale(fan_in, fan_out), its limit or standard deviation."""

    distribution: str
    scale: Callable[[int, int], float]


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": Initializer("uniform", lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "glorot_normal": Initializer("normal", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": Initializer("uniform", lambda n_in, n_out: math.sqrt(6 / n_in)),
    "he_normal": Initializer("normal", lambda n_in, n_out: math.sqrt(2 / n_in)),
    "lecun_uniform": Initializer("uniform", lambda n_in, n_out: math.sqrt(3 / n_in)),
    "lecun_normal": Initializer("normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
    "notes": Initializer("normal", lambda n_in, n_out: math.sqrt(1 / n_in)),
    "torch": Initializer("uniform", lambda n_in, n_out: 1 / math.sqrt(n_in)),
}


def _draw(rng: np.random.Generator, distribution: str, s: float, shape: tuple[int, ...]) -> Array:
    return rng.uniform(-s, s, shape) if distribution == "uniform" else rng.normal(0.0, s, shape)


def initialize(
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    init: str = defaults.INIT,
    hidden: str | Sequence[str] = defaults.HIDDEN,
    dtype: DTypeLike = np.float64,
) -> tuple[list[Array], list[Array]]:
    """W[l] then b[l], l = 1..L, drawn in float64 and cast; b is 0, but for "torch" drawn like W.

    ``init`` is a name in `INITIALIZERS`, or "auto": he_normal for the hidden layers whose
    activation `uses_he`, as relu, glorot_uniform for the others and the output.

    Examples
    --------
    >>> weights, biases = initialize([3, 4, 2], np.random.default_rng(0))
    >>> [W.shape for W in weights], biases[1]
    ([(4, 3), (2, 4)], array([0., 0.]))
    """
    canonical("init", init, ("auto", *INITIALIZERS))
    uses_he = {name for name, row in ROWS.items() if row.uses_he}
    weights: list[Array] = []
    biases: list[Array] = []
    layers = [*hidden_names(hidden, len(sizes) - 2), "output"]
    for layer, (n_in, n_out) in zip(layers, pairwise(sizes), strict=True):
        auto = "he_normal" if layer in uses_he else "glorot_uniform"
        distribution, scale = INITIALIZERS[auto if init == "auto" else init]
        s = scale(n_in, n_out)
        weights.append(_draw(rng, distribution, s, (n_out, n_in)).astype(dtype))
        b = _draw(rng, distribution, s, (n_out,)) if init == "torch" else np.zeros(n_out)
        biases.append(b.astype(dtype))
    return weights, biases


def by_layer(weights: Tensors, biases: Tensors) -> tuple[Layers, Layers]:
    """W[l] and b[l], l = 1..L, from arrays or nested lists, all in their common floating dtype.

    Raises
    ------
    TypeError, ValueError
        Naming the weights or biases that are no arrays of numbers, or do not chain.
    """
    for name, given in (("weights", weights), ("biases", biases)):
        if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray | Layers):
            raise TypeError(f"{name} must be a sequence of arrays, one a layer, not {given!r}")
    if len(weights) != len(biases) or not len(weights):
        raise ValueError(
            f"weights has {len(weights)} arrays, biases {len(biases)}; a network has one of each "
            "a layer"
        )
    W = [numbers(f"weights[{k}]", w) for k, w in enumerate(weights)]
    b = [numbers(f"biases[{k}]", v) for k, v in enumerate(biases)]
    for k, (w, v) in enumerate(zip(W, b, strict=True)):
        if w.ndim != 2 or v.shape != w.shape[:1] or (k and w.shape[1] != len(W[k - 1])):
            below = f", which is fed by W[{k}] {W[k - 1].shape}" if k else ""
            raise ValueError(
                f"W[{k + 1}] has shape {w.shape} and b[{k + 1}] {v.shape}; they must be "
                f"(n_{k + 1}, n_{k}) and (n_{k + 1},){below}"
            )
    dtype = np.result_type(np.float32, *W, *b)
    return (
        Layers("W", [w.astype(dtype, copy=False) for w in W]),
        Layers("b", [v.astype(dtype, copy=False) for v in b]),
    )


def theta(weights: Tensors, biases: Tensors) -> Array:
    """The parameters as one vector: every W[l], row by row, then every b[l] (notes 001, 003)."""
    return np.concatenate([np.ravel(p) for p in (*weights, *biases)])


def unflatten(theta: ArrayLike, sizes: Sequence[int]) -> tuple[list[Array], list[Array]]:
    """The weights and biases of a network of these sizes, copied from theta."""
    theta = numbers("theta", theta)
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    count = sum(n_out * (n_in + 1) for n_out, n_in in shapes)
    if theta.shape != (count,):
        raise ValueError(f"theta has shape {theta.shape}, the network has {count} parameters")
    weights, biases = split_theta(theta.copy(), shapes)
    return list(weights), list(biases)
