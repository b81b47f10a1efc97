"""Notes 003, feedforward networks: gradient_descent()."""

from __future__ import annotations

from functools import cache

import pytest

from deltarule import reference
from notes_003_support import (
    back_propagation,
    describe,
    draw_data,
    draw_theta,
    forward_propagation,
    mean_loss,
)
from notes_support import (
    Descent,
    Implementation,
    Package,
    Parameters,
    Reference,
    assert_close,
    assert_layers_close,
    both,
)

MAX_ITERATIONS = 1000
# Each of 1000 updates rounds at 1e-15 and, as the descent does not diverge, the errors add up
# about linearly: 1e-12; three orders of magnitude are left for the layers' amplification.
TRAJECTORY_RTOL = 1e-9


@cache
def gradient_descent(g: str, output: str, eta: float) -> Descent:
    """t <- 0; while t++ < max_iterations: theta_{t+1} <- theta_t - eta grad theta_t."""
    x, _, y = draw_data(output)
    weights, biases = draw_theta()
    losses = []
    for _ in range(MAX_ITERATIONS):
        theta = Parameters(weights, biases)
        forward = forward_propagation(theta, x, g, output)
        backward = back_propagation(theta, forward, y, g, output)
        losses.append(mean_loss(forward.y_hat, y, output))
        weights = [w - eta * backward.w[k] for k, w in enumerate(weights, start=1)]
        biases = [b - eta * backward.b[k] for k, b in enumerate(biases, start=1)]
    return Descent(weights, biases, losses)


descents = pytest.mark.parametrize(
    ("g", "output", "eta"),
    [
        ("logistic", "softmax", 0.3),
        ("tanh", "softmax", 0.1),
        ("logistic", "linear", 0.05),
        ("tanh", "linear", 0.03),
        ("linear", "linear", 0.01),
    ],
)


@both
@descents
def test_gradient_descent(implementation: Implementation, g: str, output: str, eta: float) -> None:
    """max_iterations = 1000 of theta_{t+1} <- theta_t - eta grad theta_t, and each t's loss."""
    x, targets, _ = draw_data(output)
    functions = describe(g, output)
    expected = gradient_descent(g, output, eta)
    found = implementation.descend(
        draw_theta(), x, targets, functions, lr=eta, steps=MAX_ITERATIONS
    )
    assert_close(found.losses, expected.losses, rtol=TRAJECTORY_RTOL, atol=0.0)
    assert_layers_close(found.weights, expected.weights, rtol=TRAJECTORY_RTOL)
    assert_layers_close(found.biases, expected.biases, rtol=TRAJECTORY_RTOL)
    assert found.losses[-1] < 0.8 * found.losses[0]


@descents
def test_package_fit_follows_the_reference_gradient_descent(
    g: str, output: str, eta: float
) -> None:
    """fit(batch_size=None, shuffle=False, epochs=1000) with plain SGD is gradient_descent()."""
    x, targets, _ = draw_data(output)
    theta = draw_theta()
    functions = describe(g, output)
    fitted = Package().descend(theta, x, targets, functions, lr=eta, steps=MAX_ITERATIONS)
    descended = Reference().descend(theta, x, targets, functions, lr=eta, steps=MAX_ITERATIONS)
    assert_close(fitted.losses, descended.losses, rtol=TRAJECTORY_RTOL, atol=0.0)
    assert_layers_close(fitted.weights, descended.weights, rtol=TRAJECTORY_RTOL)
    assert_layers_close(fitted.biases, descended.biases, rtol=TRAJECTORY_RTOL)


def test_reference_gradient_descent_makes_1000_iterations_by_default() -> None:
    """max_iterations <- 1000."""
    x, targets, _ = draw_data("softmax")
    network = describe("logistic", "softmax").network()
    descent = reference.gradient_descent(*draw_theta(), x, targets, network, lr=0.3)
    assert len(descent.losses) == MAX_ITERATIONS
