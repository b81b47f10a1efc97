"""Notes 004, slides on the backward pass: L = 4 layers with one activation f in all of them.

z[l] = w[l] a[l-1] + b[l], a[l] = f(z[l]), y = a[L]; t is the ground truth. The slide's cross
entropy t ln(y) + (1 - t) ln(1 - y) lacks its minus sign: the cost is its negative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from notes_support import (
    Array,
    Functions,
    Implementation,
    Parameters,
    Reference,
    assert_close,
    assert_layers_close,
    both,
    draw_parameters,
    package_network,
)

N_INPUTS = 3
HIDDEN_SIZES = (5, 4, 6)
LAST = 4
LR = 0.01
N_SAMPLES = 8


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def identity(z: Array) -> Array:
    return z


def relu(z: Array) -> Array:
    return np.where(z > 0.0, z, 0.0)


def softplus(z: Array) -> Array:
    return np.log(1.0 + np.exp(z))


F: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "identity": identity,
    "relu": relu,
    "softplus": softplus,
}
F_PRIME: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: sigmoid(z) * (1.0 - sigmoid(z)),
    "tanh": lambda z: 1.0 - np.tanh(z) ** 2,
    "identity": np.ones_like,
    "relu": lambda z: np.where(z > 0.0, 1.0, 0.0),
    "softplus": sigmoid,
}


class Case(NamedTuple):
    """f of layers 1..4, the cost and the number of outputs."""

    f: tuple[str, str, str, str]
    loss: str
    n_outputs: int

    def functions(self) -> Functions:
        return Functions(self.f[:-1], self.f[-1], self.loss)

    def parameters(self) -> Parameters:
        return draw_parameters((N_INPUTS, *HIDDEN_SIZES, self.n_outputs), seed=44, scale=0.7)

    def data(self, n_samples: int) -> tuple[Array, Array]:
        """Inputs, and ground truth in (0, 1) for the squared error, 0 or 1 for the other cost."""
        rng = np.random.default_rng(4)
        x = rng.normal(size=(n_samples, N_INPUTS))
        t = rng.uniform(0.1, 0.9, (n_samples, self.n_outputs))
        return x, t if self.loss == "squared_error" else np.round(t)


def same_f(f: str) -> tuple[str, str, str, str]:
    return (f, f, f, f)


CASES = {
    "mse_sigmoid": Case(same_f("sigmoid"), "squared_error", 1),
    "mse_tanh": Case(same_f("tanh"), "squared_error", 1),
    "mse_identity": Case(same_f("identity"), "squared_error", 1),
    "mse_vector": Case(same_f("tanh"), "squared_error", 3),
    "mse_f_by_layer": Case(("relu", "softplus", "tanh", "sigmoid"), "squared_error", 2),
    "cross_entropy": Case(same_f("sigmoid"), "binary_cross_entropy", 1),
    "cross_entropy_vector": Case(same_f("sigmoid"), "binary_cross_entropy", 3),
    "cross_entropy_f_by_layer": Case(
        ("softplus", "relu", "tanh", "sigmoid"), "binary_cross_entropy", 1
    ),
}
each_case = pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))


def forward_pass(
    theta: Parameters, case: Case, x: Array
) -> tuple[dict[int, Array], dict[int, Array]]:
    """a[0] = x; z[l] = w[l] a[l-1] + b[l], a[l] = f(z[l]); y = a[L]."""
    a = {0: x}
    z: dict[int, Array] = {}
    for layer in range(1, LAST + 1):
        z[layer] = theta.weights[layer - 1] @ a[layer - 1] + theta.biases[layer - 1]
        a[layer] = F[case.f[layer - 1]](z[layer])
    return z, a


def cost(case: Case, y: Array, t: Array) -> float:
    """1/2 (y - t)^2, or -(t ln(y) + (1 - t) ln(1 - y)), summed over the outputs."""
    if case.loss == "squared_error":
        return float((0.5 * (y - t) ** 2).sum())
    return float(-(t * np.log(y) + (1.0 - t) * np.log(1.0 - y)).sum())


def gradient_of_cost(case: Case, y: Array, t: Array) -> Array:
    """grad_y C: y - t, or -(t/y - (1 - t)/(1 - y))."""
    if case.loss == "squared_error":
        return y - t
    return -(t / y - (1.0 - t) / (1.0 - y))


def deltas(
    theta: Parameters, case: Case, z: dict[int, Array], y: Array, t: Array
) -> dict[int, Array]:
    """delta[L] = grad_y C o f'(z[L]); delta_j[l] = (sum_k delta_k[l+1] w_kj[l+1]) f'(z_j[l])."""
    delta = {LAST: gradient_of_cost(case, y, t) * F_PRIME[case.f[LAST - 1]](z[LAST])}
    for layer in range(LAST - 1, 0, -1):
        w_above = theta.weights[layer]
        slope = F_PRIME[case.f[layer - 1]](z[layer])
        delta[layer] = np.empty(w_above.shape[1])
        for j in range(w_above.shape[1]):
            total = 0.0
            for k in range(w_above.shape[0]):
                total += delta[layer + 1][k] * w_above[k, j]
            delta[layer][j] = total * slope[j]
    return delta


def backward_pass(theta: Parameters, case: Case, x: Array, t: Array) -> Parameters:
    """dC/dw_jk[l] = delta_j[l] a_k[l-1] and dC/db[l] = delta[l], for one sample."""
    z, a = forward_pass(theta, case, x)
    delta = deltas(theta, case, z, a[LAST], t)
    weights = []
    for layer in range(1, LAST + 1):
        d_w = np.empty_like(theta.weights[layer - 1])
        for j in range(d_w.shape[0]):
            for k in range(d_w.shape[1]):
                d_w[j, k] = delta[layer][j] * a[layer - 1][k]
        weights.append(d_w)
    return Parameters(weights, [delta[layer] for layer in range(1, LAST + 1)])


def descend_once(theta: Parameters, gradient: Parameters, lr: float = LR) -> Parameters:
    """w - lr dC/dw and b - lr dC/db."""
    return Parameters(
        [w - lr * dw for w, dw in zip(theta.weights, gradient.weights, strict=True)],
        [b - lr * db for b, db in zip(theta.biases, gradient.biases, strict=True)],
    )


def average(gradients: list[Parameters]) -> Parameters:
    """1/N of the samples' gradients."""
    n = len(gradients)
    layers = range(LAST)
    return Parameters(
        [np.sum([sample.weights[layer] for sample in gradients], axis=0) / n for layer in layers],
        [np.sum([sample.biases[layer] for sample in gradients], axis=0) / n for layer in layers],
    )


