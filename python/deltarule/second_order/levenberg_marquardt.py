"""Levenberg-Marquardt iterations: Gauss-Newton steps, damped as far as they need it."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from threadpoolctl import ThreadpoolController

from deltarule.errors import DivergenceError
from deltarule.layers import Array
from deltarule.second_order.objective import Problem
from deltarule.second_order.settings import After, LevenbergMarquardt

_EPS, _TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)


def levenberg_marquardt(
    settings: LevenbergMarquardt,
    problem: Problem,
    theta: Array,
    epochs: int,
    after: After,
) -> None:
    """Call after(theta, loss) for each kept step, until it says so or no step lowers the loss.

    Parameters
    ----------
    settings : LevenbergMarquardt
    problem : Problem
    theta : ndarray of shape (D,)
        Where to begin.
    epochs : int
        Kept steps at most.
    after : callable
        Returns whether that is enough.

    Raises
    ------
    DivergenceError
        If the loss, or its derivative, is not finite at the beginning, or the derivative anywhere.
    """
    blas, damping = ThreadpoolController(), Damping(settings)
    loss = problem.loss(theta)
    for epoch in range(1, epochs + 1):
        with blas.limit(limits=1, user_api="blas"):  # the same bits for any number of threads
            matrix, gradient = problem.normal_equations(theta)
            largest = float(matrix.diagonal().max())
            if not np.isfinite([loss, largest, *gradient]).all():
                raise DivergenceError(
                    f"the loss or its Jacobian is not finite at the beginning of epoch {epoch}; "
                    "scale the inputs, or start from smaller weights",
                    epoch,
                    1,
                )
            damping.begin(largest)
            better = _better(problem, damping, theta, loss, matrix, gradient)
        if better is None:
            return
        theta, loss = better
        if after(theta, loss):
            return


def _better(
    problem: Problem, damping: Damping, theta: Array, loss: float, matrix: Array, gradient: Array
) -> tuple[Array, float] | None:
    """Return the first theta of a lower loss; None where the steps have become too short."""
    shortest = _EPS * (_norm(theta) + _EPS)
    while np.isfinite(damping.mu):
        step = _solved(matrix, damping.mu, gradient)
        if step is not None:
            if _norm(step) <= shortest:
                return None
            with np.errstate(all="ignore"):
                trial = theta + step
            value = problem.loss(trial) if np.isfinite(trial).all() else np.inf
            if value < loss:
                with np.errstate(all="ignore"):
                    foreseen = float(step @ (damping.mu * step - gradient)) / 2
                damping.keep(min(1.0, (loss - value) / max(foreseen, _TINY)))
                return trial, value
        damping.reject()
    return None


def _norm(v: Array) -> float:
    """Return the Euclidean norm, also where its square is out of range."""
    with np.errstate(all="ignore"):
        norm = float(np.linalg.norm(v))
        largest = float(np.abs(v).max())
        return norm if np.isfinite(norm) else largest * float(np.linalg.norm(v / largest))


def _solved(matrix: Array, mu: float, gradient: Array) -> Array | None:
    """Return -(matrix + mu I)^-1 gradient, by Cholesky; None where it is not positive definite."""
    damped = matrix.copy(order="F")
    np.fill_diagonal(damped, damped.diagonal() + mu)
    try:
        factor = cho_factor(damped, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None
    step: Array = -cho_solve(factor, gradient, check_finite=False)
    return step


class Damping:
    """mu, as H. B. Nielsen changes it (IMM-REP-1999-05).

    Parameters
    ----------
    settings : LevenbergMarquardt
    """

    def __init__(self, settings: LevenbergMarquardt) -> None:
        self._settings = settings
        self._growth = float(settings.factor)
        self._least = 0.0
        self.mu = 0.0

    def begin(self, largest: float) -> None:
        """Take the largest diagonal entry of J^T J, by whose rounding mu is bounded below."""
        self._least = _EPS * largest
        first = self._settings.damping * largest
        self.mu = max(self.mu or first, self._least, _TINY)

    def keep(self, gain: float) -> None:
        """Follow a step by which L fell by that part, at most 1, of what J foresaw."""
        self.mu = max(self._least, self.mu * max(1 / 3, 1 - (2 * gain - 1) ** 3))
        self._growth = float(self._settings.factor)

    def reject(self) -> None:
        """Follow a step that did not lower L."""
        self.mu *= self._growth
        self._growth *= 2
