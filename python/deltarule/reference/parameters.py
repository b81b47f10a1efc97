"""Parameters: their first values, and theta in R^D (note 001)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from deltarule.reference.functions import Array, Arrays
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
    init: str = "auto",
    hidden: str | Sequence[str] = "relu",
    dtype: DTypeLike = np.float64,
) -> tuple[list[Array], list[Array]]:
    """W[l] then b[l], l = 1..L, drawn in float64 and cast; b is 0, but for "torch" drawn like W.

    ``init`` is a name in `INITIALIZERS`, or "auto": he_normal for the hidden layers of relu's kin,
    glorot_uniform for the others and the output.

    Examples
    --------
    >>> weights, biases = initialize([3, 4, 2], np.random.default_rng(0))
    >>> [W.shape for W in weights], biases[1]
    ([(4, 3), (2, 4)], array([0., 0.]))
    """
    canonical("init", init, ("auto", *INITIALIZERS))
    kin = ("relu", "leaky_relu", "elu", "softplus", "gelu", "silu")
    weights: list[Array] = []
    biases: list[Array] = []
    layers = [*hidden_names(hidden, len(sizes) - 2), "output"]
    for layer, (n_in, n_out) in zip(layers, pairwise(sizes), strict=True):
        auto = "he_normal" if layer in kin else "glorot_uniform"
        distribution, scale = INITIALIZERS[auto if init == "auto" else init]
        s = scale(n_in, n_out)
        weights.append(_draw(rng, distribution, s, (n_out, n_in)).astype(dtype))
        b = _draw(rng, distribution, s, (n_out,)) if init == "torch" else np.zeros(n_out)
        biases.append(b.astype(dtype))
    return weights, biases


def theta(weights: Arrays, biases: Arrays) -> Array:
    """The parameters as one vector: every W[l], row by row, then every b[l] (notes 001, 003)."""
    return np.concatenate([np.ravel(p) for p in (*weights, *biases)])


def unflatten(theta: Array, sizes: Sequence[int]) -> tuple[list[Array], list[Array]]:
    """The weights and biases of a network of these sizes, copied from theta."""
    shapes = [(n_out, n_in) for n_in, n_out in pairwise(sizes)] + [(n,) for n in sizes[1:]]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    if theta.shape != (ends[-1],):
        raise ValueError(f"theta has shape {theta.shape}, the network has {ends[-1]} parameters")
    parts = np.split(theta.copy(), ends[:-1])
    params: list[Array] = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return params[: len(sizes) - 1], params[len(sizes) - 1 :]