@both
@each_case
def test_forward_pass(implementation: Implementation, case: Case) -> None:
    """a[0] = x, z[l] = w[l] a[l-1] + b[l], a[l] = f(z[l]), y = a[L]."""
    theta = case.parameters()
    x, _ = case.data(N_SAMPLES)
    expected = np.array([forward_pass(theta, case, row)[1][LAST] for row in x])
    assert_close(implementation.predict(theta, x, case.functions()), expected)


@both
@each_case
def test_cost(implementation: Implementation, case: Case) -> None:
    """C = 1/2 (y - t)^2, and C = -(t ln(y) + (1 - t) ln(1 - y)), of a single sample."""
    theta = case.parameters()
    x, t = case.data(1)
    _, a = forward_pass(theta, case, x[0])
    assert_close(implementation.loss(theta, x, t, case.functions()), cost(case, a[LAST], t[0]))


@pytest.mark.parametrize("t", [0.0, 1.0, 0.3])
@both
def test_cross_entropy_is_the_negative_of_the_slide(
    implementation: Implementation, t: float
) -> None:
    """t ln(y) + (1 - t) ln(1 - y) < 0 is largest at y = t: descent needs its negative."""
    case = CASES["cross_entropy"]
    theta = case.parameters()
    x, _ = case.data(1)
    target = np.array([[t]])
    z, a = forward_pass(theta, case, x[0])
    y = a[LAST][0]
    of_the_slide = t * np.log(y) + (1.0 - t) * np.log(1.0 - y)
    found = implementation.gradients(theta, x, target, case.functions())
    assert of_the_slide < 0.0
    assert_close(found.loss, -of_the_slide)
    slope_of_the_slide = (t / y - (1.0 - t) / (1.0 - y)) * F_PRIME["sigmoid"](z[LAST])
    assert_layers_close(found.biases[-1:], [-slope_of_the_slide])
    after = descend_once(theta, Parameters(found.weights, found.biases))
    assert implementation.loss(after, x, target, case.functions()) < found.loss


@each_case
def test_reference_delta_of_each_layer(case: Case) -> None:
    """delta[4] = grad_y C o f'(z[4]); delta[l] = (w[l+1])^T delta[l+1] o f'(z[l]), l = 3, 2, 1."""
    theta = case.parameters()
    x, t = case.data(1)
    z, a = forward_pass(theta, case, x[0])
    delta = deltas(theta, case, z, a[LAST], t[0])
    network = case.functions().network()
    forward = reference.forward_propagation(*theta, x, network)
    backward = reference.back_propagation(*theta, forward, t, network)
    layers = range(1, LAST + 1)
    assert_layers_close(forward.z, [z[layer][None, :] for layer in layers])
    assert_layers_close(list(forward.a)[1:], [a[layer][None, :] for layer in layers])
    assert_layers_close(backward.delta, [delta[layer][None, :] for layer in layers])
    for layer in range(1, LAST):
        in_matrices = theta.weights[layer].T @ delta[layer + 1]
        slope = F_PRIME[case.f[layer - 1]](z[layer])
        assert_close(backward.delta[layer], (in_matrices * slope)[None, :])


@each_case
def test_reference_gradient_of_the_cost(case: Case) -> None:
    """grad_y C: y - t, or -(t/y - (1 - t)/(1 - y))."""
    theta = case.parameters()
    x, t = case.data(1)
    _, a = forward_pass(theta, case, x[0])
    y = a[LAST]
    found = reference.LOSSES[case.loss].gradient(y[None, :], t)
    assert_close(found, gradient_of_cost(case, y, t[0])[None, :])


