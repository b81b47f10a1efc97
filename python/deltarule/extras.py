"""Optional dependencies: a missing one says which extra brings it."""

from __future__ import annotations

from importlib.util import find_spec


def require(module: str, *, extra: str) -> None:
    """Raise ImportError, naming the extra to install, unless `module` can be imported."""
    if find_spec(module) is None:
        raise ImportError(
            f"{module} is not installed; it comes with the extra: pip install 'deltarule[{extra}]'"
        )
