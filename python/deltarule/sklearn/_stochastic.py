"""The solvers sgd and adam: epochs, learning rates, and when to stop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from deltarule.sklearn._core_training import FitDivergedError, Network, Update
from deltarule.sklearn._data import Samples
from deltarule.sklearn._watch import Watch

Array = NDArray[Any]

# An adaptive learning rate is divided by this, and not below that.
_ADAPTIVE_DIVISOR = 5.0
_LOWEST_ADAPTIVE_RATE = 1e-6


@dataclass(frozen=True)
class Validation:
    """Samples that are not trained on.

    Attributes
    ----------
    samples : Samples
        For the loss.
    score : callable
        Network -> score, higher is better.
    """

    samples: Samples
    score: Callable[[Network], float]


class StochasticFit:
    """One call of `fit` or `partial_fit` with a stochastic solver; writes the fitted attributes.

    Parameters
    ----------
    estimator : BaseMLP
    network : Network
        Trained in place.
    samples : Samples
    validation : Validation or None
    incremental : bool
        One epoch, and the optimizer goes on from the last call.
    threads : int
    """

    def __init__(
        self,
        estimator: Any,
        network: Network,
        samples: Samples,
        validation: Validation | None,
        *,
        incremental: bool,
        threads: int,
    ) -> None:
        self.of = estimator
        self.network = network
        self.samples = samples
        self.validation = validation
        self.incremental = incremental
        self.threads = threads
        limits = np.finfo(network.architecture.dtype)
        rate = float(estimator.learning_rate_init)
        if not float(limits.tiny) <= rate <= float(limits.max):
            raise ValueError(
                f"learning_rate_init must be in [{limits.tiny}, {limits.max}] in "
                f"{limits.dtype.name}, not {rate!r}"
            )
        for name in ("alpha", "epsilon"):
            if float(getattr(estimator, name)) > float(limits.max):
                raise ValueError(
                    f"{name} must be finite in {limits.dtype.name}, "
                    f"not {getattr(estimator, name)!r}"
                )
        self.update = Update(
            solver=estimator.solver,
            alpha=float(estimator.alpha),
            momentum=float(estimator.momentum),
            nesterov=bool(estimator.nesterovs_momentum),
            beta_1=float(estimator.beta_1),
            beta_2=float(estimator.beta_2),
            epsilon=float(estimator.epsilon),
            dropout=float(estimator.dropout),
        )
        self.watch = Watch(estimator.callbacks, estimator.max_seconds)
        self.batch_size = self._batch_size()
        self.order = np.arange(len(samples), dtype=np.int64)

    def run(self) -> None:
        """Train until convergence, `max_iter` epochs, a callback's or the clock's end."""
        of = self.of
        self._start_rate()
        of.n_iter_ = 0
        try:
            for _ in range(1 if self.incremental else of.max_iter):
                self._epoch()
                converged = self._converged()
                if self._is_ended() or converged:
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

    def _batch_size(self) -> int:
        n, wanted = len(self.samples), self.of.batch_size
        if isinstance(wanted, str):  # "auto"
            return min(200, n)
        if wanted > n:
            warnings.warn(
                f"batch_size={wanted} is more than the {n} samples to train on; they are one batch",
                stacklevel=5,
            )
        return int(min(wanted, n))

    def _start_rate(self) -> None:
        of = self.of
        if not self.incremental or of._rate_of != (of.solver, of.learning_rate_init):
            of._rate = float(of.learning_rate_init)
            of._rate_of = (of.solver, of.learning_rate_init)

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
                self.update,
                of._rate,
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
        of.loss_curve_.append(of.loss_)
        if of.verbose:
            print(f"Iteration {of.n_iter_}, loss = {of.loss_:.8f}")
        if self.validation is not None:
            loss = self.network.loss(self.validation.samples, self.threads)
            of.validation_loss_curve_.append(loss)

    def _converged(self) -> bool:
        """Count the epochs without improvement, adapt the learning rate, say whether to stop."""
        of = self.of
        if of.early_stopping:
            what = f"Validation {'loss' if of.early_stopping == 'loss' else 'score'}"
            self._count_by_validation()
        else:
            what = "Training loss"
            self._count_by_loss()
        if of.solver == "sgd" and of.learning_rate == "invscaling":
            with np.errstate(over="ignore"):
                falling = np.float64(of.t_ + 1) ** float(of.power_t)
            of._rate = float(of.learning_rate_init / falling)
        if of._no_improvement_count <= of.n_iter_no_change:
            return False
        message = (
            f"{what} did not improve more than tol={of.tol:f} for {of.n_iter_no_change} "
            "consecutive epochs."
        )
        if of.solver != "sgd" or of.learning_rate != "adaptive":
            self._say(f"{message} Stopping.")
            return True
        if of._rate <= _LOWEST_ADAPTIVE_RATE:
            self._say(f"{message} Learning rate too small. Stopping.")
            return True
        of._rate /= _ADAPTIVE_DIVISOR
        of._no_improvement_count = 0
        self._say(f"{message} Setting learning rate to {of._rate:f}")
        return False

    def _count_by_loss(self) -> None:
        of = self.of
        improved = of.loss_ <= of.best_loss_ - of.tol
        of._no_improvement_count = 0 if improved else of._no_improvement_count + 1
        of.best_loss_ = min(of.loss_, of.best_loss_)

    def _count_by_validation(self) -> None:
        of = self.of
        assert self.validation is not None
        score = self.validation.score(self.network)
        of.validation_scores_.append(score)
        if score > of.best_validation_score_:
            of.best_validation_score_ = score
        if of.verbose:
            print(f"Validation score: {score:f}")
        merit = -of.validation_loss_curve_[-1] if of.early_stopping == "loss" else score
        improved = merit >= of._best_merit + of.tol
        of._no_improvement_count = 0 if improved else of._no_improvement_count + 1
        if merit > of._best_merit:
            of._best_merit = merit
            of._best_theta = self.network.theta

    def _say(self, message: str) -> None:
        if self.of.verbose:
            print(message)

    def _is_ended(self) -> bool:
        of = self.of
        losses = of.validation_loss_curve_ if self.validation else []
        scores = of.validation_scores_ if of.early_stopping else []
        return self.watch.stops_after(
            epoch=of.n_iter_,
            epochs=1 if self.incremental else of.max_iter,
            loss=of.loss_,
            validation_loss=losses[-1] if losses else None,
            validation_score=scores[-1] if scores else None,
            learning_rate=of._rate,
        )
