"""What the tests of the notes share: seeded parameters, the two implementations, tolerances.

Nothing here computes an expected value: each test works its formula out by hand.
Layer l of the notes is ``weights[l - 1]``, ``biases[l - 1]``; arrays are (n_samples, features).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

import deltarule as dr
from deltarule import reference
from deltarule.layers import Layers

Array = NDArray[np.float64]
Found = NDArray[Any]  # what is under test: assert_close asks for float64
Targets = NDArray[np.float64] | NDArray[np.int64]

# Some hundred float64 roundings (2.2e-16 each, exp and tanh within 2.5 ulp) on values of order 1.
RTOL = 1e-12
# The same roundings where terms of order 1 cancel; VISIBLE is nine orders of magnitude above it.
ATOL = 1e-13
# Each layer's gradient must be this large, or a wrong term could hide in ATOL.
VISIBLE = 1e-4


class Functions(NamedTuple):
    """The functions of a network and its loss by name, aliases included."""

    hidden: str | tuple[str, ...] = "relu"
    output: str = "identity"
    loss: str = "squared_error"
    reduction: str = "mean"

    def network(self) -> reference.Network:
        """The reference's description of the same network."""
        return reference.Network(self.hidden, self.output, self.loss, self.reduction)


class Parameters(NamedTuple):
    """W of shape (n_l, n_{l-1}) and b of shape (n_l,), one of each a layer."""

    weights: list[Array]
    biases: list[Array]


class Gradients(NamedTuple):
    """The loss, and its derivatives shaped as the parameters."""

    loss: float
    weights: list[Found]
    biases: list[Found]


class Descent(NamedTuple):
    """Final parameters; ``losses[t]`` is the loss before update t."""

    weights: list[Found]
    biases: list[Found]
    losses: list[float]


class Implementation(Protocol):
    """What is compared with the notes: the package, or its reference."""

    def predict(self, theta: Parameters, x: Array, functions: Functions) -> Found: ...

    def loss(self, theta: Parameters, x: Array, y: Targets, functions: Functions) -> float: ...

    def gradients(
        self, theta: Parameters, x: Array, y: Targets, functions: Functions
    ) -> Gradients: ...

    def descend(
        self,
        theta: Parameters,
        x: Array,
        y: Targets,
        functions: Functions,
        *,
        lr: float,
        steps: int,
    ) -> Descent: ...


def package_network(theta: Parameters, functions: Functions) -> dr.MLP:
    """A float64 dr.MLP of these functions that holds the parameters given."""
    sizes = [theta.weights[0].shape[1], *(weight.shape[0] for weight in theta.weights)]
    net = dr.MLP(
        sizes,
        hidden=functions.hidden,
        output=functions.output,
        loss=functions.loss,
        reduction=functions.reduction,
        dtype="float64",
    )
    net.set_parameters(theta.weights, theta.biases)
    return net


class Package:
    """``dr.MLP`` in float64."""

    def predict(self, theta: Parameters, x: Array, functions: Functions) -> Found:
        return package_network(theta, functions).predict(x)

    def loss(self, theta: Parameters, x: Array, y: Targets, functions: Functions) -> float:
        return package_network(theta, functions).evaluate(x, y)

    def gradients(self, theta: Parameters, x: Array, y: Targets, functions: Functions) -> Gradients:
        value, grads = package_network(theta, functions).value_and_grad(x, y)
        return Gradients(value, list(grads.weights), list(grads.biases))

    def descend(
        self,
        theta: Parameters,
        x: Array,
        y: Targets,
        functions: Functions,
        *,
        lr: float,
        steps: int,
    ) -> Descent:
        net = package_network(theta, functions)
        history = net.fit(
            x, y, epochs=steps, batch_size=None, shuffle=False, optimizer=dr.SGD(lr=lr)
        )
        return Descent(
            [weight.copy() for weight in net.weights],
            [bias.copy() for bias in net.biases],
            list(history.loss),
        )


class Reference:
    """``deltarule.reference`` in float64."""

    def predict(self, theta: Parameters, x: Array, functions: Functions) -> Found:
        return reference.forward_propagation(
            theta.weights, theta.biases, x, functions.network()
        ).y_hat

    def loss(self, theta: Parameters, x: Array, y: Targets, functions: Functions) -> float:
        forward = reference.forward_propagation(theta.weights, theta.biases, x, functions.network())
        return reference.loss_value(forward, y, functions.network())

    def gradients(self, theta: Parameters, x: Array, y: Targets, functions: Functions) -> Gradients:
        value, grads = reference.value_and_grad(
            theta.weights, theta.biases, x, y, functions.network()
        )
        return Gradients(value, list(grads.weights), list(grads.biases))

    def descend(
        self,
        theta: Parameters,
        x: Array,
        y: Targets,
        functions: Functions,
        *,
        lr: float,
        steps: int,
    ) -> Descent:
        descent = reference.gradient_descent(
            theta.weights, theta.biases, x, y, functions.network(), lr=lr, max_iterations=steps
        )
        return Descent(list(descent.weights), list(descent.biases), list(descent.losses))


both = pytest.mark.parametrize(
    "implementation", [Package(), Reference()], ids=["package", "reference"]
)


def draw_parameters(sizes: Sequence[int], seed: int, scale: float = 1.0) -> Parameters:
    """W ~ N(0, scale^2), b ~ N(0, 1/4); a scale near 1 keeps gradients visible through sigmoids."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    weights = [rng.normal(0.0, scale, (n_out, n_in)) for n_in, n_out in pairs]
    biases = [rng.normal(0.0, 0.5, n_out) for _, n_out in pairs]
    return Parameters(weights, biases)


def assert_close(
    actual: object, expected: object, *, rtol: float = RTOL, atol: float = ATOL
) -> None:
    """Equal shapes, float64, and equal values within the tolerance."""
    found, wanted = np.asarray(actual), np.asarray(expected)
    assert found.shape == wanted.shape
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)


def assert_layers_close(
    actual: Sequence[Found] | Layers,
    expected: Sequence[Found],
    *,
    rtol: float = RTOL,
    atol: float = ATOL,
) -> None:
    """Layer by layer as assert_close; the values expected must be visible in every layer."""
    assert len(actual) == len(expected)
    for found, wanted in zip(actual, expected, strict=True):
        assert np.abs(wanted).max() > VISIBLE
        assert_close(found, wanted, rtol=rtol, atol=atol)
