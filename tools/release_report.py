"""The report of a release check: the programme's points, what came of them, where they ran."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Point:
    """What the programme asks for, and what shows it: see release_check.toml."""

    number: int
    title: str
    limit: str
    tests: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    lacks: str = ""


@dataclass
class Outcome:
    """What came of a point: texts name the test or script, and the reason."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    measured: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0


def verdict(point: Point, outcome: Outcome) -> str:
    """Return passed, partly covered, not covered or failed: passed leaves nothing open."""
    if outcome.failed:
        return "failed"
    if not outcome.passed:
        return "not covered"
    return "partly covered" if outcome.skipped or outcome.missing or point.lacks else "passed"


@dataclass
class Report:
    """A release check so far; machine is what `deltarule.benchmark.machine.describe` returns."""

    source: str
    date: str
    machine: Mapping[str, Any]
    points: list[tuple[Point, Outcome]] = field(default_factory=list)

    def json(self) -> str:
        """Return everything, a point an object."""
        points = [{**asdict(p), **asdict(o), "verdict": verdict(p, o)} for p, o in self.points]
        content = {"source": self.source, "date": self.date, "machine": self.machine}
        return json.dumps({**content, "points": points}, indent=2, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """Return a table of the points, and what each leaves open."""
        machine = self.machine
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        lines = [
            f"# Release check of {self.source}",
            "",
            f"{self.date}, {machine['processor']}, {machine['cpus']} CPUs, {machine['isa']}, "
            f"{machine['platform']}. {versions}.",
            "",
            "| point | limit | verdict | passed / failed / skipped | measured | seconds |",
            "| --- | --- | --- | --: | --- | --: |",
            *(_row(point, outcome) for point, outcome in self.points),
        ]
        for point, outcome in self.points:
            if remarks := _remarks(point, outcome):
                lines += ["", f"## {point.number}. {point.title}", "", *remarks]
        return "\n".join(lines) + "\n"


def _row(point: Point, outcome: Outcome) -> str:
    counts = f"{outcome.passed} / {len(outcome.failed)} / {len(outcome.skipped)}"
    measured = [f"{name}: {', '.join(values)}" for name, values in outcome.measured.items()]
    cells = (
        f"{point.number}. {point.title}", point.limit, verdict(point, outcome), counts,
        "; ".join(measured), f"{outcome.seconds:.1f}",
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _remarks(point: Point, outcome: Outcome) -> list[str]:
    remarks = [f"- failed: {text}" for text in outcome.failed]
    remarks += [f"- not there: {text}" for text in outcome.missing]
    remarks += [f"- skipped: {text}" for text in outcome.skipped]
    return remarks + ([f"- not shown yet: {point.lacks}"] if point.lacks else [])
