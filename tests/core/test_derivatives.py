"""Derivatives beyond the gradient: the core against the reference, their bits, and bad input."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import deltarule as dr
from cases import GRID, ISAS, LARGE, MANY_THREADS, SHAPES, THREADS, Case, assert_close, parameters64
from deltarule import reference

pytestmark = pytest.mark.usefixtures("small_work_in_teams", "keep_isa")

Array = NDArray[Any]

# Every activation x output x loss x dtype, and a third of the shapes.
CASES = [*GRID, *SHAPES[::3], *LARGE]
WORK = [
    pytest.param(case, threads, isa, id=f"{case}-{threads}t-{isa}")
    for case, threads, isa in zip(CASES, itertools.cycle(THREADS), itertools.cycle(ISAS))
]


def directions(case: Case, net: dr.MLP) -> tuple[Array, Array, Array]:
    """v by x (n, n_0), v by theta (D,) and u (n, K), in the network's dtype."""
    rng = np.random.default_rng([*case.seed, 1])
    shapes = (case.batch, case.sizes[0]), (net.n_parameters,), (case.batch, case.sizes[-1])
    v, t, u = (rng.standard_normal(shape).astype(case.dtype) for shape in shapes)
    return v, t, u


@pytest.mark.parametrize(("case", "threads", "isa"), WORK)
def test_rows_against_the_reference(case: Case, threads: int, isa: str) -> None:
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    weights, biases = parameters64(net)
    v, t, u = directions(case, net)
    architecture = case.reference()
    few = slice(0, 3)  # rows of (n, K, D)
    rows = (weights, biases, x.astype(np.float64))
    got_and_want = {
        "dL/dx": (
            net.input_gradient(x, y, sample_weight=weight, threads=threads),
            reference.input_gradient(*rows, y, architecture, weight),
        ),
        "jacobian": (
            net.jacobian(x[few], threads=threads),
            reference.jacobian(weights, biases, x[few].astype(np.float64), architecture),
        ),
        "jacobian by theta": (
            net.jacobian(x[few], wrt="theta", threads=threads),
            reference.jacobian(
                weights, biases, x[few].astype(np.float64), architecture, wrt="theta"
            ),
        ),
        "per-sample gradients": (
            net.per_sample_gradients(x, y, threads=threads),
            reference.per_sample_gradients(*rows, y, architecture),
        ),
        "J v": (net.jvp(x, v, threads=threads), reference.jvp(*rows, v, architecture)),
        "J v by theta": (
            net.jvp(x, t, wrt="theta", threads=threads),
            reference.jvp(*rows, t, architecture, wrt="theta"),
        ),
        "J^T u": (net.vjp(x, u, threads=threads), reference.vjp(*rows, u, architecture)),
        "J^T u by theta": (
            net.vjp(x, u, wrt="theta", threads=threads),
            reference.vjp(*rows, u, architecture, wrt="theta"),
        ),
    }
    for name, (got, want) in got_and_want.items():
        assert got.dtype == net.dtype
        assert_close(got, want, case.tolerance, name)
    layers = net.activations(x, threads=threads)
    forward = reference.forward_propagation(*rows, architecture)
    for l, a in layers.items():  # noqa: E741
        want = forward.a[l]
        scale = max(1.0, float(np.abs(want).max()))  # z of one unit is a sum of terms of order 1
        assert_close(a, want, case.tolerance, "a", scale)


@pytest.mark.parametrize(("case", "threads", "isa"), WORK)
def test_second_derivatives_against_the_reference(case: Case, threads: int, isa: str) -> None:
    dr.set_isa(isa)
    net, (x, y, weight) = case.network(), case.data()
    weights, biases = parameters64(net)
    _, v, _ = directions(case, net)
    arguments = (weights, biases, x.astype(np.float64), y, v.astype(np.float64))
    got = net.hvp(x, y, v, sample_weight=weight, threads=threads)
    want = reference.hvp(*arguments, case.reference(), weight)
    assert_close(got, want, case.tolerance, "H v")
    got = net.gauss_newton_vp(x, y, v, sample_weight=weight, threads=threads)
    want = reference.gauss_newton_vp(*arguments, case.reference(), weight)
    assert_close(got, want, case.tolerance, "G v")


