"""Notes 003, feedforward networks: the forward pass and every gradient by name.

The letters and shapes are those of notes_003_support.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deltarule import reference
from notes_003_support import (
    G_PRIME,
    LAST,
    N_INPUTS,
    N_OUTPUTS,
    N_SAMPLES,
    SIZES,
    G,
    back_propagation,
    describe,
    draw_data,
    draw_theta,
    e,
    forward_propagation,
    mean_loss,
    softmax,
)
from notes_support import (
    VISIBLE,
    Array,
    Implementation,
    Parameters,
    assert_close,
    assert_layers_close,
    both,
    draw_parameters,
    package_network,
)

# Central differences with step 1e-5, relative to derivatives and losses of order 1 to 100:
# truncation (1e-5)^2 = 1e-10, rounding 1e-16 * 100 / 1e-5 = 1e-9.
DIFFERENCE_STEP = 1e-5
DIFFERENCE_TOLERANCE = 1e-7

each_g = pytest.mark.parametrize("g", ["logistic", "tanh", "linear"])
each_output = pytest.mark.parametrize("output", ["linear", "softmax"])
each_label = pytest.mark.parametrize("label", range(N_OUTPUTS))


def rows_by_layer(columns: dict[int, Array], first: int = 1) -> list[Array]:
    """The columns of the layers from the first on, as the rows of a batch."""
    return [columns[k].T for k in sorted(columns) if k >= first]


@both
@each_g
@each_output
def test_forward_propagation(implementation: Implementation, g: str, output: str) -> None:
    """y_hat_i = O(W_3 g(W_2 g(W_1 x_i + b_1) + b_2) + b_3)."""
    x = draw_data(output).x
    theta = draw_theta()
    (w1, w2, w3), (b1, b2, b3) = theta
    a_3 = [w3 @ G[g](w2 @ G[g](w1 @ row + b1) + b2) + b3 for row in x]
    y_hat = [softmax(a) if output == "softmax" else a for a in a_3]
    assert_close(implementation.predict(theta, x, describe(g, output)), y_hat)


@each_g
@each_output
def test_reference_forward_propagation_by_layer(g: str, output: str) -> None:
    """a_k = b_k + W_k h_{k-1}, h_k = g(a_k), y_hat = O(a_L)."""
    x = draw_data(output).x
    theta = draw_theta()
    by_hand = forward_propagation(theta, x, g, output)
    forward = reference.forward_propagation(*theta, x, describe(g, output).network())
    assert_layers_close(forward.z, rows_by_layer(by_hand.a))
    assert_layers_close(list(forward.a)[:-1], rows_by_layer(by_hand.h, first=0))
    assert_close(forward.y_hat, by_hand.y_hat.T)


@both
@each_g
def test_squared_loss_of_linear_outputs(implementation: Implementation, g: str) -> None:
    """L = 1/N sum_i sum_j (y_hat_ij - y_ij)^2."""
    x, y, _ = draw_data("linear")
    theta = draw_theta()
    y_hat = forward_propagation(theta, x, g, "linear").y_hat.T
    total = 0.0
    for i in range(N_SAMPLES):
        for j in range(N_OUTPUTS):
            total += (y_hat[i, j] - y[i, j]) ** 2
    assert_close(implementation.loss(theta, x, y, describe(g, "linear")), total / N_SAMPLES)


@both
@each_g
@each_label
def test_cross_entropy_of_softmax_outputs(
    implementation: Implementation, g: str, label: int
) -> None:
    """L = -sum_c y_c log y_hat_c = -log y_hat_l."""
    x = draw_data("softmax", 1).x
    theta = draw_theta()
    y_hat = forward_propagation(theta, x, g, "softmax").y_hat[:, 0]
    y = e(label)
    functions = describe(g, "softmax")
    assert_close(-sum(y[c] * np.log(y_hat[c]) for c in range(N_OUTPUTS)), -np.log(y_hat[label]))
    assert_close(implementation.loss(theta, x, np.array([label]), functions), -np.log(y_hat[label]))
    assert_close(implementation.loss(theta, x, y[None, :], functions), -np.log(y_hat[label]))


@each_label
def test_reference_gradient_of_output_units(label: int) -> None:
    """dL/dy_hat_i = -1(i = l) / y_hat_l; as a vector -e(l) / y_hat_l."""
    y_hat = softmax(np.array([0.3, -0.9, 1.1]))
    expected = [-(1.0 if i == label else 0.0) / y_hat[label] for i in range(N_OUTPUTS)]
    found = reference.LOSSES["cross_entropy"].gradient(y_hat[None, :], e(label)[None, :])
    assert_close(found, [expected])
    assert_close(found, (-e(label) / y_hat[label])[None, :])


@each_label
def test_reference_gradient_through_the_softmax(label: int) -> None:
    """dL/da_Li = -1/y_hat_l (1(l = i) y_hat_l - y_hat_l y_hat_i) = -(1(l = i) - y_hat_i)."""
    a_last = np.array([0.3, -0.9, 1.1])
    y_hat = softmax(a_last)
    expected = np.empty(N_OUTPUTS)
    for i in range(N_OUTPUTS):
        same = 1.0 if i == label else 0.0
        expected[i] = (-1.0 / y_hat[label]) * (same * y_hat[label] - y_hat[label] * y_hat[i])
    assert_close(expected, -(e(label) - y_hat))
    output = reference.OUTPUTS["softmax"]
    grad_y_hat = -e(label) / y_hat[label]
    assert_close(output.value(a_last[None, :]), y_hat[None, :])
    found = output.vjp(a_last[None, :], y_hat[None, :], grad_y_hat[None, :])
    assert_close(found, expected[None, :])


@both
@each_g
@each_label
def test_gradient_of_softmax_pre_activation(
    implementation: Implementation, g: str, label: int
) -> None:
    """grad_{a_L} L = -(e(l) - y_hat), which is grad_{b_L} L of a single example."""
    x = draw_data("softmax", 1).x
    theta = draw_theta()
    y_hat = forward_propagation(theta, x, g, "softmax").y_hat[:, 0]
    found = implementation.gradients(theta, x, np.array([label]), describe(g, "softmax"))
    assert_layers_close(found.biases[-1:], [-(e(label) - y_hat)])


@each_g
@each_output
def test_reference_gradients_of_pre_activations(g: str, output: str) -> None:
    """dL/da_ij = dL/dh_ij g'(a_ij), with dL/dh_ij = sum_m dL/da_{i+1,m} W_{i+1,m,j}."""
    x, targets, y = draw_data(output, 1)
    theta = draw_theta()
    network = describe(g, output).network()
    by_hand = forward_propagation(theta, x, g, output)
    scale = 1.0 if output == "softmax" else 2.0
    grad_a = {LAST: scale * (by_hand.y_hat - y)}
    for i in range(LAST - 1, 0, -1):
        grad_a[i] = np.empty((SIZES[i], 1))
        for j in range(SIZES[i]):
            grad_h_ij = 0.0
            for m in range(SIZES[i + 1]):
                grad_h_ij += grad_a[i + 1][m, 0] * theta.weights[i][m, j]
            grad_a[i][j, 0] = grad_h_ij * G_PRIME[g](by_hand.a[i])[j, 0]
    forward = reference.forward_propagation(*theta, x, network)
    backward = reference.back_propagation(*theta, forward, targets, network)
    assert_layers_close(backward.delta, rows_by_layer(grad_a))


