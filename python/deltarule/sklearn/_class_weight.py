"""Class weights of the classifier, checked, and as weights of the samples."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from deltarule.arguments import number
from deltarule.data.sparse import is_sparse
from deltarule.data.validation import check_total_weight
from deltarule.layers import Array


def weight_by_class(class_weight: Any, classes: Array, y: Any, weight: Array | None) -> Array:
    """Return each sample's weight times that of its class, of shape (n_samples,).

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
    classes : ndarray of shape (n_classes,)
    y : {array, sparse matrix} of shape (n_samples,) or (n_samples, n_labels)
        Labels, or an indicator matrix.
    weight : ndarray of shape (n_samples,), optional

    Raises
    ------
    TypeError, ValueError
        Naming what does not fit, or if the weights are all 0 or too large to be summed.
    """
    by_class: Array = compute_sample_weight(_checked(class_weight, classes, y), y)
    with np.errstate(all="ignore"):
        total = by_class if weight is None else by_class * weight
    if not total.any():
        raise ValueError(
            f"class_weight must be 0 or more and above zero for some sample, not {class_weight!r}"
        )
    if not np.isfinite(total).all():
        raise ValueError(
            f"class_weight times sample_weight must be finite, not {total.max()}; scale the "
            "weights down"
        )
    check_total_weight(total, "class_weight times sample_weight")
    return total


def _checked(given: Any, classes: Array, y: Any) -> Any:
    """Return the class weights without the classes that y lacks."""
    if isinstance(given, str):
        return given
    if y.ndim == 1:
        if not isinstance(given, dict):
            raise TypeError(
                "class_weight must be a dict {label: weight}, 'balanced' or None where a sample "
                f"has one label, not {given!r}"
            )
        return _of_one_output(given, classes.tolist(), y, "class_weight")
    n = y.shape[1]
    if (
        not isinstance(given, list)
        or len(given) != n
        or not all(isinstance(d, dict) for d in given)
    ):
        raise TypeError(
            f"class_weight must be a list of {n} dicts {{0: weight, 1: weight}}, one for each "
            f"column of y, 'balanced' or None, not {given!r}"
        )
    columns = y.toarray() if is_sparse(y) else y
    return [
        _of_one_output(d, [0, 1], columns[:, k], f"class_weight[{k}]") for k, d in enumerate(given)
    ]


def _of_one_output(
    given: dict[Any, Any], classes: list[Any], y: Array, name: str
) -> dict[Any, Any]:
    for label, weight in given.items():
        if not isinstance(weight, Real):
            raise TypeError(f"{name}[{label!r}] must be a number, not {weight!r}")
        if not 0 <= number(weight) < np.inf:
            raise ValueError(f"{name}[{label!r}] must be 0 or more and finite, not {weight!r}")
    unknown = [label for label in given if label not in classes]
    if unknown and not all(label in given for label in classes):
        raise ValueError(f"{name} must have labels of {classes} as its keys, not {unknown[0]!r}")
    present = set(np.unique(y).tolist())
    return {label: weight for label, weight in given.items() if label in present}
