"""Initial parameters. NumPy's Generator makes every random number."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.custom import ActivationWord

Array = NDArray[np.float64]

# The variance of a weight times this is 1: (fan_in, fan_out) -> number.
_SCALES: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "he": lambda fan_in, fan_out: fan_in / 2,
    "lecun": lambda fan_in, fan_out: fan_in,
}

TOGETHER = 2**20  # numbers drawn or copied in one call of NumPy, 10 ms at most

NAMES = (
    "auto",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "notes",
    "torch",
)


def generator(seed: object) -> np.random.Generator:
    """Return a Generator of a seed: a whole number, a Generator as it is, or None."""
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"seed must be a whole number, a numpy Generator or None, not {seed!r}"
        ) from None
    if isinstance(seed, bool) or number < 0:
        raise ValueError(f"seed must be 0 or more, not {seed!r}")
    return np.random.default_rng(number)


def initial_parameters(
    sizes: Sequence[int], hidden: Sequence[ActivationWord], init: str, rng: np.random.Generator
) -> tuple[list[Array], list[Array]]:
    """Draw weights (n_l, n_{l-1}) and biases (n_l,), layer by layer.

    Parameters
    ----------
    sizes : sequence of int
        n_0 .. n_L.
    hidden : sequence of str or CustomActivation
        Activation of each hidden layer.
    init : str
        One of `NAMES`. "auto" is he_normal for relu and its kin, glorot_uniform otherwise and for
        the output layer; "notes" is N(0, 1/fan_in); "torch" draws weights and biases uniformly
        within 1/sqrt(fan_in). Other biases are 0.
    rng : numpy.random.Generator

    References
    ----------
    Glorot and Bengio, AISTATS 2010; He et al., ICCV 2015; LeCun et al., Efficient BackProp, 1998.
    """
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        scheme = init
        if init == "auto":
            # half of the inputs carry the signal where g passes a positive half-line on
            halves = layer < len(hidden) and hidden[layer] in core.PASSES_HALF_LINE
            scheme = "he_normal" if halves else "glorot_uniform"
        elif init == "notes":
            scheme = "lecun_normal"
        weights.append(_weights(scheme, fan_in, fan_out, rng))
        biases.append(
            _uniform(1 / math.sqrt(fan_in), (fan_out,), rng)
            if scheme == "torch"
            else np.zeros(fan_out)
        )
    return weights, biases


def _weights(scheme: str, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    shape = (fan_out, fan_in)
    if scheme == "torch":
        return _uniform(1 / math.sqrt(fan_in), shape, rng)
    family, distribution = scheme.split("_")
    scale = _SCALES[family](fan_in, fan_out)
    if distribution == "uniform":
        return _uniform(math.sqrt(3 / scale), shape, rng)
    deviation = math.sqrt(1 / scale)
    return _drawn(lambda count: rng.normal(0.0, deviation, count), shape)


def _uniform(limit: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return _drawn(lambda count: rng.uniform(-limit, limit, count), shape)


def _drawn(draw: Callable[[int], Array], shape: tuple[int, ...]) -> Array:
    """Return so many numbers, drawn a part at a time: Ctrl-C comes between two calls of NumPy."""
    count = math.prod(shape)
    if count <= TOGETHER:
        return draw(count).reshape(shape)
    numbers = np.empty(count)
    for start in range(0, count, TOGETHER):
        part = numbers[start : start + TOGETHER]
        part[:] = draw(len(part))
    return numbers.reshape(shape)