def everything(net: dr.MLP, case: Case, threads: int) -> list[bytes]:
    """All derivatives, as bytes."""
    x, y, weight = case.data()
    v, t, u = directions(case, net)
    results = [
        *net.activations(x, threads=threads),
        net.input_gradient(x, y, sample_weight=weight, threads=threads),
        net.input_gradient(x, output=0, threads=threads),
        net.jacobian(x, threads=threads),
        net.jacobian(x[:2], wrt="theta", threads=threads),
        net.per_sample_gradients(x[:70], y[:70], threads=threads),
        net.jvp(x, v, threads=threads),
        net.jvp(x, t, wrt="theta", threads=threads),
        net.vjp(x, u, threads=threads),
        net.vjp(x, u, wrt="theta", threads=threads),
        net.hvp(x, y, t, sample_weight=weight, threads=threads),
        net.gauss_newton_vp(x, y, t, sample_weight=weight, threads=threads),
    ]
    return [r.tobytes() for r in results]


@pytest.mark.parametrize("case", CASES[::23] + LARGE, ids=str)
def test_the_same_bits_for_any_threads_and_instructions(case: Case) -> None:
    net = case.network()
    want = everything(net, case, 1)
    for isa in ISAS:
        dr.set_isa(isa)
        for threads in MANY_THREADS if isa == ISAS[0] else (2,):
            assert everything(net, case, threads) == want, (isa, threads)


@pytest.mark.parametrize("case", GRID[::5], ids=str)
def test_results_that_must_agree_to_the_bit(case: Case) -> None:
    net, (x, y, _) = case.network(), case.data()
    u = directions(case, net)[2]
    one = dr.MLP(
        case.sizes, hidden=case.hidden, output=case.output, loss=case.loss, reduction="sum",
        dtype=case.dtype, init=(net.weights, net.biases),
    )  # fmt: skip
    np.testing.assert_array_equal(net.activations(x).last, net.predict(x))
    jacobian = net.jacobian(x)
    for k in range(case.sizes[-1]):
        np.testing.assert_array_equal(net.input_gradient(x, output=k), jacobian[:, k])
        np.testing.assert_array_equal(net.vjp(x, np.eye(case.sizes[-1])[[k] * len(x)]), jacobian[:, k])  # noqa: E501  # fmt: skip
    gradients, by_theta = net.per_sample_gradients(x, y), net.jacobian(x, wrt="theta")
    for i in range(min(case.batch, 5)):  # -0 and 0 are equal
        np.testing.assert_array_equal(gradients[i], one.value_and_grad(x[i : i + 1], y[i : i + 1])[1].theta)  # noqa: E501  # fmt: skip
        np.testing.assert_array_equal(net.jacobian(x[i]), jacobian[i])
        np.testing.assert_array_equal(net.jacobian(x[i], wrt="theta"), by_theta[i])
        np.testing.assert_array_equal(net.vjp(x[i], u[i]), net.vjp(x, u)[i])


