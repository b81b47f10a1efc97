"""Notes 000, CS229: forward propagation and the three-step recipe, for a single example.

Layers are numbered 1..N as in the notes; classes are numbered from 0. J(W, b) is the loss of one
example, so that each gradient of b[l] is delta[l] itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from deltarule import reference
from notes_support import (
    Array,
    Functions,
    Implementation,
    Parameters,
    Targets,
    assert_close,
    assert_layers_close,
    both,
    draw_parameters,
)

X = np.array([0.7, -1.2, 0.4])
N_CLASSES = 4
LABEL = 2
ONE_HOT = np.array([0.0, 0.0, 1.0, 0.0])

n_layers = pytest.mark.parametrize("n_layers", [1, 2, 3, 4])
hidden = pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu"])


def sigmoid(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def softmax(z: Array) -> Array:
    total: np.float64 = np.exp(z).sum()
    return np.exp(z) / total


def identity(z: Array) -> Array:
    return z


def relu(z: Array) -> Array:
    return np.where(z > 0.0, z, 0.0)


G: dict[str, Callable[[Array], Array]] = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": relu}
G_PRIME: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: sigmoid(z) * (1.0 - sigmoid(z)),
    "tanh": lambda z: 1.0 - np.tanh(z) ** 2,
    "relu": lambda z: np.where(z > 0.0, 1.0, 0.0),
}
G_N: dict[str, Callable[[Array], Array]] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "softmax": softmax,
}


class Task(NamedTuple):
    """An output with its loss; ``y`` as a vector for the formulas, ``targets`` as passed on."""

    output: str
    loss: str
    y: Array
    targets: Targets

    def functions(self, hidden: str) -> Functions:
        return Functions(hidden, self.output, self.loss)

    def parameters(self, n_layers: int) -> Parameters:
        sizes = [*[X.size, 5, 4, 6][:n_layers], self.y.size]
        return draw_parameters(sizes, seed=229 + n_layers, scale=0.7)


REGRESSION = Task("identity", "squared_error", np.array([0.3]), np.array([[0.3]]))
BINARY_1 = Task("sigmoid", "binary_cross_entropy", np.array([1.0]), np.array([[1.0]]))
BINARY_0 = Task("sigmoid", "binary_cross_entropy", np.array([0.0]), np.array([[0.0]]))
MULTICLASS_INDEX = Task("softmax", "cross_entropy", ONE_HOT, np.array([LABEL]))
MULTICLASS_ONE_HOT = Task("softmax", "cross_entropy", ONE_HOT, ONE_HOT[None, :])
TASKS = {
    "regression": REGRESSION,
    "binary_1": BINARY_1,
    "binary_0": BINARY_0,
    "multiclass_index": MULTICLASS_INDEX,
    "multiclass_one_hot": MULTICLASS_ONE_HOT,
}
every_task = pytest.mark.parametrize("task", list(TASKS.values()), ids=list(TASKS))
binary_task = pytest.mark.parametrize("task", [BINARY_1, BINARY_0], ids=["y_1", "y_0"])


def propagate_forward(
    theta: Parameters, hidden: str, output: str
) -> tuple[dict[int, Array], dict[int, Array]]:
    """z[l] = W[l] a[l-1] + b[l], a[l] = g[l](z[l]), a[0] = x, keyed by l."""
    last = len(theta.weights)
    z: dict[int, Array] = {}
    a: dict[int, Array] = {0: X}
    for layer in range(1, last + 1):
        z[layer] = theta.weights[layer - 1] @ a[layer - 1] + theta.biases[layer - 1]
        a[layer] = G_N[output](z[layer]) if layer == last else G[hidden](z[layer])
    return z, a


def loss_of(task: Task, y_hat: Array) -> float:
    """The three losses of the notes, for one example."""
    y = task.y
    if task.loss == "squared_error":
        return float(0.5 * (y_hat[0] - y[0]) ** 2)
    if task.loss == "binary_cross_entropy":
        return float(-(y[0] * np.log(y_hat[0]) + (1.0 - y[0]) * np.log(1.0 - y_hat[0])))
    return float(-sum((1.0 if j == LABEL else 0.0) * np.log(y_hat[j]) for j in range(y.size)))


def delta_of_output(task: Task, z: Array, y_hat: Array) -> Array:
    """Step 1: by the chain rule for the identity and the sigmoid, directly for the softmax."""
    y = task.y
    if task.output == "identity":
        return (y_hat - y) * np.ones_like(z)
    if task.output == "sigmoid":
        return -(y / y_hat - (1.0 - y) / (1.0 - y_hat)) * (sigmoid(z) * (1.0 - sigmoid(z)))
    return y_hat - y


class Recipe(NamedTuple):
    """What steps 1 to 3 give, in the order of the layers 1..N."""

    delta: list[Array]
    weights: list[Array]
    biases: list[Array]


def follow_recipe(theta: Parameters, hidden: str, task: Task) -> Recipe:
    """Steps 1, 2 and 3 of the notes."""
    z, a = propagate_forward(theta, hidden, task.output)
    last = len(theta.weights)
    delta = {last: delta_of_output(task, z[last], a[last])}
    for layer in range(last - 1, 0, -1):
        delta[layer] = (theta.weights[layer].T @ delta[layer + 1]) * G_PRIME[hidden](z[layer])
    layers = range(1, last + 1)
    return Recipe(
        [delta[layer] for layer in layers],
        [np.outer(delta[layer], a[layer - 1]) for layer in layers],
        [delta[layer] for layer in layers],
    )


@both
@n_layers
@hidden
@every_task
def test_forward_propagation(
    implementation: Implementation, n_layers: int, hidden: str, task: Task
) -> None:
    """z[l] = W[l] a[l-1] + b[l], a[l] = g[l](z[l]), y_hat = a[N]."""
    theta = task.parameters(n_layers)
    _, a = propagate_forward(theta, hidden, task.output)
    y_hat = implementation.predict(theta, X[None, :], task.functions(hidden))
    assert_close(y_hat, a[n_layers][None, :])


@n_layers
@hidden
@every_task
def test_reference_keeps_z_and_a_of_each_layer(n_layers: int, hidden: str, task: Task) -> None:
    """z[1..N] and a[0..N], with a[0] = x and a[N] = y_hat."""
    theta = task.parameters(n_layers)
    z, a = propagate_forward(theta, hidden, task.output)
    forward = reference.forward_propagation(*theta, X[None, :], task.functions(hidden).network())
    assert_layers_close(forward.z, [z[layer][None, :] for layer in range(1, n_layers + 1)])
    assert_layers_close(forward.a, [a[layer][None, :] for layer in range(n_layers + 1)])
    assert_close(forward.y_hat, a[n_layers][None, :])


@both
@every_task
def test_loss(implementation: Implementation, task: Task) -> None:
    """1/2 (y_hat - y)^2; -(y log y_hat + (1-y) log(1-y_hat)); -sum_j 1{y = j} log y_hat_j."""
    theta = task.parameters(3)
    _, a = propagate_forward(theta, "tanh", task.output)
    value = implementation.loss(theta, X[None, :], task.targets, task.functions("tanh"))
    assert_close(value, loss_of(task, a[3]))


@both
@n_layers
@hidden
@every_task
def test_three_step_recipe(
    implementation: Implementation, n_layers: int, hidden: str, task: Task
) -> None:
    """Step 3: dJ/dW[l] = delta[l] a[l-1]^T, dJ/db[l] = delta[l], for a single example."""
    theta = task.parameters(n_layers)
    _, a = propagate_forward(theta, hidden, task.output)
    recipe = follow_recipe(theta, hidden, task)
    found = implementation.gradients(theta, X[None, :], task.targets, task.functions(hidden))
    assert_close(found.loss, loss_of(task, a[n_layers]))
    assert_layers_close(found.weights, recipe.weights)
    assert_layers_close(found.biases, recipe.biases)


@n_layers
@hidden
@every_task
def test_reference_delta_of_each_layer(n_layers: int, hidden: str, task: Task) -> None:
    """delta[N] = grad_z[N] L; delta[l] = (W[l+1]^T delta[l+1]) o g'(z[l]), l = N-1, ..., 1."""
    theta = task.parameters(n_layers)
    network = task.functions(hidden).network()
    forward = reference.forward_propagation(*theta, X[None, :], network)
    backward = reference.back_propagation(*theta, forward, task.targets, network)
    recipe = follow_recipe(theta, hidden, task)
    assert_layers_close(backward.delta, [delta[None, :] for delta in recipe.delta])
    assert_close(reference.output_delta(forward, task.targets, network), recipe.delta[-1][None, :])


