"""What a target holds: classes or numbers, and the cells that are neither."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_support import blobs, command, refused, write_csv
from deltarule.command import targets
from deltarule.command.double_double import DoubleDouble
from deltarule.command.tables import Samples

pl = pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

LINES = ("a\nb", "a\rb", "a\r\nb")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(cells: list[str]) -> None:
    with open("d.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["a", "y"], *([i, cell] for i, cell in enumerate(cells))])


def chosen(cells: list[str]) -> tuple[str, str | None]:
    x = DoubleDouble(np.zeros((len(cells), 1)))
    return targets.choose_task(Samples(("a",), x, "y", cells, text=True), "d.csv: target 'y'")


NUMBERS = {
    "fractions": [f"{i / 4}" for i in range(60)],
    "few fractions": [f"{i % 3}.5" for i in range(60)],
    "16 whole": [f"{i % 16}" for i in range(60)],
}
NO_NUMBERS = (
    "NA", "?", "None", "1,200", "<1.0", "> 5", "5 kg", "1.5.2", "x", "1_000", "0x10", "٣", "−1",
)  # fmt: skip


def test_of_a_long_cell_the_beginning_is_named() -> None:
    write([*NUMBERS["16 whole"], "x" * 10**5])
    fragment = f"target 'y', row 61: holds text ('{'x' * 40}'...), most values are numbers; --task"
    refused("train", "d.csv", "--target", "y", "--no-plot", fragment=fragment)


@pytest.mark.parametrize("cell", NO_NUMBERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_bad_cell_among_numbers_is_named(name: str, cell: str) -> None:
    cells = NUMBERS[name].copy()
    cells[12] = cell
    write(cells)
    arguments = ("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 1)
    many = len(set(cells))
    form = " (decimals have a point, thousands no separator)" if cell == "1,200" else ""
    refused(
        *arguments,
        fragment=f"d.csv: target 'y', row 13: holds text ({cell!r}), most values are numbers{form}"
        f"; --task classification makes a class of each of the {many} distinct values",
    )
    refused(
        *arguments, "--task", "regression", fragment=f"row 13: holds text ({cell!r}), --task regr"
    )
    if 2 * many <= len(cells):
        report = command(*arguments, "--task", "classification", "--json").json
        assert cell in report["classes"]
        assert len(report["classes"]) == many


@pytest.mark.parametrize(
    ("cell", "kind"), [("inf", "an infinite"), ("-Infinity", "an infinite"), ("nan", "a missing")]
)
def test_a_missing_or_infinite_number_in_a_target_is_named(cell: str, kind: str) -> None:
    for cells in (*NUMBERS.values(), ["0", "1"] * 30):
        write([*cells, cell])
        refused("train", "d.csv", "--target", "y", fragment=f"row 61: {kind} value ({cell!r})")
    write([*NUMBERS["fractions"], ""])
    refused("train", "d.csv", "--target", "y", fragment="target 'y', row 61: a missing value")


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 16},5" for i in range(60)],
        [f"{i % 2},5" for i in range(60)],
        [f"{i % 16 + 1},200" for i in range(60)],
        [f"1.{i % 16 + 100}.000,50" for i in range(60)],
        [f"{i % 16 + 1} 000" for i in range(60)],
    ],
)
def test_commas_throughout(cells: list[str]) -> None:
    write(cells)
    fragment = f"row 1: holds text ({cells[0]!r}), most values are numbers"
    refused("train", "d.csv", "--target", "y", fragment=fragment)


CLASSES = {
    "text": ["a", "b"],
    "text and a number": ["a", "b", "1"],
    "whole numbers": ["0", "1", "2"],
    "whole numbers and a text": ["0", "1", "2", "other"],
    "whole numbers and more": ["1", "2", "3+"],
    "codes": ["02134", "00501"],
    "bounds": ["<=50K", ">50K"],
    "ranges": ["0-17", "18-64", "65+"],
    "versions": ["1.2.3", "1.2.4"],
    "dates": ["2020-01-01", "2021-01-01"],
    "booleans": ["True", "False"],
    "units": ["2wd", "4wd"],
    "gaps among text": ["NA", "a", "b"],
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    cells = CLASSES[name] * 10
    assert chosen(cells)[0] == targets.CLASSIFICATION


@pytest.mark.parametrize(
    ("cells", "task", "reason"),
    [
        (["0.0", "1.0"] * 10, targets.REGRESSION, "whole numbers, 2 distinct"),
        (["0", "1.0"] * 10, targets.REGRESSION, "whole numbers, 2 distinct"),
        (["1e3", "2e3"] * 10, targets.REGRESSION, "whole numbers, 2 distinct"),
        (["0", "1"] * 10, targets.CLASSIFICATION, "whole numbers, 2 distinct"),
        (["0.5", "1.0"] * 10, targets.REGRESSION, None),
        ([str(i) for i in range(20)] * 5, targets.CLASSIFICATION, "whole numbers, 20 distinct"),
        ([str(i) for i in range(21)] * 5, targets.REGRESSION, "whole numbers, 21 distinct"),
        ([str(i) for i in range(20)] * 4, targets.REGRESSION, "whole numbers, 20 distinct"),
    ],
)
def test_numbers_and_the_hint_on_whole_ones(
    cells: list[str], task: str, reason: str | None
) -> None:
    assert chosen(cells) == (task, reason)


def test_mostly_numeric_rows_are_numbers_though_most_distinct_values_are_text() -> None:
    cells = [f"{i % 4}.5" for i in range(40)] + [f"no value, note {i}" for i in range(20)]
    write(cells)
    fragment = "row 41: holds text ('no value, note 0'), most values are numbers"
    refused("train", "d.csv", "--target", "y", fragment=fragment)
    cells = [f"{i % 2}" for i in range(40)] + ["low", "high", "other"] * 5
    assert chosen(cells)[0] == targets.CLASSIFICATION


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_whole_floats_of_other_formats_get_the_hint(suffix: str) -> None:
    x, y = blobs(k=2)
    np.savez("d.npz", x=x, y=y.astype(float))
    pl.DataFrame({"a": x[:, 0], "y": y.astype(float)}).write_parquet("d.parquet")
    target = () if suffix == "npz" else ("--target", "y")
    said = command("train", f"d.{suffix}", *target, "--no-plot", "--epochs", 1).out
    assert "numbers (whole numbers, 2 distinct; --task classification overrides)" in said


def test_parquet_tells_the_text_1_from_the_number_1() -> None:
    x, y = blobs(k=3)
    text = np.array(["01", "1", "+1"])[y]
    for values, classes in ((text, ["+1", "01", "1"]), (y, [0, 1, 2]), (y == 1, [False, True])):
        pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": values}).write_parquet("d.parquet")
        arguments = ("train", "d.parquet", "--target", "y", "--no-plot", "--epochs", 2, "--json")
        report = command(*arguments).json
        assert sorted(report["classes"]) == classes
        assert [type(c) for c in report["classes"]] == [type(c) for c in classes]


def test_whole_numbers_beyond_float64_are_classes_by_their_text() -> None:
    _, y = blobs(k=2)
    names = ["1700000000123456789", "1700000000123456790"]
    write([names[i] for i in y])
    report = command("train", "d.csv", "--target", "y", "--no-plot", "--epochs", 1, "--json").json
    assert report["classes"] == names


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_class_of_several_lines_is_one_cell(form: str) -> None:
    x, y = blobs()
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": [LINES[i] for i in y]})
    frame.write_parquet("d.parquet")
    frame.write_csv("d.csv", quote_style="non_numeric")
    data = f"d.{form}"
    command("train", data, "--target", "y", "--epochs", 20, "--no-plot")
    command("predict", "d.safetensors", data, "--out", "p.csv")
    with open("p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == [LINES[i] for i in y]
    assert pl.read_csv("p.csv")["prediction"].to_list() == [LINES[i] for i in y]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((1, 0), ["0", "1"]),
        ((-7, 12, 900), ["-7", "12", "900"]),
        (("true", "false"), ["false", "true"]),
        (("02134", "10001", "00501"), ["00501", "02134", "10001"]),
        (("01", "1", "2"), ["01", "1", "2"]),
        (("-0", "0"), ["-0", "0"]),
        (("+1", "1"), ["+1", "1"]),
        (("0001", "0010"), ["0001", "0010"]),
        (("10", "2", "other", "1"), ["1", "2", "10", "other"]),
        (("<=50K", ">50K"), ["<=50K", ">50K"]),
        (("NA", "b"), ["NA", "b"]),
    ],
)
def test_a_class_of_a_csv_is_the_text_of_its_cell(
    labels: tuple[Any, ...], classes: list[str]
) -> None:
    x, y = blobs(k=len(labels))
    write_csv("d.csv", x, [labels[i] for i in y])
    report = command("train", "d.csv", "--target", "y", "--epochs", 20, "--json").json
    assert report["task"] == "classification"
    assert report["classes"] == classes
    assert report["held_out"]["accuracy"] == 1.0
    answer = command("predict", "d.safetensors", "d.csv", "--json").json
    assert answer["prediction"] == [str(labels[i]) for i in y]
    assert min(answer["probability"]) >= 1 / len(labels)
