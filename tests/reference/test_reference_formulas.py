"""The reference's formulas: worked by hand, against central differences, far out on the axis."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
from itertools import pairwise

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import ACTIVATIONS, LOSSES, OUTPUTS, PAIRS, Network
from reference_support import (
    EPS,
    LOG_LOSSES,
    ROUNDING,
    TOLERANCE,
    VALID,
    Array,
    at_output,
    central_difference,
    is_smooth,
    smooth_case,
    targets,
)


def test_examples_of_the_docstrings() -> None:
    names = [module.name for module in pkgutil.iter_modules(reference.__path__)]
    modules = [importlib.import_module(f"deltarule.reference.{name}") for name in names]
    results = [doctest.testmod(module) for module in modules]
    assert sum(result.attempted for result in results) > 0
    assert sum(result.failed for result in results) == 0


# --- Worked by hand --------------------------------------------------------------------------

# A 2-2-2 network, relu hidden, identity output, squared error 1/2 sum_j (y_hat_j - y_j)^2, mean of
# two samples x = (1, 2), y = (1, 2) and x = (2, 0), y = (3, -1).
#
#   W[1] = [ 1   -1 ]  b[1] = [ 0.5]      W[2] = [ 1  2  ]  b[2] = [0]
#          [ 0.5  0.5]        [-0.5]             [-1  0.5]         [1]
#
# Forward, sample 1:  z[1] = (1 - 2 + 0.5, 0.5 + 1 - 0.5)   = (-0.5, 1)    a[1] = (0, 1)
#                     z[2] = (0 + 2 + 0, 0 + 0.5 + 1)       = (2, 1.5)     = y_hat
#          sample 2:  z[1] = (2 - 0 + 0.5, 1 + 0 - 0.5)     = (2.5, 0.5)   a[1] = (2.5, 0.5)
#                     z[2] = (2.5 + 1, -2.5 + 0.25 + 1)     = (3.5, -1.25) = y_hat
# Loss:    sample 1:  e = (1, -0.5)      L = (1 + 0.25) / 2      = 0.625
#          sample 2:  e = (0.5, -0.25)   L = (0.25 + 0.0625) / 2 = 0.15625
#          mean:      (0.625 + 0.15625) / 2 = 0.390625
# delta[2] = e / 2:   (0.5, -0.25) and (0.25, -0.125)
# W[2]^T delta[2]:    sample 1: (0.5 + 0.25, 1 - 0.125)       = (0.75, 0.875)
#                     sample 2: (0.25 + 0.125, 0.5 - 0.0625)  = (0.375, 0.4375)
# delta[1], z > 0:    (0, 0.875) and (0.375, 0.4375)
# dL/dW[2]: row 1: 0.5 (0, 1) + 0.25 (2.5, 0.5)     = (0.625, 0.625)
#           row 2: -0.25 (0, 1) - 0.125 (2.5, 0.5)  = (-0.3125, -0.3125)
# dL/db[2] = (0.75, -0.375)
# dL/dW[1]: row 1: 0 (1, 2) + 0.375 (2, 0)          = (0.75, 0)
#           row 2: 0.875 (1, 2) + 0.4375 (2, 0)     = (1.75, 1.75)
# dL/db[1] = (0.375, 1.3125)
# One step, lr = 0.5: W[1] = [1 - 0.375, -1; 0.5 - 0.875, 0.5 - 0.875] = [0.625, -1; -0.375, -0.375]
#                     b[1] = (0.5 - 0.1875, -0.5 - 0.65625)              = (0.3125, -1.15625)
#                     W[2] = [1 - 0.3125, 2 - 0.3125; -1 + 0.15625, 0.5 + 0.15625]
#                     b[2] = (-0.375, 1.1875)
# Every number is a dyadic rational: float64 and float32 hold them exactly, the comparison is ==.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_worked_by_hand(dtype: str) -> None:
    weights = [np.array(W, dtype) for W in ([[1, -1], [0.5, 0.5]], [[1, 2], [-1, 0.5]])]
    biases = [np.array(b, dtype) for b in ([0.5, -0.5], [0, 1])]
    x, y, network = [[1, 2], [2, 0]], [[1, 2], [3, -1]], Network()

    forward = reference.forward_propagation(weights, biases, x, network)
    value, grads = reference.value_and_grad(weights, biases, x, y, network)
    step = reference.sgd_update(weights, biases, grads, None, lr=0.5)

    expected = [
        (forward.z[1], [[-0.5, 1], [2.5, 0.5]]),
        (forward.a[0], x),
        (forward.a[1], [[0, 1], [2.5, 0.5]]),
        (forward.z[2], [[2, 1.5], [3.5, -1.25]]),
        (forward.y_hat, [[2, 1.5], [3.5, -1.25]]),
        (reference.sample_losses(forward, y, network), [0.625, 0.15625]),
        (reference.output_delta(forward, y, network), [[1, -0.5], [0.5, -0.25]]),
        (grads.delta[2], [[0.5, -0.25], [0.25, -0.125]]),
        (grads.delta[1], [[0, 0.875], [0.375, 0.4375]]),
        (grads.weights[1], [[0.625, 0.625], [-0.3125, -0.3125]]),
        (grads.biases[1], [0.75, -0.375]),
        (grads.weights[0], [[0.75, 0], [1.75, 1.75]]),
        (grads.biases[0], [0.375, 1.3125]),
        (step[0][0], [[0.625, -1], [-0.375, -0.375]]),
        (step[1][0], [0.3125, -1.15625]),
        (step[0][1], [[0.6875, 1.6875], [-0.84375, 0.65625]]),
        (step[1][1], [-0.375, 1.1875]),
    ]
    for actual, by_hand in expected:
        np.testing.assert_array_equal(actual, np.array(by_hand), strict=False)
        assert actual.dtype == dtype
    assert value == 0.390625
    assert reference.loss_value(forward, y, network) == 0.390625
    assert len(forward.z) == 2 and len(forward.a) == 3 and forward.a[2] is forward.y_hat


def test_softmax_regression_worked_by_hand() -> None:
    # z = (0, log 3): e^z = (1, 3), p = (1/4, 3/4); class 1: L = log(4/3), delta = (1/4, -1/4).
    network = Network(output="softmax", loss="cross_entropy")
    weights, biases = [np.array([[0.0], [math.log(3)]])], [np.zeros(2)]
    value, grads = reference.value_and_grad(weights, biases, [[1.0]], [1], network)
    assert value == pytest.approx(math.log(4 / 3), rel=1e-15)
    np.testing.assert_allclose(grads.delta[1], [[0.25, -0.25]], **ROUNDING)
    np.testing.assert_allclose(grads.weights[0], [[0.25], [-0.25]], **ROUNDING)


# --- Central differences ---------------------------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), VALID)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_gradients_against_central_differences(hidden: str, output: str, loss: str) -> None:
    weights, biases, x, y, network = smooth_case(hidden, output, loss)
    sizes = (3, 4, 3)

    def loss_at(flat: Array) -> float:
        W, b = reference.unflatten(flat, sizes)
        forward = reference.forward_propagation(W, b, x, network)
        return reference.loss_value(forward, y, network)

    value, grads = reference.value_and_grad(weights, biases, x, y, network)
    actual = reference.theta(grads.weights, grads.biases)
    expected = central_difference(loss_at, reference.theta(weights, biases))
    assert np.abs(actual - expected).max() <= TOLERANCE * max(1.0, abs(value), np.abs(actual).max())
    for tensor in (*grads.weights, *grads.biases, *grads.delta):
        assert np.abs(tensor).max() > 1e-4  # far above the tolerance: 0 would not pass


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_of_a_deep_mixed_network_with_weights(reduction: str) -> None:
    sizes, rng = (2, 3, 4, 3, 2), np.random.default_rng(11)
    network = Network(("tanh", "leaky_relu", "silu"), "softmax", "cross_entropy", reduction, 0.2)
    weights = [rng.normal(size=(n_out, n_in)) for n_in, n_out in pairwise(sizes)]
    biases = [rng.normal(size=n_out) for n_out in sizes[1:]]
    x, y, w = rng.normal(size=(6, 2)), rng.integers(0, 2, 6), rng.uniform(0.5, 2.0, 6)
    forward = reference.forward_propagation(weights, biases, x, network)
    assert np.abs(forward.z[2]).min() > 1e-3  # the layer with a kink

    def loss_at(flat: Array) -> float:
        return reference.value_and_grad(*reference.unflatten(flat, sizes), x, y, network, w)[0]

    value, grads = reference.value_and_grad(weights, biases, x, y, network, w)
    actual = reference.theta(grads.weights, grads.biases)
    expected = central_difference(loss_at, reference.theta(weights, biases))
    assert np.abs(actual - expected).max() <= TOLERANCE * max(1.0, value, np.abs(actual).max())
    assert np.abs(actual).max() > 1e-2


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_of_an_activation(name: str) -> None:
    z = np.linspace(-6.05, 6.05, 122)  # in steps of 0.1, 0.05 away from 0
    g = ACTIVATIONS[name]
    expected = (g.value(z + EPS) - g.value(z - EPS)) / (2 * EPS)
    actual = g.derivative(z, g.value(z))
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert np.abs(actual).max() > 0.1


def test_leaky_slope_is_the_networks() -> None:
    # z = -1, y_hat = a = -0.25, e = -1.25: dL/dW[1] = -1.25 * 0.25.
    weights, biases = [np.array([[-1.0]]), np.ones((1, 1))], [np.zeros(1), np.zeros(1)]
    network = Network("leaky_relu", leaky_slope=0.25)
    value, grads = reference.value_and_grad(weights, biases, [[1.0]], [1.0], network)
    assert value == 0.78125
    assert grads.weights[0] == -0.3125


def test_derivatives_at_the_kinks_are_the_notes() -> None:
    zero = np.zeros(1)
    assert ACTIVATIONS["relu"].derivative(zero, zero) == 0  # 1(h > 0)
    assert ACTIVATIONS["leaky_relu"].derivative(zero, zero) == 0.01
    assert ACTIVATIONS["elu"].derivative(zero, zero) == 1
    assert LOSSES["absolute_error"].gradient(zero[None], zero[None]) == 0


@pytest.mark.parametrize("name", OUTPUTS)
def test_vector_jacobian_product_of_an_output(name: str) -> None:
    rng = np.random.default_rng(3)
    z, g, output = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), OUTPUTS[name]
    actual = output.vjp(z, output.value(z), g)
    expected = central_difference(lambda point: (g * output.value(point)).sum(), z)
    np.testing.assert_allclose(actual.ravel(), expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert np.abs(actual).max() > 0.1


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_a_loss(name: str) -> None:
    rng, loss = np.random.default_rng(5), LOSSES[name]
    y = targets(name, rng, (4, 3))
    inside = name in LOG_LOSSES  # a y_hat in the domain (0, 1)
    y_hat = rng.uniform(0.2, 0.8, (4, 3)) if inside else rng.normal(0.0, 2.0, (4, 3))
    network = Network("identity", "sigmoid", name)
    assert is_smooth(network, at_output(y_hat, network)._replace(y_hat=y_hat), y)
    actual = loss.gradient(y_hat, y)
    expected = central_difference(lambda point: loss.value(point, y).sum(), y_hat)
    np.testing.assert_allclose(actual.ravel(), expected, rtol=TOLERANCE, atol=10 * TOLERANCE)
    assert loss.value(y_hat, y).shape == (4,) and np.abs(actual).max() > 0.1


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_a_pair_equals_the_plain_formulas(output: str, loss: str) -> None:
    rng, network = np.random.default_rng(9), Network(output=output, loss=loss)
    z = rng.normal(size=(6, 4))
    y, forward = targets(loss, rng, z.shape), at_output(z, network)
    plain = LOSSES[loss].value(forward.y_hat, y)
    chain = OUTPUTS[output].vjp(z, forward.y_hat, LOSSES[loss].gradient(forward.y_hat, y))
    np.testing.assert_allclose(reference.sample_losses(forward, y, network), plain, **ROUNDING)
    np.testing.assert_allclose(reference.output_delta(forward, y, network), chain, **ROUNDING)


def test_loss_formulas_by_hand() -> None:
    # e = y_hat - y = (0.5, -2, 1.5): squares 0.25 + 4 + 2.25 = 6.5; huber 0.125 + 1.5 + 1.
    y_hat, y = np.array([[1.5, 0.0, 4.5]]), np.array([[1.0, 2.0, 3.0]])
    assert LOSSES["squared_error"].value(y_hat, y) == 3.25
    assert LOSSES["sum_squared_error"].value(y_hat, y) == 6.5
    assert LOSSES["absolute_error"].value(y_hat, y) == 4.0
    assert LOSSES["huber"].value(y_hat, y) == 2.625
    assert LOSSES["mean_squared_error"].value(y_hat, y) == pytest.approx(6.5 / 3)
    # huber_delta = 1.75: 0.125 + 1.75 (2 - 0.875) + 1.125 = 3.21875
    network = Network(loss="huber", huber_delta=1.75)
    forward = at_output(y_hat, network)
    assert reference.sample_losses(forward, y, network) == 3.21875
    assert reference.output_delta(forward, y, network).tolist() == [[0.5, -1.75, 1.5]]


# --- Stability -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_far_out(name: str, dtype: str) -> None:
    z = np.array([-1000.0, -100.0, 0.0, 100.0, 1000.0], dtype)
    g = ACTIVATIONS[name]
    with np.errstate(all="raise", under="ignore"):
        a = g.value(z)
        slope = g.derivative(z, a)
    assert a.dtype == slope.dtype == dtype
    assert a[0] == {"identity": -1000, "tanh": -1, "leaky_relu": -10, "elu": -1}.get(name, 0)
    assert a[-1] == {"sigmoid": 1, "tanh": 1}.get(name, 1000)
    assert slope[0] == {"identity": 1, "leaky_relu": np.dtype(dtype).type(0.01)}.get(name, 0)
    assert slope[-1] == (0 if name in ("sigmoid", "tanh") else 1)


@pytest.mark.parametrize(
    ("output", "loss", "z", "y", "value", "delta"),
    [
        ("sigmoid", "binary_cross_entropy", [-1000, 1000], [1, 0], 2000, [-1, 1]),
        ("sigmoid", "binary_cross_entropy", [-1000, 1000], [0, 1], 0, [0, 0]),
        ("sigmoid", "cross_entropy", [-1000, 1000], [1, 0], 1000, [-1, 0]),
        ("sigmoid", "poisson", [-1000, 1000], [2, 3], 2001, [-2, 0]),
        ("softmax", "cross_entropy", [-1000, 1000], [1, 0], 2000, [-1, 1]),
        ("softmax", "cross_entropy", [-1000, 1000], [0, 1], 0, [0, 0]),
        ("softmax", "poisson", [-1000, 1000], [2, 1], 4001, [-2, 2]),
        # log p = (-2000, 0) and log(1 - p) = (0, -2000); p_0 / (1 - p_1) = 1 though 1 - p_1 is 0.
        ("softmax", "binary_cross_entropy", [-1000, 1000], [1, 0], 4000, [-2, 2]),
        ("softmax", "binary_cross_entropy", [-1000, 1000], [0, 1], 0, [0, 0]),
        # L = -log p_2 - log(1 - p_0) = 3000 + 1000, for 1 - p_0 is p_1 to the last digit:
        # delta = (p - e(2)) + (p - e(1)), p = e(0).
        ("softmax", "binary_cross_entropy", [1000, 0, -2000], [0, 0, 1], 4000, [2, -1, -1]),
        ("exp", "poisson", [-1000, 0], [3, 1], 3001, [-3, 0]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pairs_far_out(
    output: str,
    loss: str,
    z: list[float],
    y: list[float],
    value: float,
    delta: list[float],
    dtype: str,
) -> None:
    network = Network(output=output, loss=loss)
    with np.errstate(all="raise", under="ignore"):
        forward = at_output(np.array([z], dtype), network)
        losses = reference.sample_losses(forward, [y], network)
        actual = reference.output_delta(forward, [y], network)
    assert losses.dtype == actual.dtype == dtype
    assert losses == value
    assert actual.tolist() == [delta]


def test_logarithms_keep_their_digits_where_p_is_nearly_1() -> None:
    # 1 - p_0 = rest / (1 + rest), rest = e^-40 + e^-41; the difference 1 - p_0 would be 0. The
    # other two complements are 1 to within e^-40.
    z, network = np.array([[0.0, -40.0, -41.0]]), Network("relu", "softmax", "binary_cross_entropy")
    expected = 40 - math.log1p(math.exp(-1))
    losses = reference.sample_losses(at_output(z, network), [[0, 0, 0]], network)
    assert losses[0] == pytest.approx(expected, rel=1e-14)
    sigmoid = Network(output="sigmoid", loss="binary_cross_entropy")
    losses = reference.sample_losses(at_output([[50.0]], sigmoid), [[1.0]], sigmoid)
    assert losses[0] == pytest.approx(math.exp(-50), rel=1e-14)


@pytest.mark.parametrize(("output", "loss"), VALID)
def test_float32_stays_float32(output: str, loss: str) -> None:
    weights, biases, x, y, network = smooth_case("softplus", output, loss)
    w32, b32 = ([p.astype("float32") for p in params] for params in (weights, biases))
    weight = np.ones(len(x))
    value, grads = reference.value_and_grad(w32, b32, x, y, network, weight)
    tensors = [*grads.weights, *grads.biases, *grads.delta]
    rate = np.float64(0.1)
    new = reference.sgd_update(w32, b32, grads, None, lr=rate, momentum=0.9, weight_decay=rate)
    assert {t.dtype for t in [*tensors, *new[0], *new[1], *new[2][0]]} == {np.dtype("float32")}
    exact, _ = reference.value_and_grad(weights, biases, x, y, network)
    assert value == pytest.approx(exact, rel=1e-5)  # some tens of roundings of 6e-8
