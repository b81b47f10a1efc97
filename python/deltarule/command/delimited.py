"""CSV and TSV files: bytes to columns of text, or the row and line that are no table's.

The rules are those of RFC 4180: a cell with a separator, a line's end or a quotation mark stands in
quotation marks, in which a mark is doubled. Text is UTF-8, or UTF-16 and UTF-32 with a byte-order
mark; lines end with LF or CRLF. Blanks around a cell are no part of it. Rows are counted from 1,
the header not counted; lines from 1.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deltarule.command.cells import shown
from deltarule.command.console import CommandError, one_line, require

if TYPE_CHECKING:
    from polars import Series

SEPARATORS = {".csv": ",", ".tsv": "\t"}

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_FIRST_RECORD = re.compile(rb'(?:[^"\n]++|"[^"]*+"?+)*+')
_QUOTED = re.compile(rb'"[^"]*"')
_FOR_EXCEL = re.compile(rb'"?sep=.?"?\r?(\n|$)', re.IGNORECASE)
_TAB, _LF, _CR, _QUOTE = b'\t\n\r"'
_BLOCK = 2**24  # bytes that are looked at together
_TOGETHER = 200  # columns in one expression, whose time is quadratic in them
MOST_COLUMNS = 100_000  # each takes some 6 KB to be read


def read_cells(path: Path) -> list[Series]:
    """Read all records of a file, the header among them, as text.

    Returns
    -------
    list of Series
        A column each, of String, stripped of blanks; null where a cell is empty.

    Raises
    ------
    CommandError
        The file is not text, or not one table: the row, its line and the rule are named.
    """
    pl = require("polars", f"reading {path}")
    data = _utf8(path, path.read_bytes())
    _check_start(path, data)
    separator = _separator(path, data)
    ends, fields = _scan(path, data, ord(separator))
    # Blank lines at the end are no rows, but for a single column, of which they are empty cells.
    if fields[0] > 1:
        data = data.rstrip(b"\r\n")
        ends, fields = ends[ends < len(data)], fields[: int((ends < len(data)).sum()) + 1]
    _check_fields(path, data, ends, fields)
    if fields[0] > MOST_COLUMNS:
        raise CommandError(
            f"{path}: {fields[0]} columns, a table of text may have {MOST_COLUMNS}; npz takes more"
        )
    try:
        cells = pl.read_csv(data, has_header=False, separator=separator, infer_schema_length=0)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        first = str(error).strip().partition("\n")[0]
        raise CommandError(f"{path}: not a readable table: {one_line(first)}") from None
    if cells.shape != (len(fields), fields[0]):
        raise CommandError(f"{path}: not a readable table: its quotation marks are out of order")
    return _stripped(cells.get_columns())


def _stripped(columns: list[Series]) -> list[Series]:
    """Return columns of text without the blanks around it; null where nothing is left."""
    import polars as pl

    text = pl.all().str.strip_chars()
    stripped: list[Series] = []
    for start in range(0, len(columns), _TOGETHER):
        some = pl.DataFrame(columns[start : start + _TOGETHER])
        stripped += some.select(pl.when(text != "").then(text)).get_columns()
    return stripped


def _check_start(path: Path, data: bytes) -> None:
    """Refuse a file that does not begin with a header, or has lines of another system."""
    if not data.strip(b"\r\n"):
        raise CommandError(f"{path}: no header, the file is blank")
    if data.startswith((b"\n", b"\r\n")):
        raise CommandError(f"{path}: no header, line 1 is blank")
    if b"\r" in data and b"\n" not in data:
        raise CommandError(
            f"{path}: not a readable table: its lines end with a carriage return (CR) alone, save "
            "it with LF or CRLF"
        )
    if _FOR_EXCEL.match(data):
        raise CommandError(f"{path}: line 1 is for Excel alone ('sep='), remove it")


def _utf8(path: Path, data: bytes) -> bytes:
    """Return the file as UTF-8 without a byte-order mark."""
    encoding = "utf-8"
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    if encoding == "utf-8" and data.isascii() and b"\0" not in data:
        return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CommandError(
            f"{path}: not a readable table: line {line} is not {encoding.upper()} (byte "
            f"0x{data[error.start]:02x}), save the file as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise CommandError(
            f"{path}: not a readable table: line {line} has a NUL character; is it UTF-16 "
            "without a byte-order mark? Save the file as UTF-8"
        )
    return data if encoding == "utf-8" else text.encode()


def _separator(path: Path, data: bytes) -> str:
    """Return the separator of the extension, or the semicolon of a .csv file.

    That is where the header has semicolons, and no comma or fewer records that fit by commas.
    """
    separator = SEPARATORS[path.suffix.lower()]
    record = _FIRST_RECORD.match(data)
    header = _QUOTED.sub(b"", record[0] if record else b"")
    if separator != "," or b";" not in header:
        return separator
    if b"," not in header:
        return ";"
    return max(",", ";", key=lambda candidate: _fitting(path, data, candidate))


def _fitting(path: Path, data: bytes, separator: str) -> int:
    """Return the number of records with as many fields as the first; 0 where they are none."""
    try:
        fields = _scan(path, data, ord(separator))[1]
    except CommandError:
        return 0
    return int((fields == fields[0]).sum())


def _scan(path: Path, data: bytes, separator: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the records end, and how many fields each has.

    Returns
    -------
    ends : ndarray of int64
        The positions of the line ends outside quotation marks.
    fields : ndarray of int64
        Of each record; one more than `ends` where the last has no line end.
    """
    content = np.frombuffer(data, dtype=np.uint8)
    ends, separators = [], []
    inside, n_separators, opened = False, 0, 0
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        quotes = block == _QUOTE
        within = np.logical_xor.accumulate(quotes) ^ inside
        _check_returns(path, data, content, np.flatnonzero((block == _CR) & ~within) + start)
        if quotes.any():
            at = np.flatnonzero(quotes)
            opened = _check_quotes(path, data, content, separator, at + start, within[at], opened)
        end = np.flatnonzero((block == _LF) & ~within)
        between = np.flatnonzero((block == separator) & ~within)
        ends.append(end + start)
        separators.append(n_separators + np.searchsorted(between, end))
        n_separators += len(between)
        inside = bool(within[-1])
    if inside:
        raise CommandError(
            f"{path}: not a readable table: the quotation mark in line {_line(data, opened)} "
            "is not closed"
        )
    all_ends = np.concatenate(ends)
    before = np.concatenate(separators)
    if not len(all_ends) or all_ends[-1] + 1 < len(data):
        before = np.append(before, n_separators)
    return all_ends, np.diff(before, prepend=0) + 1


