"""Files that are not models: ModelFileError or OSError, and nothing else, whatever they hold."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import deltarule as dr
from network_support import Array

Tensors = dict[str, Array]
Description = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "net"
    dr.MLP([3, 4, 2], init="torch", seed=0).save(path)
    return path.read_bytes()


def taken_apart(data: bytes) -> tuple[Tensors, Description]:
    (size,) = struct.unpack("<Q", data[:8])
    text = json.loads(data[8 : 8 + size])["__metadata__"]["deltarule"]
    return safetensors.numpy.load(data), json.loads(text)


def put_together(tensors: Tensors, description: Any) -> bytes:
    return safetensors.numpy.save(tensors, {"deltarule": json.dumps(description)})


def refused(data: bytes, path: Path, match: str | None = None) -> None:
    path.write_bytes(data)
    with pytest.raises(dr.ModelFileError, match=match) as caught:
        dr.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert isinstance(caught.value, ValueError)
    assert os.listdir(path.parent) == [path.name]


def test_the_parts_put_together_are_a_model(good: bytes, tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes(put_together(*taken_apart(good)))
    assert dr.load(tmp_path / "net").sizes == (3, 4, 2)


# Damage


def test_every_beginning_of_a_file(good: bytes, tmp_path: Path) -> None:
    for length in range(len(good)):
        refused(good[:length], tmp_path / "net")


def test_bytes_after_the_end_are_refused(good: bytes, tmp_path: Path) -> None:
    refused(good + b"\0", tmp_path / "net")
    refused(good + good, tmp_path / "net")


def test_bytes_changed_at_random(good: bytes, tmp_path: Path) -> None:
    """A damaged file is refused, or is a network of finite parameters."""
    rng = random.Random(0)
    path, refusals = tmp_path / "net", 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            net = dr.load(path)
        except dr.ModelFileError:
            refusals += 1
        else:
            assert np.isfinite(net.theta).all()
            assert net.predict(np.zeros(net.sizes[0])).shape == (net.sizes[-1],)
    assert 300 < refusals < 1500


def test_random_bytes(tmp_path: Path) -> None:
    rng = random.Random(1)
    for length in (0, 1, 7, 8, 9, 100, 5000):
        refused(rng.randbytes(length), tmp_path / "net")
    for size in (0, 1, 2, 90, 2**31, 2**62, 2**64 - 1):
        refused(struct.pack("<Q", size) + rng.randbytes(90), tmp_path / "net")
    refused(struct.pack("<Q", 90) + b"{" * 90, tmp_path / "net")
    refused(struct.pack("<Q", 90) + b"[" * 90, tmp_path / "net")


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04" + bytes(50), b"\x80\x04\x95" + bytes(50), b"\x93NUMPY" + bytes(50), b"a,b\n1,2"],
    ids=["zip", "pickle", "npy", "csv"],
)
def test_files_of_another_kind(data: bytes, tmp_path: Path) -> None:
    refused(data, tmp_path / "net", "not a readable safetensors file")


def test_a_safetensors_file_of_another_program(tmp_path: Path) -> None:
    tensors = {"weight": np.ones((2, 3), np.float32)}
    refused(safetensors.numpy.save(tensors), tmp_path / "net", "not one of deltarule's")
    foreign = safetensors.numpy.save(tensors, {"format": "pt"})
    refused(foreign, tmp_path / "net", "not one of deltarule's")
    refused(safetensors.numpy.save({}), tmp_path / "net", "not one of deltarule's")


def test_paths_of_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dr.load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        dr.load(tmp_path)
    with pytest.raises(NotADirectoryError):
        (tmp_path / "file").write_bytes(b"")
        dr.load(tmp_path / "file" / "net")


# Sound files that make no sense

TENSORS: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "weight missing": (lambda t: t.pop("W1"), "tensor W1 is missing"),
    "bias missing": (lambda t: t.pop("b2"), "tensor b2 is missing"),
    "transposed": (lambda t: t.update(W1=t["W1"].T.copy()), r"W1 .*\(3, 4\).*\(4, 3\)"),
    "flat": (lambda t: t.update(W2=t["W2"].ravel()), r"W2 .*\(8,\).*\(2, 4\)"),
    "bias too long": (lambda t: t.update(b1=np.zeros(5, "f4")), r"b1 .*\(5,\).*\(4,\)"),
    "bias of two axes": (lambda t: t.update(b1=np.zeros((4, 1), "f4")), r"b1 .*\(4, 1\)"),
    "empty": (lambda t: t.update(W1=np.zeros((0, 3), "f4")), r"W1 .*\(0, 3\)"),
    "other dtype": (lambda t: t.update(W1=t["W1"].astype("f8")), "W1 .*float64.*float32"),
    "integers": (lambda t: t.update(b1=np.zeros(4, "i4")), "b1 .*int32.*float32"),
    "half": (lambda t: t.update(b1=np.zeros(4, "f2")), "b1 .*float16.*float32"),
    "nan": (lambda t: t["W2"].__setitem__((1, 3), np.nan), r"weights\[1\]\[1, 3\] is nan"),
    "inf": (lambda t: t["b1"].__setitem__(2, -np.inf), r"biases\[0\]\[2\] is -inf"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit(name: str, good: bytes, tmp_path: Path) -> None:
    change, match = TENSORS[name]
    tensors, description = taken_apart(good)
    tensors = {key: tensor.copy() for key, tensor in tensors.items()}
    change(tensors)
    refused(put_together(tensors, description), tmp_path / "net", match)


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "I8", "BOOL"])
def test_tensors_of_types_that_are_not_the_networks(kind: str, tmp_path: Path) -> None:
    size = {"BF16": 2}.get(kind, 1)
    architecture = {"sizes": [1, 1], "hidden": [], "output": "identity", "loss": "squared_error"}
    architecture |= {"reduction": "mean", "dtype": "float32"}
    numbers = {"leaky_slope": 0.01, "huber_delta": 1.0}
    description = {"version": 1, "architecture": architecture | numbers, "extra": {}}
    header = {
        "__metadata__": {"deltarule": json.dumps(description)},
        "W1": {"dtype": kind, "shape": [1, 1], "data_offsets": [0, size]},
        "b1": {"dtype": kind, "shape": [1], "data_offsets": [size, 2 * size]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    refused(struct.pack("<Q", len(text)) + text + bytes(2 * size), tmp_path / "net")


BAD_FIELDS: dict[str, Any] = {
    "sizes": [
        None, 3, "342", [], [3], [3, 0, 2], [3, -4, 2], [3, 4.0, 2], [3, True, 2], [3, [4], 2],
        [3, "4", 2], [3, 4, 2, 2], [4, 3, 2], [3, 2**31, 2], [10**30, 4, 2], [1] * 5000,
        [2**31 - 1, 2**31 - 1], {"3": 4},
    ],
    "hidden": [None, 1, ["relu", "relu"], [], ["swish"], [1], [None], "Relu"],
    "output": [None, 1, ["identity"], "Identity", "softmax ", "sigmoid\0"],
    "loss": [3, ["squared_error"], "mse", "cross_entropy", "poisson", "log_loss"],
    "reduction": [None, 0, "none", ["mean"]],
    "dtype": [None, 4, "float16", "int32", "object", ">f4", "f4,f4", ["f4"], {"a": 1}, "x" * 999],
    "leaky_slope": [None, "0.1", True, -0.1, 1.5, 10**400, float("nan"), float("inf"), [0.1]],
    "huber_delta": [None, "1", False, 0, -1, 10**400, float("nan"), float("-inf"), {}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in BAD_FIELDS.items() for value in values],
    ids=lambda value: str(value)[:24],
)
def test_an_inconsistent_architecture_is_refused(
    field: str, value: Any, good: bytes, tmp_path: Path
) -> None:
    tensors, description = taken_apart(good)
    description["architecture"][field] = value
    refused(put_together(tensors, description), tmp_path / "net")


@pytest.mark.parametrize("field", BAD_FIELDS)
def test_an_architecture_that_lacks_a_field(field: str, good: bytes, tmp_path: Path) -> None:
    tensors, description = taken_apart(good)
    del description["architecture"][field]
    refused(put_together(tensors, description), tmp_path / "net", f"no sense .*{field}")


def test_an_architecture_with_an_unknown_field(good: bytes, tmp_path: Path) -> None:
    tensors, description = taken_apart(good)
    description["architecture"]["dropout"] = 0.5
    refused(put_together(tensors, description), tmp_path / "net", "no sense .*dropout")


@pytest.mark.parametrize("value", [None, 3, "relu", [], [1, 2], {}], ids=repr)
def test_an_invalid_architecture_is_refused(value: Any, good: bytes, tmp_path: Path) -> None:
    tensors, description = taken_apart(good)
    refused(put_together(tensors, description | {"architecture": value}), tmp_path / "net")
    del description["architecture"]
    refused(put_together(tensors, description), tmp_path / "net")


@pytest.mark.parametrize("version", [0, 2, -1, 1.5, "1", None, [1], 10**30], ids=repr)
def test_another_version_is_named(version: Any, good: bytes, tmp_path: Path) -> None:
    tensors, description = taken_apart(good)
    later = put_together(tensors, description | {"version": version})
    refused(later, tmp_path / "net", "layout version .* this deltarule reads 1")


TEXTS = ["", "{", "null", "3", '"deltarule"', "[]", "{}", "[" * 100_000, "NaN", "9" * 10_000]
TEXTS += ['{"version": 1}', '{"version": 1, "extra": [], "architecture": {}}']


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_an_invalid_description_is_refused(text: str, good: bytes, tmp_path: Path) -> None:
    tensors, _ = taken_apart(good)
    refused(safetensors.numpy.save(tensors, {"deltarule": text}), tmp_path / "net")


def test_a_description_of_a_giant_takes_no_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the memory limits of POSIX")
    architecture = {"sizes": [50_000, 50_000, 1], "hidden": ["relu"], "output": "identity"}
    architecture |= {"loss": "squared_error", "reduction": "mean", "dtype": "float64"}
    architecture |= {"leaky_slope": 0.01, "huber_delta": 1.0}
    description = {"version": 1, "architecture": architecture, "extra": {}}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(put_together({"W1": np.zeros((1, 1))}, description), tmp_path / "net", "is missing")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB
