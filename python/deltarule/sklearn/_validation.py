"""X and sample weights of the estimators, checked as scikit-learn does, by row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight, validate_data

from deltarule.data.sparse import checked_csr, is_sparse
from deltarule.data.validation import check_total_weight, samples

Array = NDArray[Any]


def check_some_weight(sample_weight: Any, of: str = "") -> None:
    """Raise ValueError where all of some weights are 0: their mean is not defined."""
    given = np.asarray(sample_weight)
    if given.ndim == 1 and given.size and given.dtype.kind in "biuf" and not given.any():
        raise ValueError(f"sample_weight must be above zero for some sample{of}, but all are zero")


def checked_weight(sample_weight: Any, X: Any) -> Array | None:
    """Return weights as float64 (n,), 0 or more and not all 0; None stays None."""
    if sample_weight is None:
        return None
    check_some_weight(sample_weight)
    weight: Array = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        at = int(np.argmax(weight < 0))
        raise ValueError(f"sample_weight must be 0 or more, but [{at}] is {weight[at]}")
    check_total_weight(weight, "sample_weight")
    return weight


def validated(estimator: Any, *data: Any, **options: Any) -> Any:
    """Return X, or X and y, as scikit-learn's `validate_data` checks and converts them."""
    X, *y = data
    data = (checked_csr(X, "X") if is_sparse(X) else X, *y)
    with np.errstate(all="ignore"):  # what overflows is found, and named, as an infinity
        try:
            return validate_data(estimator, *data, accept_sparse=["csr", "csc"], **options)
        except ValueError as error:
            if "X contains" not in str(error):
                raise
            place = _first_not_finite(X)
            raise ValueError(f"{place}. {error}" if place else str(error)) from None


def _first_not_finite(X: Any) -> str | None:
    """Say where a dense X has its first value that is missing or infinite, by row and column."""
    try:
        samples(X, np.shape(X)[1], np.dtype(np.float64), "X")
    except (TypeError, ValueError) as error:
        return str(error)
    return None
