"""Notes 002, introductory machine learning: linear and ReLU two-layer networks, softmax classifier.

The gradients are matrices with one example a column, as in the notes; the equation numbers are
theirs. Equations (19) and (20) are those of b_1, (22) and (25) call the hidden layer h_1.
Classes are numbered from 0.
"""

from __future__ import annotations

import numpy as np
import pytest

from deltarule import reference
from notes_support import (
    VISIBLE,
    Array,
    Functions,
    Implementation,
    Parameters,
    assert_close,
    assert_layers_close,
    both,
    draw_parameters,
)

N_INPUTS = 4
N_HIDDEN = 5
N_CLASSES = 3
N_SAMPLES = 9

LINEAR = Functions("identity", "identity", "squared_error", "sum")
RELU = Functions("relu", "identity", "squared_error", "sum")
CLASSIFIER = Functions("relu", "softmax", "cross_entropy", "sum")

# At the minimum the Hessian's eigenvalues are 0 (same f) or in [0.9, 5.6], so that 600 steps of 0.1
# contract the error by 0.91^600 = 1e-25; what stays is rounding, 1e-15 / (0.1 * 0.9) = 1e-14.
LEAST_SQUARES_ATOL = 1e-11

n_samples = pytest.mark.parametrize("n_samples", [1, N_SAMPLES])


def draw_inputs(n_samples: int) -> Array:
    """X of shape (features, n): one example a column."""
    return np.random.default_rng(21).normal(size=(N_INPUTS, n_samples))


def draw_targets(n_samples: int, n_outputs: int = 1) -> Array:
    """y of shape (outputs, n)."""
    return np.random.default_rng(22).normal(size=(n_outputs, n_samples))


def draw_labels(n_samples: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Array]:
    """Labels y and the matrix 1(y = k) of shape (classes, n)."""
    labels = np.random.default_rng(23).integers(0, N_CLASSES, n_samples)
    indicator = np.zeros((N_CLASSES, n_samples))
    for i, label in enumerate(labels):
        indicator[label, i] = 1.0
    return labels, indicator


def column(bias: Array) -> Array:
    return bias[:, None]


def relu(z: Array) -> Array:
    return np.where(z > 0.0, z, 0.0)


def indicator_of_positive(h: Array) -> Array:
    """1(h > 0)."""
    return np.where(h > 0.0, 1.0, 0.0)


def softmax(f: Array) -> Array:
    total: Array = np.exp(f).sum(axis=0)
    return np.exp(f) / total


def row_sums(d: Array) -> Array:
    """The bias sees each example once: the sum over the columns."""
    sums: Array = d.sum(axis=1)
    return sums


@both
def test_product_rules(implementation: Implementation) -> None:
    """A = B C: (1) dL/dB = dL/dA C^T and (2) dL/dC = B^T dL/dA, with B = W and C = X or h."""
    x, y = draw_inputs(N_SAMPLES), draw_targets(N_SAMPLES)
    (w1, w2), biases = draw_parameters([N_INPUTS, N_HIDDEN, 1], seed=2)
    h = w1 @ x
    df = (w2 @ h) - y
    zeros = [np.zeros_like(bias) for bias in biases]
    found = implementation.gradients(Parameters([w1, w2], zeros), x.T, y.T, LINEAR)
    assert_layers_close(found.weights, [(w2.T @ df) @ x.T, df @ h.T])


@both
@n_samples
def test_one_linear_layer(implementation: Implementation, n_samples: int) -> None:
    """f = W x + b: (3) dL/dW = dL/df x^T, (4) dL/df = f - y for L = 1/2 (y - f)^2."""
    x, y = draw_inputs(n_samples), draw_targets(n_samples)
    theta = draw_parameters([N_INPUTS, 1], seed=20)
    f = theta.weights[0] @ x + column(theta.biases[0])
    found = implementation.gradients(theta, x.T, y.T, LINEAR)
    assert_close(found.loss, float((0.5 * (y - f) ** 2).sum()))
    assert_layers_close(found.weights, [(f - y) @ x.T])
    assert_layers_close(found.biases, [row_sums(f - y)])


@both
@n_samples
def test_linear_two_layer_gradients(implementation: Implementation, n_samples: int) -> None:
    """(5)-(11): dW2 = (f - y) h^T, db2 = f - y, dW1 = W2^T (f - y) x^T, db1 = W2^T (f - y)."""
    x, y = draw_inputs(n_samples), draw_targets(n_samples)
    theta = draw_parameters([N_INPUTS, N_HIDDEN, 1], seed=2)
    (w1, w2), (b1, b2) = theta
    h = w1 @ x + column(b1)
    f = w2 @ h + column(b2)
    d_f = f - y
    d_w2 = d_f @ h.T
    d_h = w2.T @ d_f
    d_w1 = d_h @ x.T
    assert_close(implementation.predict(theta, x.T, LINEAR), f.T)
    found = implementation.gradients(theta, x.T, y.T, LINEAR)
    assert_close(found.loss, float((0.5 * (y - f) ** 2).sum()))
    assert_layers_close(found.weights, [d_w1, d_w2])
    assert_layers_close(found.biases, [row_sums(d_h), row_sums(d_f)])


