"""A trace as text for a terminal or a projector, and as Markdown."""

from __future__ import annotations

import math
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from deltarule.layers import Array
from deltarule.trace.derivation import derivation, heading
from deltarule.trace.equations import ascii_text

if TYPE_CHECKING:
    from deltarule.trace.quantities import Quantities


WIDTH = 100
# The numbers of an equation longer than this stand below it.
LONGEST_EQUATION = 50
# An array beyond this is shown by its least, mean and largest entry.
MOST_ROWS, MOST_COLUMNS = 8, 16
# Of a number; of those in one array fewer, where it is too wide otherwise.
DIGITS = (4, 3, 2)


# Text


def as_text(trace: Quantities, ascii: bool) -> str:
    """Return what `Trace.to_text` promises."""
    plain = ascii_text if ascii else str
    sections = [
        (section.title, [(plain(line.formula.text), line.value) for line in section.lines])
        for section in derivation(trace)
    ]
    valued = [(len(text), v) for _, lines in sections for text, v in lines if v is not None]
    left = 2 + max(length for length, _ in valued if length <= LONGEST_EQUATION)
    shapes = max(len(_shape(value)) for _, value in valued)
    parts = [line for part in heading(trace) for line in textwrap.wrap(plain(part), WIDTH)]
    for title, lines in sections:
        parts += ["", title]
        for text, value in lines:
            parts += [f"      {text}"] if value is None else _equation(text, value, left, shapes)
    return "\n".join(part.rstrip() for part in parts)


def _equation(text: str, value: Array, left: int, shapes: int) -> list[str]:
    """Return an equation, its shape and its numbers: beside it where they fit, else below."""
    lines = [f"  {text}"] if len(text) + 2 > left else []
    head = f"{'' if lines else f'  {text}':<{left}}  {_shape(value):<{shapes}}  "
    for digits in DIGITS:
        numbers = _numbers(value, digits)
        if len(numbers[0]) <= WIDTH - len(head):
            blank = " " * len(head)
            return [*lines, *(f"{blank if i else head}{row}" for i, row in enumerate(numbers))]
        if len(numbers[0]) <= WIDTH - 6:
            return [*lines, head, *(f"      {row}" for row in numbers)]
    return [*lines, head + _summary(value)]


def _numbers(value: Array, digits: int) -> list[str]:
    """Return the rows of an array, aligned; of a large one, a line of its extremes."""
    if value.ndim == 0:
        return [f"{value.item():.{digits + 2}g}"]
    if not _is_small(value):
        return [_summary(value)]
    text = np.array2string(
        value + 0.0,  # -0 is 0
        max_line_width=sys.maxsize,
        precision=digits,
        suppress_small=False,
        threshold=sys.maxsize,
        sign="-",
        floatmode="maxprec",
    )
    return [row.strip() for row in text[1:-1].split("\n")] if value.ndim == 2 else [text]


def _summary(value: Array) -> str:
    least, mean, largest = _extremes(value)
    return f"min {least:.4g}  mean {mean:.4g}  max {largest:.4g}"


# Markdown


def as_markdown(trace: Quantities) -> str:
    """Return what `Trace.to_markdown` promises."""
    parts = [*heading(trace)]
    for section in derivation(trace):
        parts.append(f"### {section.title}")
        for line in section.lines:
            parts.append(f"$$\n{line.formula.latex}{_latex(line.value)}\n$$")
    return "\n\n".join(parts) + "\n"


def _latex(value: Array | None) -> str:
    """Return what stands after an equation."""
    if value is None:
        return ""
    if value.ndim == 0:
        return f" = {_latex_number(value.item(), DIGITS[0] + 2)}"
    if not _is_small(value):
        least, mean, largest = map(_latex_number, _extremes(value))
        return (
            rf" \qquad {_shape(value)} \quad \text{{min }} {least} \quad \text{{mean }} {mean}"
            rf" \quad \text{{max }} {largest}"
        )
    rows = (" & ".join(map(_latex_number, row)) for row in np.atleast_2d(value).tolist())
    matrix = r" \cr ".join(rows)
    return rf" \qquad \begin{{bmatrix}} {matrix} \end{{bmatrix}} \quad {_shape(value)}"


def _latex_number(value: float, digits: int = DIGITS[0]) -> str:
    if not math.isfinite(value):
        return r"\text{nan}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    mantissa, e, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa


# Both


def _shape(value: Array) -> str:
    return str(value.shape) if value.ndim else ""


def _is_small(value: Array) -> bool:
    shape: tuple[int, ...] = np.atleast_2d(value).shape
    return shape[0] <= MOST_ROWS and shape[1] <= MOST_COLUMNS


def _extremes(value: Array) -> tuple[float, float, float]:
    with np.errstate(all="ignore"):  # infinities of both signs have no mean
        mean = value.mean(dtype=np.float64)
    return float(value.min()), float(mean), float(value.max())
