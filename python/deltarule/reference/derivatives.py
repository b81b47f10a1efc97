"""Derivatives beyond the gradient of the loss: by x, by sample, and the second, as products.

Two passes give them all. Backwards, delta[l] = W[l+1]^T delta[l+1] * g'(z[l]) from any delta[L].
Forwards, the derivatives along a direction, R{.} (Pearlmutter, Neural Computation 6, 1994):
R{z[l]} = W[l] R{a[l-1]} + V[l] a[l-1] + c[l] and R{a[l]} = g'(z[l]) * R{z[l]}, for a direction
(V, c) of the parameters, or R{a[0]} of x. Dropout is not part of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deltarule.reference.functions import Array, Arrays
from deltarule.reference.network import Network, activations_of, canonical, output_of
from deltarule.reference.parameters import theta, unflatten
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
    weights: Arrays,
    biases: Arrays,
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
    delta = back_propagation(weights, biases, forward, y, network, sample_weight).delta
    gradient: Array = delta[0] @ weights[0]
    return gradient


def jacobian(
    weights: Arrays, biases: Arrays, x: ArrayLike, network: Network, wrt: str = "x"
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
    forward = forward_propagation(weights, biases, x, network)
    rows = []
    for k in range(forward.y_hat.shape[1]):
        e_k = np.zeros_like(forward.y_hat)
        e_k[:, k] = 1
        delta = _delta_of(weights, forward, network, e_k)
        rows.append(delta[0] @ weights[0] if wrt == "x" else _by_sample(forward, delta))
    return np.stack(rows, axis=1)


def per_sample_gradients(
    weights: Arrays, biases: Arrays, x: ArrayLike, y: ArrayLike, network: Network
) -> Array:
    """dL_i/dtheta of each sample's own loss, (n, D): delta[l] a[l-1]^T and delta[l], not summed.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> per_sample_gradients(W, b, [[1.0, 1.0], [0.0, 2.0]], [3.0, 4.0], Network())
    array([[0.5, 0.5, 0.5],
           [0. , 1. , 0.5]])
    """
    forward = forward_propagation(weights, biases, x, network)
    last = output_delta(forward, y, network)
    return _by_sample(forward, deltas(weights, forward, network, last))


def jvp(
    weights: Arrays, biases: Arrays, x: ArrayLike, v: ArrayLike, network: Network, wrt: str = "x"
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
    forward = forward_propagation(weights, biases, x, network)
    R_x: Array = np.zeros_like(forward.a[0])
    V: Arrays = [np.zeros_like(W) for W in weights]
    c: Arrays = [np.zeros_like(b) for b in biases]
    if canonical("wrt", wrt, ("x", "theta")) == "x":
        R_x = _like("v", v, R_x)
    else:
        V, c = _direction(weights, biases, v)
    R_z, _ = _R_forward(weights, forward, network, R_x, V, c)
    return output_of(network).vjp(forward.z[-1], forward.y_hat, R_z[-1])  # J_O is symmetric


def vjp(
    weights: Arrays, biases: Arrays, x: ArrayLike, u: ArrayLike, network: Network, wrt: str = "x"
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
    forward = forward_propagation(weights, biases, x, network)
    delta = _delta_of(weights, forward, network, _like("u", u, forward.y_hat))
    if canonical("wrt", wrt, ("x", "theta")) == "theta":
        return _summed(forward, delta)
    by_x: Array = delta[0] @ weights[0]
    return by_x


def hvp(
    weights: Arrays,
    biases: Arrays,
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
    forward = forward_propagation(weights, biases, x, network)
    V, c = _direction(weights, biases, v)
    R_z, R_a = _R_forward(weights, forward, network, np.zeros_like(forward.a[0]), V, c)
    scale = sample_scale(forward.y_hat, network, sample_weight)[:, np.newaxis]
    delta = deltas(weights, forward, network, output_delta(forward, y, network) * scale)
    R_delta: list[Array] = [output_hessian(forward, y, network, R_z[-1]) * scale]
    g = activations_of(network, len(weights) - 1)
    for k in reversed(range(len(weights) - 1)):
        z, a, W = forward.z[k], forward.a[k + 1], weights[k + 1]
        R_from_above = R_delta[0] @ W + delta[k + 1] @ V[k + 1]
        bend = (delta[k + 1] @ W) * g[k].curvature(z, a) * R_z[k]
        R_delta.insert(0, R_from_above * g[k].derivative(z, a) + bend)
    R_dW: list[Array] = [d.T @ R_a[k] for k, d in enumerate(delta)]
    return _summed(forward, R_delta) + theta(R_dW, list(map(np.zeros_like, biases)))


def gauss_newton_vp(
    weights: Arrays,
    biases: Arrays,
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
    forward = forward_propagation(weights, biases, x, network)
    V, c = _direction(weights, biases, v)
    R_z, _ = _R_forward(weights, forward, network, np.zeros_like(forward.a[0]), V, c)
    scale = sample_scale(forward.y_hat, network, sample_weight)[:, np.newaxis]
    last = output_gauss_newton(forward, y, network, R_z[-1]) * scale
    return _summed(forward, deltas(weights, forward, network, last))


def _delta_of(weights: Arrays, forward: Forward, network: Network, u: Array) -> list[Array]:
    """delta[l] of the function u.y_hat instead of the loss."""
    last = output_of(network).vjp(forward.z[-1], forward.y_hat, u)
    return deltas(weights, forward, network, last)


def _direction(weights: Arrays, biases: Arrays, v: ArrayLike) -> tuple[list[Array], list[Array]]:
    """V[l] and c[l], the parts of v that are shaped as W[l] and b[l]."""
    flat = _like("v", v, theta(weights, biases))
    return unflatten(flat, [weights[0].shape[1], *map(len, weights)])


def _like(name: str, given: ArrayLike, model: Array) -> Array:
    """An argument of the shape of model, in its dtype."""
    array = np.asarray(given, dtype=model.dtype)
    if array.shape != model.shape:
        raise ValueError(f"{name} has shape {array.shape}, it must be {model.shape}")
    return array


def _R_forward(
    weights: Arrays, forward: Forward, network: Network, R_x: Array, V: Arrays, c: Arrays
) -> tuple[list[Array], list[Array]]:
    """R{z[1]} .. R{z[L]} and R{a[0]} = R_x .. R{a[L-1]}, shaped as z and a."""
    g = activations_of(network, len(weights) - 1)
    R_z: list[Array] = []
    R_a: list[Array] = [R_x]
    for k, W in enumerate(weights):
        R_z.append(R_a[k] @ W.T + forward.a[k] @ V[k].T + c[k])
        if k < len(g):
            R_a.append(g[k].derivative(forward.z[k], forward.a[k + 1]) * R_z[k])
    return R_z, R_a


def _summed(forward: Forward, delta: list[Array]) -> Array:
    """delta[l] a[l-1]^T and delta[l], summed over the samples, as theta, (D,)."""
    dW: list[Array] = [d.T @ a for d, a in zip(delta, forward.fed, strict=True)]
    return theta(dW, [d.sum(axis=0) for d in delta])


def _by_sample(forward: Forward, delta: list[Array]) -> Array:
    """delta[l] a[l-1]^T and delta[l] of each sample, in the order of theta, (n, D)."""
    dW = [d[:, :, np.newaxis] * a[:, np.newaxis] for d, a in zip(delta, forward.fed, strict=True)]
    return np.concatenate([*(g.reshape(len(g), -1) for g in dW), *delta], axis=1)
