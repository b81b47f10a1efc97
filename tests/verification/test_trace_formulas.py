"""The formulas that a trace shows: each translated by hand, and that against the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cases import NEW, Array
from deltarule import reference
from deltarule.trace import equations

Z = np.array([[-3.0, -0.5, 0.25, 1.5, 0.0]])
SLOPE, DELTA = 0.125, 0.375


def sigmoid(z: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-z))
    return value


def gelu_u(z: Array) -> Array:
    return np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)


G: dict[str, tuple[str, Callable[[Array], Array], str, Callable[[Array, Array], Array]]] = {
    "identity": ("z[1]", lambda z: z, "1", lambda z, a: z**0),
    "sigmoid": ("σ(z[1])", sigmoid, "a (1 − a)", lambda z, a: a * (1 - a)),
    "tanh": ("tanh(z[1])", np.tanh, "1 − a²", lambda z, a: 1 - a**2),
    "relu": ("max(0, z[1])", lambda z: np.maximum(0, z), "1(z > 0)", lambda z, a: 1.0 * (z > 0)),
    "leaky_relu": (
        "max(0, z[1]) + 0.125 min(0, z[1])",
        lambda z: np.maximum(0, z) + SLOPE * np.minimum(0, z),
        "1 where z > 0, else 0.125",
        lambda z, a: np.where(z > 0, 1, SLOPE),
    ),
    "elu": (
        "z where z > 0, else e^z − 1",
        lambda z: np.where(z > 0, z, np.exp(z) - 1),
        "1 where z > 0, else e^z",
        lambda z, a: np.where(z > 0, 1, np.exp(z)),
    ),
    "softplus": (
        "log(1 + exp(z[1]))",
        lambda z: np.log(1 + np.exp(z)),
        "1 / (1 + e^−z)",
        lambda z, a: sigmoid(z),
    ),
    "gelu": (
        "½ z (1 + tanh u), u = √(2/π) (z + 0.044715 z³)",
        lambda z: z * (1 + np.tanh(gelu_u(z))) / 2,
        "½ (1 + tanh u) + ½ z (1 − (tanh u)²) √(2/π) (1 + 0.134145 z²)",
        lambda z, a: (
            (1 + np.tanh(gelu_u(z))) / 2
            + z / 2 * (1 - np.tanh(gelu_u(z)) ** 2) * np.sqrt(2 / np.pi) * (1 + 0.134145 * z**2)
        ),
    ),
    "silu": (
        "z[1] σ(z[1])",
        lambda z: z * sigmoid(z),
        "σ(z) (1 + z (1 − σ(z)))",
        lambda z, a: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    ),
}


@pytest.mark.parametrize("name", G)
def test_the_formula_of_an_activation(name: str) -> None:
    value_text, value, derivative_text, derivative = G[name]
    formulas = equations.activation_of(name)
    texts = [f.at(1, leaky_slope=SLOPE).text for f in (formulas.value, formulas.where) if f]
    assert value_text in (texts[0], texts[-1].partition(" = ")[2])
    assert formulas.derivative.at(1, leaky_slope=SLOPE).text == f"g'(z) = {derivative_text}"
    architecture = reference.Network(hidden=(name,), leaky_slope=SLOPE)
    (g,) = reference.network.activations_of(architecture, 1)
    np.testing.assert_allclose(value(Z), g.value(Z), rtol=1e-13, atol=1e-15)
    want = g.derivative(Z, g.value(Z))
    np.testing.assert_allclose(derivative(Z, g.value(Z)), want, rtol=1e-13, atol=1e-15)


# An activation as an output has its formulas, a being y_hat.
O_: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    **{
        name: (f"O'(z) = {text.replace('a', 'ŷ') if name in ('sigmoid', 'tanh') else text}", slope)
        for name, (_, _, text, slope) in G.items()
    },
    "exp": ("O'(z) = ŷ", lambda z, y_hat: y_hat),
}
SOFTMAX = "J_O = diag(ŷ) − ŷ ŷᵀ"


@pytest.mark.parametrize("name", [*O_, "softmax"])
def test_the_formula_of_an_output(name: str) -> None:
    output = reference.network.output_of(reference.Network(output=name, leaky_slope=SLOPE))
    y_hat, g = output.value(Z), np.array([[1.0, -2.0, 0.5, 3.0, -1.0]])
    text, slope = O_.get(name, (SOFTMAX, None))
    assert equations.output_of(name).derivative.at(1, leaky_slope=SLOPE).text == text
    J = np.diag(y_hat[0]) - np.outer(y_hat, y_hat) if slope is None else np.diag(slope(Z, y_hat)[0])
    np.testing.assert_allclose(g @ J, output.vjp(Z, y_hat, g), rtol=1e-13, atol=1e-15)


def huber(e: Array) -> Array:
    return np.where(np.abs(e) <= DELTA, e**2 / 2, DELTA * (np.abs(e) - DELTA / 2))


Of2 = Callable[[Array, Array], Array]
L: dict[str, tuple[str, Of2, str, Of2]] = {
    "squared_error": (
        "½ Σ_j (ŷ_ij − y_ij)²", lambda p, y: (p - y) ** 2 / 2,
        "(ŷ_ij − y_ij)", lambda p, y: p - y,
    ),
    "sum_squared_error": (
        "Σ_j (ŷ_ij − y_ij)²", lambda p, y: (p - y) ** 2,
        "2 (ŷ_ij − y_ij)", lambda p, y: 2 * (p - y),
    ),
    "mean_squared_error": (
        "1/K Σ_j (ŷ_ij − y_ij)²", lambda p, y: (p - y) ** 2 / 5,
        "2/K (ŷ_ij − y_ij)", lambda p, y: 2 / 5 * (p - y),
    ),
    "absolute_error": (
        "Σ_j |ŷ_ij − y_ij|", lambda p, y: np.abs(p - y),
        "sign(ŷ_ij − y_ij)", lambda p, y: np.sign(p - y),
    ),
    "huber": (
        "½ e² where |e| ≤ d, else d (|e| − ½ d), d = 0.375", lambda p, y: huber(p - y),
        "max(−0.375, min(0.375, ŷ_ij − y_ij))",
        lambda p, y: np.maximum(-DELTA, np.minimum(DELTA, p - y)),
    ),
    "binary_cross_entropy": (
        "−Σ_j (y_ij log ŷ_ij + (1 − y_ij) log(1 − ŷ_ij))",
        lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p)),
        "(ŷ_ij − y_ij) / (ŷ_ij (1 − ŷ_ij))", lambda p, y: (p - y) / (p * (1 - p)),
    ),
    "cross_entropy": (
        "−Σ_j y_ij log ŷ_ij", lambda p, y: -y * np.log(p),
        "(−y_ij / ŷ_ij)", lambda p, y: -y / p,
    ),
    "poisson": (
        "Σ_j (ŷ_ij − y_ij log ŷ_ij)", lambda p, y: p - y * np.log(p),
        "(1 − y_ij / ŷ_ij)", lambda p, y: 1 - y / p,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", L)
def test_the_formula_of_a_loss(name: str) -> None:
    value_text, term, gradient_text, gradient = L[name]
    formulas = equations.loss_of(name)
    texts = [f.at(1, huber_delta=DELTA).text for f in (formulas.value, formulas.where) if f]
    assert value_text in (texts[0], texts[-1].partition(" = ")[2])
    assert formulas.derivative.at(1, huber_delta=DELTA).text == gradient_text
    y_hat, y = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]]), np.array([[0.7, 0.0, 0.25, 0.05, 0.0]])
    loss = reference.network.loss_of(
        reference.Network(output="softmax", loss=name, huber_delta=DELTA)
    )
    np.testing.assert_allclose(term(y_hat, y).sum(axis=1), loss.value(y_hat, y), rtol=1e-13)
    np.testing.assert_allclose(gradient(y_hat, y), loss.gradient(y_hat, y), rtol=1e-13)


def test_every_function_has_its_formulas() -> None:
    assert set(reference.ACTIVATIONS) - NEW == set(G)
    assert set(reference.OUTPUTS) - NEW == {*O_, "softmax"}
    assert set(reference.LOSSES) - NEW == set(L)
    found = [
        *map(equations.activation_of, reference.ACTIVATIONS),
        *map(equations.output_of, reference.OUTPUTS),
        *map(equations.loss_of, reference.LOSSES),
    ]
    for formula in (formula for formulas in found for formula in formulas):
        assert formula is None or (formula.text and formula.latex)
