"""The update, and the two descents that repeat it (notes 003, 004)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule.layers import Layers
from deltarule.reference.functions import Array, Tensors, numbers
from deltarule.reference.network import Network
from deltarule.reference.parameters import by_layer
from deltarule.reference.propagation import Backward, rows_of_targets, value_and_grad

Velocity: TypeAlias = tuple[list[Array], list[Array]]


class Moments(NamedTuple):
    """Adam's state: m and v of every weight and bias, and the number of steps taken."""

    m: list[Array]
    v: list[Array]
    steps: int


def _descended(
    W: Layers,
    grads: Backward,
    weight_decay: float,
    l1: float,
    max_norm: float | None,
) -> list[Array]:
    """g of every weight and bias: clipped, then with decay and L1 of the weights."""
    g: list[Array] = [*grads.weights, *grads.biases]
    if max_norm is not None:
        largest = float(max(np.abs(g_k).max() for g_k in g))  # whose square may be out of range
        unit = [g_k.astype(np.float64) / largest if largest > 0 else g_k for g_k in g]
        norm = math.sqrt(sum(float((u_k**2).sum()) for u_k in unit))  # in units of largest
        if norm > max_norm / (largest or 1.0):
            g = [
                (max_norm / norm * u_k).astype(g_k.dtype) for u_k, g_k in zip(unit, g, strict=True)
            ]
    for k, w in enumerate(W):
        g[k] = g[k] + weight_decay * w + l1 * np.sign(w)
    return g


def sgd_update(
    weights: Tensors,
    biases: Tensors,
    grads: Backward,
    velocity: Velocity | None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    max_norm: float | None = None,
) -> tuple[list[Array], list[Array], Velocity]:
    """v <- momentum v - lr g, then theta <- theta + v, or with Nesterov theta + momentum v - lr g.

    g is dL/dtheta, scaled down where its norm is above max_norm, for the weights plus
    weight_decay W + l1 sign(W); ``velocity`` None is 0. Momentum 0 is theta <- theta - lr g (notes
    003, 004). Returns new weights, biases and velocity.
    """
    lr, momentum, weight_decay = float(lr), float(momentum), float(weight_decay)  # no numpy.float64
    W, b = by_layer(weights, biases)
    old, L = [*W, *b], len(W)
    g = _descended(W, grads, weight_decay, float(l1), max_norm)
    v = [*velocity[0], *velocity[1]] if velocity else [np.zeros_like(p) for p in old]
    v = [momentum * v_k - lr * g_k for v_k, g_k in zip(v, g, strict=True)]
    step = [momentum * v_k - lr * g_k for v_k, g_k in zip(v, g, strict=True)] if nesterov else v
    new: list[Array] = [p + s for p, s in zip(old, step, strict=True)]
    return new[:L], new[L:], (v[:L], v[L:])


def adam_update(
    weights: Tensors,
    biases: Tensors,
    grads: Backward,
    moments: Moments | None,
    *,
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    max_norm: float | None = None,
    epsilon_hat: bool = False,
    decoupled: bool = False,
) -> tuple[list[Array], list[Array], Moments]:
    """m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2, theta <- theta - lr m^ / root.

    m^ = m / (1 - beta1^t), root = sqrt(v / (1 - beta2^t)) + epsilon (Kingma, Ba 2015, algorithm 1);
    with epsilon_hat, root = (sqrt(v) + epsilon) / sqrt(1 - beta2^t). g is as for `sgd_update`, but
    where the decay is decoupled, W <- (1 - lr weight_decay) W instead (Loshchilov, Hutter 2019).
    Returns new weights, biases and moments.
    """
    W, b = by_layer(weights, biases)
    old, L = [*W, *b], len(W)
    g = _descended(W, grads, 0.0 if decoupled else float(weight_decay), float(l1), max_norm)
    zeros = [np.zeros_like(p) for p in old]
    m, v, t = moments or (zeros, zeros, 0)
    t += 1
    m = [beta1 * m_k + (1 - beta1) * g_k for m_k, g_k in zip(m, g, strict=True)]
    v = [beta2 * v_k + (1 - beta2) * g_k**2 for v_k, g_k in zip(v, g, strict=True)]
    root_t = math.sqrt(1 - beta2**t)
    roots = [
        (np.sqrt(v_k) + epsilon) / root_t if epsilon_hat else np.sqrt(v_k) / root_t + epsilon
        for v_k in v
    ]
    if decoupled:
        old[:L] = [float(1 - lr * weight_decay) * w for w in W]
    new: list[Array] = [
        p - float(lr / (1 - beta1**t)) * m_k / root
        for p, m_k, root in zip(old, m, roots, strict=True)
    ]
    return new[:L], new[L:], Moments(m, v, t)


