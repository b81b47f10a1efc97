"""scikit-learn estimators on deltarule's core: `MLPClassifier` and `MLPRegressor`.

Needs the extra `sklearn`. In a program that uses scikit-learn's own, changing the import is enough.

>>> from deltarule.sklearn import MLPClassifier
>>> MLPClassifier(max_iter=300, class_weight="balanced")
MLPClassifier(class_weight='balanced', max_iter=300)
"""

from __future__ import annotations

from deltarule.errors import require

require("sklearn", extra="sklearn")
require("scipy", extra="sklearn")

from deltarule.sklearn._classifier import MLPClassifier  # noqa: E402
from deltarule.sklearn._core_training import FitDivergedError  # noqa: E402
from deltarule.sklearn._regressor import MLPRegressor  # noqa: E402

__all__ = ["FitDivergedError", "MLPClassifier", "MLPRegressor"]
