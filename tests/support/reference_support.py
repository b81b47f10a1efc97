"""What the tests of the reference share: names, points away from kinks, central differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule import reference
from deltarule.reference import LOSSES, OUTPUTS, PAIRS, Backward, Forward, Layers, Network

Array = NDArray[Any]

LOG_LOSSES = {loss for _, loss in PAIRS}
VALID = [pair for pair in product(OUTPUTS, LOSSES) if pair[1] not in LOG_LOSSES or pair in PAIRS]
INVALID = [pair for pair in product(OUTPUTS, LOSSES) if pair not in VALID]
KINKED = ("relu", "leaky_relu", "elu")  # elu's second derivative jumps at 0

CANONICAL = {
    ("identity", "squared_error"),
    ("identity", "sum_squared_error"),
    ("identity", "mean_squared_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"),
    ("exp", "poisson"),
}

EPS = 1e-6
# A central difference errs by a few roundings of L, 2^-53 |L| / EPS = 1e-10 |L| each, and by
# EPS^2 / 6 of the third derivative, which is less. A wrong term is of the order of 1e-2.
TOLERANCE = 1e-8
# The same quantity computed in another order: some tens of roundings (1e-16) of values near 1.
ROUNDING: dict[str, Any] = {"rtol": 1e-13, "atol": 1e-14}


def central_difference(f: Callable[[Array], float], point: Array) -> Array:
    """The derivative of the number f(point) by each entry of point, in row-major order."""
    slopes = []
    for i in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[i] = EPS
        slopes.append((f(point + step) - f(point - step)) / (2 * EPS))
    return np.array(slopes)


def targets(loss: str, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Targets in the domain of the loss."""
    if loss == "cross_entropy":
        y = rng.uniform(0.1, 1.0, shape)
        rows: Array = y / y.sum(axis=1, keepdims=True)
        return rows
    if loss == "binary_cross_entropy":
        return rng.uniform(0.0, 1.0, shape)
    if loss == "poisson":
        return rng.uniform(0.0, 4.0, shape)
    return rng.normal(0.0, 2.0, shape)


def is_smooth(network: Network, forward: Forward, y: Array, margin: float = 1e-3) -> bool:
    """Whether no step of EPS in a parameter can cross a kink of an activation or of the loss."""
    error, loss = np.abs(forward.y_hat - y), network.loss
    functions = [network.hidden] * (len(forward.z) - 1) + [network.output]
    kinked = [z for g, z in zip(functions, forward.z, strict=False) if g in KINKED]
    return not (
        any(np.abs(z).min() < margin for z in kinked)
        or (loss == "absolute_error" and error.min() < margin)
        or (loss == "huber" and np.abs(error - 1.0).min() < margin)
    )


class Case(NamedTuple):
    """A network, and samples for it."""

    weights: list[Array]
    biases: list[Array]
    x: Array
    y: Array
    network: Network


def direction(case: Case) -> Array:
    """A direction in the space of theta, of order 1."""
    return np.random.default_rng(13).normal(size=len(reference.theta(case.weights, case.biases)))


def smooth_case(
    hidden: str, output: str, loss: str, sizes: tuple[int, ...] = (3, 4, 3), n: int = 5
) -> Case:
    """Weights, biases, x, y and network, drawn until they are away from every kink.

    And until each output of relu and leaky_relu is above 0 for some sample, where the loss changes
    with it.
    """
    network = Network(hidden=hidden, output=output, loss=loss)
    rng = np.random.default_rng(7)
    for _ in range(500):
        weights = [rng.normal(0.0, 0.8, (n_out, n_in)) for n_in, n_out in pairwise(sizes)]
        biases = [rng.normal(0.0, 0.3, n_out) for n_out in sizes[1:]]
        x = rng.normal(size=(n, sizes[0]))
        y = targets(loss, rng, (n, sizes[-1]))
        forward = reference.forward_propagation(weights, biases, x, network)
        is_alive = output not in ("relu", "leaky_relu") or (forward.y_hat > 0).any(axis=0).all()
        if is_alive and is_smooth(network, forward, y):
            return Case(weights, biases, x, y, network)
    raise AssertionError("no smooth point found")


def update_along(weights: list[Array], biases: list[Array]) -> Backward:
    """A gradient of the parameters alone, for an update."""
    none = Layers("delta", [])
    return Backward(none, weights, biases, none)


def at_output(z: ArrayLike, network: Network) -> Forward:
    """A forward pass whose last pre-activation is z."""
    last = np.asarray(z)
    y_hat = OUTPUTS[network.output].value(last)
    return Forward(Layers("z", [last]), Layers("a", [last, y_hat], 0), y_hat, Layers("fed", [], 0))
