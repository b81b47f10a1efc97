"""The part that `MLPClassifier` and `MLPRegressor` share: one fit, and prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, is_classifier, is_regressor
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from deltarule.architecture import Architecture
from deltarule.config import resolve_threads
from deltarule.custom import ActivationWord, LossWord
from deltarule.layers import Array
from deltarule.sklearn._core_training import Network
from deltarule.sklearn._data import Samples, as_rows
from deltarule.sklearn._initial import draw_parameters
from deltarule.sklearn._lbfgs import LbfgsFit
from deltarule.sklearn._parameters import (
    CONSTRAINTS,
    STOCHASTIC_SOLVERS,
    hidden_widths,
    layer_functions,
    training_dtype,
)
from deltarule.sklearn._solver import Solver, Validation
from deltarule.sklearn._stochastic import StochasticFit
from deltarule.sklearn._validation import check_some_weight, checked_weight, validated


def has_partial_fit(estimator: Any) -> bool:
    """Whether the solver goes by mini-batches; AttributeError says so where it does not."""
    if estimator.solver not in STOCHASTIC_SOLVERS:
        raise AttributeError(
            f"partial_fit needs solver 'sgd' or 'adam', which go by mini-batches, "
            f"not {estimator.solver!r}"
        )
    return True


def _architecture(
    sizes: Sequence[int], functions: list[ActivationWord], output: Any, loss: Any, dtype: Any
) -> Architecture:
    return Architecture.checked(sizes, functions[:-1], output, loss, "mean", dtype, 0.01, 1.0)


class BaseMLP(BaseEstimator, ABC):
    """The part of the estimators that does not depend on the kind of y."""

    _parameter_constraints: dict[str, Any] = CONSTRAINTS
    coefs_: list[Array]
    intercepts_: list[Array]

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Set the parameters from the constructor's `locals()`."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # The kind of y

    @staticmethod
    @abstractmethod
    def _checked_y(y: Any, name: str = "y") -> Any:
        """Return y as it is; ValueError or TypeError names a value that is missing or wrong."""

    @abstractmethod
    def _codes(self, y: Any, dtype: np.dtype[Any]) -> Array:
        """Return y as numbers, which a score compares predictions with.

        Class indices (n,), or values or flags (n, n_outputs).
        """

    @abstractmethod
    def _output_and_loss(self, n_outputs: int) -> tuple[ActivationWord, LossWord, float]:
        """Return the output activation, the core's loss, and `Network.loss_scale`."""

    @abstractmethod
    def _samples(self, X: Any, codes: Array, weight: Array | None, of: Architecture) -> Samples:
        """Return the samples with the targets of the core's loss."""

    @abstractmethod
    def _score_of(self, y_hat: Array, codes: Array, weight: Array | None) -> float:
        """Return the score that early stopping goes by."""

    def _validate(
        self, X: Any, y: Any, dtypes: Any, *, reset: bool, classes: str
    ) -> tuple[Any, Any]:
        """Return X and y checked.

        `reset`: note the features. `classes`: "new", note them; "known", they must have been seen;
        "same", none that was seen may lack.
        """
        X, y = validated(
            self, X, self._checked_y(y), multi_output=True, y_numeric=is_regressor(self),
            dtype=dtypes, order="C", reset=reset,
        )  # fmt: skip
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _n_outputs(self, codes: Array) -> int:
        return len(self.classes_) if codes.ndim == 1 else int(codes.shape[1])

    def _training_weight(self, weight: Array | None, y: Any, incremental: bool) -> Array | None:
        return weight

    def _note_classes(self, y: Any, classes: Any) -> None:
        """Store the classes of the first call of `partial_fit`."""

    # Fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A sparse matrix is made dense batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, a binary indicator matrix (multi-label), or numbers (regression).
        sample_weight : array-like of shape (n_samples,), optional
            0 or more.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Gives `validation_loss_curve_`, and takes the place of the held-out part where
            `early_stopping` is on.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming what does not fit.
        FitDivergedError
            A ValueError: if the loss or a parameter is not finite any more; the parameters are
            those after the last finite epoch.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: Any = None,
        *,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        before = dict(vars(self))
        try:
            if incremental:
                self._note_classes(y, classes)
            solver = self._prepare(X, y, sample_weight, validation_data, incremental)
        except BaseException:  # a refused call leaves the estimator as it was
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        try:
            solver.run()
        finally:
            self.coefs_, self.intercepts_ = solver.network.coefs(), solver.network.intercepts()
        return self

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any, incremental: bool
    ) -> Solver:
        """Check everything; return the solver with the network to train."""
        widths = hidden_widths(self.hidden_layer_sizes)
        functions = layer_functions(self.activation, len(widths))
        self._check_combinations(incremental)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        dtypes = training_dtype(self.dtype) if first else [self.coefs_[0].dtype]
        classes = "known" if incremental else "new" if first else "same"
        X, y = self._validate(X, y, dtypes, reset=first, classes=classes)
        X = as_rows(X, X.dtype)
        weight = checked_weight(sample_weight, X)
        codes = self._codes(y, X.dtype)
        n_outputs = self._n_outputs(codes)
        output, loss, scale = self._output_and_loss(n_outputs)
        sizes = [X.shape[1], *widths, n_outputs]
        architecture = _architecture(sizes, functions, output, loss, X.dtype)
        training_weight = self._training_weight(weight, y, incremental)
        samples = self._samples(X, codes, training_weight, architecture)
        validation = self._given_validation(validation_data, architecture)
        network = Network(architecture, scale)
        self._random_state = check_random_state(self.random_state)
        if first:
            network.set_parameters(
                *draw_parameters(sizes, functions, self.init, self._random_state)
            )
            self._begin(network)
        else:
            self._resume(network, incremental)
        self._network = network
        self.out_activation_ = "logistic" if output == "sigmoid" else output
        kind = LbfgsFit if self.solver == "lbfgs" else StochasticFit
        if self.early_stopping and validation is None and self.solver != "lbfgs":
            samples, validation = self._split(samples, codes, weight, architecture)
        threads = resolve_threads(self.n_threads)
        return kind(self, network, samples, validation, threads, incremental)

    def _check_combinations(self, incremental: bool) -> None:
        if incremental and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: a call sees one epoch and "
                f"cannot hold samples out, early_stopping must be False, not "
                f"{self.early_stopping!r}"
            )
        if self.dropout and self.solver == "lbfgs":
            raise ValueError(
                f"dropout must be 0 with solver 'lbfgs', which needs a loss without noise, not "
                f"{self.dropout!r}"
            )

    def _begin(self, network: Network) -> None:
        """Set the attributes of a network that has not been trained."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(network.architecture.sizes)
        self.n_outputs_ = network.architecture.sizes[-1]
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self._rate_of: Any = None  # solver and learning_rate_init that `_rate` started from
        self._start_criterion(network)

    def _start_criterion(self, network: Network) -> None:
        """Set what `early_stopping` compares with, as before any epoch."""
        self._criterion = self._stopping_criterion()
        self._best_theta = network.theta
        self._best_merit = -np.inf
        scored = bool(self._criterion)
        self.validation_scores_: list[float] | None = [] if scored else None
        self.best_validation_score_: float | None = -np.inf if scored else None
        self.best_loss_: float | None = None if scored else np.inf

    def _stopping_criterion(self) -> bool | str:
        """Return `early_stopping`, which lbfgs does without."""
        return self.solver in STOCHASTIC_SOLVERS and self.early_stopping

    def _resume(self, network: Network, incremental: bool) -> None:
        """Continue from the parameters there are, in `partial_fit` with the optimizer's state."""
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        if network.architecture.sizes != sizes:
            raise ValueError(
                "hidden_layer_sizes and the outputs must stay what they were to go on from an "
                f"earlier fit: layers {list(sizes)}, not {list(network.architecture.sizes)}"
            )
        network.set_parameters(self.coefs_, self.intercepts_)
        if not hasattr(self, "_criterion"):  # coefs_ that were set without a fit
            self._begin(network)
        elif incremental and self._rate_of is not None and self._rate_of[0] == self.solver:
            network.optimizer_state = self._network.optimizer_state
        if self._criterion != self._stopping_criterion():
            self._start_criterion(network)

    # Validation

    def _split(
        self, samples: Samples, codes: Array, weight: Array | None, architecture: Architecture
    ) -> tuple[Samples, Validation]:
        """Hold a part of the samples out, the one that scikit-learn would."""
        share = f"validation_fraction={self.validation_fraction} of {len(samples)} samples"
        one_flag = is_classifier(self) and codes.ndim == 2 and codes.shape[1] == 1
        try:
            training, held_out = train_test_split(
                np.arange(len(samples)),
                random_state=self._random_state,
                test_size=self.validation_fraction,
                stratify=codes if one_flag else None,
            )
        except ValueError as error:
            raise ValueError(f"{share}: {error}") from None
        if len(held_out) < 2:
            raise ValueError(
                f"The validation set is too small: {share} are {len(held_out)}, 2 are needed"
            )
        if samples.weight is not None:
            check_some_weight(samples.weight[training], f" of the {len(training)} to train on")
        if weight is not None:
            weight = weight[held_out]
            check_some_weight(weight, f" of the {len(held_out)} held out")
        validation = self._validation(samples.x[held_out], codes[held_out], weight, architecture)
        return samples.subset(training), validation

    def _given_validation(self, data: Any, architecture: Architecture) -> Validation | None:
        if data is None:
            return None
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise TypeError(
                "validation_data must be (X, y) or (X, y, sample_weight), "
                f"not {type(data).__name__}"
            )
        X, y, *weights = data
        try:
            X, y = self._validate(X, y, [architecture.dtype], reset=False, classes="known")
            weight = checked_weight(weights[0] if weights else None, X)
            codes = self._codes(y, architecture.dtype)
            if self._n_outputs(codes) != architecture.sizes[-1]:
                raise ValueError(
                    f"y must have {architecture.sizes[-1]} outputs, not {self._n_outputs(codes)}"
                )
        except ValueError as error:
            raise ValueError(f"validation_data: {error}") from None
        return self._validation(as_rows(X, architecture.dtype), codes, weight, architecture)

    def _validation(
        self, X: Any, codes: Array, weight: Array | None, architecture: Architecture
    ) -> Validation:
        threads = resolve_threads(self.n_threads)
        return Validation(
            self._samples(X, codes, weight, architecture),
            lambda network: self._score_of(network.predict(X, threads), codes, weight),
        )

    # Prediction

    def _forward(self, X: Any, *, before_output: bool = False) -> Array:
        """Return y_hat (n, n_outputs), or z of the output layer."""
        if not hasattr(self, "_network"):
            check_is_fitted(self)
            self._network = self._network_of_attributes()
        dtype = self._network.architecture.dtype
        rows = as_rows(validated(self, X, dtype=dtype, reset=False), dtype)
        if not self._network.has_parameters(self.coefs_, self.intercepts_):  # set since the fit
            network = copy(self._network)
            network.set_parameters(self.coefs_, self.intercepts_)
            self._network = network
        run = self._network.scores if before_output else self._network.predict
        return run(rows, resolve_threads(self.n_threads))

    def _network_of_attributes(self) -> Network:
        """Return the network of `coefs_` and `intercepts_` that were set without a fit."""
        sizes = [self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_)]
        functions = layer_functions(self.activation, len(sizes) - 2)
        dtype = np.result_type(*self.coefs_, np.float32)
        network = Network(_architecture(sizes, functions, self.out_activation_, None, dtype))
        network.set_parameters(self.coefs_, self.intercepts_)
        return network

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: sparse X is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