def _check_quotes(
    path: Path,
    data: bytes,
    content: NDArray[np.uint8],
    separator: int,
    at: NDArray[np.int64],
    opening: NDArray[np.bool_],
    opened: int,
) -> int:
    """Refuse a quotation mark within a cell; return where the last cell in marks begins."""
    begins, closes = at[opening], at[~opening]
    before = content[np.maximum(begins - 1, 0)]
    after = content[np.minimum(closes + 1, len(content) - 1)]
    right_begin = (begins == 0) | np.isin(before, (separator, _LF, _CR, _QUOTE))
    right_close = (closes + 1 == len(content)) | np.isin(after, (separator, _LF, _CR, _QUOTE))
    wrong = np.concatenate([begins[~right_begin], closes[~right_close]])
    if len(wrong):
        raise CommandError(
            f"{path}: not a readable table: line {_line(data, int(wrong.min()))} has a quotation "
            "mark within a cell: put the cell in quotation marks and double the mark"
        )
    first = begins[(begins == 0) | (before != _QUOTE)]
    return int(first[-1]) if len(first) else opened


def _check_returns(
    path: Path, data: bytes, content: NDArray[np.uint8], at: NDArray[np.int64]
) -> None:
    """Refuse carriage returns that do not belong to a CRLF."""
    following = content[np.minimum(at + 1, len(content) - 1)]
    alone = at[(at + 1 == len(content)) | (following != _LF)]
    if len(alone):
        raise CommandError(
            f"{path}: not a readable table: line {_line(data, int(alone[0]))} has a carriage "
            "return (CR) that does not end it"
        )


def _check_fields(
    path: Path, data: bytes, ends: NDArray[np.int64], fields: NDArray[np.int64]
) -> None:
    """Refuse a blank row, and the first whose number of fields is not that of the header."""
    starts = np.concatenate([[0], ends + 1])[: len(fields)]
    stops = np.append(ends, len(data))[: len(fields)]
    content = np.frombuffer(data, dtype=np.uint8)
    begins = content[np.minimum(starts, len(data) - 1)]
    blank = (stops == starts) | ((stops - starts == 1) & (begins == _CR))
    wrong = np.flatnonzero(blank | (fields != fields[0]))
    if not len(wrong):
        return
    row = int(wrong[0])
    where = f"row {row} (line {_line(data, int(starts[row]))})"
    if blank[row]:
        raise CommandError(f"{path}: {where} is blank: a missing value")
    raise CommandError(
        f"{path}: not a readable table: {where} has "
        f"{_count(data[starts[row] : stops[row]], int(fields[row]))}, the header "
        f"{_count(data[: stops[0]], int(fields[0]))}"
    )


def _count(record: bytes, fields: int) -> str:
    """Return the number of fields of a record, and the text of a lone one."""
    if fields > 1:
        return f"{fields} fields"
    return f"1 field ({shown(one_line(record.decode(errors='replace')))})"


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
