"""Out-of-tree builds of the core with other flags, each beside a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, **options: object) -> None:
    """Run a command and show its output; raise CalledProcessError where it fails."""
    print("+", *command, flush=True)
    subprocess.run(list(map(str, command)), check=True, **options)  # type: ignore[call-overload]


def copy_sources(to: Path) -> None:
    """Copy the files that a build and the tests read; keep their modification times."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    for name in ("csrc", "python", "tests", "tools"):
        shutil.copytree(ROOT / name, to / name, dirs_exist_ok=True, ignore=ignored)
    for name in ("CMakeLists.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, to / name)


@dataclass(frozen=True)
class CoreBuild:
    """A source tree and its build folder, whose python/ holds the package."""

    source: Path
    folder: Path

    @property
    def python(self) -> Path:
        """The folder for PYTHONPATH."""
        return self.folder / "python"

    def configure(self, build_type: str, flags: str = "", **variables: str) -> None:
        """Copy the package and configure the build; `flags` go to the C++ compiler."""
        pyproject = tomllib.loads((self.source / "pyproject.toml").read_text())
        version = pyproject["project"]["version"]
        package = self.python / "deltarule"
        ignored = shutil.ignore_patterns("_core*.so", "__pycache__")
        shutil.copytree(
            self.source / "python" / "deltarule", package, dirs_exist_ok=True, ignore=ignored
        )
        (package / "_version.py").write_text(f'__version__ = "{version}"\n')
        pybind11 = subprocess.check_output(
            [sys.executable, "-m", "pybind11", "--cmakedir"], text=True
        ).strip()
        settings = {
            "CMAKE_BUILD_TYPE": build_type,
            "CMAKE_CXX_FLAGS": flags,
            "CMAKE_LIBRARY_OUTPUT_DIRECTORY": str(package),
            "SKBUILD_PROJECT_VERSION": version,
            "SKBUILD_PROJECT_VERSION_FULL": version,
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11,
            **variables,
        }
        run(
            "cmake", "-S", self.source, "-B", self.folder, "-G", "Ninja",
            *(f"-D{name}={value}" for name, value in settings.items()),
        )  # fmt: skip

    def compile(self, jobs: int) -> None:
        """Build incrementally, with `jobs` compilers at a time."""
        run("cmake", "--build", self.folder, "--parallel", str(jobs))

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment that makes Python import this package."""
        path = os.pathsep.join(filter(None, [str(self.python), os.environ.get("PYTHONPATH")]))
        return {**os.environ, "PYTHONPATH": path, **(variables or {})}


def workers(jobs: int) -> list[str]:
    """Return pytest's arguments for `jobs` processes, none where pytest-xdist is missing."""
    return ["-n", str(jobs)] if jobs > 1 and find_spec("xdist") else []