@both
@each_case
def test_backward_pass(implementation: Implementation, case: Case) -> None:
    """dC/dw[l] = delta[l] (a[l-1])^T and dC/db[l] = delta[l], l = 1..4, of a single sample."""
    theta = case.parameters()
    x, t = case.data(1)
    expected = backward_pass(theta, case, x[0], t[0])
    found = implementation.gradients(theta, x, t, case.functions())
    assert_layers_close(found.weights, expected.weights)
    assert_layers_close(found.biases, expected.biases)


@both
@each_case
def test_backward_pass_of_a_batch(implementation: Implementation, case: Case) -> None:
    """The mean of the samples' dC/dw and dC/db."""
    theta = case.parameters()
    x, t = case.data(N_SAMPLES)
    samples = [backward_pass(theta, case, x[i], t[i]) for i in range(N_SAMPLES)]
    expected = average(samples)
    found = implementation.gradients(theta, x, t, case.functions())
    assert_layers_close(found.weights, expected.weights)
    assert_layers_close(found.biases, expected.biases)


@each_case
@pytest.mark.parametrize("n_samples", [1, N_SAMPLES])
def test_package_train_step(case: Case, n_samples: int) -> None:
    """One step is w - lr dC/dw, b - lr dC/db, and returns C before it."""
    theta = case.parameters()
    x, t = case.data(n_samples)
    samples = [backward_pass(theta, case, x[i], t[i]) for i in range(n_samples)]
    expected = descend_once(theta, average(samples))
    costs = [cost(case, forward_pass(theta, case, x[i])[1][LAST], t[i]) for i in range(n_samples)]
    net = package_network(theta, case.functions())
    value = net.train_step(x, t, optimizer=dr.SGD(lr=LR))
    assert_close(value, np.mean(costs))
    assert_layers_close(net.weights, expected.weights)
    assert_layers_close(net.biases, expected.biases)
    assert not np.allclose(net.weights[0], theta.weights[0], rtol=0.0, atol=1e-6)


@each_case
def test_reference_sgd_update(case: Case) -> None:
    """w - lr dC/dw, b - lr dC/db as new arrays; those given keep their values."""
    theta = case.parameters()
    x, t = case.data(1)
    expected = descend_once(theta, backward_pass(theta, case, x[0], t[0]))
    _, grads = reference.value_and_grad(*theta, x, t, case.functions().network())
    weights, biases, _ = reference.sgd_update(*theta, grads, None, lr=LR)
    assert_layers_close(weights, expected.weights)
    assert_layers_close(biases, expected.biases)
    untouched = case.parameters()
    assert_layers_close(theta.weights, untouched.weights, rtol=0.0, atol=0.0)
    assert_layers_close(theta.biases, untouched.biases, rtol=0.0, atol=0.0)


def stochastic_descent(
    theta: Parameters, case: Case, x: Array, t: Array, epochs: int
) -> tuple[Parameters, list[float]]:
    """One update a sample in the order given; an epoch's loss is the mean C before its updates."""
    losses = []
    for _ in range(epochs):
        costs = []
        for i in range(len(x)):
            _, a = forward_pass(theta, case, x[i])
            costs.append(cost(case, a[LAST], t[i]))
            theta = descend_once(theta, backward_pass(theta, case, x[i], t[i]))
        losses.append(float(np.mean(costs)))
    return theta, losses


@each_case
def test_package_stochastic_gradient_descent(case: Case) -> None:
    """fit(batch_size=1, shuffle=False): w <- w - lr dC/dw after each sample."""
    theta = case.parameters()
    x, t = case.data(N_SAMPLES)
    expected, losses = stochastic_descent(theta, case, x, t, epochs=4)
    net = package_network(theta, case.functions())
    history = net.fit(x, t, epochs=4, batch_size=1, shuffle=False, optimizer=dr.SGD(lr=LR))
    assert_close(history.loss, losses)
    assert_layers_close(net.weights, expected.weights)
    assert_layers_close(net.biases, expected.biases)


@each_case
def test_reference_stochastic_gradient_descent(case: Case) -> None:
    """batch_size = 1 without shuffling: w <- w - lr dC/dw after each sample."""
    theta = case.parameters()
    x, t = case.data(N_SAMPLES)
    expected, losses = stochastic_descent(theta, case, x, t, epochs=4)
    descent = reference.stochastic_gradient_descent(
        *theta, x, t, case.functions().network(), lr=LR, epochs=4, batch_size=1
    )
    assert_close(descent.losses, losses)
    assert_layers_close(descent.weights, expected.weights)
    assert_layers_close(descent.biases, expected.biases)


@each_case
def test_package_train_step_is_the_reference_step(case: Case) -> None:
    """The same step from the package and from the reference."""
    theta = case.parameters()
    x, t = case.data(N_SAMPLES)
    functions = case.functions()
    net = package_network(theta, functions)
    net.train_step(x, t, optimizer=dr.SGD(lr=LR))
    descent = Reference().descend(theta, x, t, functions, lr=LR, steps=1)
    assert_layers_close(net.weights, descent.weights)
    assert_layers_close(net.biases, descent.biases)
