"""Model files: safetensors, written atomically, validated in meaning before a network is built.

Tensors W1..WL (n_l, n_{l-1}) and b1..bL (n_l,), and what a caller adds beside them; the metadata
entry "deltarule" is JSON: the version of this layout, the architecture, and a caller's own part.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from deltarule.architecture import Architecture
from deltarule.errors import ModelFileError

if TYPE_CHECKING:
    from deltarule.network import MLP

Array = NDArray[Any]

_KEY = "deltarule"
_VERSION = 1


def _names(n_layers: int) -> list[str]:
    layers = range(1, n_layers + 1)
    return [f"W{l}" for l in layers] + [f"b{l}" for l in layers]  # noqa: E741


def write_model(
    path: str | os.PathLike[str],
    network: MLP,
    tensors: Mapping[str, Array] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write a network, and what belongs to it, so that the old file or the new one is there.

    Parameters
    ----------
    path : str or path
        Replaced as a whole, by renaming a finished file from the same folder.
    network : MLP
        Its parameters and architecture are kept; velocity and random state are not.
    tensors, metadata : mapping, optional
        More tensors (other names than W1.., b1..) and a part of the caller's own, as JSON holds it.

    Raises
    ------
    ModelFileError
        If the network has functions of the user's own.
    OSError
        If the file cannot be written.
    """
    for argument, function in network._architecture.custom.items():
        raise ModelFileError(
            f"{argument} must be a name in a model file, which cannot hold functions, not "
            f"{function!r}; pickle the network, or keep its theta"
        )
    parameters = [np.ascontiguousarray(t) for t in (*network.weights, *network.biases)]
    named = dict(zip(_names(len(network.weights)), parameters, strict=True))
    taken = sorted(named.keys() & (tensors or {}).keys())
    if taken:
        raise ValueError(f"tensors must have names of their own, not {taken[0]!r}")
    named.update({name: np.ascontiguousarray(t) for name, t in (tensors or {}).items()})
    description = {
        "version": _VERSION,
        "architecture": network._architecture.to_dict(),
        "extra": dict(metadata or {}),
    }
    data = safetensors.numpy.save(named, metadata={_KEY: json.dumps(description)})
    write_atomically(Path(path), data)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that, after a crash at any moment, the old one or the new one is there."""
    _remove_stale(path)
    prefix = f".{path.name}.{os.getpid()}-"
    handle, temporary = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's files are private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _remove_stale(path: Path) -> None:
    """Remove what processes that are no more left behind while saving this file."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-\w+\.tmp")
    for name in os.listdir(path.parent):
        match = pattern.fullmatch(name)
        if match is None or int(match[1]) == os.getpid():
            continue
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            (path.parent / name).unlink(missing_ok=True)
        except (OSError, OverflowError):
            continue  # another user's, alive


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where folders can be synced."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_model(path: str | os.PathLike[str]) -> tuple[MLP, dict[str, Array], dict[str, Any]]:
    """Read what `write_model` wrote: the network, the other tensors, the caller's own part.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense.
    OSError
        If it cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        tensors, description = _parse(data)
        network = _build(tensors, description)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from None
    return network, tensors, description["extra"]


def load(path: str | os.PathLike[str]) -> MLP:
    """Read a network from the file that `MLP.save` wrote.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    MLP
        With a fresh random state and no velocity.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense. Nothing in it is executed.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import deltarule as dr
    >>> net = dr.MLP([2, 3, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(os.path.join(folder, "net.safetensors"))
    ...     same = dr.load(os.path.join(folder, "net.safetensors"))
    >>> bool((same.theta == net.theta).all())
    True
    """
    return read_model(path)[0]


def _parse(data: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return tensors and description of a file whose layout is sound."""
    try:
        tensors = safetensors.numpy.load(data)
        header_size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + header_size])
        text = header.get("__metadata__", {}).get(_KEY)
        description = json.loads(text) if text is not None else None
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"not a readable safetensors file ({error})") from None
    if description is None:
        raise ModelFileError("a safetensors file, but not one of deltarule's")
    if not isinstance(description, dict) or description.get("version") != _VERSION:
        version = description.get("version") if isinstance(description, dict) else None
        raise ModelFileError(f"layout version {version!r}; this deltarule reads {_VERSION}")
    if not isinstance(description.get("extra"), dict):
        raise ModelFileError("the description lacks its part 'extra'")
    return tensors, description


def _build(tensors: dict[str, Array], description: dict[str, Any]) -> MLP:
    """Return the network, taking its tensors out of `tensors`."""
    from deltarule.network import MLP

    fields = description.get("architecture")
    try:
        architecture = Architecture.checked(**fields)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the architecture makes no sense ({error})") from None
    names = _names(architecture.n_layers)
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelFileError(f"tensor {missing[0]} is missing")
    parameters = [tensors.pop(name) for name in names]
    shapes = [*architecture.shapes, *((n,) for n in architecture.sizes[1:])]
    for name, tensor, shape in zip(names, parameters, shapes, strict=True):
        if tensor.shape != shape or tensor.dtype != architecture.dtype:
            raise ModelFileError(
                f"tensor {name} has shape {tensor.shape} and dtype {tensor.dtype}, "
                f"the architecture says {shape} and {architecture.dtype}"
            )
    arrays = (parameters[: architecture.n_layers], parameters[architecture.n_layers :])
    try:
        return MLP(**architecture.to_dict(), init=arrays)
    except ValueError as error:
        raise ModelFileError(str(error)) from None
