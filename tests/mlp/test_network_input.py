"""Arrays of every kind give the bits of the plain one, and are left as they were."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import MOMENTUM, Array, assert_same_bits

Convert = Callable[[Array], Any]


class Subclass(np.ndarray[Any, Any]):
    """An array of a class of its own."""


class Exporter:
    """Something with the array protocol and nothing else."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._values, dtype=dtype)


def fill(a: Array, into: Array) -> Array:
    into[...] = a
    return into


def frozen(a: Array) -> Array:
    view = a.view()
    view.flags.writeable = False
    return view


def unaligned(a: Array) -> Array:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    assert not view.flags.aligned
    return fill(a, view)


def every_second(a: Array, axis: int) -> Array:
    wide = np.full(tuple(2 * n if k == axis else n for k, n in enumerate(a.shape)), 99, a.dtype)
    return fill(a, wide[(slice(None),) * axis + (slice(None, None, 2),)])


# The values are 0, 1 and 2, or 0 and 1: exact in each of these.
LAYOUTS: dict[str, Convert] = {
    "float32": lambda a: a.astype("f4"),
    "float64": lambda a: a.astype("f8"),
    "list": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.tolist())) if a.ndim == 2 else tuple(a.tolist()),
    "list of rows": list,
    "fortran": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "strided rows": lambda a: every_second(a, 0),
    "strided columns": lambda a: every_second(a, a.ndim - 1),
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "backwards columns": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "within a larger one": lambda a: fill(a, np.full((*a.shape, 3), 99.0)[..., 1]),
    "read-only": frozen,
    "unaligned float32": lambda a: unaligned(a.astype("f4")),
    "unaligned float64": lambda a: unaligned(a.astype("f8")),
    "subclass": lambda a: a.view(Subclass),
    "array protocol": Exporter,
    "memoryview": lambda a: memoryview(np.ascontiguousarray(a)),
}
DTYPES = ["f2", ">f2", ">f4", ">f8", "g", "i1", "u1", ">i2", "i4", "u4", "i8", ">i8", "u8", "?"]


def case(dtype: str) -> tuple[dr.MLP, Array, Array, Array]:
    """A network, and x, y, sample_weight that every number type can hold."""
    rng = np.random.default_rng(0)
    net = dr.MLP([5, 4, 3], hidden="tanh", output="sigmoid", dtype=dtype, seed=0)
    x, y = rng.integers(0, 2, (8, 5)), rng.integers(0, 2, (8, 3))
    return net, x.astype(float), y.astype(float), np.arange(8) % 2 + 0.0


def everything(dtype: str, x: Any, y: Any, w: Any) -> list[Any]:
    """What each method that takes data makes of them, on networks of the same seed."""
    net, _, _, _ = case(dtype)
    value, grads = net.value_and_grad(x, y, sample_weight=w)
    results = [net.predict(x), net.evaluate(x, y, sample_weight=w), value, grads.theta]
    results += [net.train_step(x, y, sample_weight=w, optimizer=MOMENTUM), net.theta]
    history = net.fit(x, y, epochs=2, batch_size=3, sample_weight=w, validation_data=(x, y, w))
    return [*results, history.loss, history.validation_loss, net.theta]


def unchanged(value: Any) -> Callable[[], None]:
    """Return a check that the value, an array or not, holds what it holds now."""
    if not isinstance(value, np.ndarray):
        return lambda: None
    whole = value if value.base is None or not isinstance(value.base, np.ndarray) else value.base
    before = whole.tobytes()

    def check() -> None:
        assert whole.tobytes() == before

    return check


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [*LAYOUTS, *DTYPES])
def test_data_of_every_kind(kind: str, dtype: str) -> None:
    convert = LAYOUTS.get(kind, lambda a: a.astype(kind))
    _, x, y, w = case(dtype)
    wanted = everything(dtype, x.astype(dtype), y.astype(dtype), w)
    data = [convert(a) for a in (x, y, w)]
    checks = [unchanged(a) for a in data]
    for found, right in zip(everything(dtype, *data), wanted, strict=True):
        assert_same_bits(found, right)
    for check in checks:
        check()


@pytest.mark.parametrize("kind", [*LAYOUTS, *DTYPES])
def test_one_row_of_every_kind(kind: str) -> None:
    net, x, _, _ = case("float32")
    convert = LAYOUTS.get(kind, lambda a: a.astype(kind))
    row = convert(x[3])
    check = unchanged(row)
    assert_same_bits(net.predict(row), net.predict(x)[3])
    check()


