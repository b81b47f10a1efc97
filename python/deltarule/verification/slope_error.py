"""How far rounding in float64 may move a gradient and its loss: each step's, carried on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from deltarule.layers import Array
from deltarule.reference import Backward, Forward, sample_losses
from deltarule.verification import error_terms
from deltarule.verification.arithmetic import FEW, U64, Arithmetic
from deltarule.verification.reference_model import Model
from deltarule.verification.slopes import LossFunction


class Rounding(NamedTuple):
    """Bounds of dL/dW[l] and dL/db[l], at l - 1, and of L."""

    weights: list[Array]
    biases: list[Array]
    loss: float


def of_gradient(at: LossFunction, backward: Backward) -> Rounding:
    """Return the bounds of a pass in float64.

    e_z = |W| e_a + its own; e_a is how far g moves over z +- e_z, and its own; e_delta likewise
    from above, with how far g' moves.
    """
    model, forward, weights = at.model, at.forward, at.weights
    arithmetic, L = Arithmetic(np.dtype(np.float64), in_blocks=False), len(weights)
    e_z: list[Array] = []
    e_a = [np.zeros_like(forward.a[0])]
    for l in range(1, L + 1):  # noqa: E741
        z, W = forward.z[l], weights[l - 1]
        e_z.append(arithmetic.product(forward.a[l - 1], W.T, z) + e_a[l - 1] @ np.abs(W).T)
        if l < L:
            g = model.architecture.hidden[l - 1]
            own = arithmetic.few(error_terms.of_value(g, z, forward.a[l]))
            e_a.append(_moved(model.activations[l - 1].value, z, e_z[l - 1]) + own)
    e_delta = _at_output(at, e_z[-1])
    losses = np.abs(sample_losses(forward, at.y, model.functions))
    loss = float(
        (np.abs(backward.delta.last) * e_z[-1]).sum() + FEW * U64 * (at.c @ (1.0 + losses))
    )
    dW: list[Array] = []
    db: list[Array] = []
    for l in range(L, 0, -1):  # noqa: E741
        delta, fed = np.abs(backward.delta[l]), np.abs(forward.a[l - 1])
        dW.insert(0, e_delta.T @ fed + delta.T @ e_a[l - 1] + arithmetic.row_product(delta, fed))
        db.insert(0, e_delta.sum(axis=0) + arithmetic.row_sum(delta))
        if l > 1:
            e_delta = _one_below(model, l - 1, weights[l - 1], forward, delta, e_delta, e_z[l - 2])
    return Rounding(dW, db, loss)


def _slope(model: Model, z: Array) -> Array:
    """Return O'(z) of an elementwise output."""
    return model.output.vjp(z, model.output.value(z), np.ones_like(z))


def _moved(f: Any, z: Array, e: Array) -> Array:
    """Return how far f moves over z +- e."""
    middle = np.asarray(f(z))
    up, down = (np.abs(np.asarray(f(z + s * e)) - middle) for s in (1.0, -1.0))
    farthest: Array = np.maximum(up, down)
    return farthest


def _one_below(
    model: Model, layer: int, W: Array, forward: Forward, delta: Array, e_delta: Array, e_z: Array
) -> Array:
    """Return e_delta of a layer from that of the layer above, whose weights are W."""
    arithmetic, g = Arithmetic(np.dtype(np.float64), in_blocks=False), model.activations[layer - 1]
    z, a = forward.z[layer], forward.a[layer]
    e_da, da = e_delta @ np.abs(W) + arithmetic.product(delta, W), delta @ np.abs(W)
    slope = np.abs(g.derivative(z, a))
    size = error_terms.of_derivative(model.architecture.hidden[layer - 1], z, slope)
    off = _moved(lambda v: g.derivative(v, g.value(v)), z, e_z)
    off = off + FEW * U64 * (1.0 + size)  # 1: sigmoid's a (1 - a) comes from a rounded a
    below: Array = e_da * (slope + off) + da * off
    return below


def _at_output(at: LossFunction, e_z: Array) -> Array:
    """Return e_delta of the last layer: second derivatives are at most (1 + |y| + |y_hat|)^2."""
    model, y, z, y_hat = at.model, at.y, at.forward.z.last, at.forward.y_hat
    most, count = e_z.max(axis=1, keepdims=True), 1
    if model.architecture.output == "softmax":
        most, count = most * (1.0 + np.ptp(z, axis=1, keepdims=True)), z.shape[1]
        e_y_hat = 2.0 * y_hat * most
    else:
        e_y_hat = _moved(model.output.value, z, e_z)
    size = (1.0 + np.abs(y) + np.abs(y_hat)) ** 2
    e_delta = count * size * (2.0 * most + FEW * U64)
    if model.pair is None:  # a kink of the loss
        jump = _moved(lambda v: model.loss.gradient(v, y), y_hat, e_y_hat)
        e_delta = e_delta + jump * (1.0 + np.abs(y_hat))
        if model.architecture.output != "softmax":  # a kink of the output
            g = np.abs(model.loss.gradient(y_hat, y))
            e_delta = e_delta + g * _moved(lambda v: _slope(model, v), z, e_z)
    if (model.architecture.output, model.architecture.loss) == ("softmax", "cross_entropy"):
        # y_hat - y is for targets that sum to 1
        e_delta = e_delta + y_hat * np.abs(y.sum(axis=1, keepdims=True) - 1.0)
    bound: Array = at.c[:, np.newaxis] * e_delta
    return bound
