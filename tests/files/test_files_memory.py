"""Malformed files that would take much memory: twice their size is what they take."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import deltarule as dr
from process_support import run_python

SIZE = 12_000_000

# Prints by how much the memory of a process rises while it reads.
READING = """
import sys
import deltarule as dr
from deltarule.mlp.resume import read_run

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(row.split()[1]) for row in status if row.startswith(name)) * 1024

dr.load({good!r})
before = memory("VmRSS")
for read in (dr.load, read_run):
    try:
        read({path!r})
    except dr.ModelFileError:
        continue
    sys.exit("it was read")
print(memory("VmHWM") - before)
"""


def joined(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def file_of(text: str) -> bytes:
    return joined(json.dumps({"__metadata__": {"deltarule": text}}).encode())


def tensors(text: str, body: bytes = b"") -> bytes:
    return joined(("{" + text + "}").encode(), body)


def empty_tensors(count: int) -> bytes:
    rest = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return tensors(",".join(f'"{i}":{rest}' for i in range(count)))


def large(path: Path) -> bytes:
    dr.MLP([500, 1500, 500], dtype="float64").save(path)
    return path.read_bytes()


BOMBS: dict[str, Callable[[Path], bytes]] = {
    "lists": lambda path: file_of("[" + "[]," * (SIZE // 3) + "0]"),
    "objects": lambda path: file_of("[" + '{"":0},' * (SIZE // 7) + "0]"),
    "keys": lambda path: file_of("{" + ",".join(f'"{i}":[]' for i in range(SIZE // 12)) + "}"),
    "numbers": lambda path: file_of("[" + "1," * (SIZE // 2) + "0]"),
    "a text": lambda path: file_of("a" * SIZE),
    "a wide character": lambda path: joined(
        b'{"__metadata__":{"deltarule":"' + b"a" * SIZE + "\U0001f600".encode() + b'"}}'
    ),
    "empty tensors": lambda path: empty_tensors(SIZE // 60),
    "a long shape": lambda path: tensors(
        '"a":{"dtype":"F32","shape":[' + "1," * (SIZE // 2) + '1],"data_offsets":[0,4]}', bytes(4)
    ),
    "a huge shape": lambda path: tensors(
        '"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}', bytes(SIZE)
    ),
    "lists, just not too many": lambda path: file_of("[" + "[]," * 32_700 + "0]"),
    "tensors, just not too many": lambda path: empty_tensors(9_300),
    "a text, just not too long": lambda path: file_of("[" + '"' + "\U0001f600" * 340_000 + '"]'),
    "another's": lambda path: safetensors.numpy.save({"a": np.zeros(SIZE, "u1")}),
    "a number that is none": lambda path: large(path)[:-8] + struct.pack("<d", float("nan")),
    "a shorter file": lambda path: large(path)[:-1],
    "an architecture of more": lambda path: large(path).replace(b"1500", b"1501"),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_malformed_file_takes_twice_its_size(name: str, tmp_path: Path) -> None:
    path, good = tmp_path / "file", tmp_path / "good"
    dr.MLP([3, 2]).save(good)
    path.write_bytes(BOMBS[name](path))
    peak = int(run_python(READING.format(path=str(path), good=str(good))))
    assert peak <= 2 * path.stat().st_size + 2**25
