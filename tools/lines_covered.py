"""The shares of lines that the suite runs: of csrc and of the Python package.

    python tools/lines_covered.py [--jobs N] [--build FOLDER] [pytest's ...]

Builds the core with gcov's counters in build/watched/coverage, beside a copy of the package that
coverage.py follows into every process, and runs the tests there: all of them, or what is named
instead. Exit status 1 where a test fails or a share is below the limit. Needs the extra `dev`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from core_build import ROOT, CoreBuild, workers

LEAST = 95.0  # per cent, of each

# These measure the package's size and the time of an answer, which counting changes.
WITHOUT = (
    "tests/package/test_package.py::test_the_command_and_the_data_are_in_the_package",
    "tests/process/test_interrupts.py::test_ctrl_c_ends_a_fit_at_a_whole_batch",
)


def run_tests(core: CoreBuild, arguments: list[str], jobs: int) -> int:
    """Run pytest on the build, counting; return its exit status."""
    for counted in core.folder.rglob("*.gcda"):
        counted.unlink()
    settings = core.folder / "coverage.ini"
    settings.write_text("[run]\npatch = subprocess\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers(jobs),
        f"--rootdir={ROOT}", *(f"--deselect={test}" for test in WITHOUT),
        f"--cov={core.python / 'deltarule'}", f"--cov-config={settings}",
        f"--cov-report=json:{core.folder / 'coverage.json'}",
        *(arguments or [str(ROOT / "tests")]),
    ]  # fmt: skip
    print("+", *command, flush=True)
    return subprocess.run(command, cwd=core.folder, env=core.environment()).returncode


def core_lines(core: CoreBuild) -> float:
    """Return the per cent of csrc's lines that ran; print the files below the limit."""
    summary = subprocess.check_output(
        [sys.executable, "-m", "gcovr", "--root", str(core.source), "--filter", "csrc/",
         "--merge-mode-functions=separate", "--merge-lines",  # in any instance of a template
         "--object-directory", str(core.folder),
         "--gcov-exclude-directories", ".*CompilerId.*",
         "--gcov-suspicious-hits-threshold", "0",  # kernels run lines billions of times
         "--json-summary", "-"],
        text=True, cwd=core.source,
    )  # fmt: skip
    found = json.loads(summary)
    for file in found["files"]:
        if file["line_percent"] < LEAST:
            covered, total = file["line_covered"], file["line_total"]
            print(f"{file['filename']}: {covered} of {total} lines")
    return float(found["line_percent"])


def python_lines(core: CoreBuild) -> float:
    """Return the per cent of the package's lines that ran; print the files below the limit."""
    found = json.loads((core.folder / "coverage.json").read_text())
    for name, file in found["files"].items():
        if file["summary"]["percent_covered"] < LEAST:
            print(f"{Path(name).name}: lines {file['missing_lines']} did not run")
    return float(found["totals"]["percent_covered"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure which lines the suite runs.")
    parser.add_argument("--jobs", type=int, default=1, help="compilers and tests at a time")
    parser.add_argument("--build", type=Path, help="the folder to build in")
    options, arguments = parser.parse_known_args()
    folder = options.build or ROOT / "build" / "watched" / "coverage"
    core = CoreBuild(ROOT, folder.resolve())
    core.configure(
        "Debug", "--coverage -fprofile-update=atomic", CMAKE_CXX_FLAGS_DEBUG="-O1 -DNDEBUG",
    )  # fmt: skip
    core.compile(options.jobs)
    status = run_tests(core, arguments, options.jobs)
    csrc, python = core_lines(core), python_lines(core)
    print(f"lines that ran: csrc {csrc:.1f} %, python {python:.1f} %; pytest's status {status}")
    return int(status != 0 or min(csrc, python) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
