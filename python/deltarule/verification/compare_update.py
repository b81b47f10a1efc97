"""One step of training on a copy, beside the reference's update along the core's own gradient."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from deltarule import reference
from deltarule.backend import MLPLike
from deltarule.layers import Array, Layers
from deltarule.optimizers import SGD, Adam, Optimizer
from deltarule.reference import Backward, Moments
from deltarule.reference.training import UPDATES
from deltarule.verification.arithmetic import Arithmetic
from deltarule.verification.compare_passes import (
    TERMS,
    Passes,
    Quantities,
    da_name,
    gradient_name,
    propagated,
)
from deltarule.verification.comparisons import Name
from deltarule.verification.reference_model import in_float64

Tensors = list[Array]

AFTER = "after the update"

LINEAR_STEP = "16 u of the same update of magnitudes: |W|, |v|, |dL/dW|"
ADAM_STEP = "16 u of |W| and of the terms of m, v and m / (sqrt(v) + epsilon)"


@dataclass(frozen=True, eq=False)
class Point:
    """Where a step starts, in float64: every W then every b, their gradient, the optimizer state.

    m is SGD's velocity or Adam's first moment, v the second, of no steps yet where None.
    """

    theta: Tensors
    gradient: Tensors
    m: Tensors | None
    v: Tensors | None
    steps: int

    @classmethod
    def of(cls, net: MLPLike, gradient: Array) -> Point:
        """Return the starting point of a network."""
        _, m, v, steps = net._optimizer_state()
        return cls(
            in_float64([*net.weights, *net.biases]),
            _split(net, gradient),
            None if m is None else _split(net, m),
            None if v is None else _split(net, v),
            steps,
        )

    @property
    def magnitudes(self) -> Point:
        """The same with every sign plus."""
        m = None if self.m is None else _absolute(self.m)
        return Point(_absolute(self.theta), _absolute(self.gradient), m, self.v, self.steps)


class Expected(NamedTuple):
    """Parameters and optimizer state, by name, after a step, each beside its bound."""

    theta: Tensors
    bounds: Tensors
    state: list[tuple[str, Array, Array]]


def compare_update(passes: Passes, optimizer: Optimizer) -> None:
    """Compare a step of a copy of the network: loss, parameters, state, and the next dL/da.

    An optimizer that has a state is compared on its second step where the state is still empty.

    Raises
    ------
    DivergenceError
        If the step's loss is not finite, or it overflows.
    """
    net, batch, threads = copy.deepcopy(passes.net), passes.batch, passes.threads
    part = f"update, {settings(optimizer)}"

    def step() -> float:
        x, y, weight = batch
        return net.train_step(x, y, optimizer=optimizer, sample_weight=weight, threads=threads)

    if optimizer._has_state and not _has_own_state(net, optimizer):
        step()
        part += ", the second step"
    core = propagated(net._core, batch, threads, f" after a step of {settings(optimizer)}")
    start = Point.of(net, net._core.value_and_gradient(*batch, threads)[1])
    passes.compare_loss(Name(part, "L (train_step)"), step(), core)
    _compare_step(passes, part, net, optimizer, start)
    after = net._core.propagate(*batch, threads)
    if after is None:  # the loss is not finite there
        return
    for layer in range(passes.n_layers - 1, 0, -1):
        W, name = net.weights[layer].astype(np.float64), Name(AFTER, da_name(layer).tensor)
        passes.compare_da(name, Quantities(*after), layer, W, da_name(layer))


def _compare_step(
    passes: Passes, part: str, net: MLPLike, optimizer: Optimizer, start: Point
) -> None:
    L, arithmetic = passes.n_layers, passes.model.arithmetic
    if isinstance(optimizer, Adam):
        want, reason = expected_adam(start, optimizer, arithmetic), ADAM_STEP
    else:
        want, reason = expected_linear(start, optimizer, arithmetic), LINEAR_STEP
    everything = [gradient_name(l, kind) for l in range(1, L + 1) for kind in "Wb"]  # noqa: E741
    for k in (k for l in range(L) for k in (l, L + l)):  # noqa: E741
        kind, layer = "Wb"[k // L], k % L + 1
        got = (net.weights if kind == "W" else net.biases)[layer - 1]
        own = [gradient_name(layer, kind)] if optimizer.max_norm is None else everything
        name = Name(part, f"{kind}[{layer}]")
        passes.comparisons.add(name, got, want.theta[k], want.bounds[k], reason, inputs=own)
    _, m, v, _ = net._optimizer_state()
    for state, (tensor, value, bound) in zip((m, v), want.state, strict=False):
        assert state is not None
        name = Name(part, tensor)
        passes.comparisons.add(name, state, value, bound, TERMS, inputs=everything)


def expected_linear(start: Point, optimizer: Optimizer, arithmetic: Arithmetic) -> Expected:
    """Return the reference's update, and bounds by the same update of magnitudes.

    Of a rule that is linear in parameters, gradient and state: every one but Adam's.
    """

    def update(point: Point, lr: float) -> tuple[Tensors, Tensors]:
        weights, biases, grads, velocity = _halves(point)
        rule, given = UPDATES[optimizer._kind], {**vars(optimizer), "lr": lr}
        new_W, new_b, v = rule(weights, biases, grads, velocity, **given)
        return [*new_W, *new_b], [*v[0], *v[1]]

    theta, v = update(start, optimizer.lr)
    size, v_size = update(start.magnitudes, -optimizer.lr)  # all signs alike
    name = "velocity" if isinstance(optimizer, SGD) else "m"
    state = [(name, _flat(v), arithmetic.few(_flat(v_size)))] if optimizer._has_state else []
    return Expected(theta, [arithmetic.few(t) for t in size], state)


def expected_adam(start: Point, optimizer: Adam, arithmetic: Arithmetic) -> Expected:
    """Return what `reference.adam_update` makes, and bounds by the terms of m and of v."""

    def update(point: Point) -> tuple[Tensors, Moments]:
        weights, biases, grads, m = _halves(point)
        moments = None if m is None or point.v is None else Moments(
            [*m[0], *m[1]], point.v, point.steps
        )  # fmt: skip
        new_W, new_b, moments = reference.adam_update(
            weights, biases, grads, moments, decoupled=optimizer._decoupled, **vars(optimizer)
        )
        return [*new_W, *new_b], moments

    theta, now = update(start)
    _, sizes = update(start.magnitudes)
    m_off = [arithmetic.few(m) for m in sizes.m]
    v_off = [2 * arithmetic.few(v) for v in sizes.v]  # g enters as its square
    rate = optimizer.lr / (1 - optimizer.beta1**now.steps)
    root_t = math.sqrt(1 - optimizer.beta2**now.steps)
    epsilon = optimizer.epsilon / root_t if optimizer.epsilon_hat else optimizer.epsilon
    bounds = []
    for W, m, v, m_most, v_most in zip(start.theta, now.m, now.v, m_off, v_off, strict=True):
        root = np.sqrt(v) / root_t + epsilon
        least = np.sqrt(np.maximum(v - v_most, 0.0)) / root_t + epsilon
        most = (np.abs(m) + m_most) / least
        step_off = rate * (most - np.abs(m) / root)
        decayed = np.abs(W) * (1.0 + optimizer.lr * optimizer.weight_decay)
        bounds.append(step_off + arithmetic.few(decayed + rate * most))
    return Expected(
        theta, bounds, [("m", _flat(now.m), _flat(m_off)), ("v", _flat(now.v), _flat(v_off))]
    )


def settings(optimizer: Optimizer) -> str:
    """Return the optimizer with the settings that are not its defaults, and its rate.

    Examples
    --------
    >>> settings(SGD(momentum=0.9))
    'SGD(lr=0.01, momentum=0.9)'
    """
    given = [
        f"{f.name}={getattr(optimizer, f.name)!r}"
        for f in fields(optimizer)  # type: ignore[arg-type]
        if f.name == "lr" or getattr(optimizer, f.name) != f.default
    ]
    return f"{type(optimizer).__name__}({', '.join(given)})"


def _has_own_state(net: MLPLike, optimizer: Optimizer) -> bool:
    kind, m, _, _ = net._optimizer_state()
    return m is not None and kind == optimizer._kind


def _halves(point: Point) -> tuple[Tensors, Tensors, Backward, tuple[Tensors, Tensors] | None]:
    """Return weights, biases, gradient and m as the reference takes them."""
    L, m = len(point.theta) // 2, point.m
    none = Layers("delta", [])  # an update reads none
    grads = Backward(none, point.gradient[:L], point.gradient[L:], none)
    return point.theta[:L], point.theta[L:], grads, None if m is None else (m[:L], m[L:])


def _split(net: MLPLike, theta: Array) -> Tensors:
    weights, biases = reference.unflatten(theta.astype(np.float64), net.sizes)
    return [*weights, *biases]


def _absolute(tensors: Tensors) -> Tensors:
    return [np.abs(t) for t in tensors]


def _flat(tensors: Tensors) -> Array:
    return np.concatenate([t.ravel() for t in tensors])