@each_output
def test_the_sum_over_the_next_layer_runs_over_its_width(output: str) -> None:
    """dL/dh_ij = sum over m = 1..n of dL/da_{i+1,m} W_{i+1,m,j}, n the width of layer i + 1.

    The notes print m = 1..k, k being the width of layer L.
    """
    k, n = N_OUTPUTS, 5
    theta = draw_parameters((N_INPUTS, 2, n, k), seed=34)
    x, targets, _ = draw_data(output, 1)
    functions = describe("tanh", output)
    network = functions.network()
    forward = reference.forward_propagation(*theta, x, network)
    of_reference = reference.back_propagation(*theta, forward, targets, network)
    trace = package_network(theta, functions).trace(x, targets)
    for found in (of_reference, trace):
        for j in range(2):
            terms = [found.delta[2][0, m] * theta.weights[1][m, j] for m in range(n)]
            assert_close(found.dL_da[1][0, j], sum(terms))
            assert abs(sum(terms[:k]) - sum(terms)) > VISIBLE


@both
@each_output
def test_gradient_of_linear_hidden_units(implementation: Implementation, output: str) -> None:
    """g'(a) = 1: grad_{b_i} L = grad_{a_i} L = grad_{h_i} L = W_{i+1}^T grad_{a_{i+1}} L."""
    x, targets, y = draw_data(output, 1)
    theta = draw_theta()
    forward = forward_propagation(theta, x, "linear", output)
    backward = back_propagation(theta, forward, y, "linear", output)
    found = implementation.gradients(theta, x, targets, describe("linear", output))
    assert_layers_close(found.biases[:-1], [backward.h[1][:, 0], backward.h[2][:, 0]])


