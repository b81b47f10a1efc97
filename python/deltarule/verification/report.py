"""The report of a verification: one line per tensor, as text and as JSON."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 100
HEADER = (
    f"{'':21}{'largest error':^27}  {'entry nearest to its bound, or beyond':<33}",
    f"{'':21}{'absolute':>9}{'relative':>9}{'in ulp':>9}  {'':14}{'bound':>9}{'used':>10}  why",
)

# Keys of a report as JSON, in this order.
_LINE_FIELDS = (
    "part", "tensor", "entries", "left_out", "absolute", "relative", "ulp", "error", "bound",
    "used", "at", "reason", "rests_on", "ok",
)  # fmt: skip
_COUNTS = ("rows", "n_samples", "parameters", "n_parameters", "seed")


class VerificationError(AssertionError):
    """A tensor is farther from its reference than its bound.

    Attributes
    ----------
    report : Report
        Every tensor that was compared.
    """

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[type[VerificationError], tuple[str, Report]]:
        return type(self), (str(self), self.report)


@dataclass(frozen=True)
class Line:
    """The comparison of one tensor with its reference.

    The largest absolute, relative and ulp error may lie at different entries. An entry whose
    reference is 0 has an absolute error only; an ulp is one of the network's dtype at the
    reference, of its smallest normal number for what is smaller.

    Attributes
    ----------
    part, tensor : str
        Which computation it belongs to, and its name: ``"backward pass"``, ``"delta[2]"``.
    entries, left_out : int
        Entries compared, and entries left out: beyond the dtype's range, or at a kink.
    absolute, relative, ulp : float
    at : tuple of int
        The entry nearest to its bound, or farthest beyond it: (row of x, unit) or the tensor's
        index.
    error, bound : float
        The absolute error there, and the bound there.
    used : float
        error / bound there, the largest of all entries.
    reason : str
        The reason of the bound.
    rests_on : str or None
        The tensor, computed before, that is wrong and that this one was computed from: whether
        this one is right is open.
    """

    part: str
    tensor: str
    entries: int
    left_out: int
    absolute: float
    relative: float
    ulp: float
    at: tuple[int, ...]
    error: float
    bound: float
    used: float
    reason: str
    rests_on: str | None = None

    @property
    def within(self) -> bool:
        """Whether every entry is within its bound."""
        return self.used <= 1.0

    @property
    def ok(self) -> bool:
        """Whether it is within its bound, and so are the tensors that it was computed from."""
        return self.within and self.rests_on is None

    @property
    def broken(self) -> bool:
        """Whether it is beyond its bound, and the tensors that it was computed from are not."""
        return not self.within and self.rests_on is None

    @property
    def _index(self) -> str:
        return f"[{', '.join(map(str, self.at))}]" if self.at else ""

    def describe(self) -> str:
        """Return where it is farthest off, and by how much."""
        return (
            f"{self.part}: {self.tensor}{' at ' + self._index if self.at else ''} is off by "
            f"{self.error:.3g}, {self.used:.3g} times its bound {self.bound:.3g} ({self.reason})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes and verdicts as JSON can hold them; infinities are None."""
        return {name: _json_value(getattr(self, name)) for name in _LINE_FIELDS}


@dataclass(frozen=True, repr=False)
class Report:
    """What `MLP.verify` and `deltarule.check_gradients` return; it is true where all is right.

    Attributes
    ----------
    network : str
        The network, in one line.
    dtype : str
        Of the network.
    lines : tuple of Line
        In the order of the computation.
    rows, n_samples : int
        Samples examined, and given.
    parameters, n_parameters : int
        Parameters by which differences were taken, and all.
    seed : int
        Of the choice of both.
    overall : dict of float
        All steps together: how far y_hat and the gradient are from the reference run in float64
        from x on, at most; empty where that was not asked.
    """

    network: str
    dtype: str
    lines: tuple[Line, ...]
    rows: int
    n_samples: int
    parameters: int
    n_parameters: int
    seed: int
    overall: dict[str, float]

    @property
    def ok(self) -> bool:
        """Whether every tensor is within its bound."""
        return all(line.ok for line in self.lines)

    def __bool__(self) -> bool:
        """Return `ok`."""
        return self.ok

    @property
    def broken(self) -> tuple[Line, ...]:
        """The tensors that are wrong although those they were computed from are right."""
        return tuple(line for line in self.lines if line.broken)

    def raise_if_broken(self) -> None:
        """Raise VerificationError where a tensor is beyond its bound, naming the worst."""
        if self.ok:
            return
        worst = max(self.broken, key=lambda line: line.used)
        others = [line.tensor for line in self.broken if line is not worst]
        more = f"; beyond their bounds as well: {', '.join(others)}" if others else ""
        raise VerificationError(worst.describe() + more, self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "network": self.network,
            "dtype": self.dtype,
            "ok": self.ok,
            "broken": [line.tensor for line in self.broken],
            **{name: getattr(self, name) for name in _COUNTS},
            "overall": {name: _json_value(value) for name, value in self.overall.items()},
            "lines": [line.to_dict() for line in self.lines],
        }

    def __str__(self) -> str:
        """Return the table, at most 100 columns wide."""
        return as_text(self)

    __repr__ = __str__


def _json_value(value: Any) -> Any:
    """Return a tuple as a list, and None for a float that is not finite."""
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(report: Report) -> str:
    """Return network, table, reasons of the bounds, and the samples examined."""
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
        numbers = (
            f"{_size(line.absolute)}{_size(line.relative)}{_ulps(line.ulp)}  "
            f"{line._index:<14}{_size(line.bound)}{_used(line.used)}"
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
