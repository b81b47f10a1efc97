"""Arrays of every kind at every place: what a plain array of the same numbers gives, or an error.

An error is one that is documented, the network is then as it was, and no array of the user's has
changed but `out`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="needs the extra: pip install 'deltarule[test]'")

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import deltarule as dr
from network_support import Array

N, N_IN, N_OUT = 4, 3, 2
D = 5 * N_IN + 5 + N_OUT * 5 + N_OUT
DOCUMENTED = (TypeError, ValueError, MemoryError, dr.DivergenceError)

# Arrays

DTYPES = [
    "f4",
    "f8",
    ">f4",
    ">f8",
    "f2",
    "g",
    "i8",
    "u1",
    ">i4",
    "?",
    "c8",
    "O",
    "U3",
    "M8[s]",
    "V4",
]
SHAPES = [(), (0,), (N,), (N_IN,), (N_OUT,), (D,), (N, N_IN), (N, N_OUT), (N, 1), (1, N_IN),
          (0, N_IN), (N, 0), (N_IN, N), (N, N_OUT, N_IN), (N, D), (N, N_OUT, D),
          (1, N, N_IN), (1, 1, N, N_IN), (2, 2, 2, 2)]  # fmt: skip
NUMBERS = [0.0, 1.0, -1.0, 0.5, 2.0, 1e30, -1e39, 1e300, 1e-45, math.nan, math.inf, -math.inf]


class Subclass(np.ndarray):
    """An ndarray by another name, which answers in its own way."""

    def __array_finalize__(self, other: object) -> None:
        self.note = getattr(other, "note", "made")


def misaligned(array: Array) -> Array:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    other = np.ndarray(array.shape, array.dtype, memory)
    other[...] = array
    return other


def in_every_second_place(array: Array) -> Array:
    wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def backwards(array: Array) -> Array:
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def of_one_number(array: Array) -> Array:
    """The same number throughout, at one place: strides of 0."""
    first = array.ravel()[:1] if array.size else np.zeros(1, array.dtype)
    return np.broadcast_to(first.reshape(()), array.shape)


def giant(array: Array) -> Array:
    """2^40 rows, all at one place."""
    return np.broadcast_to(array[:1], (2**44, *array.shape[1:]))


def read_only(array: Array) -> Array:
    other = array.copy()
    other.flags.writeable = False
    return other


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "plain": lambda a: a,
    "Fortran": np.asfortranarray,
    "misaligned": misaligned,
    "every second": lambda a: in_every_second_place(a) if a.ndim else a,
    "backwards": lambda a: backwards(a) if a.ndim else a,
    "one number": of_one_number,
    "giant": lambda a: giant(a) if a.ndim and len(a) else a,
    "read-only": read_only,
    "subclass": lambda a: a.view(Subclass),
    "matrix": lambda a: a.view(np.matrix) if a.ndim == 2 else a,
    "masked": np.ma.masked_array,
    "a mask": lambda a: np.ma.masked_array(a, mask=True),
    "list": lambda a: a.tolist(),
    "memoryview": lambda a: memoryview(a) if a.dtype.kind in "fiu" and a.dtype.isnative else a,
}


@st.composite
def arrays(draw: Any, like: tuple[int, ...] | None = None) -> tuple[Any, Array]:
    """An array and its numbers as a plain one; mostly of the shape that fits."""
    shape = like if like is not None and draw(st.integers(0, 3)) else draw(st.sampled_from(SHAPES))
    # most of the time good numbers of a good dtype, so that results are compared too
    is_good = draw(st.booleans())
    dtype = np.dtype(draw(st.sampled_from(DTYPES[:8] if is_good else DTYPES)))
    numbers = draw(st.sampled_from([NUMBERS[:5], NUMBERS] if not is_good else [NUMBERS[:5]]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.asarray(rng.choice(numbers, size=shape))
    with np.errstate(all="ignore"):
        if dtype.kind == "M":
            values = np.zeros(shape)
        array = np.empty(shape, dtype)
        if dtype.kind != "V":
            array[...] = values if dtype.kind != "u" else np.where(values > 0, 1, 0)
    layout = draw(st.sampled_from(list(LAYOUTS)))
    note(f"{layout} {dtype.str} {shape}")
    given_array = LAYOUTS[layout](array)
    return given_array, plain(given_array)


def plain(value: Any) -> Any:
    """Return the numbers as a C-ordered ndarray; what cannot be one, or only a giant, as it is."""
    if isinstance(value, np.ndarray) and value.nbytes > 2**20:
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        return value
    return np.array(value, order="C", copy=True)


# Calls

LOSSES = {"identity": "squared_error", "softmax": "cross_entropy", "exp": "poisson"}
X, Y, W = (N, N_IN), (N, N_OUT), (N,)
STILL: dict[str, tuple[list[tuple[int, ...]], Callable[..., Any]]] = {
    "predict": ([X], lambda net, x: net.predict(x)),
    "predict a row": ([(N_IN,)], lambda net, x: net.predict(x)),
    "evaluate": ([X, Y], lambda net, x, y: net.evaluate(x, y)),
    "evaluate with weights": ([X, Y, W], lambda net, x, y, w: net.evaluate(x, y, sample_weight=w)),
    "value_and_grad": (
        [X, Y, W],
        lambda net, x, y, w: net.value_and_grad(x, y, sample_weight=w)[1],
    ),
    "activations": ([X], lambda net, x: list(net.activations(x))),
    "input_gradient": ([X, Y, W], lambda net, x, y, w: net.input_gradient(x, y, sample_weight=w)),
    "output's gradient": ([X], lambda net, x: net.input_gradient(x, output=1)),
    "jacobian": ([X], lambda net, x: net.jacobian(x)),
    "jacobian by theta": ([X], lambda net, x: net.jacobian(x, wrt="theta")),
    "per_sample_gradients": ([X, Y], lambda net, x, y: net.per_sample_gradients(x, y)),
    "jvp": ([X, X], lambda net, x, v: net.jvp(x, v)),
    "jvp by theta": ([X, (D,)], lambda net, x, v: net.jvp(x, v, wrt="theta")),
    "vjp": ([X, Y], lambda net, x, u: net.vjp(x, u)),
    "vjp by theta": ([X, Y], lambda net, x, u: net.vjp(x, u, wrt="theta")),
    "hvp": ([X, Y, (D,)], lambda net, x, y, v: net.hvp(x, y, v)),
    "gauss_newton_vp": (
        [X, Y, (D,), W],
        lambda net, x, y, v, w: net.gauss_newton_vp(x, y, v, sample_weight=w),
    ),
    "trace": ([X, Y], lambda net, x, y: list(net.trace(x, y).to_dict().values())),
}  # fmt: skip
CHANGING: dict[str, tuple[list[tuple[int, ...]], Callable[..., Any]]] = {
    "train_step": ([X, Y, W], lambda net, x, y, w: net.train_step(x, y, sample_weight=w)),
    "train_step, straight": ([X, Y], lambda net, x, y: net.train_step(x, y, optimizer=dr.SGD())),
    "fit": ([X, Y, W], lambda net, x, y, w: net.fit(x, y, epochs=1, sample_weight=w).loss),
    "validated fit": ([X, Y, X, Y], lambda net, x, y, a, b: net.fit(
        x, y, epochs=1, validation_data=(a, b), metrics="r2").loss),
    "theta": ([(D,)], lambda net, v: setattr(net, "theta", v)),
    "set_parameters": (
        [(5, N_IN), (N_OUT, 5), (5,), (N_OUT,)],
        lambda net, w, v, b, c: net.set_parameters([w, v], [b, c]),
    ),
    "fit_many": ([X, Y, W], lambda net, x, y, w: dr.fit_many(
        x, y, [{"seed": 1}], sample_weight=w, sizes=[N_IN, 5, N_OUT], epochs=1).networks[0].theta),
    "init": (
        [(5, N_IN), (N_OUT, 5), (5,), (N_OUT,)],
        lambda net, w, v, b, c: dr.MLP([N_IN, 5, N_OUT], init=([w, v], [b, c])).theta,
    ),
}  # fmt: skip
CALLS = STILL | CHANGING
OUT: dict[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "predict": (Y, lambda net, x, **out: net.predict(x, **out)),
    "predict a row": ((N_OUT,), lambda net, x, **out: net.predict(x[0], **out)),
    "jacobian": ((N, N_OUT, N_IN), lambda net, x, **out: net.jacobian(x, **out)),
    "jacobian by theta": (
        (N, N_OUT, D),
        lambda net, x, **out: net.jacobian(x, wrt="theta", **out),
    ),
    "per_sample_gradients": (
        (N, D),
        lambda net, x, **out: net.per_sample_gradients(x, np.full(Y, 0.5), **out),
    ),
}
NETWORKS = {
    (output, dtype): dr.MLP([N_IN, 5, N_OUT], output=output, loss=loss, dtype=dtype, seed=0)
    for output, loss in LOSSES.items()
    for dtype in ("float32", "float64")
}


def outcome(net: dr.MLP, call: Callable[..., Any], values: list[Any]) -> Any:
    """Return the bytes of what the call returns, or the error; both with the parameters after."""
    try:
        with np.errstate(all="ignore"):
            result = call(net, *values)
    except DOCUMENTED as error:
        assert str(error), type(error)
        return type(error), net.theta.tobytes()
    return _bytes(result), net.theta.tobytes()


def _bytes(result: Any) -> Any:
    if isinstance(result, list | tuple):
        return [_bytes(part) for part in result]
    return None if result is None else (np.shape(result), np.asarray(result).tobytes())


def contents(value: Any) -> Any:
    if not isinstance(value, np.ndarray | memoryview) or value.nbytes > 2**20:
        return repr(value)
    return np.asarray(value).tobytes()


def is_error(found: Any) -> bool:
    return isinstance(found[0], type)


def check_call(data: Any) -> None:
    name = data.draw(st.sampled_from(list(CALLS)))
    shapes, call = CALLS[name]
    kind = data.draw(st.sampled_from(list(NETWORKS)))
    note(f"{name} {kind}")
    net, twin = copy.deepcopy(NETWORKS[kind]), copy.deepcopy(NETWORKS[kind])
    drawn = [data.draw(arrays(shape)) for shape in shapes]
    given_arrays, plain_ones = [value for value, _ in drawn], [value for _, value in drawn]
    before, theta = [contents(value) for value in given_arrays], net.theta.tobytes()
    found = outcome(net, call, given_arrays)
    assert found == outcome(twin, call, plain_ones)
    assert [contents(value) for value in given_arrays] == before
    if is_error(found) or name in STILL:
        assert net.theta.tobytes() == theta


def check_out(data: Any) -> None:
    name = data.draw(st.sampled_from(list(OUT)))
    shape, call = OUT[name]
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    note(f"{name} {dtype}")
    net = NETWORKS["identity", dtype]
    out, _ = data.draw(arrays(shape))
    if isinstance(out, np.ndarray) and out.nbytes < 2**20 and data.draw(st.booleans()):
        out = out.view(np.ndarray).view()[...]
        out = np.zeros_like(out, dtype=dtype) if out.dtype.kind == "f" else out
    x, before = np.ones(X, dtype), contents(out)
    try:
        assert call(net, x, out=out) is out
    except DOCUMENTED as error:
        assert "out" in str(error), error
        assert contents(out) == before
        return
    np.testing.assert_array_equal(np.asarray(out), call(net, x))


quick = settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
long = settings(quick, max_examples=5000)


@quick
@given(st.data())
def test_arrays_as_input(data: Any) -> None:
    check_call(data)


@quick
@given(st.data())
def test_arrays_as_out(data: Any) -> None:
    check_out(data)


@pytest.mark.full
@long
@given(st.data())
def test_very_many_arrays_as_input(data: Any) -> None:
    check_call(data)


@pytest.mark.full
@long
@given(st.data())
def test_very_many_arrays_as_out(data: Any) -> None:
    check_out(data)
