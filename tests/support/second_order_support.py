"""What the tests of LevenbergMarquardt and LBFGS share: data, a network, both optimizers."""

from __future__ import annotations

from typing import Any

import pytest

import deltarule as dr
from network_support import regression

X, Y = regression()
BOTH = {"lm": dr.LevenbergMarquardt(), "lbfgs": dr.LBFGS()}
both = pytest.mark.parametrize("optimizer", BOTH.values(), ids=BOTH)


def network(**options: Any) -> dr.MLP:
    defaults = {"sizes": [3, 5, 2], "hidden": "tanh", "dtype": "float64", "seed": 3}
    return dr.MLP(**(defaults | options))
