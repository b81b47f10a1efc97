"""Class weights and label smoothing, computed from the targets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.arguments import BELOW_ONE, NON_NEGATIVE, check_number
from deltarule.custom import LossWord
from deltarule.layers import Array


class ClassWeights:
    """The argument `class_weight` of `MLP.fit`, checked but for the targets.

    Parameters
    ----------
    given : mapping or "balanced"
        A weight of each class, 0 or more; 1 for a class that is not named. "balanced": n / (number
        of classes present * samples of the class), as scikit-learn has it.
    n_outputs : int
        K: classes 0..K-1, or the classes 0 and 1 of one output.
    loss : str or CustomLoss
    """

    def __init__(self, given: object, n_outputs: int, loss: LossWord) -> None:
        self._n_outputs = n_outputs
        self._n_classes = n_classes = max(2, n_outputs)
        self.is_balanced = isinstance(given, str) and given == "balanced"
        if n_outputs == 1 and loss == "cross_entropy":
            self._n_classes = n_classes = 1
        self._weights = np.ones(n_classes)
        if self.is_balanced:
            return
        if not isinstance(given, Mapping):
            raise TypeError(
                f"class_weight must be a mapping {{class: weight}} or 'balanced', not {given!r}"
            )
        for key, value in given.items():
            k = _class(key, n_classes)
            self._weights[k] = check_number(f"class_weight[{key!r}]", value, *NON_NEGATIVE)

    def of(self, classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weight of each sample, (n,), from its class."""
        if not self.is_balanced:
            return self._weights[classes]
        counts = np.bincount(classes, minlength=self._n_classes)
        present = np.count_nonzero(counts)
        return (len(classes) / (present * np.maximum(counts, 1)))[classes]

    def classes(self, y: Array, first_row: int = 0) -> NDArray[np.int64]:
        """Return the class of each row of y, (n,), whose first row has this number.

        Raises
        ------
        ValueError
            If a row is no class.
        """
        if y.ndim == 1:
            return y
        if self._n_outputs == 1 and self._n_classes == 2:
            good, rule = ((y == 0) | (y == 1))[:, 0], "is neither 0 nor 1"
            classes = y[:, 0]
        else:
            good = ((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)
            classes, rule = y.argmax(axis=1), "is not one-hot"
        if not good.all():
            row = int(np.argmin(good))
            raise ValueError(
                f"class_weight needs class indices, one-hot rows, or 0 and 1 for one output; "
                f"y[{row + first_row}] {rule}: {y[row].tolist()}"
            )
        return classes.astype(np.int64)


def _class(key: object, n_classes: int) -> int:
    message = f"class_weight must have classes 0..{n_classes - 1} as its keys, not {key!r}"
    try:
        k = operator.index(key)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(message) from None
    if isinstance(key, bool) or not 0 <= k < n_classes:
        raise ValueError(message)
    return k


def check_smoothing(value: object, loss: LossWord) -> float:
    """Return the argument `label_smoothing`, in [0, 1) and for losses of probabilities."""
    s = check_number("label_smoothing", value, *BELOW_ONE)
    if s > 0 and loss not in ("cross_entropy", "binary_cross_entropy"):
        raise ValueError(
            f"label_smoothing is for cross_entropy and binary_cross_entropy, not for {loss!r}"
        )
    return s


def smoothing(
    s: float, n_outputs: int, dtype: np.dtype[Any], loss: LossWord
) -> Callable[[Array], Array] | None:
    """Return what makes (1 - s) y + s / K, or (1 - s) y + s / 2 for binary_cross_entropy, of y."""
    if s == 0:
        return None
    low = s / (n_outputs if loss == "cross_entropy" else 2)
    kept, added = dtype.type(1 - s), dtype.type(low)

    def smooth(y: Array) -> Array:
        if y.ndim == 2:
            return np.asarray(kept * y + added)
        rows = np.full((len(y), n_outputs), added, dtype)
        rows[np.arange(len(y)), y] = kept + added
        return rows

    return smooth
