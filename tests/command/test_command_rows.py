"""The rows and columns of CSV and TSV files: an answer for each row, or an error that names it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from command_support import blobs, command, refused, write_csv
from deltarule.command import pipeline, tables
from deltarule.command.standardization import Standardization

pl = pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

TWO = dr.MLP([2, 1], seed=0)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    TWO.save("two.st")
    dr.MLP([1, 1], seed=0).save("one.st")


def predictions(model: str, data: str, *arguments: object) -> list[float]:
    answer: list[float] = command("predict", model, data, *arguments, "--json").json["y_hat_0"]
    return answer


def outputs(x: list[list[float]]) -> list[float]:
    return [float(str(v)) for v in TWO.predict(np.array(x, np.float32))[:, 0]]


ROWS = {
    "separators": (b"a,b\n1,2\n,\n3,4\n", "column 'a', row 2: a missing value"),
    "quoted": (b'a,b\n1,2\n"",""\n3,4\n', "column 'a', row 2: a missing value"),
    "blanks": (b"a,b\n1,2\n , \n3,4\n", "column 'a', row 2: a missing value"),
    "blank": (b"a,b\n1,2\n\n3,4\n", "row 2 (line 3) is blank: a missing value"),
    "blank, CRLF": (b"a,b\r\n1,2\r\n\r\n3,4\r\n", "row 2 (line 3) is blank: a missing value"),
    "last": (b"a,b\n1,2\n,", "column 'a', row 2: a missing value"),
    "after a line end in a cell": (b'a,"\nb"\n1,2\n\n3,4\n', "row 2 (line 4) is blank"),
    "too many fields": (b"a,b\n1,2\n1,2,3\n", "row 2 (line 3) has 3 fields, the header 2 fields"),
    "too few": (b"a,b\n1,2\n1\n", "row 2 (line 3) has 1 field ('1'), the header 2 fields"),
    "comment": (b"# of us\na,b\n1,2\n", "row 1 (line 2) has 2 fields, the header 1 field ('# of"),
    "comment below": (b"a,b\n# x\n1,2\n", "row 1 (line 2) has 1 field ('# x'), the header 2"),
    "sep": (b"sep=,\na,b\n1,2\n", "line 1 is for Excel alone ('sep=')"),
    "sep, semicolon": (b'"sep=;"\r\na;b\r\n1;2\r\n', "line 1 is for Excel alone ('sep=')"),
    "leading blank line": (b"\na,b\n1,2\n", "no header, line 1 is blank"),
    "leading blank line, CRLF": (b"\r\na,b\n1,2\n", "no header, line 1 is blank"),
    "lone CR": (b"a,b\r1,2\r3,4\r", "its lines end with a carriage return (CR) alone"),
    "lone CR, quoted": (b'"a","b"\r"1","2"\r', "its lines end with a carriage return (CR)"),
    "lone CR and both separators": (
        b'a;,b;"c,"\r1;2;3\r',
        "its lines end with a carriage return (CR) alone",
    ),
    "a CR": (b"a,b\n1,2\r3,4\n", "line 2 has a carriage return (CR) that does not end it"),
    "quote in a cell": (b'a,b\n1,2\n1,5"\n', "line 3 has a quotation mark within a cell"),
    "blank before a quote": (b'a,b\n1, "2"\n', "line 2 has a quotation mark within a cell"),
    "open quote": (b'a,b\n1,2\n3,"4\n5,6\n', "the quotation mark in line 3 is not closed"),
    "latin-1": ("a,b\n1,2\n1,é\n".encode("latin-1"), "line 3 is not UTF-8 (byte 0xe9)"),
    "cut UTF-16": ("a,b\n1,2\n".encode("utf-16")[:-1], "line 2 is not UTF-16-LE (byte 0x0a)"),
    "UTF-16, no mark": ("a,b\n1,2\n".encode("utf-16-le"), "line 1 has a NUL character"),
    "a mark alone": (b"\xef\xbb\xbf\r\n", "no header, the file is blank"),
    "numbers as names": (b"1,2\n3,4\n", "the header is all numbers ('1', '2'): --no-header"),
    "and a gap": (b"1,\n3,4\n", "the header is all numbers ('1', ''): --no-header"),
    "decimal commas": (b"a;b\n1,5;2\n", "column 'a' is not numeric, row 1 holds '1,5'"),
    "and a missing value": (b"1,nan\n3,4\n", "the header is all numbers ('1', 'nan')"),
    "two unnamed": (
        b",\n1,2\n",
        "no name in the header for columns 1, 2 of 2: name them or leave them out",
    ),
    "thousands": (b'a,b\n1,"1,200"\n', "column 'b' is not numeric, row 1 holds '1,200'"),
    "large": (
        b"a,b\n1,2\n1,1e300\n",
        "column 'b', row 2: 1e+300 is too large for the network's float32",
    ),
    "infinite": (b"a,b\n1,2\n1,1e400\n", "column 'b', row 2: an infinite value"),
    "a long cell": (b"a,b\n1,%s\n" % (b"x" * 10**5), f"row 1 holds '{'x' * 40}'...\n"),
    "a long name": (
        b"%s,b,%s\n1,2,3\n" % (b"x" * 10**5, b"x" * 10**5),
        f"the header has '{'x' * 40}'... twice\n",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_malformed_row_is_named(name: str) -> None:
    content, fragment = ROWS[name]
    Path("d.csv").write_bytes(content)
    refused("predict", "two.st", "d.csv", fragment=fragment)


@pytest.mark.parametrize("content", [b"a\tb\n1\t2\n\t\n3\t4\n", b"a\tb\n1\t2\n\n3\t4\n"])
def test_blank_rows_of_a_tsv(content: bytes) -> None:
    Path("d.tsv").write_bytes(content)
    refused("predict", "two.st", "d.tsv", fragment="row 2")


@pytest.mark.parametrize(
    "content", [b"a\n1\n\n3\n", b'a\n1\n""\n3\n', b"a\r\n1\r\n\r\n", b"a\n1\n \n"]
)
def test_blank_rows_of_a_single_column(content: bytes) -> None:
    Path("d.csv").write_bytes(content)
    refused("predict", "one.st", "d.csv", fragment="row 2")


TABLES = {
    "LF": b"a,b\n1,2\n3,4.5\n",
    "CRLF": b"a,b\r\n1,2\r\n3,4.5\r\n",
    "no line end": b"a,b\n1,2\n3,4.5",
    "line ends at the end": b"a,b\n1,2\n3,4.5\n\n\r\n\n",
    "quoted": b'"a","b"\n"1","2"\n"3","4.5"\n',
    "blanks": b" a ,b\n 1,2 \n3\t,  4.5\n",
    "semicolons": b"a;b\n1;2\n3;4.5\n",
    "comma in a name, unquoted": b"a,b;c\n1;2\n3;4.5\n",
    "comma in a name": b'"a,b";c\n1;2\n3;4.5\n',
    "semicolon in a name": b'"a;b",c\n1,2\n3,4.5\n',
    "line end in a name": b'"a\nb",c\n1,2\n3,4.5\n',
    "marks in a name": b'"a""b","""c"""\n1,2\n3,4.5\n',
    "no name": b",b\n1,2\n3,4.5\n",
    "UTF-8 with a mark": "\ufeffa,é\n1,2\n3,4.5\n".encode(),
    "UTF-16": "a,é\n1,2\n3,4.5\n".encode("utf-16"),
    "UTF-16, big-endian": "\ufeffa,é\n1,2\n3,4.5\n".encode("utf-16-be"),
    "UTF-32": "a,é\n1,2\n3,4.5\n".encode("utf-32"),
    "exponents": b"a,b\n+1e0,.2e1\n3.,45E-1\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_with_spaces_quotes_and_gaps(name: str) -> None:
    Path("d.csv").write_bytes(TABLES[name])
    assert predictions("two.st", "d.csv") == outputs([[1, 2], [3, 4.5]])


def test_header_or_none() -> None:
    Path("d.csv").write_bytes(b"1,2\n3,4.5\n")
    assert predictions("two.st", "d.csv", "--no-header") == outputs([[1, 2], [3, 4.5]])
    assert predictions("two.st", "d.csv", "--header") == outputs([[3, 4.5]])
    np.savez("d.npz", x=np.ones((2, 2)))
    refused("predict", "two.st", "d.npz", "--no-header", fragment="--no-header: is for CSV and TSV")
    pl.DataFrame({"1": [1.0], "2": [2.0]}).write_parquet("d.parquet")
    assert predictions("two.st", "d.parquet") == outputs([[1, 2]])
    refused("predict", "two.st", "d.parquet", "--header", fragment="--header: is for CSV and TSV")
    refused("train", "--no-header", fragment="--no-header: needs DATA")


def test_a_table_without_a_header_is_known_by_position() -> None:
    x, y = blobs()
    write_csv("named.csv", x, [f"k{i}" for i in y])
    rows = Path("named.csv").read_bytes().split(b"\r\n", 1)[1]
    Path("d.csv").write_bytes(rows)
    train = ("train", "d.csv", "--no-plot", "--epochs", 5, "--json")
    refused(*train, "--target", "y", "--no-header", fragment="no column 'y' (its columns: '1', '2'")
    report = command(*train, "--target", "5", "--no-header").json
    assert (report["rows"], report["features"], report["target"]) == (240, None, "5")
    assert command("verify", "d.safetensors", "d.csv", "--no-header", "--json").json["ok"]
    trace = command("trace", "d.safetensors", "d.csv", "--no-header", "--rows", 3, "--json").json
    assert trace["rows"] == 3
    Path("x.csv").write_bytes(b"\n".join(row.rpartition(b",")[0] for row in rows.split()))
    answers = command("predict", "d.safetensors", "x.csv", "--no-header", "--json").json
    assert answers["prediction"] == [f"k{i}" for i in y]
    refused(
        "predict", "d.safetensors", "d.csv", "--no-header", fragment="5 columns, the model takes 4"
    )


def test_numbers_as_names_of_a_table_to_train_on() -> None:
    x, y = blobs()
    pl.DataFrame({str(j): x[:, j] for j in range(4)} | {"4": y}).write_csv("d.csv")
    arguments = ("train", "d.csv", "--no-plot", "--epochs", 5, "--target", "4")
    refused(
        *arguments,
        fragment="the header is all numbers ('0', '1', '2', '3', '4'): --no-header takes",
    )
    assert command(*arguments, "--header", "--json").json["features"] == ["0", "1", "2", "3"]
    # The names of a model's own features are names.
    assert command("predict", "d.safetensors", "d.csv", "--json").json["rows"] == 240


def test_resuming_keeps_the_header() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    Path("d.csv").write_bytes(Path("d.csv").read_bytes().split(b"\r\n", 1)[1])
    arguments = ("train", "d.csv", "--no-plot", "--json")
    first = command(
        *arguments, "--target", "5", "--no-header", "--epochs", 2, "--checkpoint", "ck.st"
    )
    assert first.json["rows"] == 240
    assert command(*arguments, "--resume", "ck.st", "--epochs", 3).json["epochs"] == 3
    refused(
        *arguments, "--resume", "ck.st", "--header", fragment="--header: the run of ck.st has False"
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unnamed_column_of_a_table_to_train_on(place: int) -> None:
    names = ["column_0", "y"]
    names.insert(place, "")
    body = "".join(f"{i},{i * i % 7},{i % 5}.5\n" for i in range(20))
    Path("d.csv").write_text(",".join(names) + "\n" + body)
    fragment = f"d.csv: no name in the header for column {place + 1} of 3"
    refused("train", "d.csv", "--target", "y", fragment=fragment)


def test_an_index_without_a_name_is_not_read_by_a_model_that_knows_names() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    command("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 2)
    wanted = command("predict", "d.safetensors", "d.csv").out
    header, *rows = Path("d.csv").read_text().split()
    Path("e.csv").write_text("\n".join([f",{header}", *(f"{i},{r}" for i, r in enumerate(rows))]))
    assert command("predict", "d.safetensors", "e.csv").out == wanted


@pytest.mark.parametrize("name", [".", "..", "/", "folder", "folder.csv", ""])
def test_a_folder_is_no_table(name: str) -> None:
    for folder in ("folder", "folder.csv"):
        Path(folder).mkdir()
    for arguments in (("train", name), ("predict", "two.st", name), ("verify", "two.st", name)):
        refused(*arguments, fragment=f"{Path(name)}: not a file, but a folder")


def test_a_resumed_run_names_its_data() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    np.savez("d.npz", x=x, y=y)
    train = ("train", "--no-plot", "--epochs", 1)
    command(*train, "d.csv", "--target", "y", "--checkpoint", "csv.st")
    command(*train, "d.npz", "--checkpoint", "npz.st")
    command(*train, "--checkpoint", "digits.st")
    for run in ("csv.st", "npz.st"):
        refused("train", "--resume", run, fragment=f"--resume {run}: needs DATA, the run is on a")
    fragment = "--resume digits.st: does not go with d.csv, the run is on the digits or an npz file"
    refused("train", "d.csv", "--resume", "digits.st", fragment=fragment)


def test_a_wide_table_is_read_once_not_once_per_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step asks the whole table for each column: the list of names is made a few times."""
    n, d = 12, 400
    x = np.arange(n * d).reshape(n, d)
    write_csv("d.csv", x, np.arange(n) % 2)
    asked = []
    names = pl.DataFrame.columns.fget
    column_list = property(lambda frame: asked.append(1) or names(frame), pl.DataFrame.columns.fset)
    monkeypatch.setattr(pl.DataFrame, "columns", column_list)
    samples = tables.read_samples(Path("d.csv"), "y")
    assert np.array_equal(samples.x.high, x)
    assert len(asked) < 20