@both
def test_squared_loss_through_the_identity(implementation: Implementation) -> None:
    """g[N](z) = z: delta[N] = (y_hat - y) o 1."""
    theta = REGRESSION.parameters(2)
    _, a = propagate_forward(theta, "sigmoid", "identity")
    found = implementation.gradients(
        theta, X[None, :], REGRESSION.targets, REGRESSION.functions("sigmoid")
    )
    assert_layers_close(found.biases[-1:], [a[2] - REGRESSION.y])


@both
@binary_task
def test_binary_delta_directly_and_by_the_chain_rule(
    implementation: Implementation, task: Task
) -> None:
    """delta[N] = grad_y_hat L o sigma'(z[N]), and directly delta[N] = y_hat - y: both agree."""
    theta = task.parameters(2)
    z, a = propagate_forward(theta, "sigmoid", "sigmoid")
    y, y_hat = task.y, a[2]
    gradient_of_y_hat = -(y / y_hat - (1.0 - y) / (1.0 - y_hat))
    sigma_prime = sigmoid(z[2]) * (1.0 - sigmoid(z[2]))
    by_the_chain_rule = gradient_of_y_hat * sigma_prime
    directly = y_hat - y
    assert_close(by_the_chain_rule, directly)
    found = implementation.gradients(theta, X[None, :], task.targets, task.functions("sigmoid"))
    assert_layers_close(found.biases[-1:], [directly])
    assert_layers_close(found.biases[-1:], [by_the_chain_rule])


