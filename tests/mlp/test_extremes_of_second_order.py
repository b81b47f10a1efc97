"""LevenbergMarquardt and LBFGS at the ends of the numbers: a lower loss, an end, or an error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import deltarule as dr

pytest.importorskip("scipy", reason="needs the extra: pip install 'deltarule[second-order]'")
pytestmark = pytest.mark.filterwarnings("error")

OPTIMIZERS = {
    "lm": dr.LevenbergMarquardt(),
    "lm, damping 5e-324": dr.LevenbergMarquardt(damping=5e-324),
    "lm, damping 1e308": dr.LevenbergMarquardt(damping=1e308),
    "lm, factor 1e308": dr.LevenbergMarquardt(factor=1e308),
    "lm, factor just above 1": dr.LevenbergMarquardt(factor=math.nextafter(1.0, 2.0)),
    "lbfgs": dr.LBFGS(),
    "lbfgs, memory 1": dr.LBFGS(memory=1),
    "lbfgs, memory 10**12": dr.LBFGS(memory=10**12),
}

# name: x, y, w, b of a unit, weights, what it and its loss are called
Case = tuple[list[float], list[float], float, float, list[float] | None, dict[str, Any]]
CASES: dict[str, Case] = {
    "x of 0": ([0, 0], [1, 2], 1, 0, None, {}),
    "at the minimum": ([1, 2], [1, 2], 1, 0, None, {}),
    "a Jacobian of 0": ([-1, -2], [1, 2], 1, 0, None, {"output": "relu"}),
    "a Jacobian whose square is 0": ([1e-160, 2e-160], [1, 2], 0, 0, None, {}),
    "a flat loss": ([1e-150, 2e-150], [3e-150, 5e-150], 0, 0, None, {}),
    "a loss of 1e-299": ([1, 2], [3, 5], 0, 0, [1e-300, 1e-300], {"reduction": "sum"}),
    "a loss of 1e301": ([1, 2], [3, 5], 0, 0, [1e300, 1e300], {"reduction": "sum"}),
    "a loss of 1e121": ([1, 2], [3e60, 5e60], 0, 0, None, {}),
    "targets of 1e150": ([1, 2], [3e150, 5e150], 0, 0, None, {}),
    "a weight of 1e150": ([1, 2], [3, 5], 1e150, 0, None, {}),
    "a weight of 1e200": ([1e-300, 2e-300], [3, 5], 1e200, 0, None, {}),
    "x of 1e150": ([1e150, 2e150], [3e150, 5e150], 0, 0, None, {}),
    "x of 1e-200": ([1, 1e-200], [3, 5], 0, 0, None, {}),
    "weights of 1e300": ([1, 2], [3, 5], 0, 0, [1e300, 1e300], {}),
    "a loss beyond float64": ([1, 2], [3, 5], 1e200, 0, None, {}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_iteration_lowers_the_loss(name: str, case: str) -> None:
    x_1, y_1, w, b, weight, made = CASES[case]
    x, y = (np.array(values, float).reshape(-1, 1) for values in (x_1, y_1))
    net = dr.MLP([1, 1], dtype="float64", init=([[[w]]], [[b]]), **made)
    before, first = net.theta, net.evaluate(x, y, sample_weight=weight)
    fit: dict[str, Any] = {"sample_weight": weight, "epochs": 30, "optimizer": OPTIMIZERS[name]}
    if not math.isfinite(first):
        with pytest.raises(dr.DivergenceError, match="not finite at the beginning of epoch 1"):
            net.fit(x, y, **fit)
        assert net.theta.tobytes() == before.tobytes()
        return
    losses = [first, *net.fit(x, y, **fit).loss]
    assert np.isfinite(net.theta).all()
    assert losses == sorted(losses, reverse=True) and min(losses) >= 0
    assert net.evaluate(x, y, sample_weight=weight) == losses[-1]
    if len(losses) == 1:
        assert net.theta.tobytes() == before.tobytes()


FOUND = [
    (name, case)
    for name in OPTIMIZERS
    for case in ("x of 0", "a loss of 1e301", "a loss of 1e121")
    # not where the first step, of length 1 for lbfgs, is nothing beside the loss
    if name != "lm, damping 1e308" and (case == "x of 0" or not name.startswith("lbfgs"))
]


@pytest.mark.parametrize(("name", "case"), FOUND)
def test_the_minimum_is_found(name: str, case: str) -> None:
    """Of a line through two points, or of a constant: at any scale by Gauss-Newton's steps."""
    x_1, y_1, w, b, weight, made = CASES[case]
    x, y = (np.array(values, float).reshape(-1, 1) for values in (x_1, y_1))
    net = dr.MLP([1, 1], dtype="float64", init=([[[w]]], [[b]]), **made)
    net.fit(x, y, sample_weight=weight, epochs=60, optimizer=OPTIMIZERS[name])
    wanted = [(y[1] - y[0]).item(), (2 * y[0] - y[1]).item()] if x.any() else [w, np.mean(y)]
    np.testing.assert_allclose(net.theta, wanted, rtol=1e-6)  # the loss to its rounding: 1e-16