@both
@each_g
@each_output
@pytest.mark.parametrize("i", [1, 2])
def test_gradient_of_hidden_units(
    implementation: Implementation, g: str, output: str, i: int
) -> None:
    """grad_{h_i} L, as differences of the loss of the layers above i, whose input is h_i."""
    x, targets, y = draw_data(output, 1)
    theta = draw_theta()
    forward = forward_propagation(theta, x, g, output)
    backward = back_propagation(theta, forward, y, g, output)
    above = Parameters(theta.weights[i:], theta.biases[i:])
    functions = describe(g, output)
    for j in range(SIZES[i]):
        step = np.zeros((1, SIZES[i]))
        step[0, j] = DIFFERENCE_STEP
        up = implementation.loss(above, forward.h[i].T + step, targets, functions)
        down = implementation.loss(above, forward.h[i].T - step, targets, functions)
        assert_close(
            (up - down) / (2.0 * DIFFERENCE_STEP),
            backward.h[i][j, 0],
            rtol=DIFFERENCE_TOLERANCE,
            atol=DIFFERENCE_TOLERANCE,
        )


@both
@each_g
@each_output
def test_gradients_of_weights_and_biases(
    implementation: Implementation, g: str, output: str
) -> None:
    """dL/dW_kij = dL/da_ki h_{k-1,j} and dL/db_ki = dL/da_ki, entry by entry, of one example."""
    x, targets, y = draw_data(output, 1)
    theta = draw_theta()
    forward = forward_propagation(theta, x, g, output)
    backward = back_propagation(theta, forward, y, g, output)
    found = implementation.gradients(theta, x, targets, describe(g, output))
    assert_close(found.loss, mean_loss(forward.y_hat, y, output))
    for k in range(1, LAST + 1):
        grad_w = np.empty((SIZES[k], SIZES[k - 1]))
        for i in range(SIZES[k]):
            for j in range(SIZES[k - 1]):
                grad_w[i, j] = backward.a[k][i, 0] * forward.h[k - 1][j, 0]
        assert_layers_close(found.weights[k - 1 : k], [grad_w])
        assert_layers_close(found.biases[k - 1 : k], [backward.a[k][:, 0]])


@both
@each_g
@each_output
def test_gradient_over_the_data(implementation: Implementation, g: str, output: str) -> None:
    """grad theta = [grad W_1, ..., grad W_L, grad b_1, ..., grad b_L] of 1/N sum_i L_i."""
    x, targets, y = draw_data(output)
    theta = draw_theta()
    value = 0.0
    weights = [np.zeros_like(w) for w in theta.weights]
    biases = [np.zeros_like(b) for b in theta.biases]
    for i in range(N_SAMPLES):
        y_i = y[:, i : i + 1]
        forward = forward_propagation(theta, x[i : i + 1], g, output)
        backward = back_propagation(theta, forward, y_i, g, output)
        value += mean_loss(forward.y_hat, y_i, output) / N_SAMPLES
        for k in range(1, LAST + 1):
            weights[k - 1] += backward.w[k] / N_SAMPLES
            biases[k - 1] += backward.b[k] / N_SAMPLES
    found = implementation.gradients(theta, x, targets, describe(g, output))
    assert_close(found.loss, value)
    assert_layers_close(found.weights, weights)
    assert_layers_close(found.biases, biases)


