"""Derivatives beyond the gradient of the loss: by x, by sample, and the second, as products.

Two passes give them all. Backwards, delta[l] = W[l+1]^T delta[l+1] * g'(z[l]) from any delta[L].
Forwards, the derivatives along a direction, R{.} (Pearlmutter, Neural Computation 6, 1994):
R{z[l]} = W[l] R{a[l-1]} + V[l] a[l-1] + c[l] and R{a[l]} = g'(z[l]) * R{z[l]}, for a direction
(V, c) of the parameters, or R{a[0]} of x. Dropout is not part of them.

One sample may be 1-D, with y of shape (K,), a number or a class index; a result that has an axis of
samples then lacks it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from deltarule.layers import Layers
from deltarule.reference.functions import Array, Tensors, numbers
from deltarule.reference.network import Network, activations_of, canonical, output_of
from deltarule.reference.parameters import by_layer, theta, unflatten
from deltarule.reference.propagation import (
    Forward,
    back_propagation,
    deltas,
    forward_propagation,
    output_delta,
    output_gauss_newton,
    output_hessian,
    sample_scale,
)


def input_gradient(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """dL/dx = W[1]^T delta[1] of the reduced loss, (n, n_0): each row carries its weight.

    Parameters
    ----------
    weights, biases, x, y, network, sample_weight
        What `value_and_grad` takes.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> input_gradient(W, b, [[1.0, 1.0]], [3.0], Network())  # y_hat - y = 0.5
    array([[0.5, 1. ]])
    """
    forward = forward_propagation(weights, biases, x, network)
    backward = back_propagation(weights, biases, forward, y, network, sample_weight)
    return _result(forward, backward.dL_da[0])


def jacobian(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    network: Network,
    wrt: str = "x",
) -> Array:
    """dy_hat_k/dx, (n, K, n_0), or dy_hat_k/dtheta, (n, K, D): a backward pass an output k.

    Parameters
    ----------
    weights, biases, x, network
        What `forward_propagation` takes.
    wrt : {"x", "theta"}
        By what: the inputs, or the parameters in the order of `theta`.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> jacobian(W, b, [[3.0, 4.0]], Network())
    array([[[1., 2.]]])
    >>> jacobian(W, b, [[3.0, 4.0]], Network(), wrt="theta")
    array([[[3., 4., 1.]]])
    """
    canonical("wrt", wrt, ("x", "theta"))
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    rows = []
    for k in range(forward.y_hat.shape[1]):
        e_k = np.zeros_like(forward.y_hat)
        e_k[:, k] = 1
        delta = _delta_of(W, forward, network, e_k)
        rows.append(delta[1] @ W[1] if wrt == "x" else _by_sample(forward, delta))
    return _result(forward, np.stack(rows, axis=1))


def per_sample_gradients(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
) -> Array:
    """dL_i/dtheta of each sample's own loss, (n, D): delta[l] a[l-1]^T and delta[l], not summed.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> per_sample_gradients(W, b, [[1.0, 1.0], [0.0, 2.0]], [3.0, 4.0], Network())
    array([[0.5, 0.5, 0.5],
           [0. , 1. , 0.5]])
    """
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    delta, _ = deltas(W, forward, network, output_delta(forward, y, network))
    return _result(forward, _by_sample(forward, delta))


def jvp(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    v: ArrayLike,
    network: Network,
    wrt: str = "x",
) -> Array:
    """J v, (n, K), J as of `jacobian`: the derivative of y_hat along v, by one forward pass.

    Parameters
    ----------
    weights, biases, x, network, wrt
        As for `jacobian`.
    v : array_like, (n, n_0) for the inputs, (D,) for the parameters

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> jvp(W, b, [[3.0, 4.0]], [[1.0, 0.0]], Network())
    array([[1.]])
    """
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    R_x: Array = np.zeros_like(forward.a[0])
    V = Layers("V", [np.zeros_like(w) for w in W])
    c = Layers("c", [np.zeros_like(w) for w in b])
    if canonical("wrt", wrt, ("x", "theta")) == "x":
        R_x = _like("v", v, R_x, forward)
    else:
        V, c = _direction(W, b, v)
    R_z, _ = _R_forward(W, forward, network, R_x, V, c)
    R_y_hat = output_of(network).vjp(forward.z.last, forward.y_hat, R_z.last)  # J_O^T = J_O
    return _result(forward, R_y_hat)


def vjp(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    u: ArrayLike,
    network: Network,
    wrt: str = "x",
) -> Array:
    """J^T u, (n, n_0) by x, sample by sample, or (D,) by theta, summed: one backward pass.

    Parameters
    ----------
    weights, biases, x, network, wrt
        As for `jacobian`.
    u : array_like, (n, K)

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> vjp(W, b, [[3.0, 4.0]], [[2.0]], Network(), wrt="theta")
    array([6., 8., 2.])
    """
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    delta = _delta_of(W, forward, network, _like("u", u, forward.y_hat, forward))
    if canonical("wrt", wrt, ("x", "theta")) == "theta":
        return _summed(forward, delta)
    return _result(forward, delta[1] @ W[1])


def hvp(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    v: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """d2L/dtheta2 v of the reduced loss, (D,): R{.} of the forward and of the backward pass.

    R{delta[l]} = (W[l+1]^T R{delta[l+1]} + V[l+1]^T delta[l+1]) * g'(z[l])
                + (W[l+1]^T delta[l+1]) * g''(z[l]) * R{z[l]},
    R{dL/dW[l]} = R{delta[l]} a[l-1]^T + delta[l] R{a[l-1]}^T (Pearlmutter 1994), and
    R{delta[L]} = d2L/dz[L]2 R{z[L]}.

    Parameters
    ----------
    weights, biases, x, y, network, sample_weight
        What `value_and_grad` takes.
    v : array_like, (D,)
        In the order of `theta`.

    Raises
    ------
    ValueError
        If v is no (D,), or an activation or a loss came without its second derivative.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> hvp(W, b, [[1.0, 1.0]], [3.0], [1.0, 0.0, 0.0], Network())
    array([1., 1., 1.])
    """
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    V, c = _direction(W, b, v)
    R_z, R_a = _R_forward(W, forward, network, np.zeros_like(forward.a[0]), V, c)
    scale = sample_scale(forward, network, sample_weight)[:, np.newaxis]
    delta, dL_da = deltas(W, forward, network, output_delta(forward, y, network) * scale)
    R_delta: list[Array] = [output_hessian(forward, y, network, R_z.last) * scale]
    g = activations_of(network, len(W) - 1)
    for l in range(len(W) - 1, 0, -1):  # noqa: E741
        z, a, g_l = forward.z[l], forward.a[l], g[l - 1]
        R_from_above = R_delta[0] @ W[l + 1] + delta[l + 1] @ V[l + 1]
        through_g = dL_da[l - 1] * g_l.curvature(z, a) * R_z[l]
        R_delta.insert(0, R_from_above * g_l.derivative(z, a) + through_g)
    R_dW: list[Array] = [delta[l].T @ R_a[l - 1] for l in range(1, len(W) + 1)]  # noqa: E741
    return _summed(forward, R_delta) + theta(R_dW, [np.zeros_like(v) for v in b])


def gauss_newton_vp(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    v: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """G v, (D,), G = sum_i c_i J_i^T H_i J_i: `hvp` without the curvature of the network.

    J_i = dz[L]/dtheta and H_i = d2L_i/dz[L]2 for the canonical pairs (identity with a squared
    error, sigmoid with binary_cross_entropy, softmax with cross_entropy, exp with poisson); else
    J_i = dy_hat/dtheta and H_i = d2L_i/dy_hat2. Forwards along v, then backwards (Schraudolph,
    Neural Computation 14, 2002). G is positive semidefinite; c_i is that of the reduction.

    Parameters
    ----------
    weights, biases, x, y, v, network, sample_weight
        As for `hvp`.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> gauss_newton_vp(W, b, [[1.0, 1.0]], [3.0], [1.0, 0.0, 0.0], Network())
    array([1., 1., 1.])
    """
    W, b = by_layer(weights, biases)
    forward = forward_propagation(W, b, x, network)
    V, c = _direction(W, b, v)
    R_z, _ = _R_forward(W, forward, network, np.zeros_like(forward.a[0]), V, c)
    scale = sample_scale(forward, network, sample_weight)[:, np.newaxis]
    last = output_gauss_newton(forward, y, network, R_z.last) * scale
    return _summed(forward, deltas(W, forward, network, last)[0])


def _result(forward: Forward, rows: Array) -> Array:
    """Return an array without its axis of samples where x was one sample, 1-D."""
    result: Array = rows[0] if forward.is_one else rows
    return result


def _delta_of(W: Layers, forward: Forward, network: Network, u: Array) -> Layers:
    """delta[l] of the function u.y_hat instead of the loss."""
    last = output_of(network).vjp(forward.z.last, forward.y_hat, u)
    return deltas(W, forward, network, last)[0]


def _direction(W: Layers, b: Layers, v: ArrayLike) -> tuple[Layers, Layers]:
    """V[l] and c[l], the parts of v that are shaped as W[l] and b[l]."""
    flat = _like("v", v, theta(W, b))
    V, c = unflatten(flat, [W[1].shape[1], *map(len, W)])
    return Layers("V", V), Layers("c", c)


def _like(name: str, given: ArrayLike, model: Array, forward: Forward | None = None) -> Array:
    """An argument of the shape of model, in its dtype; without the axis of one sample 1-D."""
    array = numbers(name, given, model.dtype)
    shape = model.shape[1:] if forward is not None and forward.is_one else model.shape
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, it must be {shape}")
    return array.reshape(model.shape)


def _R_forward(
    W: Layers, forward: Forward, network: Network, R_x: Array, V: Layers, c: Layers
) -> tuple[Layers, Layers]:
    """R{z[l]}, l = 1..L, and R{a[l]}, l = 0..L-1, with R{a[0]} = R_x, shaped as z and a."""
    g = activations_of(network, len(W) - 1)
    R_z: list[Array] = []
    R_a: list[Array] = [R_x]
    for l in range(1, len(W) + 1):  # noqa: E741
        R_z.append(R_a[l - 1] @ W[l].T + forward.a[l - 1] @ V[l].T + c[l])
        if l < len(W):
            R_a.append(g[l - 1].derivative(forward.z[l], forward.a[l]) * R_z[l - 1])
    return Layers("R_z", R_z), Layers("R_a", R_a, 0)


def _summed(forward: Forward, delta: Iterable[Array]) -> Array:
    """delta[l] a[l-1]^T and delta[l], summed over the samples, as theta, (D,)."""
    pairs = list(zip(delta, forward.fed, strict=True))
    return theta([d.T @ a for d, a in pairs], [d.sum(axis=0) for d, _ in pairs])


def _by_sample(forward: Forward, delta: Layers) -> Array:
    """delta[l] a[l-1]^T and delta[l] of each sample, in the order of theta, (n, D)."""
    dW = [d[:, :, np.newaxis] * a[:, np.newaxis] for d, a in zip(delta, forward.fed, strict=True)]
    return np.concatenate([*(g.reshape(len(g), -1) for g in dW), *delta], axis=1)