# An update by the kind of its optimizer: update(weights, biases, grads, state, **settings), which
# returns new weights, biases and state, and takes None for a state of zeros.
UPDATES: dict[str, Callable[..., tuple[list[Array], list[Array], Any]]] = {
    "sgd": sgd_update,
    "adam": adam_update,
}


class Descent(NamedTuple):
    """The last weights and biases, and the loss of every iteration, or epoch."""

    weights: list[Array]
    biases: list[Array]
    losses: list[float]


def gradient_descent(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
    *,
    lr: float,
    max_iterations: int = 1000,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    sample_weight: ArrayLike | None = None,
) -> Descent:
    """theta_{t+1} <- theta_t - lr dL/dtheta_t over all samples (note 003); losses[t] is L(theta_t).

    Examples
    --------
    >>> W, b, x = [np.zeros((1, 1))], [np.zeros(1)], [[1.0], [2.0]]
    >>> descent = gradient_descent(W, b, x, [3.0, 5.0], Network(), lr=0.2)
    >>> descent.weights[0].round(3), descent.biases[0].round(3)  # y = 2 x + 1
    (array([[2.]]), array([1.]))
    """
    weights, biases = map(list, by_layer(weights, biases))
    losses: list[float] = []
    velocity: Velocity | None = None
    update = partial(
        sgd_update, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    for _ in range(max_iterations):
        loss, grads = value_and_grad(weights, biases, x, y, network, sample_weight)
        weights, biases, velocity = update(weights, biases, grads, velocity)
        losses.append(loss)
    return Descent(weights, biases, losses)


def shuffle(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """The order in which an epoch takes its n samples."""
    return rng.permutation(n)


def stochastic_gradient_descent(
    weights: Tensors,
    biases: Tensors,
    x: ArrayLike,
    y: ArrayLike,
    network: Network,
    *,
    lr: float,
    epochs: int,
    batch_size: int | None,
    rng: np.random.Generator | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    sample_weight: ArrayLike | None = None,
) -> Descent:
    """An update per batch of ``batch_size`` samples (None: all), in `shuffle`'s order every epoch.

    Without ``rng``, in the order of the rows. losses[e] is the reduction over the samples of epoch
    e, each taken before its batch's update (note 004). A batch whose weights are all 0 adds a
    gradient of 0: its update is what momentum and weight decay make of that.
    """
    weights, biases = map(list, by_layer(weights, biases))
    x, y = numbers("x", x), numbers("y", y)
    if x.ndim == 1:
        x, y = x[np.newaxis], rows_of_targets(y, len(biases[-1]))
    w = np.ones(len(x)) if sample_weight is None else numbers("sample_weight", sample_weight)
    w = w.reshape(1) if w.ndim == 0 and len(x) == 1 else w
    is_mean, w_sum = network.reduction == "mean", w.sum()
    losses: list[float] = []
    velocity: Velocity | None = None
    update = partial(
        sgd_update, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    for _ in range(epochs):
        order = np.arange(len(x)) if rng is None else shuffle(rng, len(x))
        total = 0.0
        for start in range(0, len(x), batch_size or len(x)):
            batch = order[start:][:batch_size]
            loss, grads = value_and_grad(weights, biases, x[batch], y[batch], network, w[batch])
            weights, biases, velocity = update(weights, biases, grads, velocity)
            total += loss * (w[batch].sum() if is_mean else 1)
        losses.append(float(total / w_sum if is_mean and w_sum else total))
    return Descent(weights, biases, losses)
