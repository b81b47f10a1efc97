"""Labels and class weights of the estimators, checked before scikit-learn sorts them."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.arguments import number
from deltarule.data.frames import is_missing, place_of
from deltarule.data.sparse import checked_csr, is_sparse

Array = NDArray[Any]


def checked_labels(y: Any, name: str = "y") -> Any:
    """Return labels as they are, sparse ones as CSR.

    Raises
    ------
    ValueError
        Naming the first label that is missing or not finite.
    TypeError
        If they are of several kinds, as text and numbers, which have no order.
    """
    if is_sparse(y):
        return checked_csr(y, name)
    first: dict[object, str] = {}
    for place, label in _suspects(y):
        _check_there(label, f"{name}{place}", name)
        first.setdefault(_kind(label), f"{name}{place} is {label!r}")
        if len(first) > 1:
            raise TypeError(
                f"{name} must hold labels of one kind, but {' and '.join(first.values())}"
            )
    return y


def checked_numbers(y: Any, name: str = "y") -> Any:
    """Return the targets of a regression as they are.

    Raises
    ------
    ValueError
        Naming the first that is missing or no number.
    """
    for place, value in _suspects(y):
        _check_there(value, f"{name}{place}", name)
        try:
            float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}{place} is {value!r}; every value must be a number") from None
    return y


def _check_there(value: object, where: str, name: str) -> None:
    if is_missing(value):
        raise ValueError(f"{name} contains NaN or another missing value: {where} is {value!r}")
    if isinstance(value, float | np.floating) and np.isinf(value):
        raise ValueError(f"{name} contains infinity: {where} is {value}")


def _suspects(y: Any) -> Iterable[tuple[str, Any]]:
    """Yield place and value of what may be no label or number: objects, dates, and NaN, inf."""
    try:
        values = np.asarray(y)
        if values.dtype.kind == "U" and isinstance(y, list | tuple):
            values = np.asarray(y, dtype=object)  # of a number beside text, NumPy makes text
    except ValueError:  # ragged, which scikit-learn refuses
        return
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0]
        yield place_of(place), values[tuple(place)].item()
    if values.ndim and values.dtype.kind in "OM":
        for place, value in np.ndenumerate(values):
            yield place_of(place), value


def _kind(label: object) -> object:
    if isinstance(label, str):
        return str
    return Real if isinstance(label, Real | np.bool_) else type(label)


def checked_class_weight(given: Any, classes: Array, y: Any) -> Any:
    """Return `class_weight` without the classes that y lacks.

    Parameters
    ----------
    given : dict, list of dict or "balanced"
    classes : ndarray of shape (n_classes,)
    y : {array, sparse matrix} of shape (n_samples,) or (n_samples, n_labels)
        Labels, or an indicator matrix.

    Raises
    ------
    TypeError, ValueError
        Naming what does not fit.
    """
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
