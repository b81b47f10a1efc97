"""What a benchmark gave: lines while it runs, a table in Markdown, an object for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TextIO

from deltarule.benchmark import machine
from deltarule.benchmark.cases import TITLES, Case
from deltarule.benchmark.peers import OURS, Peer
from deltarule.benchmark.runner import Race, Ratio, Result

_LABEL, _PEER = 44, 17


@dataclass(frozen=True)
class Report:
    """The results of a race, and where it was run.

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
        By dtype, flop a second of fused multiply-adds alone.
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
    """Race on all cases.

    Parameters
    ----------
    cases, peers : sequence
    threads, rounds, seconds
        As `Race` takes them.
    stream : text file or None
        Where a line a case goes as soon as it is known.

    Raises
    ------
    ValueError
        A number is out of range.
    PeerError
        This package's own process failed.
    """
    with Race(peers, threads, rounds, seconds) as race:
        here = machine.describe(threads, race.versions)
        results: list[Result] = []
        report = Report(here, rounds, race.rivals, race.left_out, race.peaks, results)
        _show(stream, *_opening(report))
        for _, group in groupby(cases, key=lambda case: case.work):
            for i, case in enumerate(group):
                results.append(race.run(case))
                if i == 0:
                    _show(stream, "", _header(results[-1]))
                _show(stream, *_lines(results[-1]))
    _show(stream, "", *_closing(report))
    return report


def _show(stream: TextIO | None, *lines: str) -> None:
    if stream is not None:
        for line in lines:
            print(line.rstrip(), file=stream, flush=True)


def _opening(report: Report) -> list[str]:
    left_out = [f"{name} left out: {why}" for name, why in report.left_out.items()]
    return [where(report), _versions(report), *left_out]


def _header(result: Result) -> str:
    peers = "".join(f" {name:>{_PEER}s}" for name in result.peers)
    title = TITLES[result.case.work]
    return f"{title:<{_LABEL}s}{OURS.name:>10s}{'GF/s':>8s}{'of peak':>9s}{peers}"


def _lines(result: Result) -> list[str]:
    problems = [f"  {name} not timed: {why}" for name, why in result.problems.items()]
    rate = "-" if result.rate is None else _number(result.rate / 1e9)
    peers = "".join(f" {_ratio(result.ratio(name)):>{_PEER}s}" for name in result.peers)
    ours = f"{_time(result.ours):>10s}{rate:>8s}{_part(result):>9s}"
    return [*problems, f"{result.case.label:<{_LABEL}s}{ours}{peers}"]


def _closing(report: Report) -> list[str]:
    lines = [f"{_meaning(report)}."]
    if report.peaks:
        lines.append(f"{_peaks(report)}.")
    ratios = [ratio for r in report.results if (ratio := r.ratio(*report.rivals)) is not None]
    if ratios:
        mean = math.exp(sum(math.log(ratio.median) for ratio in ratios) / len(ratios))
        least = min(ratio.median for ratio in ratios)
        lines.append(
            f"The fastest peer's time over {OURS.name}'s: geometric mean {_number(mean)}, "
            f"least {_number(least)}, {len(ratios)} cases."
        )
    return lines


def markdown(report: Report) -> str:
    """Return a table a kind of work, and under them where the figures come from."""
    parts = []
    for work, group in groupby(report.results, key=lambda result: result.case.work):
        results = list(group)
        names = results[0].peers
        rows = [[TITLES[work], OURS.name, "of peak", *names], ["---", *["--:"] * (2 + len(names))]]
        for result in results:
            ratios = [_ratio(result.ratio(name)) for name in names]
            rows.append([result.case.label, _time(result.ours), _part(result), *ratios])
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts.append(f"{_meaning(report)}. {where(report)}. {_peaks(report)}. {_versions(report)}.")
    return "\n\n".join(parts)


def as_json(report: Report) -> dict[str, Any]:
    """Return everything that was measured, ready for JSON: seconds, flop, ratios."""
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
