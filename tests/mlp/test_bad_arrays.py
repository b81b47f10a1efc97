"""Parameters and `out` that do not fit: an error that says why, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import (
    FINITE,
    MIXED,
    MOMENTUM,
    RAGGED,
    Array,
    assert_same_bits,
    changed,
    refused,
    regression,
)

Row = tuple[Any, type[Exception], str]

X, Y = regression(n=5)


def trained() -> dr.MLP:
    net = dr.MLP([3, 4, 2], hidden="tanh", seed=0)
    net.fit(X, Y, epochs=1, batch_size=2, optimizer=MOMENTUM)
    return net


# theta and set_parameters

GOOD_W, GOOD_B = [np.ones((4, 3)), np.ones((2, 4))], [np.ones(4), np.ones(2)]
PARAMETER_ROWS: dict[str, tuple[Callable[[dr.MLP], object], type[Exception], str]] = {
    "theta nan": (
        lambda net: setattr(net, "theta", changed(np.zeros(26), _25=np.nan)),
        ValueError,
        rf"theta\[25\] is nan; {FINITE}",
    ),
    "theta short": (
        lambda net: setattr(net, "theta", np.ones(25)),
        ValueError,
        r"theta must have shape \(26,\), but has shape \(25,\)",
    ),
    "theta 2-D": (
        lambda net: setattr(net, "theta", np.ones((26, 1))),
        ValueError,
        r"theta must have shape \(26,\), but has shape \(26, 1\)",
    ),
    "theta complex": (
        lambda net: setattr(net, "theta", np.ones(26) * 1j),
        TypeError,
        "theta must hold real numbers, not complex128",
    ),
    "theta None": (lambda net: setattr(net, "theta", None), TypeError, f"theta {MIXED}"),
    "weight inf": (
        lambda net: net.set_parameters([GOOD_W[0], changed(GOOD_W[1], _1_3=np.inf)], GOOD_B),
        ValueError,
        rf"weights\[1\]\[1, 3\] is inf; {FINITE}",
    ),
    "weight transposed": (
        lambda net: net.set_parameters([GOOD_W[0].T, GOOD_W[1]], GOOD_B),
        ValueError,
        r"weights\[0\] must have shape \(4, 3\), but has shape \(3, 4\)",
    ),
    "bias long": (
        lambda net: net.set_parameters(GOOD_W, [np.ones(4), np.ones(3)]),
        ValueError,
        r"biases\[1\] must have shape \(2,\), but has shape \(3,\)",
    ),
    "bias nan": (
        lambda net: net.set_parameters(GOOD_W, [changed(np.ones(4), _2=np.nan), np.ones(2)]),
        ValueError,
        rf"biases\[0\]\[2\] is nan; {FINITE}",
    ),
    "layer missing": (
        lambda net: net.set_parameters(GOOD_W[:1], GOOD_B),
        ValueError,
        "weights has 1 arrays, the network has 2 layers",
    ),
    "bias missing": (
        lambda net: net.set_parameters(GOOD_W, []),
        ValueError,
        "biases has 0 arrays, the network has 2 layers",
    ),
    "strings": (
        lambda net: net.set_parameters([GOOD_W[0], "abc"], GOOD_B),
        TypeError,
        r"weights\[1\] must hold real numbers, not str\d+",
    ),
    "ragged": (
        lambda net: net.set_parameters([GOOD_W[0], [[1], [1, 2]]], GOOD_B),
        ValueError,
        rf"weights\[1\] {RAGGED}",
    ),
    "no sequence": (
        lambda net: net.set_parameters(5, GOOD_B),  # type: ignore[arg-type]
        TypeError,
        r"weights must be .*, not 5",
    ),
    "None": (
        lambda net: net.set_parameters(GOOD_W, None),  # type: ignore[arg-type]
        TypeError,
        r"biases must be .*, not None",
    ),
}


@pytest.mark.parametrize("name", PARAMETER_ROWS)
def test_parameters(name: str) -> None:
    call, error, rule = PARAMETER_ROWS[name]
    net = trained()
    refused(net, lambda: call(net), error, rule)


# out


def read_only(shape: tuple[int, ...]) -> Array:
    out = np.zeros(shape, np.float32)
    out.flags.writeable = False
    return out


def f32(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


SHAPE = r"out must have shape \(5, 2\) and dtype float32, but has "
LAYOUT = r"out must be C-contiguous and aligned, but has strides .*"
OUT_ROWS: dict[str, Row] = {
    "dtype": (np.zeros((5, 2)), ValueError, SHAPE + r"shape \(5, 2\) and dtype float64"),
    "rows": (f32(4, 2), ValueError, SHAPE + r"shape \(4, 2\) and dtype float32"),
    "columns": (f32(5, 3), ValueError, SHAPE + r"shape \(5, 3\) and dtype float32"),
    "transposed": (f32(2, 5), ValueError, SHAPE + r"shape \(2, 5\) and dtype float32"),
    "flat": (f32(10), ValueError, SHAPE + r"shape \(10,\) and dtype float32"),
    "read-only": (read_only((5, 2)), ValueError, "out must be writeable, but is read-only"),
    "Fortran": (f32(2, 5).T, ValueError, LAYOUT),
    "columns apart": (f32(5, 4)[:, ::2], ValueError, LAYOUT),
    "rows apart": (f32(10, 2)[::2], ValueError, LAYOUT),
    "backwards": (f32(5, 2)[::-1], ValueError, LAYOUT),
    "unaligned": (np.zeros(41, "u1")[1:].view("f4").reshape(5, 2), ValueError, LAYOUT),
    "a list": ([[0.0, 0.0]] * 5, TypeError, "out must be a NumPy array, not list"),
    "a type": (np.float32, TypeError, "out must be a NumPy array, not type"),
    "a memoryview": (memoryview(f32(5, 2)), TypeError, "out must be a NumPy array, not memoryview"),
    "big-endian": (np.zeros((5, 2), ">f4"), ValueError, SHAPE + r".*(>f4|big).*"),
}
ROW_SHAPE = r"out must have shape \(2,\).*, but has .*"
OUT_ROW_ROWS: dict[str, Row] = {
    "dtype": (np.zeros(2), ValueError, r"out must have shape \(2,\) and dtype float32, .* float64"),
    "short": (f32(1), ValueError, ROW_SHAPE),
    "2-D": (f32(1, 2), ValueError, ROW_SHAPE),
    "read-only": (read_only((2,)), ValueError, "out must be writeable, but is read-only"),
    "apart": (f32(4)[::2], ValueError, LAYOUT),
    "a list": ([0.0, 0.0], TypeError, "out must be a NumPy array, not list"),
}


@pytest.mark.parametrize("name", OUT_ROWS)
def test_out(name: str) -> None:
    out, error, rule = OUT_ROWS[name]
    net = trained()
    refused(net, lambda: net.predict(X, out=out), error, rule)
    assert not np.any(np.asarray(out) if name != "a type" else 0)


@pytest.mark.parametrize("name", OUT_ROW_ROWS)
def test_out_for_one_row(name: str) -> None:
    out, error, rule = OUT_ROW_ROWS[name]
    net = trained()
    refused(net, lambda: net.predict(X[0], out=out), error, rule)
    assert not np.any(out)


OVERLAPS: dict[str, Callable[[Array], tuple[Any, Array]]] = {
    "the same": lambda a: (a[:4], a[:4]),
    "one row on": lambda a: (a[:4], a[1:5]),
    "one number on": lambda a: (a[:4], a.ravel()[1:13].reshape(4, 3)),
    "the last number": lambda a: (a[:4], a.ravel()[11:23].reshape(4, 3)),
    "backwards": lambda a: (a[:4][::-1], a[:4]),
    "one row of it": lambda a: (a[2], a[2]),
    "a memoryview": lambda a: (memoryview(a[:4]), a[:4]),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_out_must_not_overlap_x(name: str) -> None:
    a = np.arange(24, dtype=np.float32).reshape(8, 3)
    x, out = OVERLAPS[name](a)
    before = a.copy()
    net = dr.MLP([3, 3], seed=0)
    rule = "out must not overlap x, but shares memory with it"
    refused(net, lambda: net.predict(x, out=out), ValueError, rule)
    assert_same_bits(a, before)
