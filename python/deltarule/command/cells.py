"""Cells of text: numbers, nearly numbers, and names for a missing value."""

from __future__ import annotations

import re

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_COMMAS = re.compile(r"[+-]?(\d+,\d+|\d{1,3}([.,'’ \u00a0\u202f]\d{3})+([.,]\d+)?)", re.ASCII)
_NO_VALUE = frozenset("? - -- . na n/a #n/a nan null none nil missing".split())
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)

_SHOWN = 40  # characters of a cell that is quoted
_LONGEST_WHOLE = 40  # characters; a pair of float64 cannot hold more


def shown(cell: object) -> str:
    """Return a cell, name or label as messages quote it: of long text the beginning."""
    if isinstance(cell, str) and len(cell) > _SHOWN:
        return f"{cell[:_SHOWN]!r}..."
    return repr(cell)


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite number in decimal notation, as ``-1.5e3``."""
    return re.fullmatch(NUMBER, cell) is not None


def is_whole(cell: str) -> bool:
    """Return whether a cell is digits with at most a sign."""
    return _WHOLE.fullmatch(cell) is not None


def whole(cell: str) -> int | None:
    """Return the whole number of a cell; None for another cell, or one of too many digits."""
    return int(cell) if len(cell) <= _LONGEST_WHOLE and is_whole(cell) else None


def has_commas(cell: str) -> bool:
    """Return whether a cell is a number with a decimal comma or thousands apart, as ``1,200``."""
    return not is_number(cell) and _COMMAS.fullmatch(cell) is not None


def is_no_value(cell: str) -> bool:
    """Return whether a cell is a name for a missing or an infinite value, as ``NA`` or ``inf``."""
    return cell.lower() in _NO_VALUE or _INFINITE.fullmatch(cell) is not None


def order(cell: str) -> tuple[bool, float, str]:
    """Return the key that sorts numbers by value, before other text in alphabetical order."""
    return (False, float(cell), cell) if is_number(cell) else (True, 0.0, cell)