@both
@each_g
def test_chain_rule_of_a_deep_but_thin_network(implementation: Implementation, g: str) -> None:
    """dL/dW_111 = dL/dy_hat dy_hat/da_3 da_3/dh_2 dh_2/da_2 da_2/dh_1 dh_1/da_1 da_1/dW_111."""
    w_1, w_2, w_3 = 0.8, -1.3, 0.9
    x, y = 1.4, 0.2
    a_1 = np.array(w_1 * x + 0.1)
    h_1 = G[g](a_1)
    a_2 = w_2 * h_1 - 0.2
    h_2 = G[g](a_2)
    y_hat = w_3 * h_2 + 0.3
    to_the_output = 2.0 * (y_hat - y) * 1.0
    to_layer_2 = w_3 * G_PRIME[g](a_2)
    to_layer_1 = w_2 * G_PRIME[g](a_1)
    weights = [np.array([[w_1]]), np.array([[w_2]]), np.array([[w_3]])]
    biases = [np.array([0.1]), np.array([-0.2]), np.array([0.3])]
    found = implementation.gradients(
        Parameters(weights, biases), np.array([[x]]), np.array([[y]]), describe(g, "linear")
    )
    assert_close(found.weights[0], [[to_the_output * to_layer_2 * to_layer_1 * x]])
    assert_close(found.weights[1], [[to_the_output * to_layer_2 * h_1]])
    assert_close(found.weights[2], [[to_the_output * h_2]])


Z = np.array([-3.0, -1.0, -0.25, 0.0, 0.5, 2.0, 4.0])


def quotient_of_logistic(z: Array) -> tuple[Array, Array]:
    """g = 1 / (1 + e^-z), g' = (-1) / (1 + e^-z)^2 (-e^-z)."""
    return 1.0 / (1.0 + np.exp(-z)), (-1.0 / (1.0 + np.exp(-z)) ** 2) * (-np.exp(-z))


def quotient_of_tanh(z: Array) -> tuple[Array, Array]:
    """g = (e^z - e^-z) / (e^z + e^-z), g' = ((e^z + e^-z)^2 - (e^z - e^-z)^2) / (e^z + e^-z)^2."""
    plus, minus = np.exp(z) + np.exp(-z), np.exp(z) - np.exp(-z)
    return minus / plus, (plus**2 - minus**2) / plus**2


@both
@pytest.mark.parametrize(
    ("name", "quotient"), [("logistic", quotient_of_logistic), ("tanh", quotient_of_tanh)]
)
def test_derivative_of_the_activation(
    implementation: Implementation, name: str, quotient: Callable[[Array], tuple[Array, Array]]
) -> None:
    """The derivative of the quotient is g (1 - g) for the logistic function, 1 - g^2 for tanh.

    f(z) = 1 g(1 z + 0) + 0 with y = f - 1/2 and L = (f - y)^2 has dL/db_1 = g'(z).
    """
    theta = Parameters([np.ones((1, 1)), np.ones((1, 1))], [np.zeros(1), np.zeros(1)])
    functions = describe(name, "linear")
    g, g_prime = quotient(Z)
    assert_close(g * (1.0 - g) if name == "logistic" else 1.0 - g**2, g_prime)
    assert_close(implementation.predict(theta, Z[:, None], functions), g[:, None])
    for i, z in enumerate(Z):
        y = np.array([[g[i] - 0.5]])
        found = implementation.gradients(theta, np.array([[z]]), y, functions)
        assert_close(found.biases[0], [g_prime[i]])


@pytest.mark.parametrize(
    ("name", "quotient"), [("sigmoid", quotient_of_logistic), ("tanh", quotient_of_tanh)]
)
def test_reference_derivative_of_the_activation(
    name: str, quotient: Callable[[Array], tuple[Array, Array]]
) -> None:
    """g and g' stand side by side in the reference."""
    g, g_prime = quotient(Z)
    activation = reference.ACTIVATIONS[name]
    assert_close(activation.value(Z), g)
    assert_close(activation.derivative(Z, g), g_prime)
