"""Model files: safetensors, written atomically, all of it checked before a network is built.

Tensors W1..WL (n_l, n_{l-1}) and b1..bL (n_l,), and further tensors of the caller; the metadata
entry "deltarule" is JSON: the version of this layout, the architecture, the caller's metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from deltarule.architecture import Architecture
from deltarule.backend import MLPLike
from deltarule.data.numeric import check_finite
from deltarule.errors import ModelFileError
from deltarule.io.regular_files import check_regular, text_of, write_atomically
from deltarule.layers import Array, split_theta

_KEY = "deltarule"
_VERSION = 1

# The largest header that is read: 3600 layers, or the names of 60 000 columns. A JSON value may
# take 250 bytes of memory, a character 6: in all at most twice the file and 32 MiB.
_HEADER_BYTES = 2**22
_HEADER_VALUES = 2**16

# The most characters of a message, which may quote the file.
_LONGEST = 400

# The exceptions of the parsers of safetensors and JSON.
_UNREADABLE = (
    safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError
)  # fmt: skip


def _shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter tensor by its name, in the order of theta."""
    shapes: dict[str, tuple[int, ...]] = {}
    shapes |= {f"W{layer}": shape for layer, shape in enumerate(architecture.shapes, start=1)}
    return shapes | {f"b{layer}": (n,) for layer, n in enumerate(architecture.sizes) if layer}


def write_model(
    path: str | os.PathLike[str],
    network: MLPLike,
    tensors: Mapping[str, Array] | None = None,
    metadata: Mapping[str, object] | None = None,
    *,
    theta: Array | None = None,
    names_functions: bool = False,
) -> None:
    """Write a network to a file, which at any moment is the old or the new one as a whole.

    Parameters
    ----------
    path : str or path
        Replaced as a whole, by renaming a finished file from the same folder; see
        `regular_files.write_atomically`.
    network : MLPLike
        Its parameters and architecture are written; optimizer and random state are not.
    tensors, metadata : mapping, optional
        Further tensors, with names other than W1.., b1.., and the caller's metadata, for JSON.
    theta : ndarray, optional
        Parameters in place of the network's.
    names_functions : bool, default False
        Whether to write custom functions as placeholders; `load` then needs the functions.

    Raises
    ------
    ModelFileError
        If the network has custom functions, or the header is larger than may be read again.
    OSError
        If the file cannot be written, or the path is not that of a regular file.
    """
    architecture = network._architecture
    fields = architecture.to_dict()
    for argument, function in architecture.custom.items():
        from deltarule.custom.placeholders import marked

        fields = marked(fields)
        if not names_functions:
            raise ModelFileError(
                f"{argument} must be a name in a model file, which cannot hold functions, not "
                f"{function!r}; pickle the network, or keep its theta"
            )
    theta = network.theta if theta is None else theta
    weights, biases = split_theta(theta, architecture.shapes)
    named = dict(zip(_shapes(architecture), weights + biases, strict=True))
    taken = sorted(named.keys() & (tensors or {}).keys())
    if taken:
        raise ValueError(f"tensors must have names of their own, not {taken[0]!r}")
    named.update({name: np.ascontiguousarray(t) for name, t in (tensors or {}).items()})
    extra = dict(metadata or {})
    text = json.dumps({"version": _VERSION, "architecture": fields, "extra": extra})
    _require_memory(3 * sum(t.nbytes for t in named.values()) + 6 * len(text))
    data = safetensors.numpy.save(named, metadata={_KEY: text})
    _check_header(data)
    write_atomically(path, data)


def read_words(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read only the caller's metadata, from the header.

    Raises
    ------
    ModelFileError, OSError
        As `read_file`.
    """
    with _opened(path) as file:
        size = file.read(8)
        header = file.read(min(int.from_bytes(size, "little"), _HEADER_BYTES))
        return _description(_check_header(size + header))[1]


def read_file(path: str | os.PathLike[str]) -> tuple[Model, dict[str, Any]]:
    """Read a file of `write_model`: the parts of the network, and the caller's metadata.

    Custom functions are placeholders.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense.
    OSError
        If it cannot be read.
    """
    with _opened(path) as file:
        data = file.read()
        architecture, extra = _description(_check_header(data))
        _require_memory(2 * len(data))
        try:
            tensors = safetensors.numpy.load(data)
        except _UNREADABLE as error:
            raise _unreadable(error) from None
        del data
        return _model(tensors, architecture), extra


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a model file; a ModelFileError in the block gets its name."""
    check_regular(path)  # to open a FIFO would wait for its writer
    try:
        with open(text_of(path), "rb") as file:
            yield file
    except ModelFileError as error:
        raise of_file(path, error) from None


def of_file(path: str | os.PathLike[str], error: Exception) -> ModelFileError:
    """Return an error with the name of the file before its text, which is cut to `_LONGEST`."""
    text = str(error)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return ModelFileError(f"{os.fspath(path)}: {text}")


@dataclass(eq=False, repr=False)
class Model:
    """The checked parts of a network, from a file."""

    architecture: Architecture
    weights: list[Array]
    biases: list[Array]
    tensors: dict[str, Array]  # the caller's


def _require_memory(size: int) -> None:
    """Raise MemoryError unless `size` bytes can be reserved: safetensors would end the process.

    They are reserved and released, with 1 MiB more for smaller allocations.
    """
    try:
        np.empty(size + 2**20, np.uint8)  # its pages are not touched
    except MemoryError:
        raise MemoryError(f"a model file takes {size / 2**20:.1f} MiB of memory here") from None


def _check_header(data: bytes) -> bytes:
    """Return the header of a file; raise if parsing it could take too much memory."""
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


def _description(header: bytes) -> tuple[Any, dict[str, Any]]:
    """Return the architecture in a header, unchecked, and the caller's metadata."""
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
    """Return the parts of a network, checked."""
    from deltarule.custom.placeholders import unmarked

    try:
        architecture = Architecture.checked(**unmarked(fields))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the architecture makes no sense ({error})") from None
    shapes = _shapes(architecture)
    if missing := [name for name in shapes if name not in tensors]:
        raise ModelFileError(f"tensor {missing[0]} is missing")
    parameters = [tensors.pop(name) for name in shapes]
    for i, (tensor, (name, shape)) in enumerate(zip(parameters, shapes.items(), strict=True)):
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
