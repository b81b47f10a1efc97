"""The solvers sgd and adam: epochs, learning rates, and when to stop."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from deltarule.sklearn._core_training import FitDivergedError, core_optimizer
from deltarule.sklearn._solver import Solver

# An adaptive learning rate is divided by the first, and not below the second.
_ADAPTIVE_DIVISOR = 5.0
_LOWEST_ADAPTIVE_RATE = 1e-6


class StochasticFit(Solver):
    """One call of `fit` or `partial_fit` with a stochastic solver."""

    def __post_init__(self) -> None:
        of, limits = self.of, np.finfo(self.network.architecture.dtype)
        rate = float(of.learning_rate_init)
        if not float(limits.tiny) <= rate <= float(limits.max):
            raise ValueError(
                f"learning_rate_init must be in [{limits.tiny}, {limits.max}] in "
                f"{limits.dtype.name}, not {rate!r}"
            )
        for name in ("alpha", "epsilon"):
            value = getattr(of, name)
            if float(value) > float(limits.max):
                raise ValueError(f"{name} must be finite in {limits.dtype.name}, not {value!r}")
        super().__post_init__()
        n = len(self.samples)
        self.batch_size = min(200 if of.batch_size == "auto" else int(of.batch_size), n)
        if of.batch_size != "auto" and of.batch_size > n:
            warnings.warn(
                f"batch_size={of.batch_size} is more than the {n} samples to train on; they are "
                "one batch",
                stacklevel=5,
            )
        self.order = np.arange(n, dtype=np.int64)

    def run(self) -> None:
        """Train until convergence, `max_iter` epochs, a callback's stop or the time limit."""
        of = self.of
        if not self.incremental or of._rate_of != (of.solver, of.learning_rate_init):
            of._rate = float(of.learning_rate_init)
            of._rate_of = (of.solver, of.learning_rate_init)
        of.n_iter_ = 0
        try:
            for _ in range(self.epochs):
                self._epoch()
                converged = self._converged()
                score = of.validation_scores_[-1] if of.early_stopping else None
                if self.is_stopped(of.n_iter_, score, of._rate) or converged:
                    break
            else:
                if not self.incremental:
                    warnings.warn(
                        f"{of.solver}: the training stopped at max_iter={of.max_iter} epochs "
                        "before it converged; raise max_iter, or tol",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        except FitDivergedError as error:
            if not (of.early_stopping and of.restore_best and np.isfinite(of._best_merit)):
                raise
            warnings.warn(
                f"{error}. The best parameters so far are kept", ConvergenceWarning, stacklevel=4
            )
        if of.early_stopping and of.restore_best:
            self.network.theta = of._best_theta

    def _epoch(self) -> None:
        of = self.of
        if of.shuffle:
            permutation = np.arange(len(self.order))
            of._random_state.shuffle(permutation)
            self.order = self.order[permutation]
        try:
            of.loss_ = self.network.train_epoch(
                self.samples,
                self.order if of.shuffle else None,
                self.batch_size,
                core_optimizer(of, of._rate, self.network.architecture.dtype),
                float(of.dropout),
                of._random_state,
                self.threads,
            )
        except FitDivergedError as error:
            epoch = of.n_iter_ + 1
            raise FitDivergedError(
                f"the loss or a parameter is not finite any more in epoch {epoch}, step "
                f"{error.step}; the parameters are those after epoch {epoch - 1}. Try a lower "
                f"learning_rate_init than {of.learning_rate_init:g}, or scale X",
                epoch,
                error.step,
            ) from None
        of.n_iter_ += 1
        of.t_ += len(self.samples)
        self.record_loss(of.n_iter_, of.loss_, self.network)

    def _converged(self) -> bool:
        """Count the epochs without improvement, adapt the learning rate, say whether to stop."""
        of = self.of
        self._count_epochs_without_improvement()
        if of.solver == "sgd" and of.learning_rate == "invscaling":
            with np.errstate(over="ignore"):
                growth = np.float64(of.t_ + 1) ** float(of.power_t)
            of._rate = float(of.learning_rate_init / growth)
        if of._no_improvement_count <= of.n_iter_no_change:
            return False
        stops = True
        if of.solver != "sgd" or of.learning_rate != "adaptive":
            consequence = "Stopping."
        elif of._rate <= _LOWEST_ADAPTIVE_RATE:
            consequence = "Learning rate too small. Stopping."
        else:
            of._rate /= _ADAPTIVE_DIVISOR
            of._no_improvement_count = 0
            consequence, stops = f"Setting learning rate to {of._rate:f}", False
        if of.verbose:
            quantities = {False: "Training loss", "loss": "Validation loss"}
            print(
                f"{quantities.get(of.early_stopping, 'Validation score')} did not improve more "
                f"than tol={of.tol:f} for {of.n_iter_no_change} consecutive epochs. {consequence}"
            )
        return stops

    def _count_epochs_without_improvement(self) -> None:
        """Compare the epoch's merit (higher is better) with the best so far."""
        of = self.of
        if of.early_stopping:
            assert self.validation is not None
            score = self.validation.score(self.network)
            of.validation_scores_.append(score)
            if score > of.best_validation_score_:
                of.best_validation_score_ = score
            if of.verbose:
                print(f"Validation score: {score:f}")
            best = of._best_merit
            merit = -of.validation_loss_curve_[-1] if of.early_stopping == "loss" else score
        else:
            best, merit = -of.best_loss_, -of.loss_
        improved = merit >= best + of.tol
        of._no_improvement_count = 0 if improved else of._no_improvement_count + 1
        if not of.early_stopping:
            of.best_loss_ = min(of.loss_, of.best_loss_)
        elif merit > best:
            of._best_merit, of._best_theta = merit, self.network.theta