INDEX_TYPES = ["i1", "u1", ">i2", "i4", ">u4", "i8", ">i8", "u8"]
INDEX_LAYOUTS: dict[str, Convert] = {
    "list": lambda a: a.tolist(),
    "strided": lambda a: every_second(a, 0),
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": frozen,
    "unaligned": unaligned,
    "array.array": lambda a: array.array("q", a.tolist()),
}


@pytest.mark.parametrize("kind", [*INDEX_LAYOUTS, *INDEX_TYPES])
def test_class_indices_of_every_kind(kind: str) -> None:
    convert = INDEX_LAYOUTS.get(kind, lambda a: a.astype(kind))
    x = np.random.default_rng(0).normal(size=(7, 5))
    y = np.array([0, 2, 1, 1, 0, 2, 2])
    plain, other = (dr.MLP([5, 4, 3], output="softmax", seed=0) for _ in range(2))
    labels = convert(y)
    check = unchanged(labels)
    assert other.evaluate(x, labels) == plain.evaluate(x, y)
    assert_same_bits(other.value_and_grad(x, labels)[1].theta, plain.value_and_grad(x, y)[1].theta)
    plain.fit(x, y, epochs=2, batch_size=3)
    other.fit(x, labels, epochs=2, batch_size=3)
    assert_same_bits(other.theta, plain.theta)
    check()


def test_two_classes_may_be_booleans() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5))
    net = dr.MLP([5, 2], output="softmax", seed=0)
    assert net.evaluate(x, [True, False, False, True]) == net.evaluate(x, [1, 0, 0, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_class_indices_are_one_hot_rows(output: str, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(7, 5))
    y = np.array([0, 2, 1, 1, 0, 2, 2])
    net = dr.MLP([5, 3], output=output, loss="cross_entropy", dtype=dtype, seed=0)
    eps = float(np.finfo(dtype).eps)
    by_index, by_row = net.value_and_grad(x, y), net.value_and_grad(x, np.eye(3)[y])
    assert by_index[0] == pytest.approx(by_row[0], rel=8 * eps)
    np.testing.assert_allclose(by_index[1].theta, by_row[1].theta, rtol=0, atol=8 * eps)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "log_loss"])
def test_one_output_takes_targets_of_either_shape(loss: str) -> None:
    x = np.random.default_rng(0).normal(size=(7, 5))
    y = np.linspace(0, 1, 7)
    net = dr.MLP([5, 1], output="sigmoid", loss=loss, seed=0)
    assert net.evaluate(x, y) == net.evaluate(x, y[:, np.newaxis])
    assert_same_bits(net.value_and_grad(x, y)[1].theta, net.value_and_grad(x, y[:, None])[1].theta)


# Where predictions are written to


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_out_is_filled_and_returned(dtype: str) -> None:
    net, x, _, _ = case(dtype)
    wanted = net.predict(x)
    out = np.full((8, 3), np.nan, dtype)
    assert net.predict(x, out=out) is out
    assert_same_bits(out, wanted)
    assert net(x.tolist(), out=out) is out
    row = np.full(3, np.nan, dtype)
    assert net.predict(x[2], out=row) is row
    assert_same_bits(row, wanted[2])


def test_out_within_a_larger_array() -> None:
    net, x, _, _ = case("float32")
    whole = np.full((12, 3), 7, np.float32)
    net.predict(x, out=whole[2:10])
    assert_same_bits(whole[2:10], net.predict(x))
    assert (whole[:2] == 7).all()
    assert (whole[10:] == 7).all()
    net.predict(x[0], out=whole[11])
    assert_same_bits(whole[11], net.predict(x[0]))
    assert (whole[10] == 7).all()


def test_out_beside_x_in_one_buffer() -> None:
    net, x, _, _ = case("float32")
    buffer = np.zeros(8 * 5 + 8 * 3, np.float32)
    inputs, out = buffer[:40].reshape(8, 5), buffer[40:].reshape(8, 3)
    inputs[:] = x
    net.predict(inputs, out=out)
    assert_same_bits(out, net.predict(x))
    assert_same_bits(inputs, x.astype(np.float32))


def test_each_prediction_has_memory_of_its_own() -> None:
    net, x, _, _ = case("float32")
    first = net.predict(x)
    kept = first.copy()
    second = net.predict(1 - x)
    assert second.tobytes() != kept.tobytes()
    assert_same_bits(first, kept)
    assert first.flags.writeable
    assert first.flags.c_contiguous
