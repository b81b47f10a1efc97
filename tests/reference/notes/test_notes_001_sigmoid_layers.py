"""Notes 001, M layers of sigmoids: the loss 1/2 ||y_hat - y||^2, summed over the data or averaged.

Layers are numbered 1..M and layer 1 is the input: a[1] = x, z[k] = W[k] a[k-1] + b[k] for
k = 2..M, so that the package's layer l is the notes' layer k = l + 1. The notes write
dL/dw_js[k] with a_s[k] where this numbering has a_s[k-1], the input of the weight w_js[k].
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from deltarule import reference
from notes_support import (
    Array,
    Functions,
    Implementation,
    Parameters,
    assert_close,
    assert_layers_close,
    both,
    draw_parameters,
    package_network,
)

SIZES = (3, 4, 2, 5, 2)  # n_1, ..., n_M with M = 5
N_SAMPLES = 7
# The sum over the data: the notes' first loss; 1/N of it: their last one.
SUM = Functions("sigmoid", "sigmoid", "squared_error", "sum")
MEAN = Functions("sigmoid", "sigmoid", "squared_error", "mean")
# Central differences with step 1e-6: truncation near 1e-12, rounding 1e-16 / 1e-6 = 1e-10.
DIFFERENCE_STEP = 1e-6
DIFFERENCE_ATOL = 1e-8

each_reduction = pytest.mark.parametrize("functions", [SUM, MEAN], ids=["sum", "mean"])


def draw_data(n_samples: int = N_SAMPLES) -> tuple[Array, Array]:
    """Inputs around 0 and targets inside the sigmoid's range."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(n_samples, SIZES[0])), rng.uniform(0.1, 0.9, (n_samples, SIZES[-1]))


def draw_theta() -> Parameters:
    return draw_parameters(SIZES, seed=1)


def share_of_sample(functions: Functions, n_samples: int) -> float:
    """1 for the sum over the data, 1/N for its mean."""
    return 1.0 if functions.reduction == "sum" else 1.0 / n_samples


