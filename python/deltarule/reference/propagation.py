"""Forward propagation, the loss, and backpropagation (notes 000 to 004)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deltarule.reference.functions import Array, Arrays
from deltarule.reference.network import Network, activations_of, loss_of, output_of, pair_of


class Forward(NamedTuple):
    """z = [z[1], .., z[L]] (z[0] is layer 1's), a = [a[0] = x, a[1], .., a[L]], y_hat = a[L].

    fed = [x, .., ]: what each layer was fed, a[l] times its dropout mask where there are masks.
    """

    z: list[Array]
    a: list[Array]
    y_hat: Array
    fed: list[Array]


def forward_propagation(
    weights: Arrays,
    biases: Arrays,
    x: ArrayLike,
    network: Network,
    masks: Arrays | None = None,
) -> Forward:
    """a[0] = x; z[l] = W[l] a[l-1] + b[l], a[l] = g(z[l]); y_hat = O(z[L]) (notes 000, 003, 004).

    Parameters
    ----------
    weights, biases : sequences of arrays, (n_l, n_{l-1}) and (n_l,)
    x : array_like, (n, n_0)
    network : Network
    masks : sequence of arrays (n, n_l), one a hidden layer, optional
        By which a[l] is multiplied before layer l + 1 is fed: `dropout_masks`.

    Raises
    ------
    ValueError
        When the shapes do not chain.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> forward_propagation(W, b, [[1.0, 1.0], [0.0, -1.0]], Network()).y_hat
    array([[ 3.5],
           [-1.5]])
    """
    a: list[Array] = [np.asarray(x, dtype=np.result_type(np.float32, *weights, *biases))]
    z: list[Array] = []
    fed: list[Array] = [a[0]]
    functions = [g.value for g in activations_of(network, len(weights) - 1)]
    functions.append(output_of(network).value)
    for k, (W, b, g) in enumerate(zip(weights, biases, functions, strict=True)):
        if a[k].ndim != 2 or a[k].shape[1:] != W.shape[1:] or W.shape[:1] != b.shape:
            raise ValueError(
                f"{f'a[{k}]' if k else 'x'} has shape {a[k].shape}, which does not chain with "
                f"W[{k + 1}] {W.shape} and b[{k + 1}] {b.shape}"
            )
        z.append(fed[k] @ W.T + b)
        a.append(g(z[k]))
        if k < len(weights) - 1:
            fed.append(a[-1] if masks is None else a[-1] * masks[k].astype(a[-1].dtype))
    return Forward(z, a, a[-1], fed)


def _targets(y: ArrayLike, y_hat: Array, network: Network) -> Array:
    """y as (n, K) in the dtype of y_hat; class indices k become the rows 1(y = k)."""
    given, (n, K) = np.asarray(y), y_hat.shape
    rows = given
    if network.loss == "cross_entropy" and given.ndim == 1 and given.dtype.kind in "iu":
        if ((given < 0) | (given >= K)).any():
            raise ValueError(f"y spans {given.min()} to {given.max()}, the classes 0 to {K - 1}")
        rows = given[:, np.newaxis] == np.arange(K)
    elif network.loss != "cross_entropy" and given.ndim == 1 and K == 1:
        rows = given[:, np.newaxis]
    if rows.shape != (n, K):
        raise ValueError(f"y has shape {given.shape} ({given.dtype}), y_hat has {(n, K)}")
    return rows.astype(y_hat.dtype)


def sample_scale(y_hat: Array, network: Network, sample_weight: ArrayLike | None) -> Array:
    """c of L = sum_i c_i L_i: w_i / sum_i w_i, 0 where that sum is 0, or w_i."""
    w: Array = np.ones_like(y_hat[:, 0])
    if sample_weight is not None:
        w = np.asarray(sample_weight, dtype=w.dtype)
    if w.shape != y_hat.shape[:1]:
        raise ValueError(f"sample_weight has shape {w.shape}, there are {len(y_hat)} samples")
    if network.reduction == "sum":
        return w
    total = w.sum()
    mean: Array = w / total if total else np.zeros_like(w)
    return mean


def sample_losses(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """The loss of each sample, (n,): from z by `PAIRS` where it takes logarithms, else `LOSSES`."""
    y, pair = _targets(y, forward.y_hat, network), pair_of(network)
    if pair is None:
        return loss_of(network).value(forward.y_hat, y)
    losses: Array = pair.value(forward.z[-1], y).sum(axis=1)
    return losses


def output_gradient(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """dL/dy_hat of each sample's own loss by its plain formula, (n, K), not yet averaged."""
    return loss_of(network).gradient(forward.y_hat, _targets(y, forward.y_hat, network))


def output_delta(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """delta[L] = J_O(z[L])^T dL/dy_hat of each sample's own loss, (n, K), not yet averaged.

    In the closed form of `PAIRS` where there is one (notes 000, 002, 003: y_hat - y).
    """
    y, pair = _targets(y, forward.y_hat, network), pair_of(network)
    if pair is None:
        g = loss_of(network).gradient(forward.y_hat, y)
        return output_of(network).vjp(forward.z[-1], forward.y_hat, g)
    return pair.delta(forward.z[-1], forward.y_hat, y)


def output_hessian(forward: Forward, y: ArrayLike, network: Network, v: Array) -> Array:
    """H v, H = d2L/dz[L]2 of each sample's own loss; v (n, K), a row a sample.

    In the closed form of `PAIRS`; else, g = dL/dy_hat, J_O d2L/dy_hat2 J_O v plus the curvature of
    the output, d(J_O g)/dz v.
    """
    y, pair = _targets(y, forward.y_hat, network), pair_of(network)
    z, y_hat = forward.z[-1], forward.y_hat
    if pair is not None:
        return pair.hessian(z, y_hat, y, v)
    output, loss = output_of(network), loss_of(network)
    through_loss = output.vjp(z, y_hat, loss.curvature(y_hat, y) * output.vjp(z, y_hat, v))
    return through_loss + output.curvature(z, y_hat, loss.gradient(y_hat, y), v)


def output_gauss_newton(forward: Forward, y: ArrayLike, network: Network, v: Array) -> Array:
    """J_O d2L/dy_hat2 J_O v: `output_hessian` without the curvature of the output.

    For a canonical pair, whose L is convex in z, all of `output_hessian` (Schraudolph 2002).
    """
    y, pair = _targets(y, forward.y_hat, network), pair_of(network)
    z, y_hat = forward.z[-1], forward.y_hat
    if pair is not None:
        return (pair.gauss_newton or pair.hessian)(z, y_hat, y, v)
    output, loss = output_of(network), loss_of(network)
    return output.vjp(z, y_hat, loss.curvature(y_hat, y) * output.vjp(z, y_hat, v))


def loss_value(
    forward: Forward, y: ArrayLike, network: Network, sample_weight: ArrayLike | None = None
) -> float:
    """L, the `sample_losses` under the network's reduction."""
    scale = sample_scale(forward.y_hat, network, sample_weight)
    return float(scale @ sample_losses(forward, y, network))


class Backward(NamedTuple):
    """delta[l], dL/dW[l] and dL/db[l], each a list for l = 1..L, shaped as z[l], W[l] and b[l]."""

    delta: list[Array]
    weights: list[Array]
    biases: list[Array]


def deltas(
    weights: Arrays, forward: Forward, network: Network, last: Array, masks: Arrays | None = None
) -> list[Array]:
    """delta[l] = W[l+1]^T delta[l+1] * g'(z[l]), l = 1..L, from delta[L] = ``last``, (n, K)."""
    g = activations_of(network, len(weights) - 1)
    delta: list[Array] = [last]
    for k in reversed(range(len(weights) - 1)):
        from_above = delta[0] @ weights[k + 1]
        if masks is not None:
            from_above = from_above * masks[k].astype(from_above.dtype)
        delta.insert(0, from_above * g[k].derivative(forward.z[k], forward.a[k + 1]))
    return delta


def back_propagation(
    weights: Arrays,
    biases: Arrays,
    forward: Forward,
    y: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
    masks: Arrays | None = None,
) -> Backward:
    """delta[l] = W[l+1]^T delta[l+1] * g'(z[l]); dL/dW[l] = delta[l] a[l-1]^T; dL/db[l] = delta[l].

    Derivatives of the reduced loss: each sample's row of delta carries its w_i, over sum_i w_i for
    the mean, and dL/dW and dL/db are sums over the rows (notes 000 to 004).

    Parameters
    ----------
    weights, biases, forward, network, masks
        What `forward_propagation` took and returned.
    y, sample_weight : array_like, (n, K) or (n,), and (n,)

    Examples
    --------
    >>> W, b, network = [np.array([[1.0, 2.0]])], [np.array([0.5])], Network()
    >>> forward = forward_propagation(W, b, [[1.0, 1.0]], network)
    >>> back_propagation(W, b, forward, [3.0], network).weights
    [array([[0.5, 0.5]])]
    """
    scale = sample_scale(forward.y_hat, network, sample_weight)
    last = output_delta(forward, y, network) * scale[:, np.newaxis]
    delta = deltas(weights, forward, network, last, masks)
    dW: list[Array] = [d.T @ forward.fed[k] for k, d in enumerate(delta)]
    db: list[Array] = [d.sum(axis=0) for d in delta]
    return Backward(delta, dW, db)


def value_and_grad(
    weights: Arrays,
    biases: Arrays,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
    masks: Arrays | None = None,
) -> tuple[float, Backward]:
    """L and its derivatives: `forward_propagation`, `loss_value` and `back_propagation`."""
    forward = forward_propagation(weights, biases, x, network, masks)
    value = loss_value(forward, y, network, sample_weight)
    return value, back_propagation(weights, biases, forward, y, network, sample_weight, masks)
