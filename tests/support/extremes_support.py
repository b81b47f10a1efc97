"""The ends of the numbers, for their tests: a network of one unit, and how one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr

DTYPES = ("float32", "float64")
TINY = {dtype: float(np.finfo(dtype).tiny) for dtype in DTYPES}
X = np.linspace(-1, 1, 8).reshape(-1, 1)


def unit(dtype: str, w: float = 0.0, b: float = 0.0, **settings: Any) -> dr.MLP:
    settings = {"loss": "absolute_error"} | settings
    return dr.MLP([1, 1], dtype=dtype, init=([[[w]]], [[b]]), **settings)


def is_finite(net: dr.MLP) -> bool:
    _, m, v, _ = net._optimizer_state()
    return all(np.isfinite(a).all() for a in (net.theta, m, v) if a is not None)


def refused(net: dr.MLP, call: Callable[..., Any], error: type[Exception], message: str) -> None:
    """The call raises that, and the network is as it was."""
    before = net.theta.tobytes(), net._optimizer_state()[3]
    with pytest.raises(error, match=message):
        call()
    assert (net.theta.tobytes(), net._optimizer_state()[3]) == before
    assert is_finite(net)
