"""The core's gradients beside central differences of its own loss, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cases import HIDDEN, PAIRS, Array, Case, parameters64
from deltarule import reference
from reference_support import EPS, is_smooth

# Those of PyTorch's gradcheck.
ATOL, RTOL = 1e-5, 1e-3


def random_case(rng: np.random.Generator, number: int) -> Case:
    """Return a network of 1 to 5 layers, 1 to 33 wide; the functions take turns."""
    output, loss = PAIRS[number % len(PAIRS)]
    sizes = [int(n) for n in rng.integers(1, 34, rng.integers(2, 7))]
    if output == "softmax":
        sizes[-1] = max(2, sizes[-1])  # a softmax of one output is 1: no gradient, or no logarithm
    return Case(
        tuple(sizes), HIDDEN[number // len(PAIRS) % len(HIDDEN)], output, loss, "float64",
        int(rng.integers(1, 18)), str(rng.choice(["mean", "sum"])), bool(rng.random() < 0.5),
    )  # fmt: skip


def gradients(case: Case, entries: Callable[[int], Array]) -> tuple[Array, Array] | None:
    """Return entries of dL/dtheta as the core has them and by differences; None at a kink."""
    net, (x, y, weight) = case.network(), case.data()
    forward = reference.forward_propagation(*parameters64(net), x, case.reference())
    if not is_smooth(case.reference(), forward, y, margin=10 * EPS):
        return None
    theta = net.theta
    _, grads = net.value_and_grad(x, y, sample_weight=weight)
    chosen, slopes = entries(theta.size), []
    for i in chosen:
        moved = [theta.copy(), theta.copy()]
        moved[0][i] += EPS
        moved[1][i] -= EPS
        losses = []
        for net.theta in moved:
            losses.append(net.evaluate(x, y, sample_weight=weight))
        slopes.append((losses[0] - losses[1]) / (moved[0][i] - moved[1][i]))
    return grads.theta[chosen], np.array(slopes)


@pytest.mark.parametrize(
    ("count", "most"), [(60, 40), pytest.param(500, 10**6, marks=pytest.mark.full)]
)
def test_random_networks(count: int, most: int, record_property: pytest.RecordProperty) -> None:
    """Within gradcheck's tolerances, and most of them to seven digits; `most` entries of each."""
    rng = np.random.default_rng(2026)
    errors, done, number = [], 0, 0
    while done < count:
        case = random_case(rng, number)
        number += 1
        found = gradients(case, lambda n: np.sort(rng.choice(n, min(n, most), replace=False)))
        if found is None:
            continue
        got, want = found
        done += 1
        assert (np.abs(got - want) <= ATOL + RTOL * np.abs(want)).all(), case
        sized = np.abs(want) > 1e-12  # a unit that is off has a slope of 0
        errors.append(np.abs(got - want)[sized] / np.abs(want)[sized])
    median = float(np.median(np.concatenate(errors)))
    record_property("networks", done)
    record_property("entries", sum(map(len, errors)))
    record_property("median relative error", f"{median:.2g}")
    assert number < 3 * count  # few are at a kink
    assert median < 1e-7
