"""Malformed files by the thousand: a sound network, or ModelFileError."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from checkpoint_support import RUNS, Stop
from deltarule.mlp.resume import read_run

Header = dict[str, Any]

NUMBERS = [0, 1, -1, 2, 7, 255, 2**31, 2**32, 2**53, 2**63 - 1, 2**64 - 1, 2**64, 10**30, -(2**63)]
STRANGE = [
    None, True, False, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "F32", "W1", "é",
    "\0", [], {}, [[]], [0], {"a": 1}, "9" * 5000, *NUMBERS,
]  # fmt: skip
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "BOOL", "F8_E5M2", "C64", "X"]


def stop(record: dr.EpochRecord) -> None:
    if record["epoch"] == 2:
        raise Stop


def model(path: Path) -> None:
    dr.MLP([3, 4, 2], init="torch", seed=0).save(path)


def checkpoint(path: Path) -> None:
    with pytest.raises(Stop):
        run = RUNS["early stopping"]
        run.fit(run.new(), checkpoint=path, callbacks=stop, metrics="accuracy", dropout=0.1)


def stream(path: Path) -> None:
    with pytest.raises(Stop):
        run = RUNS["a stream with dropout"]
        run.fit(run.new(), checkpoint=path, callbacks=stop)


def read_model(path: Path) -> None:
    net = dr.load(path)
    assert np.isfinite(net.theta).all()
    assert net.predict(np.zeros(net.sizes[0])).shape == (net.sizes[-1],)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "a model": (model, read_model),
    "a checkpoint": (checkpoint, read_run),
    "a stream's checkpoint": (stream, read_run),
    "a checkpoint as a model": (checkpoint, read_model),
}


# How a file is spoilt


def split(data: bytes) -> tuple[Header, bytes]:
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def join(header: object, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def other_bytes(data: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        spoilt[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(spoilt)


def bytes_in_and_out(data: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(data))
    last = min(len(data), first + rng.choice([0, 1, 8, 100]))
    return data[:first] + rng.randbytes(rng.choice([0, 1, 8, 100])) + data[last:]


def a_beginning(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def a_length_that_lies(data: bytes, rng: random.Random) -> bytes:
    size = int.from_bytes(data[:8], "little")
    sizes = [size + rng.randint(-9, 9), rng.randrange(2**64), 2 ** rng.randrange(64), len(data)]
    return struct.pack("<Q", max(0, rng.choice(sizes))) + data[8:]


def values(metadata: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of every value in JSON."""
    found: list[tuple[Any, Any]] = []
    stack = [metadata]
    while stack:
        inner = stack.pop()
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        for key in keys:
            found.append((inner, key))
            if isinstance(inner[key], dict | list):
                stack.append(inner[key])
    return found


def spoil(metadata: Any, rng: random.Random) -> None:
    """Change some value of JSON, take one out, or give one another's place."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        places = values(metadata)
        if not places:
            return
        container, key = rng.choice(places)
        match rng.randrange(5):
            case 0:
                del container[key]
            case 1:
                other, name = rng.choice(places)
                if name in other if isinstance(other, dict) else name < len(other):
                    container[key] = json.loads(json.dumps(other[name]))
            case 2 if type(container[key]) is int:
                container[key] += rng.choice([-1, 1, 2**32])
            case 3 if isinstance(container[key], list):
                container[key] = container[key] * rng.choice([0, 2, 100])
            case _:
                container[key] = rng.choice(STRANGE)


def other_words(data: bytes, rng: random.Random) -> bytes:
    header, body = split(data)
    metadata = json.loads(header["__metadata__"]["deltarule"])
    spoil(metadata, rng)
    header["__metadata__"]["deltarule"] = json.dumps(metadata)
    return join(header, body)


def other_text(data: bytes, rng: random.Random) -> bytes:
    header, body = split(data)
    text = header["__metadata__"]["deltarule"]
    at = rng.randrange(len(text))
    middle = rng.choice(
        ["", "{", "[", "}", "]", ",", '"', ":", "0", "-", "e9", "\\u0000", "\ud800"]
    )
    header["__metadata__"]["deltarule"] = text[:at] + middle + text[at + rng.randrange(2) :]
    return join(header, body)


def another_header(data: bytes, rng: random.Random) -> bytes:
    header, body = split(data)
    spoil(header, rng)
    return join(header, body)


def other_tensors(data: bytes, rng: random.Random) -> bytes:
    """Shapes, dtypes and places that are not those of the bytes."""
    header, body = split(data)
    name = rng.choice([name for name in header if name != "__metadata__"])
    tensor = header[name]
    match rng.randrange(5):
        case 0:
            tensor["dtype"] = rng.choice(DTYPES)
        case 1:
            tensor["shape"] = [
                rng.choice([*tensor["shape"], *NUMBERS]) for _ in range(rng.randrange(4))
            ]
        case 2:
            tensor["data_offsets"] = [rng.choice([*NUMBERS, len(body)]) for _ in range(2)]
        case 3:
            other = rng.choice([name for name in header if name != "__metadata__"])
            header[name], header[other] = header[other], tensor
        case _:
            tensor["shape"] = tensor["shape"][::-1] or [1]
    return join(header, body)


def numbers_that_are_none(data: bytes, rng: random.Random) -> bytes:
    header, body = split(data)
    spoilt = bytearray(body)
    for _ in range(rng.choice([1, 3])):
        at = rng.randrange(len(body) // 4) * 4
        spoilt[at : at + 4] = struct.pack(
            "<f", rng.choice([float("nan"), float("inf"), 1e38, -1e38])
        )
    return join(header, bytes(spoilt))


def deep(data: bytes, rng: random.Random) -> bytes:
    header, body = split(data)
    depth = rng.choice([50, 900, 1100, 5000])
    left, right = rng.choice([("[", "]"), ('{"a":', "}")])
    text = header["__metadata__"]["deltarule"]
    nested = left * depth + "0" + right * depth
    place = rng.choice(['"extra": {', '"architecture": {', "{"])
    header["__metadata__"]["deltarule"] = text.replace(place, place + f'"b": {nested}, ', 1)
    return join(header, body)


SPOILERS = [
    other_bytes, bytes_in_and_out, a_beginning, a_length_that_lies, other_words, other_words,
    other_words, other_text, another_header, other_tensors, other_tensors, numbers_that_are_none,
    deep,
]  # fmt: skip


def fuzz(kind: str, path: Path, times: int, seed: int) -> int:
    """Spoil a good file so often, and read what comes of it; return how many were refused."""
    make, read = KINDS[kind]
    make(path)
    good, rng, refused = path.read_bytes(), random.Random(seed), 0
    read(path)
    for _ in range(times):
        spoilt = rng.choice(SPOILERS)(good, rng)
        if rng.random() < 0.1:
            spoilt = rng.choice(SPOILERS[:4])(spoilt, rng) if spoilt else b""
        path.write_bytes(spoilt)
        try:
            read(path)
        except dr.ModelFileError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
            assert len(str(error)) < 1000
    assert times / 2 < refused < times
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_files(kind: str, tmp_path: Path) -> None:
    fuzz(kind, tmp_path / "file", 800, 0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("kind", KINDS)
def test_300_000_malformed_files(
    kind: str, seed: int, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    refused = fuzz(kind, tmp_path / "file", 15_000, seed)
    record_property("refused of 15 000", refused)
