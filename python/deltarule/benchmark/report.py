"""The report of a benchmark: lines while it runs, a table in Markdown, an object for JSON."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TextIO

from deltarule.benchmark import machine
from deltarule.benchmark.cases import TITLES, Case
from deltarule.benchmark.peers import OURS, Peer
from deltarule.benchmark.runner import Ratio, Result, Runner

_LABEL, _PEER = 44, 17


@dataclass(frozen=True)
class Report:
    """The results of a benchmark, and where it was run.

    Attributes
    ----------
    machine : dict
        As `machine.describe` gives it.
    rounds : int
    rivals : list of str
        The other packages that took part.
    left_out : dict
        By peer, why it took no part.
    peaks : dict
        By dtype, flop per second of fused multiply-adds alone.
    results : list of Result
    """

    machine: dict[str, Any]
    rounds: int
    rivals: list[str]
    left_out: dict[str, str]
    peaks: dict[str, float]
    results: list[Result]

    @property
    def agrees(self) -> bool:
        """Whether this package did every case as it should."""
        return not any(OURS.name in result.problems for result in self.results)


def conduct(
    cases: Sequence[Case],
    peers: Sequence[Peer],
    *,
    threads: int,
    rounds: int,
    seconds: float,
    stream: TextIO | None,
) -> Report:
    """Verify and time this package and its peers on all cases.

    Parameters
    ----------
    cases, peers : sequence
    threads, rounds, seconds
        As `Runner` takes them.
    stream : text file or None
        Gets one line per case, as soon as it is known.

    Raises
    ------
    ValueError
        A number is out of range.
    PeerError
        This package's own process failed.
    """

    def show(*lines: str) -> None:
        if stream is not None:
            for line in lines:
                print(line.rstrip(), file=stream, flush=True)

    runner = Runner(threads, rounds, seconds)
    with runner.started(peers):
        here = machine.describe(threads, runner.versions)
        rivals = [p.name for p in peers if p.name in runner.works and p.module != OURS.module]
        report = Report(here, rounds, rivals, runner.left_out, runner.peaks, [])
        left_out = [f"{name} left out: {why}" for name, why in report.left_out.items()]
        show(where(report), _versions(report), *left_out)
        for _, group in groupby(cases, key=lambda case: case.work):
            for i, case in enumerate(group):
                result = runner.run(case)
                report.results.append(result)
                if i == 0:
                    show("", _line(TITLES[case.work], OURS.name, "GF/s", "of peak", result.peers))
                problems = [f"  {name} not timed: {why}" for name, why in result.problems.items()]
                rate = "-" if result.rate is None else _number(result.rate / 1e9)
                label, ours, of_peak, *ratios = _cells(result)
                show(*problems, _line(label, ours, rate, of_peak, ratios))
    show("", *_summary(report))
    return report


def _cells(result: Result) -> list[str]:
    """Return the label, this package's time and part of the peak, and each peer's ratio."""
    ratios = [_ratio(result.ratio(name)) for name in result.peers]
    return [result.case.label, _time(result.ours), _part(result), *ratios]


def _line(label: str, ours: str, rate: str, of_peak: str, peers: Sequence[str]) -> str:
    others = "".join(f" {peer:>{_PEER}s}" for peer in peers)
    return f"{label:<{_LABEL}s}{ours:>10s}{rate:>8s}{of_peak:>9s}{others}"


def _summary(report: Report) -> list[str]:
    lines = [f"{_meaning(report)}."]
    if report.peaks:
        lines.append(f"{_peaks(report)}.")
    ratios = [r.median for result in report.results if (r := result.ratio(*report.rivals))]
    if ratios:
        lines.append(
            f"The fastest peer's time over {OURS.name}'s: geometric mean "
            f"{_number(statistics.geometric_mean(ratios))}, least {_number(min(ratios))}, "
            f"{len(ratios)} cases."
        )
    return lines


def markdown(report: Report) -> str:
    """Return one table per kind of work, and below them where the figures come from."""
    parts = []
    for work, group in groupby(report.results, key=lambda result: result.case.work):
        results = list(group)
        header = [TITLES[work], OURS.name, "of peak", *results[0].peers]
        rows = [header, ["---", *["--:"] * (len(header) - 1)], *map(_cells, results)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append(f"{_meaning(report)}. {where(report)}. {_peaks(report)}. {_versions(report)}.")
    return "\n\n".join(parts)


def as_json(report: Report) -> dict[str, Any]:
    """Return all figures, ready for JSON: seconds, flop, ratios."""
    return {
        "machine": report.machine,
        "rounds": report.rounds,
        "left_out": report.left_out,
        "peaks": report.peaks,
        "cases": [_case(result) for result in report.results],
    }


def _case(result: Result) -> dict[str, Any]:
    ratios = {name: result.ratio(name) for name in result.peers}
    return {
        "name": result.case.name,
        "flop": result.case.flop,
        "seconds": result.seconds,
        "ratios": {name: ratio._asdict() for name, ratio in ratios.items() if ratio is not None},
        "part_of_peak": None if result.rate is None else result.rate / result.peak,
        "problems": result.problems,
    }


def _meaning(report: Report) -> str:
    rounds = f"{report.rounds} round{'s' if report.rounds > 1 else ''}"
    return f"Under a peer: its time over {OURS.name}'s, the median of {rounds} (least-most)"


def where(report: Report) -> str:
    """Return the processor, the CPUs used and the instruction set, in a line."""
    here = report.machine
    return f"{here['processor']}, {here['threads']} of {here['cpus']} CPUs, {here['isa']}"


def _versions(report: Report) -> str:
    return ", ".join(f"{name} {version}" for name, version in report.machine["versions"].items())


def _peaks(report: Report) -> str:
    peaks = (f"{peak / 1e9:.0f} GF/s ({dtype})" for dtype, peak in report.peaks.items())
    return f"Peak, fused multiply-adds alone: {', '.join(peaks)}"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return "-"
    return f"{_number(ratio.median)} ({_number(ratio.least)}-{_number(ratio.most)})"


def _number(value: float) -> str:
    """Return three digits: 0.98, 2.31, 23.1, 231."""
    return f"{value:.{max(0, 2 - max(0, math.floor(math.log10(value))))}f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1.0:
            return f"{_number(seconds * scale)} {unit}"
    return f"{_number(seconds * 1e6)} us"


def _part(result: Result) -> str:
    if result.rate is None:
        return "-"
    percent = 100 * result.rate / result.peak
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"
