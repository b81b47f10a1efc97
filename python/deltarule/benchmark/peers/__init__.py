"""The packages to compare: one module for each, which imports that package.

Such a module has a class `Model`, as `model.BaseModel` describes it, and ``WORKS``, the kinds of
work that the package does, where these are not all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from deltarule._load import core

_HERE = __name__


@dataclass(frozen=True)
class Peer:
    """A package, or a way to use it.

    Attributes
    ----------
    name : str
    module : str
        The module with its `Model`.
    imports : tuple of str
        The packages that it needs beside NumPy.
    environment : mapping
        Variables of its process.
    """

    name: str
    module: str
    imports: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [name for name in self.imports if find_spec(name) is None]


OURS = Peer("deltarule", f"{_HERE}.with_deltarule")
PEERS = (
    Peer("numpy", f"{_HERE}.with_numpy"),
    Peer("torch", f"{_HERE}.with_torch", ("torch",)),
    Peer("torch-compile", f"{_HERE}.with_torch_compile", ("torch",)),
    Peer("jax", f"{_HERE}.with_jax", ("jax",)),
    Peer("scikit-learn", f"{_HERE}.with_sklearn", ("sklearn",)),
    Peer("onnxruntime", f"{_HERE}.with_onnxruntime", ("onnxruntime", "onnx")),
)
# torch-compile calls a C++ compiler for every case: it takes part when it is asked for.
USUAL = [peer.name for peer in PEERS if peer.name != "torch-compile"]
NONE = "none"


def select(names: Sequence[str] | None) -> list[Peer]:
    """Return the peers of these names, none of them for ``["none"]``; the usual ones for None.

    Raises
    ------
    ValueError
        If there is no peer of a name.
    """
    by_name = {peer.name: peer for peer in PEERS}
    if names is not None and list(names) == [NONE]:
        return []
    for name in names or ():
        if name not in by_name:
            raise ValueError(f"peers must be of {', '.join(by_name)}, or {NONE}; not {name!r}")
    return [by_name[name] for name in (USUAL if names is None else names)]


def on_isa(name: str) -> Peer:
    """Return this package on another instruction set.

    Raises
    ------
    ValueError
        If the processor or this build lacks it.
    """
    if name not in core.isas():
        raise ValueError(f"isa must be of {', '.join(core.isas())}; not {name!r}")
    return Peer(f"{OURS.name}-{name}", OURS.module, environment={"DELTARULE_ISA": name})
