"""``deltarule trace``: which rows, in which form, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from command_support import blobs, command, line, listing, refused, write_csv
from deltarule.command import pipeline

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

NAMES = ("plain", 'with, "comma"', "été")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*arguments: object) -> None:
    assert command("train", *arguments, "--epochs", 2, "--hidden", 4, "--no-plot").status == 0


def test_trace_takes_the_digits_by_default() -> None:
    train()
    x, y = dr.load_digits()
    net = dr.load("digits.safetensors")
    assert command("trace", "digits.safetensors").out == f"{net.trace(x[:2], y[:2])}\n"
    three = command("trace", "digits.safetensors", "--rows", 3).out
    assert three == f"{net.trace(x[:3], y[:3])}\n"
    assert max(map(len, three.splitlines())) <= 100


def test_a_table_is_standardized_and_its_classes_are_looked_up() -> None:
    x, y = blobs()
    write_csv("d.csv", x, [NAMES[i] for i in y], target="kind")
    train("d.csv", "--target", "kind")
    model = pipeline.load(Path("d.safetensors"))
    assert isinstance(model, pipeline.TableModel)
    index = [sorted(NAMES).index(NAMES[i]) for i in y[:4]]
    wanted = model.network.trace(model.inputs(x[:4]), index)
    assert command("trace", "d.safetensors", "d.csv", "--rows", 4).out == f"{wanted}\n"


def test_columns_are_found_by_name_and_others_are_not_read() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y, target="kind")
    train("d.csv", "--target", "kind")
    want = command("trace", "d.safetensors", "d.csv", "--json").json["quantities"]
    rows = Path("d.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    turned = [",".join([*row[::-1], "text"]) for row in cells]
    Path("other.csv").write_text("\n".join(turned).replace("text", "note", 1).replace("kind", "k"))
    got = command("trace", "d.safetensors", "other.csv", "--target", "k", "--json")
    assert got.json["quantities"] == want


def test_two_classes_with_one_output() -> None:
    x, y = blobs(k=2)
    write_csv("d.csv", x, [NAMES[i] for i in y])
    train("d.csv", "--target", "y")
    report = command("trace", "d.safetensors", "d.csv", "--rows", 3, "--json").json
    assert report["quantities"]["y"] == [[float(i)] for i in y[:3]]


def test_numbers_are_in_the_networks_units() -> None:
    x, y = line()
    write_csv("d.csv", x, y)
    train("d.csv", "--target", "y")
    model = pipeline.load(Path("d.safetensors"))
    assert isinstance(model, pipeline.TableModel)
    report = command("trace", "d.safetensors", "d.csv", "--json").json
    scaled = model.y.apply(y[:2, None]).astype(np.float32)
    assert np.array_equal(np.float32(report["quantities"]["y"]), scaled)


@pytest.mark.parametrize(
    ("options", "y"),
    [
        ({"output": "softmax"}, np.array([2, 0, 1])),
        ({"output": "sigmoid"}, np.eye(3)[[2, 0, 1]]),
        ({}, np.array([[0.5, 1, 2], [3, 4, 5], [6, 7, 8]])),
    ],
)
def test_a_network_without_a_table(options: dict[str, Any], y: np.ndarray) -> None:
    net = dr.MLP([2, 4, 3], seed=0, **options)
    net.save("net.safetensors")
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.savez("d.npz", x=x, y=y)
    wanted = net.trace(x[:2], y[:2])
    assert command("trace", "net.safetensors", "d.npz").out == f"{wanted}\n"


def test_class_indices_become_rows_where_the_loss_needs_them() -> None:
    net = dr.MLP([2, 3], output="sigmoid", seed=0)
    net.save("net.safetensors")
    np.savez("d.npz", x=np.ones((2, 2)), y=[2, 0])
    report = command("trace", "net.safetensors", "d.npz", "--json").json
    assert report["quantities"]["y"] == [[0, 0, 1], [1, 0, 0]]


def test_json_gives_the_arrays_back() -> None:
    train()
    x, y = dr.load_digits()
    report = command("trace", "digits.safetensors", "--json").json
    assert (report["model"], report["data"], report["rows"]) == ("digits.safetensors", "digits", 2)
    arrays = dr.load("digits.safetensors").trace(x[:2], y[:2]).to_dict()
    assert list(report["quantities"]) == list(arrays)
    for name, array in arrays.items():
        assert np.array_equal(np.array(report["quantities"][name], array.dtype), array), name


def test_json_has_null_for_what_is_not_finite() -> None:
    net = dr.MLP([1, 2], output="softmax", init=([[[0.0], [200.0]]], [[0.0, 0.0]]))
    net.save("net.safetensors")
    np.savez("d.npz", x=[[1.0]], y=[0])
    report = command("trace", "net.safetensors", "d.npz", "--json").json
    assert report["quantities"]["dL/dy_hat"] == [[None, 0.0]]


def test_markdown_to_stdout_or_to_a_file() -> None:
    train()
    x, y = dr.load_digits()
    wanted = dr.load("digits.safetensors").trace(x[:2], y[:2]).to_markdown()
    assert command("trace", "digits.safetensors", "--markdown").out == wanted
    result = command("trace", "digits.safetensors", "--markdown", "t.md")
    assert result.out == "trace  t.md\n"
    assert Path("t.md").read_text() == wanted
    assert sorted(listing()) == ["digits.safetensors", "t.md"]


def test_what_is_refused() -> None:
    x, y = blobs()
    write_csv("d.csv", x, [NAMES[i] for i in y], target="kind")
    write_csv("narrow.csv", x[:, :3], [NAMES[i] for i in y], target="kind")
    write_csv("unknown.csv", x, ["plain", "odd", *[NAMES[i] for i in y[2:]]], target="kind")
    train("d.csv", "--target", "kind")
    trace = ("trace", "d.safetensors")
    refused(*trace, fragment="DATA is needed: the model is not one of the digits in the package")
    refused(*trace, "none.csv", fragment="none.csv: no such file")
    refused(*trace, "narrow.csv", fragment="narrow.csv: no column 'f3', a feature of the model")
    refused(*trace, "d.csv", "--target", "f9", fragment="d.csv: no column 'f9'")
    refused(
        *trace, "unknown.csv",
        fragment="unknown.csv: target 'kind', row 2: 'odd' is none of the model's classes ("
        "'plain', 'with, \"comma\"', 'été')",
    )  # fmt: skip
    assert command(*trace, "unknown.csv", "--rows", 1).status == 0
    refused(*trace, "d.csv", "--rows", 0, fragment="--rows: must be a whole number of at least 1")
    refused(*trace, "d.csv", "--markdown", "t.txt", fragment="unknown extension '.txt', use .md")
    refused(*trace, "d.csv", "--markdown", "no/t.md", fragment="there is no folder no")
    refused(*trace, "d.csv", "--markdown", "--json", fragment="not allowed with argument")
    refused("trace", "d.csv", "d.csv", fragment="d.csv")
    refused("trace", fragment="MODEL")


def test_a_table_that_does_not_fit_a_network_alone() -> None:
    dr.MLP([2, 1], output="exp", seed=0).save("net.safetensors")
    np.savez("wide.npz", x=np.ones((2, 3)), y=np.ones(2))
    np.savez("negative.npz", x=np.ones((2, 2)), y=-np.ones(2))
    np.savez("words.npz", x=np.ones((2, 2)), y=np.array(["a", "b"]))
    np.savez("columns.npz", x=np.ones((2, 2)), y=np.ones((2, 2)))
    trace = ("trace", "net.safetensors")
    refused(*trace, "wide.npz", fragment="wide.npz: 3 features, the model takes 2")
    refused(*trace, "negative.npz", fragment="y[0] is -1.0; every value must be 0 or more")
    refused(*trace, "words.npz", fragment="holds text ('a'), the model takes numbers")
    refused(*trace, "columns.npz", fragment="y must have shape (n_samples, 1) or (n_samples,)")


def test_a_loss_that_is_not_finite_is_a_failed_run() -> None:
    dr.MLP([1, 1], init=([[[1e30]]], [[0.0]])).save("net.safetensors")
    np.savez("d.npz", x=[[1e30]], y=[0.0])
    refused("trace", "net.safetensors", "d.npz", fragment="the loss is not finite", status=1)


def test_the_digits_have_their_own_target() -> None:
    train()
    refused("trace", "digits.safetensors", "--target", "y", fragment="--target y: needs DATA")