@n_samples
def test_reference_linear_two_layer_delta(n_samples: int) -> None:
    """(8) dL/dh = W2^T (f - y) is delta of layer 1, (4) dL/df = f - y that of layer 2."""
    x, y = draw_inputs(n_samples), draw_targets(n_samples)
    theta = draw_parameters([N_INPUTS, N_HIDDEN, 1], seed=2)
    (w1, w2), (b1, b2) = theta
    h = w1 @ x + column(b1)
    f = w2 @ h + column(b2)
    forward = reference.forward_propagation(*theta, x.T, LINEAR.network())
    backward = reference.back_propagation(*theta, forward, y.T, LINEAR.network())
    assert_layers_close(forward.a, [x.T, h.T, f.T])
    assert_layers_close(backward.delta, [(w2.T @ (f - y)).T, (f - y).T])


@both
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_linear_network_trains_to_least_squares(
    implementation: Implementation, n_outputs: int
) -> None:
    """min over W1, b1, W2, b2 of 1/2 (y - f)^2 is that of least squares on (x, 1)."""
    rng = np.random.default_rng(5)
    n = 40
    x = rng.normal(size=(n, N_INPUTS))
    y = x @ rng.normal(size=(N_INPUTS, n_outputs)) + 0.5 + rng.normal(0.0, 0.3, (n, n_outputs))
    design = np.column_stack([x, np.ones(n)])
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    theta = draw_parameters([N_INPUTS, N_HIDDEN, n_outputs], seed=6)
    start = Parameters([0.5 * weight for weight in theta.weights], theta.biases)
    functions = Functions("linear", "linear", "squared_error", "mean")
    descent = implementation.descend(start, x, y, functions, lr=0.1, steps=600)
    trained = Parameters(descent.weights, descent.biases)
    assert_close(
        implementation.predict(trained, x, functions), design @ solution, atol=LEAST_SQUARES_ATOL
    )
    residual = y - design @ solution
    minimum = float(0.5 * (residual**2).sum() / n)
    assert_close(implementation.loss(trained, x, y, functions), minimum, atol=LEAST_SQUARES_ATOL)
    assert minimum > VISIBLE
    assert descent.losses[0] > 2.0 * minimum
    # W2 W1 and W2 b1 + b2 are the coefficients and the intercept of the regression.
    (w1, w2), (b1, b2) = trained
    assert_close((w2 @ w1).T, solution[:-1], atol=LEAST_SQUARES_ATOL)
    assert_close(w2 @ b1 + b2, solution[-1], atol=LEAST_SQUARES_ATOL)


@both
@n_samples
def test_relu_two_layer_gradients(implementation: Implementation, n_samples: int) -> None:
    """(12)-(20): dW1 = 1(h > 0) W2^T dL/df x^T, db1 = 1(h > 0) W2^T dL/df."""
    x, y = draw_inputs(n_samples), draw_targets(n_samples)
    theta = draw_parameters([N_INPUTS, N_HIDDEN, 1], seed=2)
    (w1, w2), (b1, b2) = theta
    h = relu(w1 @ x + column(b1))
    f = w2 @ h + column(b2)
    d_f = f - y
    d_w2 = d_f @ h.T
    d_h = w2.T @ d_f
    d_w1 = (indicator_of_positive(h) * d_h) @ x.T
    d_b1 = row_sums(indicator_of_positive(h) * d_h)
    assert 0.0 < indicator_of_positive(h).mean() < 1.0
    assert_close(implementation.predict(theta, x.T, RELU), f.T)
    found = implementation.gradients(theta, x.T, y.T, RELU)
    assert_close(found.loss, float((0.5 * (y - f) ** 2).sum()))
    assert_layers_close(found.weights, [d_w1, d_w2])
    assert_layers_close(found.biases, [d_b1, row_sums(d_f)])


@both
def test_relu_derivative_at_zero(implementation: Implementation) -> None:
    """1(h > 0) = 0 where W1 x + b1 is exactly 0: that unit's row of dW1 and db1 is 0."""
    x = np.array([[1.0], [-1.0]])
    w1 = np.array([[2.0, 2.0], [1.0, 0.0], [0.0, 1.0]])  # W1 x = (0, 1, -1), exactly
    w2 = np.array([[0.5, -1.0, 2.0]])
    theta = Parameters([w1, w2], [np.zeros(3), np.zeros(1)])
    f = -1.0
    y = 0.25
    found = implementation.gradients(theta, x.T, np.array([[y]]), RELU)
    # d_h = W2^T (f - y), masked by (0, 1, 0).
    expected = np.array([0.0, -1.0 * (f - y), 0.0])
    assert_layers_close(found.weights, [expected[:, None] @ x.T, (f - y) * np.array([[0, 1.0, 0]])])
    assert_layers_close(found.biases, [expected, np.array([f - y])])


