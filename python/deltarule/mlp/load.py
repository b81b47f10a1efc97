"""Networks from files."""

from __future__ import annotations

import os
from typing import Any

from deltarule.custom.placeholders import Given
from deltarule.errors import ModelFileError
from deltarule.io.model_file import read_file
from deltarule.layers import Array
from deltarule.mlp.network import MLP


def read_model(
    path: str | os.PathLike[str], given: Given | None = None
) -> tuple[MLP, dict[str, Array], dict[str, Any]]:
    """Read what `write_model` wrote: the network, the other tensors, the caller's own part.

    Parameters
    ----------
    path : str or path
    given : Given, optional
        The custom functions, for which the file has names.

    Raises
    ------
    ModelFileError, OSError
        As `read_file`.
    TypeError, ValueError
        If what is given is not the network's.
    """
    model, extra = read_file(path)
    architecture = model.architecture
    if given is not None:
        architecture = given.to(architecture)
    elif architecture.custom:
        argument, function = next(iter(architecture.custom.items()))
        raise ModelFileError(
            f"{os.fspath(path)}: {argument} is a function, {function.name!r}, which no file "
            "holds; deltarule.resume takes it again"
        )
    network = MLP(**architecture.to_dict(), init=(model.weights, model.biases))
    return network, model.tensors, extra


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
        If it cannot be read, or is no regular file.

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
