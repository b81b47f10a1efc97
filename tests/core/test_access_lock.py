"""The lock of a network: its steps by several threads in every order, with forks between them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from process_support import run

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "csrc" / "core" / "access_lock.hpp"

# Planted faults: a line of the lock, and a wrong one that grants too much, or drops too much or too
# little after a fork.
BUGS = {
    "readers beside a trainer": (
        "users == kMostUsers || is_kept_from(thread)",
        "users == kMostUsers",
    ),
    "a writer beside readers": ("if (users != 0 || is_kept_from", "if (users < 0 || is_kept_from"),
    "a training beside a writer": (
        "if (users < 0 || is_kept_from(thread))",
        "if (is_kept_from(thread))",
    ),
    "no fork is noticed": ("if (forks == process.forks % kForks) return *this;", "return *this;"),
    "the trainer is forgotten": ("trainer == process.survivor ? trainer : 0", "0"),
    "the parent's users count": (
        "return {0, trainer == process",
        "return {users, trainer == process",
    ),
    "the parent's trainer stays": ("trainer == process.survivor ? trainer : 0", "trainer"),
}


def model(folder: Path, header: str) -> Path:
    """Build the program that takes the steps of a header in every order."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler (Debian: g++)")
    (folder / "access_lock.hpp").write_text(header)
    program = folder / "model"
    source = ROOT / "tests" / "core" / "access_lock.cpp"
    run(
        compiler,
        "-std=c++20",
        "-O1",
        "-Wall",
        "-Wextra",
        f"-I{folder}",
        f"-I{ROOT / 'csrc'}",
        source,
        "-o",
        program,
    )
    return program


def test_every_order(tmp_path: Path) -> None:
    states, _ = run(model(tmp_path, LOCK.read_text())).split()
    assert int(states) > 20_000


@pytest.mark.parametrize(("line", "wrong"), BUGS.values(), ids=BUGS)
def test_a_wrong_lock_is_noticed(line: str, wrong: str, tmp_path: Path) -> None:
    header = LOCK.read_text()
    assert header.count(line) == 1
    program = model(tmp_path, header.replace(line, wrong))
    with pytest.raises(
        AssertionError, match=r"is alone|the word|no deadlock|is free|ends by its thread"
    ):
        run(program)