@binary_task
def test_reference_binary_factors_of_the_chain_rule(task: Task) -> None:
    """grad_y_hat L = -(y/y_hat - (1-y)/(1-y_hat)); times sigma'(z) = sigma(z) o (1 - sigma(z))."""
    z = np.array([[-1.3], [0.2], [0.9]])
    y_hat = sigmoid(z)
    y = np.full_like(z, task.y[0])
    gradient_of_y_hat = -(y / y_hat - (1.0 - y) / (1.0 - y_hat))
    loss = reference.LOSSES["binary_cross_entropy"]
    output = reference.OUTPUTS["sigmoid"]
    assert_close(output.value(z), y_hat)
    assert_close(loss.value(y_hat, y), -(y * np.log(y_hat) + (1.0 - y) * np.log(1.0 - y_hat))[:, 0])
    assert_close(loss.gradient(y_hat, y), gradient_of_y_hat)
    assert_close(
        output.vjp(z, y_hat, gradient_of_y_hat), gradient_of_y_hat * (y_hat * (1.0 - y_hat))
    )


def test_reference_softmax_delta_through_its_jacobian() -> None:
    """J_ij = y_hat_i (1{i = j} - y_hat_j) and grad_y_hat L = -y / y_hat: J^T grad = y_hat - y."""
    z = np.array([0.4, -1.1, 0.8, 0.1])
    y_hat = softmax(z)
    jacobian = np.empty((N_CLASSES, N_CLASSES))
    for i in range(N_CLASSES):
        for j in range(N_CLASSES):
            jacobian[i, j] = y_hat[i] * ((1.0 if i == j else 0.0) - y_hat[j])
    gradient_of_y_hat = -ONE_HOT / y_hat
    assert_close(jacobian.T @ gradient_of_y_hat, y_hat - ONE_HOT)
    output = reference.OUTPUTS["softmax"]
    loss = reference.LOSSES["cross_entropy"]
    assert_close(output.value(z[None, :]), y_hat[None, :])
    assert_close(loss.value(y_hat[None, :], ONE_HOT[None, :]), [-np.log(y_hat[LABEL])])
    assert_close(loss.gradient(y_hat[None, :], ONE_HOT[None, :]), gradient_of_y_hat[None, :])
    assert_close(
        output.vjp(z[None, :], y_hat[None, :], gradient_of_y_hat[None, :]),
        (y_hat - ONE_HOT)[None, :],
    )


