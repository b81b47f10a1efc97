"""CSV and TSV files: bytes to columns of text, or an error that names the row and its line.

polars parses the cells. It also accepts files that are not one table (short rows, stray quotation
marks), so the structure is checked here first, by the rules of RFC 4180: a cell with a separator, a
line end or a quotation mark is enclosed in quotation marks, and a mark in it is doubled. Text is
UTF-8, or UTF-16 and UTF-32 with a byte-order mark; lines end with LF or CRLF. White space around a
cell is not part of it. Rows are counted from 1, the header excluded; lines from 1.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.command.cells import shown
from deltarule.command.console import CommandError, one_line, require

if TYPE_CHECKING:
    from polars import Series

SEPARATORS = {".csv": b",", ".tsv": b"\t"}

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_QUOTED = rb'"(?:[^"]++|"")*+"'
_MISPLACED = re.compile(rb'"|\r(?!\n)')
_FOR_EXCEL = re.compile(rb'"?sep=.?"?\r?(\n|$)', re.IGNORECASE)
_TOGETHER = 200  # columns in one expression, whose time is quadratic in them
MOST_COLUMNS = 100_000  # each takes some 6 KB to be read


def read_cells(path: Path) -> list[Series]:
    """Read all records of a file, the header among them, as text.

    Returns
    -------
    list of Series
        One per column, of String, stripped of white space; null where a cell is empty.

    Raises
    ------
    CommandError
        The file is not text, or not one table: the row, its line and the rule are named.
    """
    pl = require("polars", f"reading {path}")
    data = _utf8(path, path.read_bytes())
    _check_start(path, data)
    separator = _separator(path, data)
    records = _records(path, data, separator)
    columns = records[0].count(separator) + 1
    # Blank lines at the end are not rows, but of a single column they are empty cells.
    if columns > 1:
        data = data.rstrip(b"\r\n")
        while not records[-1].rstrip(b"\r"):
            records.pop()
    _check_records(path, data, separator, records)
    if columns > MOST_COLUMNS:
        raise CommandError(
            f"{path}: {columns} columns, a table of text may have {MOST_COLUMNS}; npz takes more"
        )
    try:
        cells = pl.read_csv(
            data, has_header=False, separator=separator.decode(), infer_schema_length=0
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise unreadable(path, error) from None
    if cells.shape != (len(records), columns):
        raise CommandError(f"{path}: not a readable table: its quotation marks are out of order")
    return _stripped(cells.get_columns())


def unreadable(path: Path, error: BaseException) -> CommandError:
    """Return the error for a table that polars cannot read: the first line of its message."""
    first = str(error).strip().partition("\n")[0]
    return CommandError(f"{path}: not a readable table: {one_line(first)}")


def _stripped(columns: list[Series]) -> list[Series]:
    """Return columns of text without white space around it; null where nothing is left."""
    import polars as pl

    text = pl.all().str.strip_chars()
    stripped: list[Series] = []
    for start in range(0, len(columns), _TOGETHER):
        some = pl.DataFrame(columns[start : start + _TOGETHER])
        stripped += some.select(pl.when(text != "").then(text)).get_columns()
    return stripped


def _check_start(path: Path, data: bytes) -> None:
    """Refuse a file that does not begin with a header, or has the line ends of another system."""
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
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = _line(data, error.start)
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
    return text.encode()


def _separator(path: Path, data: bytes) -> bytes:
    """Return the separator of the extension, or the semicolon of a .csv file.

    A .csv file has semicolons where its header has them, and no comma or fewer records with as
    many fields as the header by commas.
    """
    separator = SEPARATORS[path.suffix.lower()]
    if separator != b"," or b";" not in data:
        return separator
    header = re.sub(_QUOTED, b"", data).partition(b"\n")[0]
    if b"," not in header or b";" not in header:
        return b";" if b";" in header else b","
    return max(b",", b";", key=lambda candidate: _fitting(path, data, candidate))


def _fitting(path: Path, data: bytes, separator: bytes) -> int:
    """Return the number of records with as many fields as the first; 0 for a malformed file."""
    try:
        records = _records(path, data, separator)
    except CommandError:
        return 0
    fields = [record.count(separator) for record in records]
    return fields.count(fields[0])


def _records(path: Path, data: bytes, separator: bytes) -> list[bytes]:
    """Return the records without their LF, each quoted cell replaced by as many letters.

    The positions are those of `data`, and every separator and line end that is left is one.

    Raises
    ------
    CommandError
        A quotation mark or a carriage return is out of place.
    """
    begin, end = rb"(?<![^%b\r\n])" % separator, rb"(?=[%b\r\n]|\Z)" % separator
    masked = re.sub(begin + _QUOTED + end, lambda match: b"x" * len(match[0]), data)
    fault = _MISPLACED.search(masked)
    if fault and fault[0] == b"\r":
        raise CommandError(
            f"{path}: not a readable table: line {_line(data, fault.start())} has a carriage "
            "return (CR) that does not end it"
        )
    if fault:
        mark = fault.start()
        if data[mark - 1 : mark] in (b"", b"\r", b"\n", separator):
            cell = re.compile(_QUOTED).match(data, mark)
            if cell is None:
                raise CommandError(
                    f"{path}: not a readable table: the quotation mark in line "
                    f"{_line(data, mark)} is not closed"
                )
            mark = cell.end() - 1
        raise CommandError(
            f"{path}: not a readable table: line {_line(data, mark)} has a quotation "
            "mark within a cell: put the cell in quotation marks and double the mark"
        )
    return masked.removesuffix(b"\n").split(b"\n")


def _check_records(path: Path, data: bytes, separator: bytes, records: list[bytes]) -> None:
    """Refuse a blank row, and the first whose number of fields is not that of the header."""
    columns = records[0].count(separator)
    start = 0
    for row, record in enumerate(records):
        stop = start + len(record)
        if record.count(separator) != columns or record in (b"", b"\r"):
            where = f"row {row} (line {_line(data, start)})"
            if record in (b"", b"\r"):
                raise CommandError(f"{path}: {where} is blank: a missing value")
            raise CommandError(
                f"{path}: not a readable table: {where} has "
                f"{_count(data[start:stop], record.count(separator) + 1)}, the header "
                f"{_count(data[: len(records[0])], columns + 1)}"
            )
        start = stop + 1


def _count(record: bytes, fields: int) -> str:
    """Return the number of fields of a record, and the text of a single one."""
    if fields > 1:
        return f"{fields} fields"
    return f"1 field ({shown(one_line(record.decode(errors='replace')))})"


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
