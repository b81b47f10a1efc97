"""The notes' forward_propagation() and back_propagation(), as the core computes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deltarule.backend import MLPLike
from deltarule.config import resolve_threads
from deltarule.custom.network import CustomNetwork
from deltarule.data import validation
from deltarule.layers import Layers
from deltarule.reference import Backward, Forward
from deltarule.trace.trace import trace_network


def forward_propagation(network: MLPLike, x: ArrayLike, threads: int | None) -> Forward:
    """Return what `MLP.forward_propagation` promises."""
    checked, is_one = validation.checked_rows(network._architecture, x)
    rows = checked.copy()
    core = network._core
    if isinstance(core, CustomNetwork):
        return core.forward(rows)._replace(is_one=is_one)
    # The core's pass includes a loss; with weight 0 it is 0 for any y.
    y, absent = np.zeros((len(rows), network.sizes[-1]), network.dtype), np.zeros(len(rows))
    quantities = core.propagate(rows, y, absent, resolve_threads(threads))
    assert quantities is not None
    a = Layers("a", [rows, *quantities[1]], 0)
    fed = Layers("fed", list(a)[:-1], 0)
    return Forward(Layers("z", quantities[0]), a, a.last, fed, is_one)


def back_propagation(
    network: MLPLike,
    forward: Forward,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    threads: int | None,
) -> Backward:
    """Return what `MLP.back_propagation` promises."""
    if not isinstance(forward, Forward):
        raise TypeError(f"forward must be what forward_propagation returned, not {forward!r}")
    x = forward.a[0]
    trace = trace_network(network, x[0] if forward.is_one else x, y, sample_weight, threads)
    same = len(forward.z) == len(trace.z) and all(
        np.array_equal(z, z_now, equal_nan=True)
        for z, z_now in zip(forward.z, trace.z, strict=True)
    )
    if not same:
        raise ValueError(
            "forward must be of this network with the parameters that it has now; "
            "call forward_propagation again"
        )
    return Backward(trace.delta, list(trace.dL_dW), list(trace.dL_db), trace.dL_da)
