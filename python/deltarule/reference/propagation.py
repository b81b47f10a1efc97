"""Forward propagation, the loss, and backpropagation (notes 000 to 004)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deltarule.layers import Layers
from deltarule.reference.functions import Array, Arrays, Tensors, numbers
from deltarule.reference.network import Network, activations_of, loss_of, output_of, pair_of
from deltarule.reference.parameters import by_layer


class Forward(NamedTuple):
    """z[l], l = 1..L, and a[l], l = 0..L, with a[0] = x and y_hat = a[L].

    fed[l], l = 0..L-1, is what layer l + 1 was fed: a[l], times its dropout mask where there are
    masks. is_one tells that x was one sample, 1-D, which is propagated as a batch of one row.
    """

    z: Layers
    a: Layers
    y_hat: Array
    fed: Layers
    is_one: bool = False


def forward_propagation(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    network: Network,
    masks: Arrays | None = None,
) -> Forward:
    """a[0] = x; z[l] = W[l] a[l-1] + b[l], a[l] = g(z[l]); y_hat = O(z[L]) (notes 000, 003, 004).

    Parameters
    ----------
    weights, biases : sequences of array_like, (n_l, n_{l-1}) and (n_l,)
    x : array_like, (n, n_0), or (n_0,): one sample, propagated as one row
    network : Network
    masks : sequence of arrays (n, n_l), one per hidden layer, optional
        By which a[l] is multiplied before layer l + 1 is fed: `dropout_masks`.

    Raises
    ------
    TypeError, ValueError
        When an argument holds no numbers, or the shapes do not chain.

    Examples
    --------
    >>> W, b = [np.array([[1.0, 2.0]])], [np.array([0.5])]
    >>> forward = forward_propagation(W, b, [[1.0, 1.0], [0.0, -1.0]], Network())
    >>> forward.z[1]
    array([[ 3.5],
           [-1.5]])
    """
    W, b = by_layer(weights, biases)
    g = [g.value for g in activations_of(network, len(W) - 1)]
    g.append(output_of(network).value)
    given = numbers("x", x, W[1].dtype)
    a: list[Array] = [given[np.newaxis] if given.ndim == 1 else given]
    if a[0].ndim != 2 or a[0].shape[1] != W[1].shape[1]:
        raise ValueError(
            f"x has shape {given.shape}, which does not chain with W[1] {W[1].shape}: "
            "it must be (n, n_0), or (n_0,)"
        )
    z: list[Array] = []
    fed: list[Array] = [a[0]]
    for l in range(1, len(W) + 1):  # noqa: E741
        z.append(fed[l - 1] @ W[l].T + b[l])
        a.append(g[l - 1](z[l - 1]))
        if l < len(W):
            fed.append(a[l] if masks is None else a[l] * masks[l - 1].astype(a[l].dtype))
    is_one = given.ndim == 1
    return Forward(Layers("z", z), Layers("a", a, 0), a[-1], Layers("fed", fed, 0), is_one)


def rows_of_targets(y: ArrayLike, K: int) -> Array:
    """y of one sample that was 1-D, (K,), a number or a class index, as that of a batch of one."""
    given = numbers("y", y)
    if given.shape == (K,):
        return given[np.newaxis]
    return given.reshape(1) if given.ndim == 0 else given


def _targets(y: ArrayLike, forward: Forward, network: Network) -> Array:
    """y as (n, K) in the dtype of y_hat; class indices k become the rows 1(y = k)."""
    y_hat, (n, K) = forward.y_hat, forward.y_hat.shape
    given = rows_of_targets(y, K) if forward.is_one else numbers("y", y)
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


def sample_scale(forward: Forward, network: Network, sample_weight: ArrayLike | None) -> Array:
    """c of L = sum_i c_i L_i: w_i / sum_i w_i, 0 where that sum is 0, or w_i."""
    y_hat = forward.y_hat
    w: Array = np.ones_like(y_hat[:, 0])
    if sample_weight is not None:
        w = numbers("sample_weight", sample_weight, w.dtype)
        w = w.reshape(1) if forward.is_one and w.ndim == 0 else w
    if w.shape != y_hat.shape[:1]:
        raise ValueError(f"sample_weight has shape {w.shape}, there are {len(y_hat)} samples")
    if network.reduction == "sum":
        return w
    total = w.sum()
    mean: Array = w / total if total else np.zeros_like(w)
    return mean


def sample_losses(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """The loss of each sample, (n,): from z by `PAIRS` where it takes logarithms, else `LOSSES`."""
    y, pair = _targets(y, forward, network), pair_of(network)
    if pair is None:
        return loss_of(network).value(forward.y_hat, y)
    losses: Array = pair.value(forward.z.last, y).sum(axis=1)
    return losses


def output_gradient(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """dL/dy_hat of each sample's own loss by its plain formula, (n, K), not yet averaged."""
    return loss_of(network).gradient(forward.y_hat, _targets(y, forward, network))


def output_delta(forward: Forward, y: ArrayLike, network: Network) -> Array:
    """delta[L] = J_O(z[L])^T dL/dy_hat of each sample's own loss, (n, K), not yet averaged.

    In the closed form of `PAIRS` where there is one (notes 000, 002, 003: y_hat - y).
    """
    y, pair = _targets(y, forward, network), pair_of(network)
    if pair is None:
        g = loss_of(network).gradient(forward.y_hat, y)
        return output_of(network).vjp(forward.z.last, forward.y_hat, g)
    return pair.delta(forward.z.last, forward.y_hat, y)


