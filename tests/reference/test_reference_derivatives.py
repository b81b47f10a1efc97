"""The reference's other derivatives: by hand, against central differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import ACTIVATIONS, LOSSES, OUTPUTS, PAIRS, Activation, Loss, Network
from reference_support import (
    CANONICAL,
    EPS,
    ROUNDING,
    TOLERANCE,
    VALID,
    Array,
    Case,
    at_output,
    central_difference,
    direction,
    smooth_case,
    targets,
)


def sizes_of(case: Case) -> list[int]:
    return [case.weights[0].shape[1], *map(len, case.weights)]


def along(f: Callable[[Array], Array], point: Array, v: Array) -> Array:
    """The derivative of f along v, by a central difference."""
    return (f(point + EPS * v) - f(point - EPS * v)) / (2 * EPS)


def assert_close(actual: Array, expected: Array) -> None:
    """Compare to a central difference: TOLERANCE of the largest entry, or of 1."""
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * scale)


# --- Worked by hand --------------------------------------------------------------------------


def test_a_network_worked_by_hand() -> None:
    # y_hat = u w x, x = 2, w = 3, u = 0.5, both biases 0: z[1] = 6, y_hat = 3; y = 1, so that
    # L = e^2 / 2, e = 2, and with theta = (w, u, b[1], b[2]):
    #   dy_hat/dtheta = J = (u x, w x, u, 1) = (1, 6, 0.5, 1), dy_hat/dx = u w = 1.5
    #   d2y_hat/dw du = x = 2, d2y_hat/du db[1] = 1, all other second derivatives 0
    #   d2L = J^T J + e d2y_hat; v = (1, -1, 2, 0): J.v = 1 - 6 + 1 = -4
    #   G v = -4 J = (-4, -24, -2, -4)
    #   d2y_hat v = (2 v_u, 2 v_w + v_b1, v_u, 0) = (-2, 4, -1, 0); H v = G v + 2 that
    weights, biases = [np.array([[3.0]]), np.array([[0.5]])], [np.zeros(1), np.zeros(1)]
    args, v, net = (weights, biases, [[2.0]]), [1.0, -1.0, 2.0, 0.0], Network("identity")
    actual = {
        "input": reference.input_gradient(*args, [1.0], net),
        "by x": reference.jacobian(*args, net),
        "by theta": reference.jacobian(*args, net, wrt="theta"),
        "per sample": reference.per_sample_gradients(*args, [1.0], net),
        "jvp x": reference.jvp(*args, [[4.0]], net),
        "jvp": reference.jvp(*args, v, net, wrt="theta"),
        "vjp x": reference.vjp(*args, [[4.0]], net),
        "vjp": reference.vjp(*args, [[4.0]], net, wrt="theta"),
        "hvp": reference.hvp(*args, [1.0], v, net),
        "gauss_newton": reference.gauss_newton_vp(*args, [1.0], v, net),
    }
    assert {name: array.tolist() for name, array in actual.items()} == {
        "input": [[3.0]],
        "by x": [[[1.5]]],
        "by theta": [[[1.0, 6.0, 0.5, 1.0]]],
        "per sample": [[2.0, 12.0, 1.0, 2.0]],
        "jvp x": [[6.0]],
        "jvp": [[-4.0]],
        "vjp x": [[6.0]],
        "vjp": [4.0, 24.0, 2.0, 4.0],
        "hvp": [-8.0, -16.0, -4.0, -4.0],
        "gauss_newton": [-4.0, -24.0, -2.0, -4.0],
    }


# --- Central differences ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_curvature_of_an_activation(name: str) -> None:
    z, g = np.linspace(-6.05, 6.05, 122), ACTIVATIONS[name]  # 0.05 away from 0
    slopes = [g.derivative(z + step, g.value(z + step)) for step in (EPS, -EPS)]
    actual = g.curvature(z, g.value(z))
    assert_close(actual, (slopes[0] - slopes[1]) / (2 * EPS))
    assert np.abs(actual).max() > 0.05 or name in ("identity", "relu", "leaky_relu")


@pytest.mark.parametrize("name", OUTPUTS)
def test_curvature_of_an_output(name: str) -> None:
    rng, output = np.random.default_rng(3), OUTPUTS[name]
    z, g, v = rng.normal(size=(3, 4, 3))
    actual = output.curvature(z, output.value(z), g, v)
    assert_close(actual, along(lambda z: output.vjp(z, output.value(z), g), z, v))
    assert np.abs(actual).max() > 0.1 or name in ("identity", "relu", "leaky_relu")
    J_g = output.vjp(z, output.value(z), g)  # and J_O is symmetric
    np.testing.assert_allclose(J_g, along(output.value, z, g), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", LOSSES)
def test_curvature_of_a_loss(name: str) -> None:
    rng, loss = np.random.default_rng(5), LOSSES[name]
    y, y_hat = targets(name, rng, (4, 3)), rng.uniform(0.2, 0.8, (4, 3))
    expected = along(lambda y_hat: loss.gradient(y_hat, y), y_hat, np.ones_like(y_hat))
    np.testing.assert_allclose(loss.curvature(y_hat, y), expected, rtol=TOLERANCE, atol=1e-7)
    assert np.abs(expected).max() > 0.1 or name == "absolute_error"


@pytest.mark.parametrize(("output", "loss"), VALID)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_hvp_is_the_derivative_of_the_gradient(hidden: str, output: str, loss: str) -> None:
    case = smooth_case(hidden, output, loss)
    v = direction(case)

    def gradient(flat: Array) -> Array:
        W, b = reference.unflatten(flat, sizes_of(case))
        grads = reference.value_and_grad(W, b, case.x, case.y, case.network)[1]
        return reference.theta(grads.weights, grads.biases)

    actual = reference.hvp(*case[:4], v, case.network)
    assert_close(actual, along(gradient, reference.theta(*case[:2]), v))
    assert np.abs(actual).max() > 1e-3


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_jacobians_and_their_products(hidden: str, output: str) -> None:
    case = smooth_case(hidden, output, "squared_error")
    args = (*case[:3], case.network)
    rng, flat, n = np.random.default_rng(1), reference.theta(*case[:2]), len(case.x)

    def y_hat(theta: Array, x: Array) -> Array:
        W, b = reference.unflatten(theta, sizes_of(case))
        return reference.forward_propagation(W, b, x, case.network).y_hat

    J_theta, J_x = reference.jacobian(*args, wrt="theta"), reference.jacobian(*args)
    for k in range(3):
        by_theta = [central_difference(lambda t: y_hat(t, case.x)[i, k], flat) for i in range(n)]  # noqa: B023
        assert_close(J_theta[:, k], np.array(by_theta))
        by_x = central_difference(lambda x: y_hat(flat, x)[:, k].sum(), case.x)  # noqa: B023
        assert_close(J_x[:, k], by_x.reshape(case.x.shape))

    v, v_x, u = direction(case), rng.normal(size=case.x.shape), rng.normal(size=(n, 3))
    args = case[:3]
    for actual, expected in [
        (reference.jvp(*args, v, case.network, wrt="theta"), J_theta @ v),
        (reference.jvp(*args, v_x, case.network), np.einsum("nki,ni->nk", J_x, v_x)),
        (reference.vjp(*args, u, case.network, wrt="theta"), np.einsum("nkd,nk->d", J_theta, u)),
        (reference.vjp(*args, u, case.network), np.einsum("nki,nk->ni", J_x, u)),
    ]:
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)  # reordered sums
        assert np.abs(expected).max() > 0.01


@pytest.mark.parametrize(("output", "loss"), VALID)
def test_gradients_by_input_and_by_sample(output: str, loss: str) -> None:
    case = smooth_case("tanh", output, loss)
    w = np.random.default_rng(2).uniform(0.5, 2.0, len(case.x))

    def value(x: Array) -> float:
        return reference.value_and_grad(*case[:2], x, case.y, case.network, w)[0]

    by_x = reference.input_gradient(*case, w)
    assert_close(by_x.ravel(), central_difference(value, case.x))
    grads = reference.value_and_grad(*case, w)[1]
    rows = reference.per_sample_gradients(*case)
    whole = reference.theta(grads.weights, grads.biases)
    np.testing.assert_allclose(w / w.sum() @ rows, whole, **ROUNDING)
    for i, row in enumerate(rows):
        one = reference.value_and_grad(
            *case[:2], case.x[i : i + 1], case.y[i : i + 1], case.network
        )
        np.testing.assert_allclose(row, reference.theta(one[1].weights, one[1].biases), **ROUNDING)


# --- The generalised Gauss-Newton matrix -----------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), VALID)
def test_gauss_newton_is_built_from_the_jacobian(output: str, loss: str) -> None:
    case = smooth_case("tanh", output, loss)
    forward, v = reference.forward_propagation(*case[:3], case.network), direction(case)
    J = reference.jacobian(*case[:3], case.network, wrt="theta")
    if (output, loss) in CANONICAL:
        linear = Network("tanh", "identity", "squared_error")
        J = reference.jacobian(*case[:3], linear, wrt="theta")
        e = np.eye(3)
        rows = [np.tile(e_k, (len(case.x), 1)) for e_k in e]
        H = [reference.output_hessian(forward, case.y, case.network, row) for row in rows]
        H_J_v = np.einsum("kni,nk->ni", np.array(H), J @ v)
    else:
        H_J_v = LOSSES[loss].curvature(forward.y_hat, case.y) * (J @ v)
    expected = np.einsum("nkd,nk->d", J, H_J_v) / len(case.x)
    actual = reference.gauss_newton_vp(*case[:4], v, case.network)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)  # 1 / y_hat^2 up to 1e3
    assert np.abs(actual).max() > 1e-3 or loss == "absolute_error"


@pytest.mark.parametrize(("output", "loss"), sorted(CANONICAL))
def test_gauss_newton_is_the_hessian_of_one_layer(output: str, loss: str) -> None:
    case = smooth_case("tanh", output, loss, sizes=(3, 3))
    v, net = direction(case), case.network
    whole = reference.hvp(*case[:4], v, net)
    np.testing.assert_allclose(
        reference.gauss_newton_vp(*case[:4], v, net), whole, rtol=1e-12, atol=1e-13
    )


# --- Weights, reductions, depth, types -------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_deep_mixed_network_with_weights(reduction: str) -> None:
    sizes, rng = (2, 3, 4, 3, 2), np.random.default_rng(11)
    net = Network(("tanh", "leaky_relu", "silu"), "softmax", "cross_entropy", reduction, 0.2)
    W = [rng.normal(size=(n_out, n_in)) for n_in, n_out in pairwise(sizes)]
    b = [rng.normal(size=n_out) for n_out in sizes[1:]]
    x, y, w = rng.normal(size=(6, 2)), rng.integers(0, 2, 6), rng.uniform(0.5, 2.0, 6)
    flat = reference.theta(W, b)
    v = rng.normal(size=len(flat))

    def gradient(theta: Array) -> Array:
        grads = reference.value_and_grad(*reference.unflatten(theta, sizes), x, y, net, w)[1]
        return reference.theta(grads.weights, grads.biases)

    assert_close(reference.hvp(W, b, x, y, v, net, w), along(gradient, flat, v))
    alone = [
        reference.gauss_newton_vp(W, b, x[i : i + 1], y[i : i + 1], v, net) for i in range(len(x))
    ]
    c = w / w.sum() if reduction == "mean" else w
    actual = reference.gauss_newton_vp(W, b, x, y, v, net, w)
    np.testing.assert_allclose(actual, c @ np.array(alone), rtol=1e-12, atol=1e-13)
    assert v @ actual > 0


def test_huber_delta_and_leaky_slope_are_the_networks() -> None:
    # e = (0.5, -2) on y_hat: within 1.75 L'' = 1, beyond 0.
    net = Network(loss="huber", huber_delta=1.75)
    forward, ones = at_output([[0.5, -2.0]], net), np.ones((1, 2))
    assert reference.output_hessian(forward, np.zeros((1, 2)), net, ones).tolist() == [[1, 0]]
    W, b = [np.array([[-1.0]]), np.ones((1, 1))], [np.zeros(1), np.zeros(1)]
    slope = reference.jacobian(W, b, [[1.0]], Network("leaky_relu", leaky_slope=0.25))
    assert slope.item() == -0.25


@pytest.mark.parametrize(("output", "loss"), VALID)
def test_float32_stays_float32(output: str, loss: str) -> None:
    case = smooth_case("gelu", output, loss)
    W, b = ([p.astype("float32") for p in params] for params in case[:2])
    args, v, net = (W, b, case.x), direction(case), case.network
    arrays = [
        reference.input_gradient(*args, case.y, net),
        reference.jacobian(*args, net, wrt="theta"),
        reference.per_sample_gradients(*args, case.y, net),
        reference.jvp(*args, v, net, wrt="theta"),
        reference.vjp(*args, np.ones((5, 3)), net),
        reference.hvp(*args, case.y, v, net),
        reference.gauss_newton_vp(*args, case.y, v, net),
    ]
    assert {array.dtype for array in arrays} == {np.dtype("float32")}
    exact = reference.hvp(*case[:4], v, net)
    scale = np.abs(exact).max()
    assert np.abs(arrays[5] - exact).max() < 1e-4 * scale  # a few hundred roundings of 6e-8


# --- Kinks and saturation --------------------------------------------------------------------


def test_second_derivatives_at_the_kinks() -> None:
    zero = np.zeros((1, 1))
    assert all(ACTIVATIONS[name].curvature(zero, zero) == 0 for name in ("relu", "leaky_relu"))
    assert ACTIVATIONS["elu"].curvature(zero, zero) == 0  # that of z above 0
    assert LOSSES["absolute_error"].curvature(zero, zero) == 0
    assert LOSSES["huber"].curvature(zero + 1, zero) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_curvature_far_out(name: str, dtype: str) -> None:
    z, g = np.array([-1000.0, -100.0, 100.0, 1000.0], dtype), ACTIVATIONS[name]
    with np.errstate(all="raise", under="ignore"):
        curvature = g.curvature(z, g.value(z))
    assert curvature.dtype == dtype
    np.testing.assert_allclose(curvature, 0, atol=1e-40)


@pytest.mark.parametrize(
    ("output", "loss", "z", "y", "v", "hessian", "gauss_newton"),
    [
        ("sigmoid", "binary_cross_entropy", [-1000, 1000], [1, 0], [1, 1], [0, 0], [0, 0]),
        # y p q and y q^2
        ("sigmoid", "cross_entropy", [-1000, 1000], [3, 2], [1, 1], [0, 0], [3, 0]),
        # (p - y) q: its slope p q (y + 1 - 2 p), and y q^2
        ("sigmoid", "poisson", [-1000, 1000], [3, 2], [1, 1], [0, 0], [3, 0]),
        ("softmax", "cross_entropy", [-1000, 1000], [1, 0], [1, -1], [0, 0], [0, 0]),
        # J^T d2L/dy_hat2 J v = sum_j y_j r_j (r_j.v), r_j = e(j) - p; p = e(1): r_0 = (1, -1).
        ("softmax", "poisson", [-1000, 1000], [3, 1], [1, 0], [0, 0], [3, -3]),
        ("softmax", "binary_cross_entropy", [-1000, 1000], [0, 1], [1, 0], [0, 0], [0, 0]),
        # p = e(0), and the softmax without 0 is (0, 1/2, 1/2): L bends along log q_0 alone.
        # H v = -C v = -(0, 1/2 (1 - 1/2), -1/4); r_0 = -(1, -1/2, -1/2), r_0 (r_0.v).
        (
            "softmax",
            "binary_cross_entropy",
            [1000, 0, 0],
            [0, 0, 0],
            [0, 1, 0],
            [0, -0.25, 0.25],
            [-0.5, 0.25, 0.25],
        ),
        ("exp", "poisson", [-1000, 0], [3, 1], [1, 1], [0, 1], [0, 1]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pairs_far_out(
    output: str,
    loss: str,
    z: list[float],
    y: list[float],
    v: list[float],
    hessian: list[float],
    gauss_newton: list[float],
    dtype: str,
) -> None:
    net = Network(output=output, loss=loss)
    with np.errstate(all="raise", under="ignore"):
        forward, v_rows = at_output(np.array([z], dtype), net), np.array([v], dtype)
        H_v = reference.output_hessian(forward, [y], net, v_rows)
        G_v = reference.output_gauss_newton(forward, [y], net, v_rows)
    assert H_v.dtype == G_v.dtype == dtype
    assert H_v.tolist() == [hessian]
    assert G_v.tolist() == [gauss_newton]


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_a_pair_equals_the_plain_formulas(output: str, loss: str) -> None:
    rng, net = np.random.default_rng(9), Network(output=output, loss=loss)
    z, v = rng.normal(size=(2, 6, 4))
    y, forward = targets(loss, rng, z.shape), at_output(z, net)
    o, L, y_hat = OUTPUTS[output], LOSSES[loss], forward.y_hat
    through_loss = o.vjp(z, y_hat, L.curvature(y_hat, y) * o.vjp(z, y_hat, v))
    whole = through_loss + o.curvature(z, y_hat, L.gradient(y_hat, y), v)
    # Terms of 1 / y_hat^2, up to 1e3, cancel in the plain formulas.
    H_v = reference.output_hessian(forward, y, net, v)
    G_v = reference.output_gauss_newton(forward, y, net, v)
    np.testing.assert_allclose(H_v, whole, rtol=1e-11, atol=1e-11)
    if (output, loss) not in CANONICAL:
        np.testing.assert_allclose(G_v, through_loss, rtol=1e-11, atol=1e-11)


def test_the_slope_of_a_nearly_saturated_sigmoid_keeps_its_digits() -> None:
    net = Network(output="sigmoid", loss="log_loss")
    forward, one = at_output([[40.0]], net), np.ones((1, 1))
    slope = reference.output_hessian(forward, [[1.0]], net, one).item()
    assert slope == pytest.approx(math.exp(-40), rel=1e-14)


# --- Arguments -------------------------------------------------------------------------------


def test_errors_name_the_argument() -> None:
    case = smooth_case("tanh", "identity", "squared_error")
    args, net, D = case[:3], case.network, 31
    calls: list[tuple[str, Callable[[], object]]] = [
        ("wrt is 'y', it must be one of x, theta", lambda: reference.jacobian(*args, net, "y")),
        (r"v has shape \(2,\), it must be \(5, 3\)", lambda: reference.jvp(*args, [0, 1], net)),
        (
            rf"v has shape \(2,\), it must be \({D},\)",
            lambda: reference.hvp(*args, case.y, [0, 1], net),
        ),
        (r"u has shape \(1,\), it must be \(5, 3\)", lambda: reference.vjp(*args, [0], net)),
    ]
    for rule, call in calls:
        with pytest.raises(ValueError, match=f"^{rule}$"):
            call()


def test_a_function_without_its_second_derivative() -> None:
    square = Activation(lambda z: z * z, lambda z, a: 2 * z)
    loss = Loss(lambda y_hat, y: y_hat.sum(axis=1), lambda y_hat, y: np.ones_like(y_hat))
    for second in (square.curvature, loss.curvature):
        with pytest.raises(ValueError, match="curvature is not given"):
            second(np.ones(1), np.ones(1))
