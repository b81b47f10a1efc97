"""The command's options of a fit: optimizers, schedules, stopping, dropout, folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from command_support import blobs, command, line, listing, refused, write_csv
from deltarule.command import targets
from deltarule.command.fit_options import SCHEDULES

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_optimizer_with_every_schedule_learns(optimizer: str, schedule: str) -> None:
    write_csv("data.csv", *blobs())
    arguments = ["data.csv", "--target", "y", "--optimizer", optimizer, "--schedule", schedule]
    report = command("train", *arguments, "--epochs", 20, "--no-plot", "--json").json
    assert report["held_out"]["accuracy"] > 0.95
    assert (report["optimizer"], report["schedule"]) == (optimizer, schedule)
    rates = report["history"]["learning_rate"]
    assert rates[0] == report["lr"]
    assert (rates[-1] < rates[0]) == (schedule not in ("constant", "plateau"))


def test_the_training_is_that_of_fit() -> None:
    arguments = ["--optimizer", "adamw", "--lr", 0.003, "--l1", 0.001, "--max-norm", 0.5]
    arguments += ["--schedule", "cosine", "--warm-up", 2, "--dropout", 0.25, "--class-weight"]
    arguments += ["balanced", "--weight-decay", 0.1, "--epochs", 4, "--no-plot"]
    assert command("train", *arguments).status == 0
    x, y = dr.load_digits()
    training, _ = targets.split(len(x), 0.2, 0, y)
    net = dr.MLP([64, 128, 10], output="softmax", seed=0)
    net.fit(
        x[training], y[training], epochs=4, batch_size=16, dropout=0.25, class_weight="balanced",
        optimizer=dr.AdamW(lr=0.003, weight_decay=0.1, l1=0.001, max_norm=0.5),
        schedule=dr.schedules.WarmUp(2, dr.schedules.Cosine(0.003, 4)),
    )  # fmt: skip
    assert dr.load("digits.safetensors").theta.tobytes() == net.theta.tobytes()


def test_early_stopping_keeps_the_best_epoch() -> None:
    arguments = ["train", "--early-stopping", 2, "--optimizer", "adam", "--lr", 0.02, "--no-plot"]
    report = command(*arguments, "--json").json
    losses = report["history"]["validation_loss"]
    assert len(losses) < report["epochs"]
    assert report["best_epoch"] == int(np.argmin(losses)) + 1
    assert report["held_out"]["loss"] == min(losses)
    assert f"best epoch {report['best_epoch']} of {len(losses)}" in command(*arguments).out
    assert command("train", "--early-stopping", "--epochs", 1, "--no-plot").status == 0


@pytest.mark.parametrize("k", [2, 5])
def test_folds_of_classes(k: int) -> None:
    write_csv("data.csv", *blobs(241))
    before = listing()
    arguments = ["train", "data.csv", "--target", "y", "--folds", k, "--epochs", 10]
    report = command(*arguments, "--json").json
    assert listing() == before
    accuracies = [fold["accuracy"] for fold in report["folds"]]
    assert sum(fold["rows"] for fold in report["folds"]) == 241
    mean, deviation = report["summary"]["accuracy"]
    assert mean == pytest.approx(np.mean(accuracies))
    assert deviation == pytest.approx(np.std(accuracies, ddof=1))
    lines = command(*arguments).out.splitlines()
    assert lines[3].split() == ["fold", "rows", "epochs", "loss", "accuracy"]
    assert [row.split()[0] for row in lines[4:]] == [
        *map(str, range(1, k + 1)),
        "mean",
        "deviation",
    ]


def test_folds_of_numbers() -> None:
    write_csv("data.csv", *line())
    report = command("train", "data.csv", "--target", "y", "--folds", 4, "--json").json
    assert set(report["summary"]) == {"loss", "rmse", "r2"}
    assert report["summary"]["r2"][0] > 0.9


def test_the_parts_of_folds() -> None:
    classes = np.repeat([0, 1, 2], [50, 13, 7])
    parts = targets.folds(70, 4, 0, classes)
    assert sorted(np.concatenate([held for _, held in parts])) == list(range(70))
    for training, held in parts:
        assert sorted([*training, *held]) == list(range(70))
        for c, count in enumerate((50, 13, 7)):
            assert abs((classes[held] == c).sum() - count / 4) < 1


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (
            ["--optimizer", "adam", "--momentum", 0.5],
            "--momentum: is for --optimizer sgd, not adam",
        ),
        (["--optimizer", "adamw", "--nesterov"], "--nesterov: is for --optimizer sgd, not adamw"),
        (["--optimizer", "lion"], "argument --optimizer: invalid choice: 'lion'"),
        (["--schedule", "linear"], "argument --schedule: invalid choice: 'linear'"),
        (["--warm-up", -1], "--warm-up -1: must be 0 or more and finite"),
        (["--warm-up", 1, "--schedule", "plateau"], "--warm-up: does not go with"),
        (
            ["--early-stopping", 0],
            "argument --early-stopping: must be a whole number of at least 1",
        ),
        (["--early-stopping", "--validation", 0], "--early-stopping: needs rows held out"),
        (["--class-weight", "heavy"], "argument --class-weight: invalid choice: 'heavy'"),
        (["--dropout", 1], "argument --dropout: must be a number from 0 to below 1, got '1'"),
        (["--dropout", 0.5, "--hidden", "none"], "dropout must be 0 for a network without hidden"),
        (["--l1", -1], "l1 must be 0 or more and finite, not -1.0"),
        (["--max-norm", 0], "max_norm must be above 0 and finite, not 0.0"),
        (["--folds", 1], "argument --folds: must be a whole number of at least 2, got '1'"),
        (["--folds", 1798], "--folds 1798: more than the 1797 rows"),
        (["--folds", 3, "--save", "m.safetensors"], "--save: --folds compares trainings"),
        (["--folds", 3, "--plot", "m.png"], "--plot: --folds compares trainings"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(arguments: list[object], fragment: str) -> None:
    refused("train", *arguments, fragment=fragment)


def test_class_weights_are_for_classes() -> None:
    write_csv("data.csv", *line())
    arguments = ["data.csv", "--target", "y", "--class-weight", "balanced"]
    refused("train", *arguments, fragment="class_weight")
