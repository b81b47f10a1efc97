"""The command: training, predicting, showing."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from command_support import blobs, command, line, listing, refused, write_csv
from deltarule.command import pipeline, targets
from deltarule.command.console import EpochLine
from deltarule.training.history import EpochRecord

pl = pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")
pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[cli]'")

NAMES = ("plain", 'with, "comma"', "été")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Digits


def test_train_without_data_reaches_96_percent_on_the_digits_and_names_its_files() -> None:
    result = command("train")
    assert result.status == 0
    assert result.err == ""
    accuracy = next(row for row in result.out.splitlines() if row.startswith("held-out accuracy"))
    assert float(accuracy.split()[2]) >= 0.96
    assert sum(row.startswith("epoch ") for row in result.out.splitlines()) == 10
    assert sorted(listing()) == ["digits.png", "digits.safetensors"]
    assert "digits.png" in result.out
    assert "digits.safetensors" in result.out
    assert Path("digits.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_digits_reach_96_percent_for_other_seeds(seed: int) -> None:
    report = command("train", "--json", "--no-plot", "--seed", seed).json
    assert report["held_out"]["accuracy"] >= 0.96
    assert report["held_out"]["rows"] == 359


def test_the_digits_model_takes_the_images_as_they_are() -> None:
    command("train", "--epochs", "2", "--no-plot")
    images, labels = dr.load_digits()
    y_hat = dr.load("digits.safetensors").predict(images)
    np.savez("digits.npz", x=images)
    answer = command("predict", "digits.safetensors", "digits.npz", "--json").json
    assert answer["prediction"] == y_hat.argmax(axis=1).tolist()
    assert np.array_equal(np.float32(answer["probability"]), y_hat.max(axis=1))
    assert (np.array(answer["prediction"]) == labels).mean() > 0.8


# Tables


def test_classes_named_by_text_come_back() -> None:
    x, y = blobs()
    write_csv("d.csv", x, [NAMES[i] for i in y], target="kind")
    result = command("train", "d.csv", "--target", "kind", "--epochs", 20)
    assert result.status == 0
    assert sorted(listing()) == ["d.csv", "d.png", "d.safetensors"]
    answer = command("predict", "d.safetensors", "d.csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["prediction"] for row in rows] == [NAMES[i] for i in y]
    assert all(1 / 3 < float(row["probability"]) <= 1 for row in rows)


def test_booleans_of_a_parquet_file_are_classes_and_may_be_features() -> None:
    x, y = blobs(k=2)
    table = {"a": x[:, 0], "b": x[:, 1], "flag": np.arange(len(x)) % 3 == 0, "y": y == 1}
    pl.DataFrame(table).write_parquet("d.parquet")
    report = command("train", "d.parquet", "--target", "y", "--epochs", 20, "--json").json
    assert report["classes"] == [False, True]
    assert report["output"] == "sigmoid"
    assert report["features"] == ["a", "b", "flag"]
    answer = command("predict", "d.safetensors", "d.parquet", "--json").json
    assert answer["prediction"] == (y == 1).tolist()


@pytest.mark.parametrize("output", ["sigmoid", "logistic", "softmax"])
def test_two_classes_with_either_output(output: str) -> None:
    x, y = blobs(k=2)
    write_csv("d.csv", x, y)
    arguments = ("train", "d.csv", "--target", "y", "--epochs", 20, "--output", output, "--json")
    report = command(*arguments).json
    assert report["sizes"][-1] == (2 if output == "softmax" else 1)
    assert report["held_out"]["accuracy"] == 1.0


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy", "huber"])
def test_classes_with_another_loss(loss: str) -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    report = command("train", "d.csv", "--target", "y", "--loss", loss, "--json").json
    assert report["loss"] == loss
    assert report["held_out"]["accuracy"] == 1.0


def test_whole_numbers_are_classes_when_few_and_the_task_overrides() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    arguments = ("train", "d.csv", "--target", "y", "--epochs", 2, "--no-plot")
    said = command(*arguments).out
    assert "3 classes (whole numbers, 3 distinct; --task regression overrides)" in said
    assert command(*arguments, "--json").json["task"] == "classification"
    assert command(*arguments, "--task", "regression", "--json").json["task"] == "regression"
    write_csv("d.csv", x, range(len(x)))
    assert command(*arguments, "--json").json["task"] == "regression"
    write_csv("d.csv", x, y + 0.0)
    assert command(*arguments, "--json").json["task"] == "regression"
    classes = command(*arguments, "--task", "classification", "--json").json["classes"]
    assert classes == ["0.0", "1.0", "2.0"]


def test_numbers_come_back_in_the_targets_units() -> None:
    x, y = line()
    write_csv("d.csv", x, y)
    arguments = (
        "train",
        "d.csv",
        "--target",
        "y",
        "--hidden",
        "none",
        "--json",
        "--dtype",
        "float64",
    )
    report = command(*arguments).json
    score = report["held_out"]
    assert score["rmse"] < 0.01 * y.std()
    assert score["r2"] > 0.999
    prediction = np.array(command("predict", "d.safetensors", "d.csv", "--json").json["prediction"])
    held_out = targets.split(len(y), 0.2, 0, None)[1]
    error = prediction[held_out] - y[held_out]
    assert len(error) == score["rows"] == 40
    # The same arithmetic on the same numbers: predict(x)[i] has the bits of predict(x[i:i+1])[0].
    assert np.sqrt((error**2).mean()) == score["rmse"]
    assert (
        "held-out RMSE"
        in command(*(argument for argument in arguments if argument != "--json")).out
    )


def test_features_are_standardized_with_the_training_part() -> None:
    x, y = line()
    write_csv("d.csv", x, y)
    assert command("train", "d.csv", "--target", "y", "--epochs", 1).status == 0
    model = pipeline.load(Path("d.safetensors"))
    assert isinstance(model, pipeline.TableModel)
    part = targets.split(len(y), 0.2, 0, None)[0]
    assert np.array_equal(model.x.mean[:2], x[part, :2].mean(axis=0))
    assert np.array_equal(model.x.scale[:2], x[part, :2].std(axis=0))
    assert (model.x.mean[2], model.x.scale[2]) == (0.1, np.inf)
    assert model.y.mean[0] == y[part].mean()
    assert model.features == ("f0", "f1", "f2")


@pytest.mark.parametrize(("output", "loss"), [("exp", "poisson"), ("sigmoid", "squared_error")])
def test_numbers_with_a_bounded_output_are_left_as_they_are(output: str, loss: str) -> None:
    x, _ = blobs()
    write_csv("d.csv", x, 1 / (1 + np.exp(-x[:, 0])))
    arguments = ("train", "d.csv", "--target", "y", "--output", output, "--loss", loss, "--json")
    assert command(*arguments).json["held_out"]["r2"] > 0.8


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "npz"])
def test_every_format_gives_the_same_model(suffix: str) -> None:
    x, y = line(60)
    np.savez("d.npz", x=x, y=y)
    frame = pl.DataFrame({**{f"x{j}": x[:, j] for j in range(3)}, "y": y})
    frame.write_parquet("d.parquet")
    frame.write_csv("d.csv")
    frame.write_csv("d.tsv", separator="\t")
    arguments = ("--epochs", 3, "--json", "--no-plot")
    wanted = command("train", "d.npz", *arguments).json["held_out"]
    target = () if suffix == "npz" else ("--target", "y")
    assert command("train", f"d.{suffix}", *target, *arguments).json["held_out"] == wanted


def test_csv_files_as_other_programs_write_them() -> None:
    x, y = blobs(60)
    rows = [
        f' {a:.3f} ;"{b:.3f}";{"TRUE" if c > 0 else "False"}; {NAMES[0] if k else "no"} '
        for (a, b, c, _), k in zip(x, y == 1, strict=True)
    ]
    text = "\ufeffa; b;c;kind\r\n" + "\r\n".join(rows)
    Path("d.csv").write_bytes((text + "\r\n\r\n\r\n").encode())
    report = command("train", "d.csv", "--target", "kind", "--epochs", 2, "--json").json
    assert report["features"] == ["a", "b", "c"]
    assert report["classes"] == ["no", "plain"]
    assert report["rows"] == 60


def test_predict_takes_columns_by_name_and_ignores_others() -> None:
    x, y = line(60)
    write_csv("d.csv", x, y)
    command("train", "d.csv", "--target", "y", "--epochs", 3, "--no-plot")
    wanted = command("predict", "d.safetensors", "d.csv").out
    shuffled = {"note": ["text"] * 60, "f2": x[:, 2], "f0": x[:, 0], "f1": x[:, 1]}
    pl.DataFrame(shuffled).write_csv("e.csv")
    assert command("predict", "d.safetensors", "e.csv").out == wanted
    np.savez("e.npz", x=x)
    assert command("predict", "d.safetensors", "e.npz").out == wanted
    result = command("predict", "d.safetensors", "e.csv", "--out", "p.csv")
    assert result.status == 0
    assert "p.csv" in result.out
    assert Path("p.csv").read_text() == wanted
    pl.DataFrame(shuffled).drop("f1").write_csv("e.csv")
    refused("predict", "d.safetensors", "e.csv", fragment="no column 'f1'")


def test_predict_with_a_network_saved_alone() -> None:
    net = dr.MLP([3, 2], seed=0)
    net.save("net.safetensors")
    x = np.arange(12.0).reshape(4, 3)
    np.savez("d.npz", x=x)
    answer = command("predict", "net.safetensors", "d.npz", "--json").json
    y_hat = net.predict(x.astype(np.float32))
    answers = np.array([answer["y_hat_0"], answer["y_hat_1"]], dtype=np.float32).T
    assert np.array_equal(answers, y_hat)
    write_csv("d.csv", x[:, :2], x[:, 2])
    out = command("predict", "net.safetensors", "d.csv").out
    answers = np.loadtxt(io.StringIO(out), np.float32, delimiter=",", skiprows=1)
    assert np.array_equal(answers, y_hat)
    write_csv("d.csv", x, x[:, 2])
    refused("predict", "net.safetensors", "d.csv", fragment="4 columns, the model takes 3")
    np.savez("d.npz", x=x[:, :2])
    refused("predict", "net.safetensors", "d.npz", fragment="2 features, the model takes 3")
    np.savez("d.npz", x=x * 1e300)
    refused("predict", "net.safetensors", "d.npz", fragment="too large for")


# Options


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    for name, threads in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        arguments = (
            "--save",
            f"{name}.safetensors",
            "--threads",
            threads,
            "--epochs",
            5,
            "--no-plot",
        )
        assert command("train", "d.csv", "--target", "y", *arguments).status == 0
    models = {Path(f"{name}.safetensors").read_bytes() for name in "abcd"}
    assert len(models) == 1
    arguments = ("--save", "e.safetensors", "--seed", 1, "--epochs", 5, "--no-plot")
    command("train", "d.csv", "--target", "y", *arguments)
    assert Path("e.safetensors").read_bytes() not in models


def test_options_reach_the_network() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    arguments = """--hidden 5,4 --activation tanh,silu --loss squared_error --epochs 3 --lr 0.05
        --batch-size full --momentum 0.5 --nesterov --weight-decay 0.001 --seed 4 --threads 1
        --dtype float64 --validation 0.25 --save m.safetensors --plot curves.svg"""
    report = command("train", "d.csv", "--target", "y", *arguments.split(), "--json").json
    wanted = {
        "sizes": [4, 5, 4, 3],
        "hidden": ["tanh", "silu"],
        "output": "softmax",
        "loss": "squared_error",
        "dtype": "float64",
        "epochs": 3,
        "lr": 0.05,
        "batch_size": None,
        "momentum": 0.5,
        "nesterov": True,
        "weight_decay": 0.001,
        "seed": 4,
        "training_rows": 180,
        "model": "m.safetensors",
        "plot": "curves.svg",
    }
    assert {name: report[name] for name in wanted} == wanted
    assert len(report["history"]["loss"]) == len(report["history"]["validation_loss"]) == 3
    assert sorted(listing()) == ["curves.svg", "d.csv", "m.safetensors"]
    assert b"<svg" in Path("curves.svg").read_bytes()


def test_nothing_held_out() -> None:
    x, y = blobs()
    write_csv("d.csv", x, y)
    arguments = ("train", "d.csv", "--target", "y", "--epochs", 2, "--validation", 0)
    report = command(*arguments, "--json").json
    assert report["held_out"] is None
    assert report["training_rows"] == 240
    assert report["history"]["validation_loss"] == []
    assert "no rows held out" in command(*arguments).out


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.37, 0.9])
def test_the_split_is_stratified_and_complete(fraction: float) -> None:
    classes = np.repeat(np.arange(6), [1, 2, 30, 57, 300, 500])
    training, held_out = targets.split(len(classes), fraction, 0, classes)
    assert np.array_equal(np.sort(np.concatenate([training, held_out])), np.arange(len(classes)))
    # The classes of one and two rows keep a row each, so that up to two are lacking.
    assert abs(len(held_out) - fraction * len(classes)) <= 2
    share = np.bincount(classes[held_out], minlength=6)
    assert (abs(share - fraction * np.bincount(classes)) <= 1).all()
    assert set(classes[training]) == set(range(6))
    again = targets.split(len(classes), fraction, 1, classes)[1]
    assert not np.array_equal(again, held_out)


def test_info_shows_the_package_and_a_model() -> None:
    assert dr.__version__ in command("info").out
    assert command("info", "--json").json["deltarule"] == dr.__version__
    x, y = blobs()
    write_csv("d.csv", x, [NAMES[i] for i in y], target="kind")
    command("train", "d.csv", "--target", "kind", "--epochs", 1, "--no-plot")
    shown = command("info", "d.safetensors")
    assert shown.status == 0
    assert "kind" in shown.out
    assert "été" in shown.out
    report = command("info", "d.safetensors", "--json").json
    assert report["sizes"] == [4, 64, 3]
    assert report["table"]["classes"] == sorted(NAMES)
    assert report["table"]["features"] == ["f0", "f1", "f2", "f3"]
    dr.MLP([3, 2], seed=0).save("net.safetensors")
    assert command("info", "net.safetensors", "--json").json["table"] is None


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_and_version(arguments: list[str]) -> None:
    result = command(*arguments)
    assert result.status == 0
    assert result.err == ""
    assert ("usage: deltarule" if "--help" in arguments else dr.__version__) in result.out


def test_a_terminal_sees_one_line_rewritten() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    record: EpochRecord = {
        "epoch": 0,
        "epochs": 1000,
        "loss": 0.5,
        "validation_loss": 0.25,
        "learning_rate": 0.1,
        "seconds": 0.01,
    }
    with EpochLine(terminal) as show:
        for epoch in range(1, 1001):
            record["epoch"] = epoch
            show(record)
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.startswith("\repoch    1/1000")
    assert "epoch 1000/1000  [====================]  loss 0.5000" in text
    assert text.count("\r") < 200


# The start and the end of the process


@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
@pytest.mark.parametrize("signals", [8, pytest.param(300, marks=pytest.mark.full)])
def test_ctrl_c_while_modules_are_imported(signals: int) -> None:
    """And at the end, when all is printed: the status of Ctrl-C or of the work, no traceback."""
    command = [sys.executable, "-X", "importtime", "-m", "deltarule", "--version"]
    started = time.monotonic()
    subprocess.run(command, capture_output=True, check=True)
    takes = time.monotonic() - started
    for i in range(signals):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:  # one a module
                if "deltarule._start" in line:
                    break
            time.sleep(takes * i / signals)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT)
        assert "Traceback" not in err