@pytest.mark.parametrize("case", [c for c in GRID if c.dtype == "float64"][::7], ids=str)
def test_the_identities_of_the_products(case: Case) -> None:
    """u.(J v) = (J^T u).v, w.(H v) = (H w).v, and the same of G: transposes and symmetry."""
    net, (x, y, weight) = case.network(), case.data()
    v, t, u = directions(case, net)
    w = np.random.default_rng(3).standard_normal(net.n_parameters)
    assert np.sum(u * net.jvp(x, v)) == pytest.approx(np.sum(net.vjp(x, u) * v), rel=1e-9, abs=1e-9)
    by_theta = net.vjp(x, u, wrt="theta") @ t
    assert np.sum(u * net.jvp(x, t, wrt="theta")) == pytest.approx(by_theta, rel=1e-9, abs=1e-9)
    for product in (net.hvp, net.gauss_newton_vp):
        left, right = product(x, y, t, sample_weight=weight) @ w, product(x, y, w, sample_weight=weight) @ t  # noqa: E501  # fmt: skip
        assert left == pytest.approx(right, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu"])
def test_kinks_take_the_side_below(hidden: str) -> None:
    # z[1] = 0 at x = 0: the derivative is that of z < 0
    net = dr.MLP([1, 1, 1], hidden=hidden, leaky_slope=0.25, init=([[[1.0]], [[1.0]]], [[0.0]] * 2))
    below = net.jacobian([[-1.0]]).item()
    assert net.jacobian([[0.0]]).item() == below == {"relu": 0.0, "leaky_relu": 0.25}[hidden]


def test_a_sample_of_weight_zero_has_no_share() -> None:
    net = dr.MLP([3, 4, 2], dtype="float64", seed=0)
    x, y = np.ones((2, 3)), np.zeros((2, 2))
    x[1], v = 1e300, np.ones(net.n_parameters)
    weight = [1.0, 0.0]
    for product in (net.hvp, net.gauss_newton_vp):
        np.testing.assert_array_equal(
            product(x[:1], y[:1], v), product(x, y, v, sample_weight=weight)
        )
    assert not net.input_gradient(x, y, sample_weight=weight)[1].any()


def test_large_classes_saturate_without_nan() -> None:
    """Softmax with binary cross-entropy where all but one class are out of reach."""
    for gap in (20.0, 800.0):
        net = dr.MLP([1, 3], output="softmax", loss="binary_cross_entropy", dtype="float64",
                     init=([[[gap], [0.0], [0.0]]], [[0.0] * 3]))  # fmt: skip
        x, y, v = [[1.0]], [[0.25, 0.5, 0.25]], np.arange(6.0)
        for product, want in (
            (net.hvp, reference.hvp), (net.gauss_newton_vp, reference.gauss_newton_vp),
        ):  # fmt: skip
            expected = want(net.weights, net.biases, x, y, v, reference.Network(output="softmax", loss="binary_cross_entropy"))  # noqa: E501  # fmt: skip
            np.testing.assert_allclose(product(x, y, v), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_go_to_the_given_arrays(dtype: str) -> None:
    net = dr.MLP([3, 4, 2], dtype=dtype, seed=0)
    x, y = np.random.default_rng(0).standard_normal((2, 5, 3))
    gradients, jacobian = net.per_sample_gradients(x, y[:, :2]), net.jacobian(x)
    into = np.full_like(gradients, np.nan)
    assert net.per_sample_gradients(x, y[:, :2], out=into) is into
    np.testing.assert_array_equal(into, gradients)
    for wrt, last in (("x", 3), ("theta", net.n_parameters)):
        into = np.full((5, 2, last), np.nan, dtype)
        assert net.jacobian(x, wrt=wrt, out=into) is into
        np.testing.assert_array_equal(into, net.jacobian(x, wrt=wrt))
        assert net.jacobian(x[0], wrt=wrt, out=into[1]).base is into
        np.testing.assert_array_equal(into[1], into[0])
    np.testing.assert_array_equal(jacobian, net.jacobian(x))


X, Y = np.ones((4, 3)), np.zeros((4, 2))
V = np.ones(26)  # D of 3-4-2
BAD: list[tuple[Callable[[dr.MLP], object], type[Exception], str]] = [
    (lambda n: n.activations(np.ones((4, 2))), ValueError, "x has 2 features, the network takes 3"),
    (lambda n: n.activations(np.ones((0, 3))), ValueError, r"x has no samples, shape \(0, 3\)"),
    (
        lambda n: n.jacobian(X * np.nan),
        ValueError,
        r"x\[0, 0\] is nan; every value must be finite.*",
    ),
    (lambda n: n.jacobian(X, wrt="y"), ValueError, "wrt must be 'x' or 'theta', not 'y'"),
    (lambda n: n.jacobian(X, wrt=None), ValueError, "wrt must be 'x' or 'theta', not None"),
    (
        lambda n: n.jacobian(X.astype(complex)),
        TypeError,
        "x must hold real numbers, not complex128",
    ),
    (lambda n: n.input_gradient(X), TypeError, "input_gradient takes y, or output=k, and not both"),
    (lambda n: n.input_gradient(X, Y, output=0), TypeError, "input_gradient takes y, or .*"),
    (
        lambda n: n.input_gradient(X, output=2),
        ValueError,
        "output must be below 2, the number of .*",
    ),
    (lambda n: n.input_gradient(X, output=-1), ValueError, "output must be 0 or more, not -1"),
    (
        lambda n: n.input_gradient(X, output=0.5),
        TypeError,
        "output must be a whole number, not 0.5",
    ),
    (
        lambda n: n.input_gradient(X, output=0, sample_weight=[1] * 4),
        TypeError,
        "sample_weight is of the loss: it does not go with output",
    ),
    (lambda n: n.input_gradient(X, Y[:3]), ValueError, "y has 3 samples, x has 4"),
    (lambda n: n.jvp(X, X[:3]), ValueError, r"v must have shape \(4, 3\), but has shape \(3, 3\)"),
    (lambda n: n.jvp(X[0], X), ValueError, r"v must have shape \(3,\), but has shape \(4, 3\)"),
    (lambda n: n.jvp(X, V[1:], wrt="theta"), ValueError, r"v must have shape \(26,\), but .*"),
    (lambda n: n.vjp(X, X), ValueError, r"u must have shape \(4, 2\), but has shape \(4, 3\)"),
    (lambda n: n.vjp(X, Y * np.nan), ValueError, r"u\[0, 0\] is nan; every value must be finite.*"),
    (lambda n: n.vjp(X, "up"), TypeError, "u must hold real numbers, not str.*"),
    (lambda n: n.hvp(X, Y, V[1:]), ValueError, r"v must have shape \(26,\), but has shape \(25,\)"),
    (lambda n: n.hvp(X, Y, V * np.inf), ValueError, r"v\[0\] is inf; every value must be finite.*"),
    (lambda n: n.gauss_newton_vp(X, Y[:, :1], V), ValueError, r"y must have shape .*"),
    (lambda n: n.per_sample_gradients(X, Y + np.inf), ValueError, r"y\[0, 0\] is inf; .*"),
    (
        lambda n: n.jacobian(X, out=np.ones((4, 3))),
        ValueError,
        r"out must have shape \(4, 2, 3\) .*",
    ),
    (lambda n: n.jacobian(X, out=[0.0]), TypeError, "out must be a NumPy array, not list"),
    (
        lambda n: n.per_sample_gradients(X, Y, out=np.ones((4, 25), "f")),
        ValueError,
        r"out must have shape \(4, 26\) and dtype float32, but .*",
    ),
    (lambda n: n.hvp(X, Y, V, threads=0), ValueError, "threads must be 1 or more, not 0"),
]


@pytest.mark.parametrize(("call", "error", "rule"), BAD)
def test_bad_input(call: Callable[[dr.MLP], object], error: type[Exception], rule: str) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    before = net.theta.tobytes()
    with pytest.raises(error) as caught:
        call(net)
    assert re.fullmatch(rule, str(caught.value), re.DOTALL), str(caught.value)
    assert net.theta.tobytes() == before


def test_a_loss_that_overflows_is_a_divergence() -> None:
    net = dr.MLP([1, 1], init=([[[1e30]]], [[0.0]]))
    x, y = [[1e20]], [[0.0]]
    for call in (
        lambda: net.input_gradient(x, y),
        lambda: net.per_sample_gradients(x, y),
        lambda: dr.MLP([1, 1, 1], hidden="identity", init=([[[1e30]]] * 2, [[0.0]] * 2)).hvp(
            [[1.0]], y, [1e30] * 4
        ),
    ):
        with pytest.raises(dr.DivergenceError, match="is not finite"):
            call()


def test_arrays_of_the_user_are_not_written() -> None:
    net = dr.MLP([3, 4, 2], output="softmax", dtype="float64", seed=0)
    x, y, v, u = np.ones((5, 3)), np.full((5, 2), 0.5), np.ones(net.n_parameters), np.ones((5, 2))
    for array in (x, y, v, u):
        array.flags.writeable = False
    net.vjp(x, u), net.vjp(x, u, wrt="theta"), net.jvp(x, x), net.hvp(x, y, v)
    net.gauss_newton_vp(x, y, v), net.input_gradient(x, y), net.jacobian(x)
    assert (x == 1).all()
    assert (u == 1).all()