def output_hessian(forward: Forward, y: ArrayLike, network: Network, v: Array) -> Array:
    """H v, H = d2L/dz[L]2 of each sample's own loss; v (n, K), one row per sample.

    In the closed form of `PAIRS`; else, g = dL/dy_hat, J_O d2L/dy_hat2 J_O v plus the curvature of
    the output, d(J_O g)/dz v.
    """
    y, pair = _targets(y, forward, network), pair_of(network)
    z, y_hat = forward.z.last, forward.y_hat
    if pair is not None:
        return pair.hessian(z, y_hat, y, v)
    output, loss = output_of(network), loss_of(network)
    through_loss = output.vjp(z, y_hat, loss.curvature(y_hat, y) * output.vjp(z, y_hat, v))
    return through_loss + output.curvature(z, y_hat, loss.gradient(y_hat, y), v)


def output_gauss_newton(forward: Forward, y: ArrayLike, network: Network, v: Array) -> Array:
    """J_O d2L/dy_hat2 J_O v: `output_hessian` without the curvature of the output.

    For a canonical pair, whose L is convex in z, all of `output_hessian` (Schraudolph 2002).
    """
    y, pair = _targets(y, forward, network), pair_of(network)
    z, y_hat = forward.z.last, forward.y_hat
    if pair is not None:
        return (pair.gauss_newton or pair.hessian)(z, y_hat, y, v)
    output, loss = output_of(network), loss_of(network)
    return output.vjp(z, y_hat, loss.curvature(y_hat, y) * output.vjp(z, y_hat, v))


def loss_value(
    forward: Forward, y: ArrayLike, network: Network, sample_weight: ArrayLike | None = None
) -> float:
    """L, the `sample_losses` under the network's reduction."""
    scale = sample_scale(forward, network, sample_weight)
    return float(scale @ sample_losses(forward, y, network))


class Backward(NamedTuple):
    """The derivatives of L.

    Attributes
    ----------
    delta : Layers
        delta[l] = dL/dz[l], (n, n_l), l = 1..L.
    weights, biases : list of ndarray
        dL/dW[l] and dL/db[l] at l - 1, shaped as the parameters; `dL_dW` and `dL_db` by layer.
    dL_da : Layers
        dL/da[l] = W[l+1]^T delta[l+1], (n, n_l), l = 0..L-1, dL/da[0] being that by x; and
        dL/da[L] = dL/dy_hat by its plain formula.
    """

    delta: Layers
    weights: list[Array]
    biases: list[Array]
    dL_da: Layers

    @property
    def dL_dW(self) -> Layers:
        """dL/dW[l], (n_l, n_{l-1}), l = 1..L."""
        return Layers("dL_dW", self.weights)

    @property
    def dL_db(self) -> Layers:
        """dL/db[l], (n_l,), l = 1..L."""
        return Layers("dL_db", self.biases)


def deltas(
    W: Layers, forward: Forward, network: Network, last: Array, masks: Arrays | None = None
) -> tuple[Layers, list[Array]]:
    """delta[l], l = 1..L, from delta[L] = ``last``, and dL/da[l], l = 1..L-1, on the way down.

    dL/da[l] = W[l+1]^T delta[l+1], and delta[l] = dL/da[l] * g'(z[l]).
    """
    L, g = len(W), activations_of(network, len(W) - 1)
    delta: list[Array] = [last]
    dL_da: list[Array] = []
    for l in range(L - 1, 0, -1):  # noqa: E741
        from_above = delta[0] @ W[l + 1]
        if masks is not None:
            from_above = from_above * masks[l - 1].astype(from_above.dtype)
        dL_da.insert(0, from_above)
        delta.insert(0, from_above * g[l - 1].derivative(forward.z[l], forward.a[l]))
    return Layers("delta", delta), dL_da


def back_propagation(
    weights: Tensors,
    biases: Tensors,
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
        Of one sample that was 1-D: y (K,), a number for K = 1 or a class index; a number.

    Examples
    --------
    >>> W, b, network = [np.array([[1.0, 2.0]])], [np.array([0.5])], Network()
    >>> forward = forward_propagation(W, b, [[1.0, 1.0]], network)
    >>> backward = back_propagation(W, b, forward, [3.0], network)
    >>> backward.dL_dW[1], backward.dL_da[0]
    (array([[0.5, 0.5]]), array([[0.5, 1. ]]))
    """
    W, _ = by_layer(weights, biases)
    if not isinstance(forward, Forward):
        raise TypeError(f"forward must be what forward_propagation returned, not {forward!r}")
    scale = sample_scale(forward, network, sample_weight)[:, np.newaxis]
    delta, dL_da = deltas(W, forward, network, output_delta(forward, y, network) * scale, masks)
    with np.errstate(all="ignore"):  # y / y_hat, where delta[L] has a closed form, may overflow
        dL_dy_hat = output_gradient(forward, y, network) * scale
    dW: list[Array] = [delta[l].T @ forward.fed[l - 1] for l in range(1, len(W) + 1)]  # noqa: E741
    db: list[Array] = [d.sum(axis=0) for d in delta]
    return Backward(delta, dW, db, Layers("dL_da", [delta[1] @ W[1], *dL_da, dL_dy_hat], 0))


def value_and_grad(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
    masks: Arrays | None = None,
) -> tuple[float, Backward]:
    """L and its derivatives: `forward_propagation`, `loss_value` and `back_propagation`.

    Examples
    --------
    >>> value, grads = value_and_grad([[[1.0, 2.0]]], [[0.5]], [1.0, 1.0], 3.0, Network())
    >>> value, grads.dL_db[1]
    (0.125, array([0.5]))
    """
    forward = forward_propagation(weights, biases, x, network, masks)
    value = loss_value(forward, y, network, sample_weight)
    return value, back_propagation(weights, biases, forward, y, network, sample_weight, masks)
