"""The core network of any architecture: in C++, or in NumPy for custom functions."""

from __future__ import annotations

from typing import cast

from deltarule.architecture import Architecture
from deltarule.backend import Core, make_compiled


def make_core(architecture: Architecture) -> Core:
    """Return a core network, all parameters 0; MemoryError names the sizes."""
    if not architecture.custom:
        return make_compiled(architecture)
    from deltarule.custom.network import CustomNetwork

    return cast(Core, CustomNetwork(architecture))
