"""`MLPRegressor`."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from deltarule import names
from deltarule.architecture import Architecture
from deltarule.custom import ActivationWord, CustomLoss, LossWord
from deltarule.data import validation
from deltarule.layers import Array
from deltarule.sklearn._base import BaseMLP, has_partial_fit
from deltarule.sklearn._data import Samples, poisson_constant
from deltarule.sklearn._validation import check_some_weight, checked_numbers

# The losses that are reported as means over the outputs; the gradient is of their sum.
_MEAN_LOSSES = ("squared_error", "absolute_error", "huber")


class MLPRegressor(RegressorMixin, BaseMLP):  # numpydoc ignore=PR01
    """A multilayer perceptron that regresses; scikit-learn's, trained by deltarule's core.

    One output or several. The loss has alpha / (2 n) |W|^2 added, n being a batch's samples (or
    the sum of their weights). The parameters up to `max_fun` are scikit-learn's, with its order
    and defaults, and give its results for the same `random_state`; those after it are deltarule's
    own.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "absolute_error", "huber"} or CustomLoss
        By default squared_error.
        With e = y_hat - y: 1/2 e^2, half the Poisson deviance (its output is exp), abs(e), and
        1/2 e^2 where abs(e) <= 1, else abs(e) - 1/2. The reported loss is the mean over the
        outputs, of poisson the sum; what is descended is the sum always, as in scikit-learn. A
        `deltarule.CustomLoss` is reported as it is.
    hidden_layer_sizes : array-like of int or int, default (100,)
        Widths of the hidden layers; () is linear regression.
    activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter
        As for `MLPClassifier`.
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum
        As for `MLPClassifier`.
    early_stopping : bool or "loss", default False
        Hold a part of the samples out (or take `validation_data`) and stop when its R^2, or with
        "loss" its loss, does not improve. Ignored by lbfgs.
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As for `MLPClassifier`.
    out_activation : str, CustomActivation or None
        By default identity, and exp for poisson; any activation, softmax or exp, whose range lies
        in the loss's domain, or a `deltarule.CustomActivation`.
    dropout, init, dtype, n_threads, callbacks, max_seconds, restore_best
        As for `MLPClassifier`.

    Attributes
    ----------
    loss_, best_loss_, loss_curve_, validation_loss_curve_, t_, coefs_, intercepts_
        As of `MLPClassifier`.
    validation_scores_, best_validation_score_ : list of float, float; or None
        R^2 with `early_stopping`, and the best.
    n_features_in_, feature_names_in_, n_iter_, n_layers_, n_outputs_, out_activation_
        As of `MLPClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from deltarule.sklearn import MLPRegressor
    >>> X = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> model = MLPRegressor(hidden_layer_sizes=(16,), solver="lbfgs", random_state=0)
    >>> model.fit(X, X.ravel() ** 2).score(X, X.ravel() ** 2) > 0.99
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions({*_MEAN_LOSSES, "poisson"}), CustomLoss, tuple],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: Any = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        out_activation: str | None = None,
        init: str = "sklearn",
        dtype: Any = None,
        n_threads: int | None = None,
        callbacks: Any = (),
        max_seconds: float | None = None,
        restore_best: bool = True,
    ) -> None:
        self._set_parameters(locals())

    @available_if(has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch, going on from what there is.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, FitDivergedError
            As `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return y_hat, (n_samples,) for one output, else (n_samples, n_outputs).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray
        """
        y_hat = self._forward(X)
        return y_hat.ravel() if self.n_outputs_ == 1 else y_hat

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R2, the mean over the outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError, TypeError
            Naming what does not fit.
        """
        check_some_weight(sample_weight)
        with np.errstate(all="ignore"):
            r2: float = super().score(X, checked_numbers(y), sample_weight)
        return r2

    # The kind of y

    _checked_y = staticmethod(checked_numbers)

    def _codes(self, y: Any, dtype: np.dtype[Any]) -> Array:
        y = np.asarray(y)
        return validation.targets(y, len(y), y.size // len(y), dtype, self.loss)

    def _output_and_loss(self, n_outputs: int) -> tuple[ActivationWord, LossWord, float]:
        usual = "exp" if self.loss == "poisson" else "identity"
        output = names.output_word(self.out_activation or usual, "out_activation")
        loss = names.loss_word(self.loss, output, n_outputs)
        return output, loss, 1.0 / n_outputs if loss in _MEAN_LOSSES else 1.0

    def _samples(self, X: Any, codes: Array, weight: Array | None, of: Architecture) -> Samples:
        return Samples(X, codes, weight, poisson_constant(codes) if of.loss == "poisson" else None)

    def _score_of(self, y_hat: Array, codes: Array, weight: Array | None) -> float:
        if not np.isfinite(y_hat).all():
            return math.nan
        with np.errstate(all="ignore"):
            return float(r2_score(codes, y_hat, sample_weight=weight))
