"""Derivatives beyond the gradient against torch.func in float64, where torch is installed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import HIDDEN, NEW, PAIRS

torch = pytest.importorskip("torch")

Tensor = Any
CANONICAL = {
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"),
    ("exp", "poisson"),
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "elu": torch.nn.functional.elu,
    "softplus": torch.nn.functional.softplus,
    "gelu": lambda z: torch.nn.functional.gelu(z, approximate="tanh"),
    "silu": torch.nn.functional.silu,
}
OUTPUTS = {
    **ACTIVATIONS,
    "softmax": lambda z: torch.softmax(z, -1),
    "exp": torch.exp,
}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda p, y: ((p - y) ** 2).sum(-1) / 2,
    "sum_squared_error": lambda p, y: ((p - y) ** 2).sum(-1),
    "mean_squared_error": lambda p, y: ((p - y) ** 2).mean(-1),
    "binary_cross_entropy": lambda p, y: -(y * p.log() + (1 - y) * (1 - p).log()).sum(-1),
    "cross_entropy": lambda p, y: -(y * p.log()).sum(-1),
    "absolute_error": lambda p, y: (p - y).abs().sum(-1),
    "huber": lambda p, y: torch.where(
        (p - y).abs() <= 1, (p - y) ** 2 / 2, (p - y).abs() - 0.5
    ).sum(-1),
    "poisson": lambda p, y: (p - y * p.log()).sum(-1),
}
NETWORKS = [("tanh", *pair) for pair in PAIRS if not {*pair} & NEW] + [
    (hidden, output, loss)
    for hidden, (output, loss) in itertools.product(
        HIDDEN, [("identity", "squared_error"), ("softmax", "cross_entropy")]
    )
    if hidden not in NEW
]


class Model:
    """The same network in torch, as functions of theta and x."""

    def __init__(self, sizes: list[int], hidden: str, output: str, loss: str) -> None:
        self.sizes, self.hidden = sizes, ACTIVATIONS[hidden]
        self.output, self.loss = OUTPUTS[output], LOSSES[loss]

    def z(self, theta: Tensor, x: Tensor) -> Tensor:
        """z[L]."""
        shapes = [(b, a) for a, b in itertools.pairwise(self.sizes)]
        counts = [a * b for a, b in shapes] + [a for a, _ in shapes]
        parts = torch.split(theta, counts)
        weights, biases = parts[: len(shapes)], parts[len(shapes) :]
        a = x
        for l, (shape, W, b) in enumerate(zip(shapes, weights, biases, strict=True), start=1):  # noqa: E741
            z = a @ W.reshape(shape).T + b
            a = self.hidden(z)
            if l == len(shapes):
                return z
        raise AssertionError("no layers")

    def y_hat(self, theta: Tensor, x: Tensor) -> Tensor:
        return self.output(self.z(theta, x))


@pytest.mark.parametrize("sizes", [[5, 7, 3], [6, 5, 40, 12]], ids=str)
@pytest.mark.parametrize(("hidden", "output", "loss"), NETWORKS)
def test_against_torch(hidden: str, output: str, loss: str, sizes: list[int]) -> None:
    func, n = torch.func, 20
    rng = np.random.default_rng(len(hidden) + len(output) + len(loss))
    net = dr.MLP(sizes, hidden=hidden, output=output, loss=loss, dtype="float64", init="torch", seed=1)  # noqa: E501  # fmt: skip
    x, y, weight = rng.normal(size=(n, sizes[0])), rng.random((n, sizes[-1])), rng.random(n)
    if loss == "cross_entropy":
        y /= y.sum(axis=1, keepdims=True)
    v, t, u = (rng.normal(size=s) for s in (x.shape, net.n_parameters, y.shape))
    X, Y, T, V, U, theta = (torch.tensor(a) for a in (x, y, t, v, u, net.theta))
    share = torch.tensor(weight / weight.sum())
    model = Model(sizes, hidden, output, loss)
    f = model.y_hat

    def value(theta: Tensor, x: Tensor) -> Tensor:
        return (share * model.loss(f(theta, x), Y)).sum()

    def sample(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return model.loss(f(theta, x), y)

    if output == "identity" or (output, loss) in CANONICAL:
        J, at = model.z, lambda z, y: model.loss(model.output(z), y)
    else:
        J, at = f, model.loss
    by_theta = func.vmap(func.jacrev(J), (None, 0))(theta, X)
    H = func.vmap(func.hessian(at))(J(theta, X), Y)
    gauss_newton = torch.einsum("n,nkd,nkl,nle,e->d", share, by_theta, H, by_theta, T)
    zero = torch.zeros_like(X)
    pairs = {
        "a[L]": (net.activations(x).last, f(theta, X)),
        "dL/dx": (net.input_gradient(x, y, sample_weight=weight), func.grad(value, 1)(theta, X)),
        "jacobian": (net.jacobian(x), func.vmap(func.jacrev(f, 1), (None, 0))(theta, X)),
        "jacobian by theta": (
            net.jacobian(x, wrt="theta"),
            func.vmap(func.jacrev(f), (None, 0))(theta, X),
        ),
        "per-sample gradients": (
            net.per_sample_gradients(x, y),
            func.vmap(func.grad(sample), (None, 0, 0))(theta, X, Y),
        ),
        "J v": (net.jvp(x, v), func.jvp(lambda x: f(theta, x), (X,), (V,))[1]),
        "J v by theta": (
            net.jvp(x, t, wrt="theta"),
            func.jvp(lambda p: f(p, X), (theta,), (T,))[1],
        ),
        "J^T u": (net.vjp(x, u), func.vjp(lambda x: f(theta, x), X)[1](U)[0]),
        "J^T u by theta": (
            net.vjp(x, u, wrt="theta"),
            func.vjp(lambda p: f(p, X), theta)[1](U)[0],
        ),
        "H v": (
            net.hvp(x, y, t, sample_weight=weight),
            func.jvp(func.grad(value), (theta, X), (T, zero))[1],
        ),
        "G v": (net.gauss_newton_vp(x, y, t, sample_weight=weight), gauss_newton),
    }
    for name, (got, want) in pairs.items():
        error = np.abs(got - want.detach().numpy())
        # 1e-10 of the largest entry: torch takes logarithms of rounded probabilities
        assert error.max() <= 1e-10 * max(1.0, float(want.abs().max())), name
