"""A report as text, at most 100 columns wide."""

from __future__ import annotations

import math
import textwrap

import numpy as np

from deltarule.verification.report import Line, Report

WIDTH = 100
HEADER = (
    f"{'':21}{'largest error':^27}  {'entry nearest to its bound, or beyond':<33}",
    f"{'':21}{'absolute':>9}{'relative':>9}{'in ulp':>9}  {'':14}{'bound':>9}{'used':>10}  why",
)


def as_text(report: Report) -> str:
    """Return network, table, reasons of the bounds, and what was looked at."""
    reasons = list(dict.fromkeys(line.reason for line in report.lines))
    text, part = [*textwrap.wrap(report.network, WIDTH), "", *HEADER], ""
    for line in report.lines:
        if line.part != part:
            part = line.part
            text.append(part)
        text.append(_row(line, reasons.index(line.reason) + 1))
    u = float(np.finfo(report.dtype).eps) / 2
    text += [
        "",
        f"why: the bounds; u = {u:.1e}, half an eps; K: how often a sum's longest chain rounds",
    ]
    for number, reason in enumerate(reasons, start=1):
        text += textwrap.wrap(
            reason, WIDTH, initial_indent=f"{number:4d}  ", subsequent_indent=" " * 6
        )
    text.append("")
    for sentence in _summary(report):
        text += textwrap.wrap(sentence, WIDTH)
    return "\n".join(line.rstrip() for line in text)


def _row(line: Line, reason: int) -> str:
    numbers = f"{'nothing to compare':>27}  {'':33}"
    if line.entries:
        place = f"[{', '.join(map(str, line.at))}]" if line.at else ""
        numbers = (
            f"{_size(line.absolute)}{_size(line.relative)}{_ulps(line.ulp)}  "
            f"{place:<14}{_size(line.bound)}{_used(line.used)}"
        )
    return f"  {line.tensor:<19}{numbers}  {reason:>2}  {_verdict(line)}"


def _size(value: float) -> str:
    return f"{'0' if value == 0.0 else f'{value:.1e}':>9}"


def _ulps(value: float) -> str:
    return f"{value:9.0f}" if 10.0 <= value < 99_999.0 else f"{value:9.2g}"


def _used(ratio: float) -> str:
    if ratio > 1.0:
        return f"{'inf' if math.isinf(ratio) else f'{ratio:.2g}':>8} x"
    return f"{100 * ratio:8.0f} %"


def _verdict(line: Line) -> str:
    if line.rests_on is not None:
        return f"? {line.rests_on}"
    return "ok" if line.within else "WRONG"


def _summary(report: Report) -> list[str]:
    sentences = [
        f"{line.part}: of {line.tensor} {line.left_out} of {line.left_out + line.entries} entries "
        f"are left out, at a kink or beyond {report.dtype}"
        for line in report.lines
        if line.left_out
    ]
    if report.overall:
        apart = ", ".join(f"{name} {value:.1e}" for name, value in report.overall.items())
        sentences.append(f"all steps together, largest error beside float64 from x on: {apart}")
    looked = (
        f"looked at {report.rows} of {report.n_samples} rows, "
        f"{report.parameters} of {report.n_parameters} parameters (seed {report.seed})"
    )
    verdict = f"all {len(report.lines)} tensors within their bounds"
    if not report.ok:
        verdict = f"{len(report.broken)} of {len(report.lines)} tensors WRONG"
        resting = sum(line.rests_on is not None for line in report.lines)
        if resting:
            verdict += f", {resting} computed from them (?)"
    return [*sentences, f"{verdict}; {looked}"]
