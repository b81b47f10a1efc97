"""Sparse rows and mapped files: the bits of whole arrays, a block of rows at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule.data import rows
from network_support import (
    FINITE,
    MOMENTUM,
    Array,
    assert_same_bits,
    changed,
    fingerprint,
    refused,
)

SHAPES = {"tiny blocks": 40, "some rows a block": 300}
RTOL = 1e-13  # losses: the sum of some blocks' sums in another order


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Nothing is made ready whole; a block has few rows. Returns its bytes."""
    monkeypatch.setattr(rows, "WHOLE_BYTES", 0)
    monkeypatch.setattr(rows, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(rows, "_RELEASE_BYTES", 2 * request.param)
    return int(request.param)


def data(n: int = 61) -> tuple[Array, Array]:
    """x (n, 7), two thirds of it 0, and y (n, 2)."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 7)) * (rng.random((n, 7)) < 0.3), rng.normal(size=(n, 2))


Convert = Callable[[Array, Path], Any]


def mapped(dtype: str, mode: str = "r", order: Any = "C", skip: int = 0) -> Convert:
    def convert(a: Array, folder: Path) -> Any:
        path = folder / f"{len(list(folder.iterdir()))}.bin"
        path.write_bytes(b"\0" * skip + a.astype(dtype).tobytes(order))
        return np.memmap(path, dtype, mode, skip, a.shape, order)  # type: ignore[call-overload]

    return convert


def from_npy(a: Array, folder: Path) -> Any:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, a)
    return np.load(path, mmap_mode="r")


def sparse(kind: str) -> Convert:
    def convert(a: Array, folder: Path) -> Any:
        return getattr(pytest.importorskip("scipy.sparse", reason="needs SciPy"), kind)(a)

    return convert


def with_duplicates(a: Array, folder: Path) -> Any:
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    i, j = (np.repeat(k, 2) for k in np.nonzero(a))
    return scipy_sparse.coo_array((np.repeat(a[np.nonzero(a)] / 2, 2), (i, j)), shape=a.shape)


KINDS: dict[str, Convert] = {
    "memmap": mapped("f4"),
    "memmap float64": mapped("f8"),
    "memmap big-endian": mapped(">f8"),
    "memmap read and write": mapped("f4", "r+"),
    "memmap copy-on-write": mapped("f4", "c"),
    "memmap Fortran": mapped("f8", order="F"),
    "memmap unaligned": mapped("f4", skip=1),
    "npy": from_npy,
    "every second row of a memmap": lambda a, p: mapped("f8")(np.repeat(a, 2, axis=0), p)[::2],
    **{
        name: sparse(name)
        for name in ("csr_matrix", "csr_array", "csc_array", "coo_matrix", "bsr_array")
    },
    "duplicates": with_duplicates,
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_kind
def test_predictions_and_losses(kind: str, dtype: str, small_blocks: int, tmp_path: Path) -> None:
    x, y = data()
    given = KINDS[kind](x, tmp_path)
    rounded = given.toarray() if hasattr(given, "toarray") else np.array(given)
    net = dr.MLP([7, 5, 2], hidden="tanh", dtype=dtype, seed=0)
    w = np.linspace(0, 2, 61)
    assert_same_bits(net.predict(given), net.predict(rounded))
    out = np.full((61, 2), np.nan, dtype)
    assert net.predict(given, out=out) is out
    assert_same_bits(out, net.predict(rounded))
    for weight in (None, w):
        wanted = net.evaluate(rounded, y, sample_weight=weight)
        assert net.evaluate(given, y, sample_weight=weight) == pytest.approx(wanted, rel=RTOL)
    _, grads = net.value_and_grad(given, y)
    assert_same_bits(grads.theta, net.value_and_grad(rounded, y)[1].theta)


@pytest.mark.parametrize("batch_size", [4, 16, None])
@pytest.mark.parametrize("shuffle", [False, True])
@each_kind
def test_fits(
    kind: str, shuffle: bool, batch_size: int | None, small_blocks: int, tmp_path: Path
) -> None:
    x, y = data()
    given = KINDS[kind](x, tmp_path)
    x = given.toarray() if hasattr(given, "toarray") else np.array(given)
    net, other = (dr.MLP([7, 5, 2], hidden="tanh", seed=0) for _ in range(2))
    options: dict[str, Any] = {
        "epochs": 3,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "optimizer": MOMENTUM,
        "sample_weight": np.linspace(0, 2, 61),
        "metrics": ["mae", "r2"],
    }
    found = net.fit(given, y, validation_data=(given, y), **options)
    wanted = other.fit(x, y, validation_data=(x, y), **options)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=RTOL)
    np.testing.assert_allclose(found.validation_loss, wanted.validation_loss, rtol=RTOL)
    assert found.metrics == wanted.metrics
    assert fingerprint(net) == fingerprint(other)


@pytest.mark.parametrize("optimizer", [dr.SGD(lr=0.5, momentum=0.9), dr.Adam(lr=0.1)], ids=repr)
@pytest.mark.parametrize("one_hot", [False, True])
def test_other_options_of_a_fit(
    one_hot: bool, optimizer: Any, small_blocks: int, tmp_path: Path
) -> None:
    x, _ = data()
    labels = np.arange(61) % 3
    y = np.eye(3)[labels] if one_hot else labels
    given = (mapped("f8")(x, tmp_path), mapped("f8")(y, tmp_path) if one_hot else y)
    net, other = (dr.MLP([7, 5, 3], output="softmax", seed=0) for _ in range(2))
    options: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 8,
        "validation_split": 0.3,
        "class_weight": {0: 2.0, 1: 0.5},
        "label_smoothing": 0.1,
        "metrics": "accuracy",
        "early_stopping": dr.EarlyStopping(patience=2),
        "optimizer": optimizer,
    }
    found, wanted = net.fit(*given, **options), other.fit(x, y, **options)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=RTOL)
    assert found.metrics == wanted.metrics
    assert found.best_epoch == wanted.best_epoch
    assert fingerprint(net) == fingerprint(other)


def test_five_epochs_twice_are_ten(small_blocks: int, tmp_path: Path) -> None:
    x, y = data()
    given = mapped("f4")(x, tmp_path)
    net, other = (dr.MLP([7, 5, 2], seed=0) for _ in range(2))
    losses = [net.fit(given, y, epochs=5, optimizer=MOMENTUM).loss for _ in range(2)]
    assert losses[0] + losses[1] == other.fit(given, y, epochs=10, optimizer=MOMENTUM).loss
    assert fingerprint(net) == fingerprint(other)


@pytest.mark.parametrize("last", [2, 4])
def test_divergence(last: int, small_blocks: int, tmp_path: Path) -> None:
    x, y = data()
    given = mapped("f8")(x, tmp_path)
    nets = [dr.MLP([7, 5, 2], seed=0) for _ in range(2)]
    errors = []
    for net, data_of in zip(nets, (given, x), strict=True):
        net.fit(data_of, y, epochs=last, batch_size=4, optimizer=MOMENTUM)
        with pytest.raises(dr.DivergenceError) as caught:
            net.fit(data_of, y, epochs=99, batch_size=4, optimizer=dr.SGD(lr=4.0, momentum=0.9))
        errors.append((str(caught.value), caught.value.epoch, caught.value.step))
    assert errors[0] == errors[1]
    assert fingerprint(nets[0]) == fingerprint(nets[1])


def test_an_interrupted_epoch_leaves_the_generator(
    small_blocks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = data()
    rng = np.random.default_rng(0)
    net = dr.MLP([7, 5, 2], seed=rng)
    given = mapped("f4")(x, tmp_path)
    twin = copy.deepcopy(net)
    taken: list[int] = []
    take = rows.MappedRows._ready

    def interrupt(self: Any, which: Any) -> Array:
        taken.append(1)
        if len(taken) == 2:
            raise KeyboardInterrupt
        return take(self, which)

    state = rng.bit_generator.state
    monkeypatch.setattr(rows.Rows, "blocks", lambda self: iter(()))  # no look at it beforehand
    monkeypatch.setattr(rows.MappedRows, "_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        net.fit(given, y, epochs=3, batch_size=2)
    monkeypatch.undo()
    assert rng.bit_generator.state == state
    assert net.theta.tobytes() != twin.theta.tobytes()
    net.theta = twin.theta
    assert fingerprint(net) == fingerprint(twin)


def test_changes_in_a_private_map_are_kept(small_blocks: int, tmp_path: Path) -> None:
    x, y = data()
    given = mapped("f4", "c")(x, tmp_path)
    given[:] += 1
    before = np.array(given)
    net = dr.MLP([7, 5, 2], seed=0)
    assert_same_bits(net.predict(given), net.predict(before))
    net.fit(given, y, epochs=2)
    assert_same_bits(np.array(given), before)


# Bad values: found block by block, named by their place


BAD: dict[str, Convert] = {
    "memmap": mapped("f8"),
    "csr": sparse("csr_array"),
    "coo": sparse("coo_matrix"),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("kind", BAD)
def test_bad_values(kind: str, value: float, small_blocks: int, tmp_path: Path) -> None:
    x, y = data()
    given = BAD[kind](changed(x, _50_3=value, _60_0=np.nan), tmp_path)
    net = dr.MLP([7, 5, 2], seed=0)
    rule = rf"x\[50, 3\] is (nan|inf); {FINITE}"
    for call in (net.predict, lambda x: net.evaluate(x, y), lambda x: net.fit(x, y)):
        refused(net, lambda call=call: call(given), ValueError, rule)


@pytest.mark.parametrize("kind", BAD)
def test_bad_shapes(kind: str, tmp_path: Path) -> None:
    x, y = data()
    net = dr.MLP([7, 5, 2], seed=0)
    cases = {
        "x has 6 features, the network takes 7": x[:, :6],
        r"x has no samples, shape \(0, 7\)": None if kind == "memmap" else x[:0],
    }
    for rule, a in cases.items():
        if a is not None:
            given = BAD[kind](a, tmp_path)
            refused(net, lambda g=given: net.fit(g, y), ValueError, rule)
            refused(net, lambda g=given: net.predict(g), ValueError, rule)


def test_bad_sparse_dtypes() -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="needs SciPy")
    x, y = data()
    net = dr.MLP([7, 5, 2], seed=0)
    rule = "x must hold real numbers, not complex128"
    given = scipy_sparse.csr_array(x * 1j)
    refused(net, lambda: net.fit(given, y), TypeError, rule)
    refused(net, lambda: net.predict(given), TypeError, rule)


@pytest.mark.parametrize(
    ("options", "value", "rule"),
    [
        ({}, np.inf, rf"y\[50, 1\] is inf; {FINITE}"),
        ({"output": "sigmoid"}, 1.5, r"y\[50, 1\] is 1\.5; .* in \[0, 1\] for binary_.*"),
        ({"output": "softmax"}, 0.75, r"y\[50\] sums to 1\.25; each row of targets .*"),
        ({"output": "exp"}, -1.0, r"y\[50, 1\] is -1\.0; every value must be 0 or more .*"),
    ],
)
def test_bad_targets(
    options: dict[str, Any], value: float, rule: str, small_blocks: int, tmp_path: Path
) -> None:
    x, _ = data()
    y = mapped("f8")(changed(np.full((61, 2), 0.5), _50_1=value), tmp_path)
    net = dr.MLP([7, 2], seed=0, **options)
    refused(net, lambda: net.fit(x, y), ValueError, rule)
    refused(net, lambda: net.evaluate(x, y), ValueError, rule)


# Memory

PEAK = """
import resource
import numpy as np
import deltarule as dr

net = dr.MLP([256, 8, 1], seed=0)
y = np.zeros({rows})
x = {x}
net.train_step(np.zeros((32, 256)), np.zeros(32))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
net.fit(x, y, epochs=1, batch_size=64)
net.predict(x), net.evaluate(x, y)
print(peak() - before)
"""
SOURCES = {
    "float32 file": "np.memmap({path!r}, 'f4', 'r', shape=({rows}, 256))",
    "float64 file": "np.memmap({path!r}, 'f8', 'r', shape=({rows}, 256))",
    "sparse": "__import__('scipy.sparse').sparse.csr_matrix((np.ones(3 * {rows}), "
    "np.tile([1, 20, 77], {rows}), np.arange(0, 3 * {rows} + 1, 3)), shape=({rows}, 256))",
}


@pytest.mark.parametrize("source", SOURCES)
def test_large_data_are_never_in_memory(source: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs POSIX")
    del resource
    if source == "sparse":
        pytest.importorskip("scipy.sparse", reason="needs SciPy")
    from process_support import run_python

    mebi, n = 2**20, 2**18  # 256 MiB of float32
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        file.truncate(n * 256 * (8 if "64" in source else 4))
    x = SOURCES[source].format(path=str(path), rows=n)
    taken = int(run_python(PEAK.format(x=x, rows=n), timeout=600))
    assert taken < 120 * mebi


@pytest.fixture(autouse=True)
def no_files_left(tmp_path: Path) -> Iterator[None]:
    yield
    for path in tmp_path.glob("*.bin"):
        path.unlink()
