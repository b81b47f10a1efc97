"""The seeded bugs still fit the sources; with --full, the tests notice each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seeded_bugs.table import BUGS, OUT_OF_BOUNDS, Bug

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("bug", [*BUGS, OUT_OF_BOUNDS], ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: Bug) -> None:
    text = (ROOT / bug.file).read_text()
    assert bug.planted(text) != text
    assert bug.new.count("\n") <= 3
    assert all((ROOT / "tests" / name).exists() for name in bug.tests)


def test_a_bug_that_no_longer_fits_is_an_error() -> None:
    with pytest.raises(LookupError, match="holds 0 times"):
        BUGS[0].planted("nothing of it")


def test_the_bugs_have_names_of_their_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 10


@pytest.mark.full
def test_each_bug_is_noticed() -> None:
    script = ROOT / "tools" / "seeded_bugs" / "run.py"
    jobs = str(os.cpu_count() or 1)
    run = subprocess.run([sys.executable, script, "--jobs", jobs], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