def test_a_value_out_of_range_names_its_column() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    command("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 2)
    x[3, 2] = 1e300
    write_csv("e.csv", x, y)
    for arguments in (("predict",), ("verify",), ("trace", "--rows", 5)):
        name, *more = arguments
        result = command(name, "d.safetensors", "e.csv", *more)
        wanted = (
            r"e\.csv: column 'f2', row 4: standardized, 5\.\d+e\+299 is too large for the network's"
        )
        assert result.status == 2
        assert re.search(wanted, result.err)


def test_a_model_with_whole_numbers_as_classes_takes_cells() -> None:
    """Models that were saved when a CSV's whole numbers were no text."""
    x, y = blobs(k=3)
    write_csv("d.csv", x, y)
    identity = Standardization.identity
    for classes, cells in (((0, 1, 2), y), ((10, 11, 12), y + 10), (("10", "11", "12"), y + 10)):
        network = dr.MLP([4, 3], output="softmax", seed=0)
        names = ("f0", "f1", "f2", "f3")
        model = pipeline.TableModel(network, names, identity(4), "y", classes, identity(1))
        model.save(Path("old.st"))
        write_csv("d.csv", x, cells)
        pl.read_csv("d.csv").write_parquet("d.parquet")
        got = [command("trace", "old.st", f"d.{s}", "--rows", 9, "--json").json["quantities"]
               for s in ("csv", "parquet")]  # fmt: skip
        assert got[0] == got[1]
        assert got[0]["y"] == np.eye(3)[y[:9]].tolist()
        wanted = command("predict", "old.st", "d.csv", "--json").json["prediction"]
        assert {type(label) for label in wanted} == {type(classes[0])}
    write_csv("d.csv", x, ["true"] * len(x))
    refused("verify", "old.st", "d.csv", fragment="row 1: 'true' is none of the model's classes")


def test_more_names_than_a_model_file_holds_are_refused_before_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    d = pipeline.MOST_NAMES
    names = tuple(f"c{j}" for j in range(d))
    identity = Standardization.identity
    model = pipeline.TableModel(
        dr.MLP([d, 1], seed=0), names, identity(d), "y", None, identity(1)
    )  # fmt: skip
    model.check_names("d.csv")
    model.save(Path("m.st"))
    found = pipeline.load(Path("m.st"))
    assert isinstance(found, pipeline.TableModel)
    assert found.features == names
    arguments = ("train", "d.csv", "--target", "y", "--no-plot")
    write_csv("d.csv", np.ones((20, 1)), ["x" * 3_000_000, "é" * 400_000] * 10)
    refused(*arguments, fragment="d.csv: 3 names of columns and classes")
    monkeypatch.setattr(pipeline, "MOST_NAMES", 6)
    write_csv("d.csv", *blobs())
    refused(*arguments, fragment="d.csv: 7 names of columns and classes")


def test_an_error_line_is_bounded_whatever_it_quotes() -> None:
    cell = "x" * 10**6
    Path("d.csv").write_text("a,y\n" + "1,2\n" * 12 + f"{cell},2\n")
    result = command("train", "d.csv", "--target", "y")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("deltarule: d.csv: column 'a' is not numeric, row 13 holds 'xxx")
    assert len(result.err) < 120
    result = command("train", "d.csv", "--task", cell)
    assert (result.status, result.out) == (2, "")
    assert len(result.err) < 1100 and " ... (99" in result.err


def test_more_columns_than_are_read() -> None:
    names = ",".join(f"c{i}" for i in range(100_001))
    Path("d.csv").write_text(names + "\n" + ",".join("1" * 100_001) + "\n")
    refused("train", "d.csv", "--target", "c0", fragment="d.csv: 100001 columns, a table of text")
