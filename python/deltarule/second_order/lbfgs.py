"""L-BFGS iterations: SciPy's."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from deltarule.errors import DivergenceError
from deltarule.layers import Array
from deltarule.second_order.objective import Problem
from deltarule.second_order.settings import LBFGS, After

# In place of a loss that is not finite, with which the line search could not interpolate; above
# the first loss, where that is large, by that factor.
_HIGH = 1e100
_HIGHER = 1e10


def lbfgs(
    settings: LBFGS,
    problem: Problem,
    theta: Array,
    epochs: int,
    after: After,
) -> None:
    """Call after(theta, loss) for each iteration, until it says so or no step lowers the loss.

    Parameters
    ----------
    settings, problem, theta, epochs, after
        As for `levenberg_marquardt`.

    Raises
    ------
    DivergenceError
        If the loss is not finite at the beginning.
    """

    def objective(theta: Array) -> tuple[float, Array]:
        if np.isfinite(theta).all():
            value, gradient = problem.value_and_gradient(theta)
            if math.isfinite(value) and np.isfinite(gradient).all():
                return value, gradient
        return high, np.zeros_like(theta)

    def iteration(intermediate_result: Any) -> None:
        value, theta = float(intermediate_result.fun), intermediate_result.x.copy()
        if not value < high:  # a loss that is not finite: a gradient of 0 ends the search
            raise StopIteration
        try:
            is_enough = after(theta, value)
        except StopIteration as error:  # SciPy would take it for its own
            raise RuntimeError("a callback raised StopIteration") from error
        if is_enough:
            raise StopIteration

    high = math.inf
    first, _ = objective(theta)
    if not math.isfinite(first):
        raise DivergenceError(
            "the loss or its gradient is not finite at the beginning of epoch 1; scale the inputs, "
            "or start from smaller weights",
            1,
            1,
        )
    high = min(max(_HIGH, _HIGHER * first), sys.float_info.max)
    corrections = min(settings.memory, max(epochs, 1))  # one per iteration
    options = {
        "maxcor": corrections, "maxiter": epochs, "maxfun": math.inf, "ftol": 0.0, "gtol": 0.0,
    }  # fmt: skip
    with threadpool_limits(limits=1, user_api="blas"):  # the same bits for any number of threads
        minimize(objective, theta, method="L-BFGS-B", jac=True, callback=iteration, options=options)
