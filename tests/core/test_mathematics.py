"""The core's own functions, seen through networks that are nothing else: accuracy and ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import deltarule as dr
from cases import DTYPES, ISAS

Array = NDArray[np.floating]

pytestmark = pytest.mark.usefixtures("keep_isa")

# In units in the last place of the exact value; the design's limits.
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "exp": (np.exp, 1.0),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 2.5),
    "tanh": (np.tanh, 2.5),
}


def core_function(name: str, x: Array) -> Array:
    """Return O(1 x + 0): the output function alone, which fma leaves exact."""
    net = dr.MLP([1, 1], output=name, loss="squared_error", dtype=x.dtype,
                 init=([[[1.0]]], [[0.0]]))  # fmt: skip
    return net.predict(x.reshape(-1, 1)).ravel()


def largest_error(name: str, x: Array) -> float:
    """Return the largest error in ulps; subnormal and infinite results are checked exactly."""
    function, _ = FUNCTIONS[name]
    wider = np.float64 if x.dtype == np.float32 else np.longdouble
    info = np.finfo(x.dtype)
    with np.errstate(all="ignore"):
        exact = function(x.astype(wider))
        rounded = exact.astype(x.dtype)
    got = core_function(name, x)
    normal = np.isfinite(rounded) & (np.abs(exact) >= info.tiny)
    assert (got[~normal] == np.where(np.isfinite(rounded[~normal]), 0, rounded[~normal])).all()
    error = np.abs(got[normal].astype(wider) - exact[normal]) / np.spacing(np.abs(rounded[normal]))
    return float(error.max(initial=0.0))


def floats(step: int, chunk: int = 2**22) -> Iterator[Array]:
    """Yield every `step`-th normal float32 of either sign, some at a time."""
    smallest, infinity = 0x00800000, 0x7F800000
    for first in range(smallest, infinity, step * chunk):
        bits = np.arange(first, min(first + step * chunk, infinity), step, dtype=np.uint32)
        yield bits.view(np.float32)
        yield (bits | np.uint32(0x80000000)).view(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_accuracy(name: str, isa: str) -> None:
    dr.set_isa(isa)
    assert max(largest_error(name, x) for x in floats(step=4099)) <= FUNCTIONS[name][1]


@pytest.mark.full
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_accuracy_of_every_number(name: str) -> None:
    assert max(largest_error(name, x) for x in floats(step=1)) <= FUNCTIONS[name][1]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no wider type to compare with")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_accuracy(name: str, isa: str) -> None:
    dr.set_isa(isa)
    rng = np.random.default_rng(0)
    spread = rng.uniform(-750, 750, 100_000)
    near = np.ldexp(rng.uniform(-1, 1, 100_000), rng.integers(-60, 6, 100_000))
    assert largest_error(name, np.concatenate([spread, near])) <= FUNCTIONS[name][1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(dtype: str, isa: str) -> None:
    dr.set_isa(isa)
    x = np.array([0.0, -0.0, 3e38, -3e38], dtype)
    assert core_function("exp", x).tolist() == [1.0, 1.0, np.inf, 0.0]
    assert core_function("sigmoid", x).tolist() == [0.5, 0.5, 1.0, 0.0]
    tanh = core_function("tanh", x)
    assert tanh.tolist() == [0.0, 0.0, 1.0, -1.0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_are_monotone_around_the_ends(dtype: str) -> None:
    """No jump where a reduction or a clamp begins."""
    x = np.linspace(-110, 95, 200_001).astype(dtype)
    for name in FUNCTIONS:
        y = core_function(name, x)
        slack = 4 * np.finfo(dtype).eps
        with np.errstate(invalid="ignore"):  # inf - inf at the end of exp
            steps = np.diff(y)
        finite = np.isfinite(steps)
        assert (steps[finite] >= -slack * np.abs(y[1:][finite])).all(), name
