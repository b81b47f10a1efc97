"""Who may import whom: the arrows between the rooms of the package, and of csrc, and no circle.

Imports within functions and for types alone count as any other.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import deltarule as dr
from deltarule.training.core_call import CoreCall

PACKAGE = Path(__file__).parents[2] / "python" / "deltarule"

# Modules at the top that any room may import.
GROUND = set(
    "_load _version architecture arguments backend config defaults errors layers names optimizers "
    "reference schedules".split()
)
# A room, and those that it may import besides: rooms above come later.
ARROWS = {
    "_load": {"_version", "_core"},
    "config": {"_load", "_version", "arguments"},
    "names": {"_load", "custom", "defaults"},
    "architecture": {"arguments", "custom", "names"},
    "optimizers": {"_load", "arguments"},
    "schedules": {"arguments"},
    "reference": {"defaults", "layers"},
    "data": {"custom", *GROUND},
    "backend": {"_load", "architecture", "data", "layers"},
    "custom": {"data", *GROUND},
    "io": {"custom", "data", *GROUND},
    "checkpoint": {"custom", "data", "io", "training", *GROUND},
    "training": {"checkpoint", "custom", "data", "io", "second_order", *GROUND},
    "second_order": {"custom", "data", "training", *GROUND},
    "trace": {"custom", "data", *GROUND},
    "verification": {"custom", "data", "trace", *GROUND},
    "mlp": {
        "checkpoint", "custom", "data", "io", "second_order", "trace", "training", "verification",
        *GROUND,
    },
    "sklearn": {"custom", "data", "mlp", *GROUND},
    "benchmark": {"data", "deltarule", *GROUND},
    "command": {
        "_start", "benchmark", "checkpoint", "deltarule", "io", "mlp", "training", *GROUND,
    },
    "__main__": {"command"},
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Return the modules of the package, by their names."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """Yield the modules of the package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "deltarule":
                yield name if name in known else name.rpartition(".")[0]


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_arrows_between_rooms() -> None:
    files, wrong = modules(), set()
    known = {*files, "deltarule._core"}
    for module, path in files.items():
        for other in imported(path, known):
            pair = (room(module), room(other))
            if module != "deltarule" and pair[0] != pair[1]:
                if pair[1] not in ARROWS.get(pair[0], set()):
                    wrong.add(f"{module} -> {other}")
    assert wrong == set()


def test_no_circle_of_imports() -> None:
    files = modules()
    below = {module: set(imported(path, set(files))) - {module} for module, path in files.items()}
    del below["deltarule"]  # which any script imports, and which imports when it is asked
    while free := {module for module, others in below.items() if not others & below.keys()}:
        for module in free:
            del below[module]
    assert sorted(below) == []


def test_the_top_has_few_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 15


# The core: bindings over core over runtime over kernels, which include themselves alone.
CORE = PACKAGE.parents[1] / "csrc"
BELOW = ["kernels", "runtime", "core", "bindings"]


def included(path: Path) -> Iterator[Path]:
    """Yield the headers of the core that a file includes."""
    for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
        beside = path.parent / name
        yield (beside if beside.exists() else CORE / name).relative_to(CORE)


def test_arrows_between_the_rooms_of_the_core() -> None:
    wrong = set()
    for path in sorted(CORE.rglob("*.?pp")):
        here = path.relative_to(CORE)
        for other in included(path):
            assert (CORE / other).exists(), f"{here}: {other}"
            if BELOW.index(other.parts[0]) > BELOW.index(here.parts[0]):
                wrong.add(f"{here} -> {other}")
    assert wrong == set()


def test_stages_of_the_core_know_neither_network_nor_workspace() -> None:
    stages = "forward loss backward tangents update parameters layer_values batch plan".split()
    above = {f"core/{name}.hpp" for name in "network workspace step train_step predict".split()}
    for stage in stages:
        reached: set[Path] = set()
        left = sorted((CORE / "core").glob(f"{stage}.?pp"))
        while left:
            path = left.pop()
            new = set(included(path)) - reached
            reached |= new
            left += [CORE / other for other in new]
        assert above & {other.as_posix() for other in reached} == set(), stage


def test_the_internals_of_pybind11_are_used_in_one_file() -> None:
    users = [path.name for path in CORE.rglob("*.?pp") if "py::detail::" in path.read_text()]
    assert users == ["pybind11_internals.hpp"]


def test_no_circle_of_includes_and_no_header_name_twice() -> None:
    headers = sorted(CORE.rglob("*.hpp"))
    assert len({path.name for path in headers}) == len(headers)
    below = {path.relative_to(CORE): set(included(path)) for path in headers}
    while free := {header for header, others in below.items() if not others & below.keys()}:
        for header in free:
            del below[header]
    assert sorted(below) == []


def test_fit_reaches_the_core_in_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    depths = []

    def train(*_: object, **__: object) -> None:
        files = [frame.filename for frame in inspect.stack(0)]
        depths.append(
            sum(str(Path(dr.__file__).parent) in file for file in files) + 1
        )  # `CoreCall.train` itself
        raise ZeroDivisionError

    monkeypatch.setattr(CoreCall, "train", train)
    with pytest.raises(ZeroDivisionError):
        dr.MLP([2, 1]).fit([[1.0, 2.0]], [0.0], epochs=1, verbose=1)
    assert len(depths) == 1 and depths[0] <= 8
