"""The command on bad usage and input: one line on stderr, its exit status, nothing written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from command_support import blobs, command, line, listing, refused, write_csv
from deltarule.io import model_file

pl = pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")
pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[cli]'")

GOOD = b"a,b,y\n" + b"".join(b"%d,%d,%d.5\n" % (i, i * i % 7, i % 5) for i in range(20))


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


TABLES = {
    "missing value": (GOOD.replace(b"3,2,3.5", b"3,,3.5"), "'b', row 4: a missing value"),
    "text for a missing value": (
        GOOD.replace(b"3,2,3.5", b"3,NA,3.5"),
        "'b' is not numeric, row 4 holds 'NA'",
    ),
    "nan": (GOOD.replace(b"3,2,3.5", b"NaN,2,3.5"), "'a', row 4: a missing value"),
    "infinite": (GOOD.replace(b"3,2,3.5", b"-inf,2,3.5"), "'a', row 4: an infinite value"),
    "short row": (GOOD + b"1\n", "row 21 (line 22) has 1 field ('1'), the header 3 fields"),
    "long row": (GOOD + b"1,2,3,4\n", "row 21 (line 22) has 4 fields, the header 3 fields"),
    "missing target": (GOOD + b"1,2,\n", "target 'y', row 21: a missing value"),
    "infinite target": (GOOD + b"1,2,inf\n", "target 'y', row 21: an infinite value"),
    "text feature": (GOOD.replace(b"5,4,0.5", b"five,4,0.5"), "row 6 holds 'five'"),
    "booleans and a text": (
        b"a,y\ntrue,1.5\n" + b"False,2.5\n" * 9 + b"NA,1\n",
        "row 11 holds 'NA'",
    ),
    "booleans and a number": (b"a,y\n" + b"False,2.5\n" * 9 + b"1,1\n", "row 10 holds '1'"),
    "numbers and a boolean": (b"a,y\n" + b"1,2.5\n" * 9 + b"true,1\n", "row 10 holds 'true'"),
    "date feature": (b"a,y\n" + b"2020-01-01,1.5\n" * 20, "row 1 holds '2020-01-01'"),
    "empty column": (b"a,y\n" + b",1.5\n" * 20, "'a', row 1: a missing value"),
    "no column y": (GOOD.replace(b"a,b,y", b"a,b,c"), "no column 'y' (its columns: 'a', 'b', 'c')"),
    "target alone": (b"y\n" + b"1\n2\n" * 9, "no column beside the target"),
    "twice the same column": (GOOD.replace(b"a,b,y", b"a,a,y"), "the header has 'a' twice"),
    "empty file": (b"", "the file is empty"),
    "blank file": (b"\n\n", "d.csv: no"),
    "header alone": (b"a,b,y\n", "no rows"),
    "few rows": (b"a,y\n" + b"1,2.5\n" * 9, "9 rows, at least 10 are needed"),
    "one class": (b"a,y\n" + b"1,x\n2,x\n" * 9, "one class only ('x')"),
    "one value": (b"a,y\n" + b"1,2.5\n2,2.5\n" * 9, "one value only (2.5)"),
    "not text": (bytes(range(256)) * 9, "not a readable table"),
    "open quote": (GOOD + b'1,"2,3\n', "d.csv: "),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    content, fragment = TABLES[name]
    Path("d.csv").write_bytes(content)
    refused("train", "d.csv", "--target", "y", fragment=fragment)
    assert command("train", "d.csv", "--target", "y").out == ""


def test_more_classes_than_half_the_rows() -> None:
    write_csv("d.csv", np.ones((20, 1)), [f"id{i}" for i in range(20)])
    refused("train", "d.csv", "--target", "y", fragment="20 classes in 20 rows")


def test_tasks_that_do_not_fit_the_target() -> None:
    x, y = blobs(30)
    write_csv("d.csv", x, [f"k{i}" for i in y])
    arguments = ("train", "d.csv", "--target", "y")
    refused(*arguments, "--task", "regression", fragment="holds text ('k0')")
    write_csv("d.csv", x, y + 0.5)
    refused(*arguments, "--task", "classification", fragment="0.5 cannot be a class")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    Path("d.txt").write_bytes(GOOD)
    Path("folder.csv").mkdir()
    Path("d.parquet").write_bytes(GOOD)
    for path, fragment in {
        "none.csv": "none.csv: no such file",
        "d.txt": "unknown extension '.txt', use .csv, .tsv, .parquet or .npz",
        "folder.csv": "folder.csv: not a file",
        "d.parquet": "d.parquet: not a readable table",
    }.items():
        refused("train", path, "--target", "y", fragment=fragment)
    pl.DataFrame({"a": [[1.0]] * 20, "y": range(20)}).write_parquet("d.parquet")
    refused("train", "d.parquet", "--target", "y", fragment="not numeric, its type is List")
    refused("train", "d.parquet", "--target", "a", fragment="its type is List")


@pytest.mark.parametrize(
    ("arrays", "fragment"),
    [
        ({"x": np.ones((20, 2))}, "no array 'y' (its arrays: x)"),
        ({"x": np.ones((20, 2)), "y": np.arange(19.0)}, "x has 20 rows, y has 19"),
        ({"x": np.ones(20), "y": np.arange(20.0)}, "x must be (samples, features)"),
        ({"x": np.ones((20, 0)), "y": np.arange(20.0)}, "x must be (samples, features)"),
        ({"x": np.ones((20, 2)), "y": np.ones((20, 2))}, "y must be (samples,)"),
        ({"x": np.ones((20, 2)) * 1j, "y": np.arange(20.0)}, "its dtype is complex128"),
        ({"x": np.full((20, 2), "a"), "y": np.arange(20.0)}, "x must hold numbers"),
        ({"x": np.ones((20, 2)), "y": np.ones(20) * 1j}, "y must hold"),
        ({"x": np.array([[None]] * 20), "y": np.arange(20.0)}, "not a readable npz file"),
        ({"x": np.diag([np.nan] * 20), "y": np.arange(20.0)}, "x, row 1, column 1: a missing"),
        ({"x": np.ones((20, 2)), "y": np.full(20, np.inf)}, "y, row 1: an infinite value"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, "0 rows, at least 10"),
    ],
)
def test_npz(arrays: dict[str, Any], fragment: str) -> None:
    np.savez("d.npz", **arrays)
    refused("train", "d.npz", fragment=fragment)


def test_damaged_npz() -> None:
    refused("train", "d.npz", "--target", "y", fragment="no such file")
    np.savez_compressed("d.npz", x=line()[0], y=line()[1])
    refused("train", "d.npz", "--target", "y", fragment="the target of an npz file is its array y")
    whole = Path("d.npz").read_bytes()
    for damaged in (b"text", whole[:-40], whole[:500] + bytes(200) + whole[700:]):
        Path("d.npz").write_bytes(damaged)
        refused("train", "d.npz", fragment="npz file")
    with zipfile.ZipFile("d.npz", "w") as archive:
        archive.writestr("x.npy", b"no array")
        archive.writestr("y.npy", b"")
    refused("train", "d.npz", fragment="not a readable npz file")


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        ("", "required"),
        ("teach", "invalid choice: 'teach'"),
        ("train --epoch=3", "unrecognized arguments: --epoch=3"),
        ("train --epochs 0", "--epochs: must be a whole number of at least 1, got '0'"),
        ("train --epochs 1.5", "--epochs: must be a whole number"),
        ("train --seed -1", "--seed: must be a whole number of at least 0, got '-1'"),
        ("train --batch-size all", "--batch-size: must be a whole number of at least 1"),
        ("train --hidden 64,,64", "--hidden: must be layer sizes"),
        ("train --hidden 0", "--hidden: must be layer sizes"),
        ("train --activation wrong", "wrong"),
        ("train --activation relu,tanh", "hidden"),
        ("train --output wrong", "10 classes need softmax"),
        ("train --output sigmoid", "10 classes need softmax"),
        ("train --loss wrong", "wrong"),
        ("train --loss poisson --task regression --output tanh", "poisson"),
        ("train --task regression --output softmax", "is for classes"),
        ("train --lr 0", "lr"),
        ("train --lr nan", "lr"),
        ("train --momentum 1", "momentum"),
        ("train --nesterov --momentum 0", "nesterov"),
        ("train --weight-decay -1", "weight_decay"),
        ("train --threads 0", "--threads: must be a whole number"),
        ("train --dtype float16", "--dtype: invalid choice"),
        ("train --validation 1", "--validation: must be a number from 0 to below 1, got '1'"),
        ("train --validation nan", "--validation: must be"),
        ("train --validation 0.0001", "holds out 0 of 1797 rows"),
        ("train --target y", "the digits have their own"),
        ("train --save no/folder/m.safetensors", "there is no folder no/folder"),
        ("train --save .", "is a folder"),
        ("train --plot curves.txt", "unknown extension '.txt'"),
        ("train --save m.png --plot ./m.png", "would replace another file"),
        ("train --plot a.png --no-plot", "not allowed with"),
        ("train d.csv", "name its target with --target (its columns: 'a', 'b', 'y')"),
        ("train d.csv --target y --save d.csv", "would replace another file"),
        ("train d.csv --target y --save m.safetensors --plot m.safetensors", "would replace"),
        ("train d.csv --target y --output sigmoid", "y"),
        ("predict m.safetensors", "required"),
        ("predict d.csv d.csv", "d.csv"),
        ("predict none.safetensors d.csv", "none.safetensors"),
        ("predict . d.csv", ".: is a folder, a regular file is needed"),
        ("predict d.csv d.csv --out p.txt", "unknown extension '.txt', use .csv"),
        ("predict d.csv e.csv --out e.csv", "would replace another file"),
        ("info d.csv", "d.csv"),
    ],
)
def test_words(arguments: str, fragment: str) -> None:
    Path("d.csv").write_bytes(GOOD)
    refused(*arguments.split(), fragment=fragment)


def test_cross_entropy_needs_one_output_per_class() -> None:
    x, y = blobs(k=2)
    write_csv("d.csv", x, y)
    arguments = ("train", "d.csv", "--target", "y", "--loss", "cross_entropy")
    refused(*arguments, fragment="--output softmax")


def test_a_closed_folder() -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    Path("closed").mkdir(mode=0o500)
    refused("train", "--save", "closed/m.safetensors", fragment="is not writable")


def test_a_bad_number_of_threads_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTARULE_NUM_THREADS", "many")
    refused("train", fragment="DELTARULE_NUM_THREADS must be")
    refused("info", fragment="DELTARULE_NUM_THREADS must be")


@pytest.mark.parametrize("module", ["polars", "matplotlib"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    Path("d.csv").write_bytes(GOOD)
    monkeypatch.setitem(sys.modules, module, None)
    fragment = f"{module} is not installed; it comes with the extra: pip install 'deltarule[cli]'"
    refused("train", "d.csv", "--target", "y", fragment=fragment)


def test_unused_extras_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("polars", "matplotlib", "tqdm"):
        monkeypatch.setitem(sys.modules, module, None)
    np.savez("d.npz", x=line()[0], y=line()[1])
    assert command("train", "d.npz", "--epochs", 2, "--no-plot").status == 0
    assert command("predict", "d.safetensors", "d.npz").status == 0


METADATA = {"features": ["a", "b"], "target": "y", "classes": None}


@pytest.mark.parametrize(
    ("metadata", "fragment"),
    [
        ([], "must be a JSON object"),
        (METADATA | {"target": 1}, "the target's name must be text"),
        (METADATA | {"features": ["a"]}, "1 distinct features named, the network takes 2"),
        (METADATA | {"features": ["a", "a"]}, "1 distinct features named"),
        (METADATA | {"features": "ab"}, "must be a list of names"),
        (METADATA | {"classes": ["x", "y", "z"]}, "3 distinct classes named for 1 outputs"),
        (METADATA | {"classes": ["x", 1]}, "all text, all whole or all boolean"),
        (METADATA | {"classes": []}, "the classes must be a list"),
        (METADATA | {"classes": [0.5, 1.5]}, "all text, all whole or all boolean"),
    ],
)
def test_invalid_metadata_of_a_model_are_refused(metadata: Any, fragment: str) -> None:
    Path("d.csv").write_bytes(GOOD)
    one, two = np.ones(1), np.ones(2)
    tensors = {"x_mean": two, "x_scale": two, "y_mean": one, "y_scale": one}
    model_file.write_model("m.safetensors", dr.MLP([2, 1], seed=0), tensors, {"table": metadata})
    refused("predict", "m.safetensors", "d.csv", fragment=fragment)
    refused("info", "m.safetensors", fragment=fragment)


@pytest.mark.parametrize(
    ("name", "tensor", "fragment"),
    [
        ("x_mean", None, "x_mean must be (2,) of float64"),
        ("x_mean", np.ones(3), "x_mean must be (2,) of float64"),
        ("y_scale", np.ones(1, np.float32), "y_scale must be (1,) of float64"),
        ("x_mean", np.array([0.0, np.nan]), "x_mean must be finite"),
        ("x_scale", np.array([1.0, 0.0]), "x_scale must be positive"),
        ("x_scale", np.array([1.0, np.nan]), "x_scale must be positive"),
        ("x_scale", np.ones((2, 2)), "x_scale must be (2,) of float64"),
        ("x_mean", np.ones((3, 2)), "x_mean must be (2,) of float64"),
        ("x_mean", np.array([[0.0, 1.0], [0.0, np.inf]]), "x_mean must be finite"),
        ("y_scale", np.array([np.inf]), "y_scale must be finite"),
    ],
)
def test_invalid_statistics_of_a_model_are_refused(name: str, tensor: Any, fragment: str) -> None:
    Path("d.csv").write_bytes(GOOD)
    one, two = np.ones(1), np.ones(2)
    tensors = {"x_mean": two, "x_scale": two, "y_mean": one, "y_scale": one, name: tensor}
    kept = {key: value for key, value in tensors.items() if value is not None}
    model_file.write_model("m.safetensors", dr.MLP([2, 1], seed=0), kept, {"table": METADATA})
    refused("predict", "m.safetensors", "d.csv", fragment=fragment)


# What happens on the way


def test_divergence_suggests_a_lower_rate() -> None:
    x, y = line()
    write_csv("d.csv", x, y)
    arguments = ("train", "d.csv", "--target", "y", "--lr", 50)
    refused(*arguments, fragment="try a lower --lr than 50, as 5", status=1)


def test_an_interrupt_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dr.MLP, "fit", interrupted)
    refused("train", fragment="interrupted", status=130)


@pytest.fixture(params=["16", "1024,1024"], ids=["short epochs", "long epochs"])
def long_training(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Start a training that lasts, in a process of its own, and wait for its first line."""
    arguments = [sys.executable, "-m", "deltarule", "train", "--epochs", "1000000"]
    arguments += ["--hidden", request.param, "--lr", "0.001"]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        while "network" not in process.stdout.readline():
            assert process.poll() is None
        yield process
        process.kill()


def test_ctrl_c_ends_a_training(long_training: subprocess.Popen[str]) -> None:
    time.sleep(0.3)
    long_training.send_signal(signal.SIGINT)
    _, err = long_training.communicate(timeout=20)
    assert long_training.returncode == 130
    assert err == "deltarule: interrupted\n"
    assert listing() == {}


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    np.savez("x.npz", x=np.zeros((200_000, 2)))
    dr.MLP([2, 1], seed=0).save("m.safetensors")
    arguments = [sys.executable, "-m", "deltarule", "predict", "m.safetensors", "x.npz"]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "y_hat_0\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_module_runs_as_a_command() -> None:
    arguments = [sys.executable, "-m", "deltarule"]
    shown = subprocess.run([*arguments, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{dr.__version__}\n"
    wrong = subprocess.run([*arguments, "train", "none.csv"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr == "deltarule: none.csv: no such file\n"


def test_starting_imports_nothing_heavy() -> None:
    code = (
        "import sys, deltarule.command.parser; "
        "print([m for m in ('polars', 'matplotlib', 'tqdm') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
