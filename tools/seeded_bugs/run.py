"""Plant each bug of the table in a copy of the sources: shows which test notices it.

    python tools/seeded_bugs/run.py [--jobs N] [--json FILE] [--work FOLDER] [name ...]

Needs what the build and the tests need (CMake, Ninja, pybind11, pytest; pytest-xdist if it is
there); git and a network it does not. The sound sources come first, and must pass. Exit status 1
where a bug is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from core_build import CoreBuild, copy_sources, workers
from seeded_bugs.table import BUGS, Bug

SECONDS = 1800.0  # a bug may make a team wait for ever


def first_failure(core: CoreBuild, tests: Sequence[str], jobs: int) -> str | None:
    """Return what failed first among the test files, or None where all passed."""
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider",
        *workers(jobs), *(str(core.source / "tests" / name) for name in tests),
    ]  # fmt: skip
    environment = core.environment()
    try:
        done = subprocess.run(
            command, cwd=core.source, env=environment, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end within {SECONDS:.0f} s"
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" - ")[0].split(" ", 1)[1]
    if done.returncode < 0:
        return f"ended by signal {-done.returncode}"
    if done.returncode != 0:
        raise RuntimeError(f"pytest could not run:\n{done.stdout}{done.stderr}")
    return None


def try_bug(core: CoreBuild, bug: Bug, jobs: int) -> dict[str, object]:
    """Plant a bug, build, test, and take it out again."""
    start = time.monotonic()
    path = core.source / bug.file
    sound = path.read_text()
    bug.plant(core.source)
    try:
        core.compile(jobs)
        noticed = first_failure(core, bug.tests, jobs)
    finally:
        path.write_text(sound)
    seconds = round(time.monotonic() - start, 1)
    return {"bug": bug.name, "what": bug.what, "file": bug.file, "noticed_by": noticed,
            "seconds": seconds}  # fmt: skip


def run_all(bugs: Sequence[Bug], work: Path, jobs: int) -> list[dict[str, object]]:
    """Build and test the sound sources, then each bug; return a row for each bug."""
    copy_sources(work / "source")
    core = CoreBuild(work / "source", work / "build")
    # -O1 compiles faster, for each bug anew; the same bits are in the contract.
    core.configure("RelWithDebInfo", CMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1")
    core.compile(jobs)
    tests = sorted({name for bug in bugs for name in bug.tests})
    if failure := first_failure(core, tests, jobs):
        raise RuntimeError(f"the sound sources fail: {failure}")
    rows = []
    for bug in bugs:
        rows.append(try_bug(core, bug, jobs))
        print(f"{bug.name}: {rows[-1]['noticed_by'] or 'MISSED'}", flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="Show that the tests notice seeded bugs.")
    parser.add_argument("names", nargs="*", help="bugs of the table; all of them if none is named")
    parser.add_argument("--jobs", type=int, default=1, help="compilers and tests at a time")
    parser.add_argument("--json", type=Path, help="a file for the rows of the table")
    parser.add_argument("--work", type=Path, help="a folder to build in and keep")
    options = parser.parse_args()
    if unknown := set(options.names) - {bug.name for bug in BUGS}:
        parser.error(f"no such bug: {', '.join(sorted(unknown))}")
    bugs = [bug for bug in BUGS if not options.names or bug.name in options.names]
    if options.work:
        rows = run_all(bugs, options.work.resolve(), options.jobs)
    else:
        with tempfile.TemporaryDirectory() as work:
            rows = run_all(bugs, Path(work), options.jobs)
    print(f"\n{'bug':12}{'file':34}{'seconds':>8}  noticed by")
    for row in rows:
        noticed = row["noticed_by"] or "NOTHING"
        print(f"{row['bug']:12}{row['file']:34}{row['seconds']:8}  {noticed}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(row["noticed_by"] is None for row in rows))


if __name__ == "__main__":
    sys.exit(main())
