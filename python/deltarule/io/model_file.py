"""Model files: safetensors, written atomically, validated in meaning before a network is built.

Tensors W1..WL (n_l, n_{l-1}) and b1..bL (n_l,), and what a caller adds beside them; the metadata
entry "deltarule" is JSON: the version of this layout, the architecture, and a caller's own part.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from deltarule.architecture import Architecture
from deltarule.backend import MLPLike
from deltarule.data.numeric import check_finite
from deltarule.errors import ModelFileError
from deltarule.io.regular_files import check_regular, text_of, write_atomically

if TYPE_CHECKING:
    pass

Array = NDArray[Any]

_KEY = "deltarule"
_VERSION = 1

# What is read of a header: 3600 layers, or the names of 60 000 columns. Each value of JSON may take
# 250 bytes of memory, a character 6: all within 2 x the file and 32 MiB.
_HEADER_BYTES = 2**22
_HEADER_VALUES = 2**16

# Characters of a message, which may quote the file.
_LONGEST = 400

# What the parsers of safetensors and JSON raise.
_UNREADABLE = (
    safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError
)  # fmt: skip


def _names(n_layers: int) -> list[str]:
    layers = range(1, n_layers + 1)
    return [f"W{l}" for l in layers] + [f"b{l}" for l in layers]  # noqa: E741


def _named(architecture: Architecture, theta: Array) -> dict[str, Array]:
    """Return the parameters by their names, as views of theta."""
    shapes = [*architecture.shapes, *((n,) for n in architecture.sizes[1:])]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(theta, ends[:-1])
    names = _names(architecture.n_layers)
    return {n: p.reshape(s) for n, p, s in zip(names, parts, shapes, strict=True)}


def write_model(
    path: str | os.PathLike[str],
    network: MLPLike,
    tensors: Mapping[str, Array] | None = None,
    metadata: Mapping[str, object] | None = None,
    *,
    theta: Array | None = None,
    names_functions: bool = False,
) -> None:
    """Write a network, and what belongs to it, so that the old file or the new one is there.

    Parameters
    ----------
    path : str or path
        Replaced as a whole, by renaming a finished file from the same folder; see
        `regular_files.write_atomically`.
    network : MLPLike
        Its parameters and architecture are kept; velocity and random state are not.
    tensors, metadata : mapping, optional
        More tensors (other names than W1.., b1..) and a part of the caller's own, as JSON holds it.
    theta : ndarray, optional
        Parameters in place of the network's.
    names_functions : bool, default False
        Whether a function of the user's own is to be a name, for which it is to be given again.

    Raises
    ------
    ModelFileError
        If the network has functions of the user's own, or more words than a file may hold.
    OSError
        If the file cannot be written, or what is there is no regular file.
    """
    architecture = network._architecture
    words = architecture.to_dict()
    for argument, function in architecture.custom.items():
        from deltarule.custom.placeholders import marked

        words = marked(words)
        if not names_functions:
            raise ModelFileError(
                f"{argument} must be a name in a model file, which cannot hold functions, not "
                f"{function!r}; pickle the network, or keep its theta"
            )
    named = _named(architecture, network.theta if theta is None else theta)
    taken = sorted(named.keys() & (tensors or {}).keys())
    if taken:
        raise ValueError(f"tensors must have names of their own, not {taken[0]!r}")
    named.update({name: np.ascontiguousarray(t) for name, t in (tensors or {}).items()})
    description = {
        "version": _VERSION,
        "architecture": words,
        "extra": dict(metadata or {}),
    }
    text = json.dumps(description)
    _require_memory(3 * sum(t.nbytes for t in named.values()) + 6 * len(text))
    data = safetensors.numpy.save(named, metadata={_KEY: text})
    _check_header(data)
    write_atomically(path, data)


def read_words(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the caller's own part alone, from the header.

    Raises
    ------
    ModelFileError, OSError
        As `read_file`.
    """
    try:
        check_regular(path)
        with open(text_of(path), "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = file.read(min(size, _HEADER_BYTES))
        return _description(_check_header(size.to_bytes(8, "little") + header))[1]
    except ModelFileError as error:
        raise of_file(path, error) from None


def read_file(path: str | os.PathLike[str]) -> tuple[Model, dict[str, Any]]:
    """Read what `write_model` wrote, no network built: its parts, and the caller's own one.

    Functions of the user's own are stand-ins.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense.
    OSError
        If it cannot be read.
    """
    try:
        check_regular(path)  # to open a FIFO would wait for its writer
        with open(text_of(path), "rb") as file:
            tensors, architecture, extra = _parse(file.read())
        return _model(tensors, architecture), extra
    except ModelFileError as error:
        raise of_file(path, error) from None


def of_file(path: str | os.PathLike[str], error: Exception) -> ModelFileError:
    """Return what is wrong with a file, with its name, in so many words as can be read."""
    text = str(error)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return ModelFileError(f"{os.fspath(path)}: {text}")


@dataclass(eq=False, repr=False)
class Model:
    """The parts of a file that make sense together: what it takes to build a network, and more."""

    architecture: Architecture
    weights: list[Array]
    biases: list[Array]
    tensors: dict[str, Array]  # the others


def _require_memory(size: int) -> None:
    """Raise MemoryError where so many bytes are not to be had: safetensors ends the process then.

    They are reserved and given back; a mebibyte more is for what it takes besides.
    """
    try:
        np.empty(size + 2**20, np.uint8)  # which touches none of it
    except MemoryError:
        raise MemoryError(f"a model file takes {size / 2**20:.1f} MiB of memory here") from None


def _check_header(data: bytes) -> bytes:
    """Return the header of a file; raise where it would take more memory than it should."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ModelFileError("not a readable safetensors file (shorter than its header says)")
    if size > _HEADER_BYTES:
        raise ModelFileError(f"a header of {size} bytes; at most {_HEADER_BYTES} are read")
    header = data[8 : 8 + size]
    values = sum(map(header.count, (b",", b"[", b"{")))
    if values > _HEADER_VALUES:
        raise ModelFileError(f"a header of {values} values; at most {_HEADER_VALUES} are read")
    if not header.isascii():
        raise ModelFileError("not a readable safetensors file (its header is not ASCII)")
    return header


def _parse(data: bytes) -> tuple[dict[str, Array], Any, dict[str, Any]]:
    """Return tensors, architecture and the caller's own part of a file whose layout is sound."""
    architecture, extra = _description(_check_header(data))
    _require_memory(2 * len(data))
    try:
        return safetensors.numpy.load(data), architecture, extra
    except _UNREADABLE as error:
        raise _unreadable(error) from None


def _description(header: bytes) -> tuple[Any, dict[str, Any]]:
    """Return the architecture, as it is there, and the caller's own part that a header has."""
    try:
        text = json.loads(header).get("__metadata__", {}).get(_KEY)
        description = json.loads(text) if text is not None else None
    except _UNREADABLE as error:
        raise _unreadable(error) from None
    if description is None:
        raise ModelFileError("a safetensors file, but not one of deltarule's")
    version = description.get("version") if isinstance(description, dict) else None
    if type(version) is not int or version != _VERSION:
        raise ModelFileError(f"layout version {version!r}; this deltarule reads {_VERSION}")
    extra = description.get("extra")
    if not isinstance(extra, dict):
        raise ModelFileError("the description lacks its part 'extra'")
    return description.get("architecture"), extra


def _unreadable(error: Exception) -> ModelFileError:
    return ModelFileError(f"not a readable safetensors file ({error})")


def _model(tensors: dict[str, Array], fields: Any) -> Model:
    """Return what makes a network, all of it checked."""
    from deltarule.custom.placeholders import unmarked

    try:
        architecture = Architecture.checked(**unmarked(fields))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the architecture makes no sense ({error})") from None
    names = _names(architecture.n_layers)
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelFileError(f"tensor {missing[0]} is missing")
    parameters = [tensors.pop(name) for name in names]
    shapes = [*architecture.shapes, *((n,) for n in architecture.sizes[1:])]
    for i, (name, tensor, shape) in enumerate(zip(names, parameters, shapes, strict=True)):
        if tensor.shape != shape or tensor.dtype != architecture.dtype:
            raise ModelFileError(
                f"tensor {name} has shape {tensor.shape} and dtype {tensor.dtype}, "
                f"the architecture says {shape} and {architecture.dtype}"
            )
        kind, layer = divmod(i, architecture.n_layers)
        try:
            check_finite(tensor, f"{('weights', 'biases')[kind]}[{layer}]")
        except ValueError as error:
            raise ModelFileError(str(error)) from None
    n = architecture.n_layers
    return Model(architecture, parameters[:n], parameters[n:], tensors)