@both
def test_label_as_index_and_as_one_hot_vector(implementation: Implementation) -> None:
    """-sum_j 1{y = j} log y_hat_j = -sum_j y_j log y_hat_j, gradients included, several rows."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6, X.size))
    index = np.array([0, 3, 2, 1, 2, 0])
    one_hot = np.zeros((6, N_CLASSES))
    one_hot[np.arange(6), index] = 1.0
    theta = MULTICLASS_INDEX.parameters(3)
    functions = MULTICLASS_INDEX.functions("tanh")
    of_index = implementation.gradients(theta, x, index, functions)
    of_one_hot = implementation.gradients(theta, x, one_hot, functions)
    assert_close(of_index.loss, of_one_hot.loss)
    assert_layers_close(of_index.weights, of_one_hot.weights)
    assert_layers_close(of_index.biases, of_one_hot.biases)


@both
@pytest.mark.parametrize(
    ("output", "loss"), [("sigmoid", "binary_cross_entropy"), ("logistic", "log_loss")]
)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_logistic_regression(
    implementation: Implementation, output: str, loss: str, y: float
) -> None:
    """N = 1: a = sigma(W x + b); dJ/dW = (a - y) x^T in R^(1 x n); dJ/db = a - y."""
    weight = np.array([[0.5, -0.3, 0.8]])
    bias = np.array([0.1])
    z = 0.5 * X[0] - 0.3 * X[1] + 0.8 * X[2] + 0.1
    a = 1.0 / (1.0 + np.exp(-z))
    # Steps 1 and 3, with sigma'(z) = a (1 - a).
    delta = -(y / a - (1.0 - y) / (1.0 - a)) * (a * (1.0 - a))
    functions = Functions(output=output, loss=loss)
    theta = Parameters([weight], [bias])
    found = implementation.gradients(theta, X[None, :], np.array([[y]]), functions)
    assert found.weights[0].shape == (1, X.size)
    assert_close(found.loss, -(y * np.log(a) + (1.0 - y) * np.log(1.0 - a)))
    assert_layers_close(found.weights, [np.array([[delta * X[0], delta * X[1], delta * X[2]]])])
    assert_layers_close(found.biases, [np.array([delta])])
    assert_layers_close(found.weights, [(a - y) * X[None, :]])


@both
def test_logistic_regression_learns(implementation: Implementation) -> None:
    """W <- W - lr (a - y) x^T averaged over the examples, b likewise; the loss goes down."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(20, 3))
    y = (x @ np.array([1.0, -2.0, 0.5]) > 0.0).astype(np.float64)
    weight, bias = np.array([[0.1, 0.2, -0.1]]), np.array([0.05])
    theta = Parameters([weight.copy()], [bias.copy()])
    functions = Functions(output="sigmoid", loss="binary_cross_entropy")
    descent = implementation.descend(theta, x, y[:, None], functions, lr=0.5, steps=30)
    losses = []
    for _ in range(30):
        a = sigmoid(x @ weight[0] + bias[0])
        losses.append(float(-(y * np.log(a) + (1.0 - y) * np.log(1.0 - a)).mean()))
        weight = weight - 0.5 * ((a - y)[:, None] * x).mean(axis=0)[None, :]
        bias = bias - 0.5 * (a - y).mean()
    assert_close(descent.losses, losses)
    assert_layers_close(descent.weights, [weight])
    assert_layers_close(descent.biases, [bias])
    assert losses[-1] < 0.5 * losses[0]