def sigma(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def feed_forward(
    theta: Parameters, x: Array
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """z_j[k] = sum_s w_js[k] a_s[k-1] + b_j[k] and a_j[k] = sigma(z_j[k]), neuron by neuron."""
    a = {1: [float(value) for value in x]}
    z: dict[int, list[float]] = {}
    for k, (weight, bias) in enumerate(zip(*theta, strict=True), start=2):
        z[k], a[k] = [], []
        for j in range(weight.shape[0]):
            total = float(bias[j])
            for s in range(weight.shape[1]):
                total += float(weight[j, s]) * a[k - 1][s]
            z[k].append(total)
            a[k].append(sigma(total))
    return z, a


def loss_of_sample(theta: Parameters, x: Array, y: Array) -> float:
    """1/2 ||y_hat - y||^2."""
    _, a = feed_forward(theta, x)
    y_hat = a[len(theta.weights) + 1]
    return 0.5 * sum((y_hat[j] - float(y[j])) ** 2 for j in range(len(y_hat)))


def loss_of_data(theta: Parameters, x: Array, y: Array, functions: Functions) -> float:
    """The sum over i of 1/2 ||y_hat_i - y_i||^2, or 1/N of it."""
    total = sum(loss_of_sample(theta, x[i], y[i]) for i in range(len(x)))
    return total * share_of_sample(functions, len(x))


def neuron_derivatives(theta: Parameters, x: Array, y: Array) -> list[Array]:
    """dL/dz_j[k] for k = 2..M, from the last layer to the first, for one sample."""
    _, a = feed_forward(theta, x)
    last = len(theta.weights) + 1
    dz: dict[int, list[float]] = {last: []}
    for j, a_j in enumerate(a[last]):
        dz[last].append((a_j - float(y[j])) * a_j * (1.0 - a_j))
    for k in range(last - 1, 1, -1):
        above = theta.weights[k - 1]  # W[k+1], of shape (n_{k+1}, n_k)
        dz[k] = []
        for j, a_j in enumerate(a[k]):
            total = 0.0
            for m in range(above.shape[0]):
                total += dz[k + 1][m] * float(above[m, j])
            dz[k].append(total * a_j * (1.0 - a_j))
    return [np.array(dz[k]) for k in range(2, last + 1)]


def parameter_derivatives(theta: Parameters, x: Array, y: Array) -> Parameters:
    """dL/db_j[k] = dL/dz_j[k] and dL/dw_js[k] = dL/dz_j[k] a_s[k-1], for one sample."""
    _, a = feed_forward(theta, x)
    dw = [np.zeros_like(weight) for weight in theta.weights]
    db = [np.zeros_like(bias) for bias in theta.biases]
    for layer, dz in enumerate(neuron_derivatives(theta, x, y)):
        k = layer + 2
        for j in range(dz.size):
            db[layer][j] = dz[j]
            for s in range(dw[layer].shape[1]):
                dw[layer][j, s] = dz[j] * a[k - 1][s]
    return Parameters(dw, db)


def data_derivatives(theta: Parameters, x: Array, y: Array, functions: Functions) -> Parameters:
    """The samples' derivatives summed, or 1/N of the sum."""
    dw = [np.zeros_like(weight) for weight in theta.weights]
    db = [np.zeros_like(bias) for bias in theta.biases]
    for i in range(len(x)):
        sample = parameter_derivatives(theta, x[i], y[i])
        for layer in range(len(dw)):
            dw[layer] += sample.weights[layer] * share_of_sample(functions, len(x))
            db[layer] += sample.biases[layer] * share_of_sample(functions, len(x))
    return Parameters(dw, db)


def count_parameters(sizes: tuple[int, ...]) -> int:
    """D = sum_{k=1}^{M-1} n_k n_{k+1} + sum_{k=2}^{M} n_k."""
    n = dict(enumerate(sizes, start=1))
    last = len(sizes)
    return sum(n[k] * n[k + 1] for k in range(1, last)) + sum(n[k] for k in range(2, last + 1))


@both
def test_feed_forward(implementation: Implementation) -> None:
    """v[1] = x, v[k] = sigma(W[k-1] v[k-1] + b[k-1]) up to y_hat = v[M]."""
    x, _ = draw_data()
    theta = draw_theta()
    expected = np.array([feed_forward(theta, row)[1][len(SIZES)] for row in x])
    assert_close(implementation.predict(theta, x, SUM), expected)


def test_reference_feed_forward_by_layer() -> None:
    """z_j[k] and a_j[k] for k = 2..M, with a[1] = x."""
    x, _ = draw_data()
    theta = draw_theta()
    forward = reference.forward_propagation(*theta, x, SUM.network())
    by_hand = [feed_forward(theta, row) for row in x]
    layers = range(2, len(SIZES) + 1)
    assert_layers_close(forward.z, [np.array([z[k] for z, _ in by_hand]) for k in layers])
    assert_layers_close(list(forward.a)[1:], [np.array([a[k] for _, a in by_hand]) for k in layers])
    assert_close(forward.a[0], x)


@both
@each_reduction
def test_loss_over_the_data(implementation: Implementation, functions: Functions) -> None:
    """L = sum_i 1/2 ||y_hat_i - y_i||^2, and 1/N of it."""
    x, y = draw_data()
    theta = draw_theta()
    value = implementation.loss(theta, x, y, functions)
    assert_close(value, loss_of_data(theta, x, y, functions))


@both
def test_derivatives_of_each_neuron_single_sample(implementation: Implementation) -> None:
    """dL/db_j[k] = dL/dz_j[k]; dL/dw_js[k] = dL/dz_j[k] a_s[k-1]."""
    x, y = draw_data(1)
    theta = draw_theta()
    expected = parameter_derivatives(theta, x[0], y[0])
    found = implementation.gradients(theta, x, y, SUM)
    assert_close(found.loss, loss_of_sample(theta, x[0], y[0]))
    assert_layers_close(found.weights, expected.weights)
    assert_layers_close(found.biases, expected.biases)


@each_reduction
def test_reference_delta_of_each_neuron(functions: Functions) -> None:
    """dL/dz_j[M] = (a_j - y_j) a_j (1 - a_j); below, (W[k+1]^T dL/dz[k+1])_j a_j (1 - a_j)."""
    x, y = draw_data()
    theta = draw_theta()
    forward = reference.forward_propagation(*theta, x, functions.network())
    backward = reference.back_propagation(*theta, forward, y, functions.network())
    samples = [neuron_derivatives(theta, x[i], y[i]) for i in range(N_SAMPLES)]
    share = share_of_sample(functions, N_SAMPLES)
    expected = [
        share * np.array([sample[layer] for sample in samples]) for layer in range(len(SIZES) - 1)
    ]
    assert_layers_close(backward.delta, expected)


@both
@each_reduction
def test_derivatives_over_the_data(implementation: Implementation, functions: Functions) -> None:
    """The gradient of the sum is the sum of the samples' gradients; 1/N of it for the mean."""
    x, y = draw_data()
    theta = draw_theta()
    expected = data_derivatives(theta, x, y, functions)
    found = implementation.gradients(theta, x, y, functions)
    assert_layers_close(found.weights, expected.weights)
    assert_layers_close(found.biases, expected.biases)


@both
@each_reduction
def test_loss_is_a_function_on_r_d(implementation: Implementation, functions: Functions) -> None:
    """L: R^D -> R: each of its D partial derivatives by central differences in theta."""
    x, y = draw_data()
    theta = draw_theta()
    found = implementation.gradients(theta, x, y, functions)
    for parameters, gradients in zip(theta, (found.weights, found.biases), strict=True):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            for index in np.ndindex(parameter.shape):
                kept = parameter[index]
                parameter[index] = kept + DIFFERENCE_STEP
                above = implementation.loss(theta, x, y, functions)
                parameter[index] = kept - DIFFERENCE_STEP
                below = implementation.loss(theta, x, y, functions)
                parameter[index] = kept
                difference = (above - below) / (2.0 * DIFFERENCE_STEP)
                assert_close(gradient[index], difference, rtol=0.0, atol=DIFFERENCE_ATOL)


@pytest.mark.parametrize("sizes", [SIZES, (1, 1), (6, 3), (2, 7, 7, 3)])
def test_package_counts_the_parameters(sizes: tuple[int, ...]) -> None:
    """theta in R^D, D = sum_{k=1}^{M-1} n_k n_{k+1} + sum_{k=2}^{M} n_k."""
    net = package_network(draw_parameters(sizes, seed=3), SUM)
    assert net.n_parameters == count_parameters(sizes)
    assert net.theta.shape == (count_parameters(sizes),)


@pytest.mark.parametrize("sizes", [SIZES, (1, 1), (6, 3), (2, 7, 7, 3)])
def test_reference_counts_the_parameters(sizes: tuple[int, ...]) -> None:
    """theta in R^D, D = sum_{k=1}^{M-1} n_k n_{k+1} + sum_{k=2}^{M} n_k."""
    theta = draw_parameters(sizes, seed=3)
    assert reference.theta(*theta).shape == (count_parameters(sizes),)


def test_reference_bias_count_of_the_notes_starts_one_layer_early() -> None:
    """Their second sum, k = 1..M-1 of n_k, counts the input, not the output: n_1 - n_M too many."""
    printed = sum(SIZES[k - 1] * SIZES[k] + SIZES[k - 1] for k in range(1, len(SIZES)))
    right = reference.theta(*draw_theta()).size
    assert right == count_parameters(SIZES)
    assert printed - right == SIZES[0] - SIZES[-1]
    assert printed != right


def test_package_theta_holds_all_weights_then_all_biases() -> None:
    """theta = (W[1], ..., W[M-1], b[1], ..., b[M-1]); its gradient lies in the same order."""
    x, y = draw_data()
    theta = draw_theta()
    net = package_network(theta, SUM)
    flat = np.concatenate([part.ravel() for part in (*theta.weights, *theta.biases)])
    assert_close(net.theta, flat, rtol=0.0, atol=0.0)
    _, grads = net.value_and_grad(x, y)
    expected = data_derivatives(theta, x, y, SUM)
    assert_close(
        grads.theta,
        np.concatenate([part.ravel() for part in (*expected.weights, *expected.biases)]),
    )
    net.theta = 0.5 * flat
    halved = Parameters([0.5 * w for w in theta.weights], [0.5 * b for b in theta.biases])
    assert_layers_close(net.weights, halved.weights, rtol=0.0, atol=0.0)
    assert_layers_close(net.biases, halved.biases, rtol=0.0, atol=0.0)
    assert_close(net.evaluate(x, y), loss_of_data(halved, x, y, SUM))


def test_reference_theta_holds_all_weights_then_all_biases() -> None:
    """theta = (W[1], ..., W[M-1], b[1], ..., b[M-1]), and back."""
    theta = draw_theta()
    flat = np.concatenate([part.ravel() for part in (*theta.weights, *theta.biases)])
    assert_close(reference.theta(*theta), flat, rtol=0.0, atol=0.0)
    weights, biases = reference.unflatten(flat, SIZES)
    assert_layers_close(weights, theta.weights, rtol=0.0, atol=0.0)
    assert_layers_close(biases, theta.biases, rtol=0.0, atol=0.0)


@both
@pytest.mark.parametrize(("functions", "lr"), [(SUM, 0.1), (MEAN, 0.7)], ids=["sum", "mean"])
def test_gradient_descent_lowers_the_loss(
    implementation: Implementation, functions: Functions, lr: float
) -> None:
    """theta <- theta - lr dL/dtheta: the loss falls at each step, along the path worked by hand."""
    x, y = draw_data()
    start = draw_theta()
    theta = start
    losses = []
    for _ in range(25):
        losses.append(loss_of_data(theta, x, y, functions))
        gradient = data_derivatives(theta, x, y, functions)
        theta = Parameters(
            [w - lr * dw for w, dw in zip(theta.weights, gradient.weights, strict=True)],
            [b - lr * db for b, db in zip(theta.biases, gradient.biases, strict=True)],
        )
    descent = implementation.descend(start, x, y, functions, lr=lr, steps=25)
    assert_close(descent.losses, losses)
    assert_layers_close(descent.weights, theta.weights)
    assert_layers_close(descent.biases, theta.biases)
    assert all(after < before for before, after in pairwise(losses))
    assert all(after < before for before, after in pairwise(descent.losses))
