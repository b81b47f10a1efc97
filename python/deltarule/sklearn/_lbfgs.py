"""The solver lbfgs: SciPy's L-BFGS-B on the core's loss and gradient, in float64."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from deltarule.layers import Array
from deltarule.sklearn._core_training import FitDivergedError, Network
from deltarule.sklearn._data import Samples
from deltarule.sklearn._solver import Solver


def _in_float64(samples: Samples) -> Samples:
    y = samples.y if samples.y.dtype == np.int64 else samples.y.astype(np.float64, copy=False)
    return replace(samples, x=samples.x.astype(np.float64, copy=False), y=y)


class LbfgsFit(Solver):
    """One call of `fit` with solver lbfgs.

    The line search needs more digits than float32 has: a float32 network is trained in float64 and
    rounded at the end.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        architecture = replace(self.network.architecture, dtype=np.dtype(np.float64))
        self.network64 = Network(architecture, self.network.loss_scale)
        self.samples = _in_float64(self.samples)
        if self.validation is not None:
            held_out = _in_float64(self.validation.samples)
            self.validation = replace(self.validation, samples=held_out)
        self.evaluated: tuple[Array, float] = (np.empty(0), np.nan)  # theta, its reported loss
        self.stopped = False
        self.iterations = 0

    def run(self) -> None:
        """Minimize; raise FitDivergedError where that leads to parameters that are not finite."""
        of = self.of
        with np.errstate(all="ignore"):  # values that are not finite are found at the end
            result = minimize(
                self._objective,
                self.network.theta.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=self._iteration,
                options={"maxfun": of.max_fun, "maxiter": of.max_iter, "gtol": of.tol},
            )
            of.n_iter_ = min(int(result.nit), of.max_iter)
            of.loss_ = self._reported(result.x)
            theta = result.x.astype(self.network.architecture.dtype)
        of.best_loss_ = min([*of.loss_curve_, of.loss_])
        if not (np.isfinite(theta).all() and np.isfinite(of.loss_)):
            raise FitDivergedError(
                "the solver lbfgs led to a loss or parameters that are not finite; scale X and y, "
                "or change alpha",
                of.n_iter_,
                1,
            )
        self.network.theta = theta
        if result.status != 0 and not self.stopped:
            more = "max_iter" if result.nit >= of.max_iter else "max_fun"
            warnings.warn(
                f"lbfgs stopped after {of.n_iter_} iterations (status {result.status}: "
                f"{result.message}); raise {more}={getattr(of, more)}, or scale X",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _objective(self, theta: Array) -> tuple[float, Array]:
        self.network64.theta = theta
        value, gradient, reported = self.network64.value_and_gradient(
            self.samples, float(self.of.alpha), self.threads
        )
        self.evaluated = (theta.copy(), reported)
        return value, gradient

    def _reported(self, theta: Array) -> float:
        if not np.array_equal(theta, self.evaluated[0]):
            self._objective(theta)
        return self.evaluated[1]

    def _iteration(self, intermediate_result: Any) -> None:
        self.iterations += 1
        loss = self._reported(intermediate_result.x)
        self.network64.theta = intermediate_result.x
        self.record_loss(self.iterations, loss, self.network64)
        self.stopped = self.is_stopped(self.iterations, score=None, rate=None)
        if self.stopped:
            raise StopIteration
