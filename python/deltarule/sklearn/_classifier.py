"""`MLPClassifier`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, Real, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted

from deltarule import names
from deltarule.architecture import Architecture
from deltarule.custom.functions import ActivationWord, CustomLoss, LossWord, custom
from deltarule.layers import Array
from deltarule.sklearn._base import BaseMLP, has_partial_fit
from deltarule.sklearn._class_weight import weight_by_class
from deltarule.sklearn._data import Samples
from deltarule.sklearn._validation import check_some_weight, checked_labels


class MLPClassifier(ClassifierMixin, BaseMLP):  # numpydoc ignore=PR01
    """A multilayer perceptron that classifies; scikit-learn's, trained by deltarule's core.

    Binary and multi-class labels, or several labels a sample (an indicator matrix). The loss is
    the log loss plus alpha / (2 n) |W|^2, n being a batch's samples (or the sum of their weights).
    The parameters up to `max_fun` are scikit-learn's, with its order and defaults, and give its
    results for the same `random_state`; those after it are deltarule's own.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int or int, default (100,)
        Widths of the hidden layers; () is logistic regression.
    activation : str, CustomActivation or a sequence of them, default "relu"
        Of the hidden layers, one name or one per layer: relu, tanh, logistic or another activation
        of `deltarule.MLP`; or `deltarule.CustomActivation`s.
    solver : {"lbfgs", "sgd", "adam"}, default "adam"
        lbfgs takes all samples at once and is SciPy's.
    alpha : float, default 0.0001
        Strength of the penalty on the weights.
    batch_size : int or "auto", default "auto"
        Samples a step; "auto" is min(200, n_samples).
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For sgd. invscaling: learning_rate_init / (samples seen + 1) ** power_t after each epoch;
        adaptive: a fifth each time there was no improvement for `n_iter_no_change` epochs.
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
    max_iter : int, default 200
        Epochs (sgd, adam) or iterations (lbfgs).
    shuffle : bool, default True
        A fresh order every epoch.
    random_state : int, RandomState or None
        Of the initial parameters, the held-out part and the shuffling.
    tol : float, default 1e-4
        What counts as an improvement; for lbfgs the largest gradient entry at convergence.
    verbose : bool or int, default False
    warm_start : bool, default False
        `fit` continues from the present parameters.
    momentum : float, default 0.9
        For sgd.
    nesterovs_momentum : bool, default True
        For sgd.
    early_stopping : bool or "loss", default False
        Hold a part of the samples out (or take `validation_data`) and stop when its accuracy, or
        with "loss" its loss, does not improve. Ignored by lbfgs.
    validation_fraction : float, default 0.1
        The part that is held out.
    beta_1, beta_2 : float, default 0.9, 0.999
        For adam.
    epsilon : float, default 1e-8
        For adam; taken as sqrt(tiny / (1 - beta_2)) where it is less, tiny being the smallest
        normal number of X's dtype (3.4e-18 in float32).
    n_iter_no_change : int or inf, default 10
        Epochs without improvement by `tol` that are let pass.
    max_fun : int, default 15000
        Evaluations of the loss, for lbfgs.
    class_weight : dict, list of dict, "balanced" or None
        Weights of the classes, times `sample_weight`, in the training loss.
    dropout : float, default 0.0
        The probability with which a hidden unit is left out in a training step.
    loss : {"log_loss", "cross_entropy", "squared_error"}, CustomLoss or None
        None and cross_entropy are log_loss; squared_error, on the probabilities, is the Brier
        score. A `deltarule.CustomLoss` is given 0 and 1 as y, a column a class or label.
    out_activation : {"softmax", "logistic"} or None
        By default softmax for several classes. With "logistic" these are one against the rest.
    label_smoothing : float, default 0.0
        The share of a target's weight that is spread over all classes.
    init : str, default "sklearn"
        Initial parameters: "sklearn", or one of the names of `deltarule.MLP`.
    dtype : {"float32", "float64"} or None
        By default float32 for float32 X and float64 otherwise.
    n_threads : int or None
        At most; by default `deltarule.get_num_threads`. No result depends on it.
    callbacks : callable or sequence of callables
        Called after every epoch with a dict: epoch, epochs, loss, validation_loss,
        validation_score, learning_rate, seconds. One that returns True ends the training.
    max_seconds : float or None
        No new epochs after that time.
    restore_best : bool, default True
        With `early_stopping`, go back to the parameters of the best epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    loss_, best_loss_ : float
        The last and the least training loss; `best_loss_` is None with `early_stopping`.
    loss_curve_ : list of float
        The training loss of each epoch, with penalty.
    validation_scores_, best_validation_score_ : list of float, float; or None
        The accuracies with `early_stopping`, and the best.
    validation_loss_curve_ : list of float
        The loss, without penalty, of the held-out part or of `validation_data`.
    t_ : int
        Training samples seen by sgd or adam.
    coefs_ : list of ndarray
        Weights, each (fan_in, fan_out).
    intercepts_ : list of ndarray
        Biases, each (fan_out,).
    n_features_in_, n_iter_, n_layers_, n_outputs_ : int
    feature_names_in_ : ndarray of str
        Where X had names.
    out_activation_ : str

    Examples
    --------
    >>> from deltarule.sklearn import MLPClassifier
    >>> import deltarule as dr
    >>> X, y = dr.load_digits()
    >>> model = MLPClassifier((32,), learning_rate_init=0.01, tol=0.01, random_state=0)
    >>> model.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.8
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "loss": [
            StrOptions({"log_loss", "cross_entropy", "squared_error"}),
            CustomLoss,
            tuple,
            None,
        ],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: float = 0.0,
        loss: Any = None,
        out_activation: str | None = None,
        label_smoothing: float = 0.0,
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch, going on from what there is.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; y may lack some of the classes.
        classes : array-like of shape (n_classes,), optional
            All classes of all calls; needed in the first one, if `fit` was not called before.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, FitDivergedError
            As `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """Return the class of each row (n_samples,), or its labels (n_samples, n_labels).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray
        """
        y_hat = self._forward(X)
        labels: Array
        if self._is_multiclass:  # twice as fast as the binarizer's inverse for one row
            labels = self.classes_[y_hat.argmax(axis=1)]
        elif self.n_outputs_ == 1 and len(self.classes_) == 2:
            labels = self.classes_[(y_hat[:, 0] > 0.5).astype(np.intp)]
        else:
            labels = self._label_binarizer.inverse_transform(y_hat)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as `classes_`.
        """
        check_is_fitted(self)
        if self.n_outputs_ == 1:
            z = self._forward(X, before_output=True)
            with np.errstate(all="ignore"):
                probabilities: Array = expit(np.hstack([-z, z]))  # either has all its digits
            return probabilities
        y_hat = self._forward(X)
        if self._is_multiclass and self.out_activation_ == "logistic":
            with np.errstate(all="ignore"):
                y_hat /= np.maximum(y_hat.sum(axis=1, keepdims=True), np.finfo(y_hat.dtype).tiny)
        return y_hat

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`, -inf where that is 0.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(all="ignore"):
            logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; of several labels a sample, all must be right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
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
            accuracy: float = super().score(X, checked_labels(y), sample_weight)
        return accuracy

    # The kind of y

    _checked_y = staticmethod(checked_labels)

    @property
    def _is_multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _note_classes(self, y: Any, classes: Any) -> None:
        y = checked_labels(y)
        if classes is not None:
            classes = checked_labels(classes, "classes")
        if _check_partial_fit_first_call(self, classes):
            is_multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if is_multilabel else classes)

    def _validate(
        self, X: Any, y: Any, dtypes: Any, *, reset: bool, classes: str
    ) -> tuple[Any, Any]:
        X, y = super()._validate(X, y, dtypes, reset=reset, classes=classes)
        check_classification_targets(y)
        if classes == "new":
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
            return X, y
        seen = unique_labels(y)
        unknown = np.setdiff1d(seen, self.classes_)
        if len(unknown):
            raise ValueError(f"y has classes {unknown} that are not in classes_ {self.classes_}")
        if classes == "same" and len(seen) != len(self.classes_):
            raise ValueError(
                "with warm_start, y must have the same classes as in the last fit, "
                f"{self.classes_}, not {seen}"
            )
        return X, y

    def _codes(self, y: Any, dtype: np.dtype[Any]) -> Array:
        if not self._is_multiclass:
            return np.asarray(self._label_binarizer.transform(y)).astype(bool)
        if y.ndim != 1:
            raise ValueError(f"y must have one label a sample, but has shape {y.shape}")
        indices: Array = np.searchsorted(self.classes_, y).astype(np.int64)
        return indices

    def _output_and_loss(self, n_outputs: int) -> tuple[ActivationWord, LossWord, float]:
        usual = "softmax" if self._is_multiclass else "logistic"
        output = names.output_word(self.out_activation or usual, "out_activation")
        if output not in ("sigmoid", "softmax") or (output, usual) == ("softmax", "logistic"):
            allowed = "softmax or logistic" if self._is_multiclass else "logistic"
            raise ValueError(
                f"out_activation must be {allowed} for {self._label_binarizer.y_type_} y, "
                f"not {self.out_activation!r}"
            )
        function = custom(CustomLoss, self.loss, "loss")
        if function is not None or self.loss == "squared_error":
            return output, function or "squared_error", 1.0
        return output, "cross_entropy" if output == "softmax" else "binary_cross_entropy", 1.0

    def _samples(self, X: Any, codes: Array, weight: Array | None, of: Architecture) -> Samples:
        if codes.ndim == 1 and of.loss == "cross_entropy" and not self.label_smoothing:
            return Samples(X, codes, weight)
        flags = codes if codes.ndim == 2 else codes[:, None] == np.arange(of.sizes[-1])
        y = flags.astype(of.dtype)
        if self.label_smoothing:
            shares = of.sizes[-1] if of.output == "softmax" else 2
            y = y * y.dtype.type(1 - self.label_smoothing)
            y += y.dtype.type(self.label_smoothing / shares)
        return Samples(X, y, weight)

    def _training_weight(self, weight: Array | None, y: Any, incremental: bool) -> Array | None:
        if self.class_weight is None:
            return weight
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                "class_weight must not be 'balanced' in partial_fit, which sees a part of the "
                "samples; give the weights as a dict"
            )
        return weight_by_class(self.class_weight, self.classes_, y, weight)

    def _score_of(self, y_hat: Array, codes: Array, weight: Array | None) -> float:
        is_right = y_hat.argmax(axis=1) == codes if codes.ndim == 1 else (y_hat > 0.5) == codes
        right = is_right.reshape(len(codes), -1).all(axis=1)
        with np.errstate(all="ignore"):
            return float(np.average(right, weights=weight))

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: sparse X and several labels a sample are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