@both
@n_samples
def test_softmax_classifier_gradients(implementation: Implementation, n_samples: int) -> None:
    """(21)-(31): L = -log p(y | x), dL/df = p - 1(y = k), then back through 1(h > 0)."""
    x = draw_inputs(n_samples)
    labels, indicator = draw_labels(n_samples)
    theta = draw_parameters([N_INPUTS, N_HIDDEN, N_CLASSES], seed=24)
    (w1, w2), (b1, b2) = theta
    h = relu(w1 @ x + column(b1))
    p = softmax(w2 @ h + column(b2))
    d_f = np.empty_like(p)
    for i, label in enumerate(labels):
        for k in range(N_CLASSES):
            d_f[k, i] = p[k, i] - (1.0 if label == k else 0.0)
    d_h = w2.T @ d_f
    d_w1 = (indicator_of_positive(h) * d_h) @ x.T
    d_b1 = row_sums(indicator_of_positive(h) * d_h)
    assert_close(implementation.predict(theta, x.T, CLASSIFIER), p.T)
    for y in (labels, indicator.T):
        found = implementation.gradients(theta, x.T, y, CLASSIFIER)
        loss = -sum(np.log(p[label, i]) for i, label in enumerate(labels))
        assert_close(found.loss, float(loss))
        assert_layers_close(found.weights, [d_w1, d_f @ h.T])
        assert_layers_close(found.biases, [d_b1, row_sums(d_f)])


def test_reference_softmax_classifier_delta() -> None:
    """(24) dL/df = p - 1(y = k) in R^3; (30) dL/db1 = 1(h > 0) dL/dh of each example."""
    x = draw_inputs(N_SAMPLES)
    labels, indicator = draw_labels(N_SAMPLES)
    theta = draw_parameters([N_INPUTS, N_HIDDEN, N_CLASSES], seed=24)
    (w1, w2), (b1, b2) = theta
    h = relu(w1 @ x + column(b1))
    p = softmax(w2 @ h + column(b2))
    d_f = p - indicator
    d_h = w2.T @ d_f
    network = CLASSIFIER.network()
    forward = reference.forward_propagation(*theta, x.T, network)
    backward = reference.back_propagation(*theta, forward, labels, network)
    assert_layers_close(forward.a, [x.T, h.T, p.T])
    assert_layers_close(backward.delta, [(indicator_of_positive(h) * d_h).T, d_f.T])
    assert_close(reference.output_delta(forward, labels, network), d_f.T)
    assert_close(
        reference.sample_losses(forward, labels, network),
        [-np.log(p[label, i]) for i, label in enumerate(labels)],
    )


@both
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_three_layer_exercise(implementation: Implementation, task: str) -> None:
    """h1 = ReLU(W1 x + b1), h2 = ReLU(W2 h1 + b2), f = W3 h2 + b3, for both losses.

    dL/dh2 = W3^T dL/df, dL/dW2 = 1(h2 > 0) dL/dh2 h1^T, dL/db2 = 1(h2 > 0) dL/dh2;
    dL/dh1 = W2^T (1(h2 > 0) dL/dh2), dL/dW1 = 1(h1 > 0) dL/dh1 x^T, dL/db1 = 1(h1 > 0) dL/dh1.
    """
    x = draw_inputs(N_SAMPLES)
    labels, indicator = draw_labels(N_SAMPLES)
    targets = draw_targets(N_SAMPLES)
    theta = draw_parameters([N_INPUTS, 5, 6, 1 if task == "regression" else N_CLASSES], seed=25)
    (w1, w2, w3), (b1, b2, b3) = theta
    h1 = relu(w1 @ x + column(b1))
    h2 = relu(w2 @ h1 + column(b2))
    f = w3 @ h2 + column(b3)
    if task == "regression":
        d_f = f - targets
        loss = float((0.5 * (targets - f) ** 2).sum())
        found = implementation.gradients(theta, x.T, targets.T, RELU)
    else:
        p = softmax(f)
        d_f = p - indicator
        loss = float(-(indicator * np.log(p)).sum())
        found = implementation.gradients(theta, x.T, labels, CLASSIFIER)
    d_h2 = indicator_of_positive(h2) * (w3.T @ d_f)
    d_h1 = indicator_of_positive(h1) * (w2.T @ d_h2)
    assert_close(found.loss, loss)
    assert_layers_close(found.weights, [d_h1 @ x.T, d_h2 @ h1.T, d_f @ h2.T])
    assert_layers_close(found.biases, [row_sums(d_h1), row_sums(d_h2), row_sums(d_f)])
