"""The reference's other derivatives beside PyTorch's, where it is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from deltarule import reference
from deltarule.reference import ACTIVATIONS, OUTPUTS
from reference_support import CANONICAL, VALID, Case, direction, smooth_case

# PyTorch computes the same float64 numbers in another order: some hundred roundings of values
# below 100.
TORCH: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-10}


def torch_functions(torch: Any, case: Case) -> tuple[Any, Any, Any]:
    """z[L](theta, x), O(z) and L_i(y_hat, y) of one sample, in PyTorch's own functions."""
    F, net = torch.nn.functional, case.network
    hidden: dict[str, Any] = {
        "identity": lambda z: z,
        "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
        "gelu": lambda z: F.gelu(z, approximate="tanh"),
    }
    outputs: dict[str, Any] = {
        "identity": lambda z: z,
        "softmax": lambda z: torch.softmax(z, -1),
    }
    losses: dict[str, Any] = {
        "squared_error": lambda y_hat, y: ((y_hat - y) ** 2).sum() / 2,
        "sum_squared_error": lambda y_hat, y: ((y_hat - y) ** 2).sum(),
        "mean_squared_error": lambda y_hat, y: ((y_hat - y) ** 2).mean(),
        "absolute_error": lambda y_hat, y: (y_hat - y).abs().sum(),
        "huber": lambda y_hat, y: torch.where(
            (y_hat - y).abs() <= 1, (y_hat - y) ** 2 / 2, (y_hat - y).abs() - 0.5
        ).sum(),
        "binary_cross_entropy": lambda y_hat, y: (
            -(y * y_hat.log() + (1 - y) * torch.log1p(-y_hat)).sum()
        ),
        "cross_entropy": lambda y_hat, y: -(y * y_hat.log()).sum(),
        "poisson": lambda y_hat, y: (y_hat - y * y_hat.log()).sum(),
    }
    g = hidden.get(str(net.hidden)) or getattr(F, str(net.hidden))
    shapes = [W.shape for W in case.weights] + [b.shape for b in case.biases]

    def z_last(theta: Any, x: Any) -> Any:
        parts = theta.split([math.prod(shape) for shape in shapes])
        parts = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        L = len(parts) // 2
        for k in range(L):
            x = F.linear(x if k == 0 else g(x), parts[k], parts[L + k])
        return x

    return z_last, outputs.get(net.output) or getattr(torch, net.output), losses[net.loss]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # PyTorch's use of its own
@pytest.mark.parametrize(("output", "loss"), VALID)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_second_derivatives_against_pytorch(hidden: str, output: str, loss: str) -> None:
    torch = pytest.importorskip("torch")
    case = smooth_case(hidden, output, loss)
    z_last, out, L = torch_functions(torch, case)
    x, y, v = (torch.as_tensor(a) for a in (case.x, case.y, direction(case)))
    theta, vmap = torch.as_tensor(reference.theta(*case[:2])), torch.func.vmap

    def value(theta: Any) -> Any:
        return vmap(lambda x, y: L(out(z_last(theta, x)), y))(x, y).mean()

    H_v = torch.func.jvp(torch.func.grad(value), (theta,), (v,))[1]
    actual = reference.hvp(*case[:4], direction(case), case.network)
    np.testing.assert_allclose(actual, H_v.numpy(), **TORCH)

    canonical = (output, loss) in CANONICAL
    head = z_last if canonical else lambda theta, x: out(z_last(theta, x))
    tail = (lambda z, y: L(out(z), y)) if canonical else L

    def of_sample(x: Any, y: Any) -> Any:
        at, J_v = torch.func.jvp(lambda theta: head(theta, x), (theta,), (v,))
        H_J_v = torch.func.jvp(torch.func.grad(lambda at: tail(at, y)), (at,), (J_v,))[1]
        return torch.func.vjp(lambda theta: head(theta, x), theta)[1](H_J_v)[0]

    G_v = vmap(of_sample)(x, y).mean(0)
    actual = reference.gauss_newton_vp(*case[:4], direction(case), case.network)
    np.testing.assert_allclose(actual, G_v.numpy(), **TORCH)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_first_derivatives_against_pytorch(hidden: str, output: str) -> None:
    torch = pytest.importorskip("torch")
    case = smooth_case(hidden, output, "squared_error")
    z_last, out, L = torch_functions(torch, case)
    x, y, flat = (torch.as_tensor(a) for a in (case.x, case.y, reference.theta(*case[:2])))
    per_sample = torch.func.vmap(
        torch.func.grad(lambda theta, x, y: L(out(z_last(theta, x)), y)), in_dims=(None, 0, 0)
    )
    by_sample = [
        torch.func.vmap(
            torch.func.jacrev(lambda theta, x: out(z_last(theta, x)), argnums=by), in_dims=(None, 0)
        )(flat, x)
        for by in (0, 1)
    ]
    args, net = case[:3], case.network
    by_x = torch.func.grad(
        lambda x: torch.func.vmap(lambda x, y: L(out(z_last(flat, x)), y))(x, y).mean()
    )
    for actual, expected in [
        (reference.per_sample_gradients(*case), per_sample(flat, x, y)),
        (reference.jacobian(*args, net, wrt="theta"), by_sample[0]),
        (reference.jacobian(*args, net), by_sample[1]),
        (reference.input_gradient(*case), by_x(x)),
    ]:
        np.testing.assert_allclose(actual, expected.numpy(), **TORCH)
