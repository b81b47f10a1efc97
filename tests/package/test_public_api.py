"""The public names and their signatures are those of tests/golden/public_api.txt.

After a deliberate change: python tests/package/test_public_api.py > tests/golden/public_api.txt
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "public_api.txt"
MODULES = ("deltarule", "deltarule.schedules", "deltarule.reference", "deltarule.sklearn")


def is_ours(value: object) -> bool:
    return getattr(value, "__module__", "").startswith("deltarule")


def signature(function: object) -> str:
    """Parameters and defaults; no annotations, which say nothing to a caller."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return re.sub(
        r" at 0x\w+", "", str(found.replace(parameters=bare, return_annotation=found.empty))
    )


def names_of(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if not callable(value) or not is_ours(value):
            yield name
            continue
        yield name + (signature(value) if has_signature(value) else "")
        if inspect.isclass(value):
            yield from members_of(name, value)


def has_signature(value: object) -> bool:
    return not (inspect.isclass(value) and issubclass(value, BaseException | dict))


def members_of(name: str, owner: type) -> Iterator[str]:
    ours = {name for kind in owner.__mro__ if is_ours(kind) for name in vars(kind)}
    for member in sorted(name for name in ours if not name.startswith("_")):
        value = getattr(owner, member, None)
        if callable(value) and not isinstance(value, type):
            yield f"    {name}.{member}{signature(value)}"
        elif isinstance(inspect.getattr_static(owner, member), property):
            yield f"    {name}.{member}"


def public_api() -> Iterator[str]:
    for module in MODULES:
        yield from (f"[{module}]", *names_of(import_module(module)))


def test_the_public_names_and_signatures_stay() -> None:
    pytest.importorskip("sklearn", reason="needs the extra sklearn")
    assert "\n".join(public_api()).splitlines() == GOLDEN.read_text("utf-8").splitlines()


if __name__ == "__main__":
    print("\n".join(public_api()))
