"""The solver lbfgs: SciPy's L-BFGS-B on the core's loss and gradient, in float64."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from deltarule.sklearn._core_training import FitDivergedError, Network
from deltarule.sklearn._data import Samples
from deltarule.sklearn._stochastic import Validation
from deltarule.sklearn._watch import Watch

Array = NDArray[Any]


def _wide(samples: Samples) -> Samples:
    y = samples.y if samples.y.dtype == np.int64 else samples.y.astype(np.float64, copy=False)
    return replace(samples, x=samples.x.astype(np.float64, copy=False), y=y)


class LbfgsFit:
    """One call of `fit` with solver lbfgs; writes the fitted attributes.

    The line search needs more digits than float32 has: a float32 network is trained in float64 and
    rounded at the end.

    Parameters
    ----------
    estimator : BaseMLP
    network : Network
        Gets the parameters that were found.
    samples : Samples
    validation : Validation or None
    threads : int
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        samples: Samples,
        validation: Validation | None,
        *,
        threads: int,
    ) -> None:
        self.of = estimator
        self.network = network
        float64 = np.dtype(np.float64)
        self.wide = Network(replace(network.architecture, dtype=float64), network.loss_scale)
        self.samples = _wide(samples)
        self.validation = None if validation is None else _wide(validation.samples)
        self.threads = threads
        self.watch = Watch(estimator.callbacks, estimator.max_seconds)
        self.evaluated: tuple[Array, float] = (np.empty(0), np.nan)
        self.stopped = False
        self.iterations = 0

    def run(self) -> None:
        """Minimize; raise FitDivergedError where that leads to parameters that are not finite."""
        of = self.of
        with np.errstate(all="ignore"):  # what is not finite is found at the end
            result = minimize(
                self._objective,
                self.network.theta.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=self._iteration,
                options={"maxfun": of.max_fun, "maxiter": of.max_iter, "gtol": of.tol},
            )
        of.n_iter_ = min(int(result.nit), of.max_iter)
        with np.errstate(all="ignore"):
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
        self.wide.theta = theta
        value, gradient, reported = self.wide.value_and_gradient(
            self.samples, float(self.of.alpha), self.threads
        )
        self.evaluated = (theta.copy(), reported)
        return value, gradient

    def _reported(self, theta: Array) -> float:
        if not np.array_equal(theta, self.evaluated[0]):
            self._objective(theta)
        return self.evaluated[1]

    def _iteration(self, intermediate_result: Any) -> None:
        of, theta = self.of, intermediate_result.x
        of.loss_curve_.append(self._reported(theta))
        self.iterations += 1
        if of.verbose:
            print(f"Iteration {self.iterations}, loss = {of.loss_curve_[-1]:.8f}")
        if self.validation is not None:
            self.wide.theta = theta
            of.validation_loss_curve_.append(self.wide.loss(self.validation, self.threads))
        if self.watch.stops_after(
            epoch=self.iterations,
            epochs=of.max_iter,
            loss=of.loss_curve_[-1],
            validation_loss=of.validation_loss_curve_[-1] if self.validation else None,
            validation_score=None,
            learning_rate=None,
        ):
            self.stopped = True
            raise StopIteration
