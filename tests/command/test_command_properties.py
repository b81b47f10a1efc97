"""Random tables as CSV and TSV files: rows out are rows in, or the refusal names the place."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="needs the extra: pip install 'deltarule[test]'")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command_support import Result, command
from deltarule.command import cells, tables

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")


@dataclass(frozen=True)
class Written:
    """A table, the bytes of its file, and what makes it none."""

    names: list[str]  # of the columns, the target last
    rows: list[list[str]]  # the cells, with the blanks around them
    data: bytes
    suffix: str
    faults: tuple[str, ...]  # one of which the refusal has to name

    @property
    def stripped(self) -> list[list[str]]:
        return [[cell.strip() for cell in row] for row in self.rows]


# White space that is stripped, quotation marks, separators and line ends in texts of all kinds.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("ab1 \t\n\r\",;'#|=é😀λ\u00a0\u3000NA-+.0"),
        st.characters(exclude_categories=["Cs", "Cc", "Cn"]),
    ),
    max_size=8,
)
NUMBERS = {
    "floats": st.floats(-1e6, 1e6).map(repr),
    "wide floats": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "integers": st.integers(-1000, 1000).map(str),
    "ids": st.integers(0, 10**6).map(lambda i: str(1_700_000_000_123_456_789 + i)),
    "constant": st.just("1700000000123456789"),
    "booleans": st.sampled_from(["true", "False", "TRUE"]),
    "decimals": st.decimals(-1000, 1000, places=3).map(str),
}
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1")
LINE_ENDS = ("\n", "\n", "\r\n", "\r")


def quoted(cell: str, separator: str, always: bool) -> str:
    """Return a cell as RFC 4180 has it."""
    if not always and not set(cell) & {separator, '"', "\r", "\n"}:
        return cell
    return '"' + cell.replace('"', '""') + '"'


@st.composite
def tables_written(draw: st.DrawFn) -> Written:
    n = draw(st.integers(10, 30))
    d = draw(st.one_of(st.integers(1, 5), st.sampled_from([40, 120])))
    names = draw(st.lists(TEXTS, min_size=d + 1, max_size=d + 1))
    if not draw(st.integers(0, 5)):
        names = [str(j) for j in range(d + 1)]
    elif draw(st.booleans()) or d > 5:  # odd names are often refused
        names = [f"{name}{j}" for j, name in enumerate(names)]
    classes = draw(st.lists(TEXTS.filter(str.strip), min_size=2, max_size=4, unique_by=str.strip))
    columns = [
        draw(st.lists(draw(st.sampled_from(list(NUMBERS.values()))), min_size=n, max_size=n))
        if j < 5
        else [str(i * j % 17) for i in range(n)]
        for j in range(d)
    ]
    target = [classes[i % len(classes)] for i in range(n)]
    rows = [list(row) for row in zip(*columns, target, strict=True)]
    if draw(st.booleans()):
        blank = draw(st.sampled_from(["", " ", "\t"]))
        rows = [[f"{blank}{cell}{blank}" for cell in row] for row in rows]
    faults = []
    row, column = draw(st.integers(0, n - 1)), draw(st.integers(0, d))
    kind = draw(st.sampled_from(["", "", "", "missing", "text", "blank row", "ragged"]))
    if kind == "missing":
        rows[row][column] = draw(st.sampled_from(["", " "]))
        what = "target" if column == d else "column"
        faults.append(f"{what} {names[column].strip()!r}, row {row + 1}: a missing value")
    elif kind == "text" and column < d:
        rows[row][column] = cell = draw(st.sampled_from(["NA", "x", "1,5", "-", "5 kg"]))
        faults.append(
            f"column {names[column].strip()!r} is not numeric, row {row + 1} holds {cell!r}"
        )
    suffix = draw(st.sampled_from([".csv", ".csv", ".tsv"]))
    written = [names, *rows]
    if kind == "ragged":
        written[row + 1] = (
            written[row + 1] + ["1"] if draw(st.booleans()) else written[row + 1][:-1]
        )
        faults.append(f"row {row + 1} (line")
    end = draw(st.sampled_from(LINE_ENDS))
    separator = "\t" if suffix == ".tsv" else draw(st.sampled_from(",,;"))
    always = draw(st.booleans())
    lines = [separator.join(quoted(cell, separator, always) for cell in r) for r in written]
    if kind == "blank row":
        lines.insert(row + 1, "")
        faults.append(f"row {row + 1} (line")
    content = end.join(lines) + draw(st.sampled_from(["", end, end, end * 3]))
    if end == "\r":
        faults.append("carriage return (CR)")
    encoding = draw(st.sampled_from(ENCODINGS))
    try:
        data = content.encode(encoding)
    except UnicodeEncodeError:
        encoding, data = "utf-8", content.encode()
    if encoding == "latin-1" and not content.isascii():
        faults.append(" is not UTF-8 (byte 0x")
    stripped = [name.strip() for name in names]
    if max(Counter(stripped).values()) > 1 or "" in stripped:
        faults += ["no name in the header for column", "twice"]
    given = [name for name in stripped if name and not cells.is_no_value(name)]
    if given and all(cells.is_number(name) or cells.has_commas(name) for name in given):
        faults.append("the header is all numbers")
    return Written(stripped, rows, data, suffix, tuple(faults))


def run(*arguments: object) -> Result:
    """Run the command, and hold what every run of it holds."""
    result = command(*arguments)
    assert result.status in (0, 2), result
    if result.status:
        assert result.out == ""
        assert result.err.startswith("deltarule: ")
        assert result.err.count("\n") == 1
    return result


def check(table: Written, folder: Path) -> None:
    """Train on a table and predict it, or see the refusal."""
    data, model = folder / f"d{table.suffix}", folder / "m.st"
    data.write_bytes(table.data)
    arguments = ("--no-plot", "--epochs", 2, "--hidden", "4", "--json", "--validation", 0)
    trained = run("train", data, f"--target={table.names[-1]}", "--save", model, *arguments)
    if table.faults:
        assert trained.status == 2, (table.faults, trained)
        assert any(fault in trained.err for fault in table.faults), (table.faults, trained.err)
        return
    check_values(table, folder)
    labels = [row[-1] for row in table.stripped]
    if trained.status:  # what the rules on targets refuse, by its row
        assert "most values are numbers" in trained.err or "one value only" in trained.err, trained
        return
    report = json.loads(trained.out)
    assert report["rows"] == len(table.rows)
    assert report["features"] == table.names[:-1]
    assert report["target"] == table.names[-1]
    answers = run("predict", model, data, "--json").json["prediction"]
    assert len(answers) == len(table.rows)
    out = io.StringIO(run("predict", model, data).out, newline="")
    printed = list(csv.reader(out))
    assert len(printed) == len(table.rows) + 1
    if report["classes"] is None:
        assert all(map(cells.is_number, labels))
        return
    assert set(report["classes"]) == set(labels)
    assert [row[0] for row in printed[1:]] == answers
    assert set(answers) <= set(labels)
    trace = run("trace", model, data, "--rows", len(labels), "--json").json["quantities"]["y"]
    assert [report["classes"][index_of(y)] for y in trace] == labels


def index_of(y: list[float]) -> int:
    return int(y[0]) if len(y) == 1 else int(np.argmax(y))


def check_values(table: Written, folder: Path) -> None:
    """Compare the inputs that are read with the cells that were written."""
    features = tuple(table.names[:-1])
    x = tables.read_inputs(folder / f"d{table.suffix}", features, len(features)).x
    low = np.zeros_like(x.high) if x.low is None else x.low
    for i, row in enumerate(table.stripped):
        for j, cell in enumerate(row[:-1]):
            boolean = {"true": 1.0, "false": 0.0}.get(cell.lower())
            wanted: Any = float(cell) if boolean is None else boolean
            assert x.high[i, j] == wanted
            if boolean is None and cells.is_whole(cell):
                assert int(x.high[i, j]) + int(low[i, j]) == int(cell)


short = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                           HealthCheck.filter_too_much],
)  # fmt: skip
long = settings(short, max_examples=3000, derandomize=False)


@short
@given(table=tables_written())
def test_tables(table: Written) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(table, Path(folder))


@pytest.mark.full
@long
@given(table=tables_written())
def test_many_tables(table: Written) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(table, Path(folder))
