"""``deltarule verify``: what it prints, on which data, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
import planted
from command_support import blobs, command, line, listing, refused, write_csv
from deltarule.architecture import Architecture
from deltarule.command import pipeline
from deltarule.custom import core as custom_core
from deltarule.mlp import network, parameters

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

MOMENTUM = dr.SGD(momentum=0.9)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*arguments: object) -> None:
    assert command("train", *arguments, "--epochs", 2, "--hidden", 4, "--no-plot").status == 0


@pytest.fixture
def missing_bias_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network computes with a bug in layer 2."""
    make = custom_core.make_core

    def make_with_bug(architecture: Architecture) -> Any:
        return planted.MissingBiasGradient(make(architecture), architecture)

    for module in (network, parameters):
        monkeypatch.setattr(module, "make_core", make_with_bug)


def test_verify_takes_the_digits_by_default() -> None:
    train()
    x, y = dr.load_digits()
    want = dr.load("digits.safetensors").verify(x, y, optimizer=MOMENTUM)
    before = listing()
    result = command("verify", "digits.safetensors")
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{want}\n"
    assert "within their bounds; looked at 100 of 1797 rows" in result.out
    assert listing() == before


def test_rows_and_seed() -> None:
    train()
    x, y = dr.load_digits()
    net = dr.load("digits.safetensors")
    want = net.verify(x, y, optimizer=MOMENTUM, max_rows=7, seed=3)
    assert command("verify", "digits.safetensors", "--rows", 7, "--seed", 3).out == f"{want}\n"


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_a_table_is_read_as_for_prediction(task: str) -> None:
    """Standardized, classes looked up, a number in the model's units."""
    x, y = blobs() if task == "classes" else line()
    write_csv("d.csv", x, y, target="goal")
    train("d.csv", "--target", "goal")
    report = command("verify", "d.safetensors", "d.csv", "--json").json
    model = pipeline.load(Path("d.safetensors"))
    assert isinstance(model, pipeline.TableModel)
    targets = y if task == "classes" else model.y.apply(y[:, None].astype(float))
    want = model.network.verify(model.inputs(x.astype(float)), targets, optimizer=MOMENTUM)
    names = {"model": "d.safetensors", "data": "d.csv"}
    assert report == {**names, **json.loads(json.dumps(want.to_dict()))}
    assert report["ok"]


def test_a_network_alone_with_several_targets() -> None:
    rng = np.random.default_rng(0)
    dr.MLP([3, 5, 2], seed=0).save("net.safetensors")
    np.savez("d.npz", x=rng.normal(size=(20, 3)), y=rng.normal(size=(20, 2)))
    assert command("verify", "net.safetensors", "d.npz", "--json").json["n_samples"] == 20


@pytest.mark.usefixtures("missing_bias_gradient")
def test_a_broken_bound_is_exit_status_1() -> None:
    dr.MLP([64, 8, 10], output="softmax", seed=0).save("net.safetensors")
    result = command("verify", "net.safetensors")
    assert (result.status, result.err) == (1, "")
    (wrong,) = [row for row in result.out.splitlines() if row.endswith("WRONG")]
    assert wrong.startswith("  dL/db[2] ")


@pytest.mark.usefixtures("missing_bias_gradient")
def test_a_broken_bound_in_json() -> None:
    dr.MLP([64, 8, 10], output="softmax", seed=0).save("net.safetensors")
    result = command("verify", "net.safetensors", "--json")
    assert (result.status, result.err) == (1, "")
    report = json.loads(result.out)
    assert (report["ok"], report["broken"]) == (False, ["dL/db[2]"])


def test_bad_input_is_exit_status_2() -> None:
    dr.MLP([3, 2], seed=0).save("net.safetensors")
    np.savez("d.npz", x=np.ones((4, 3)), y=np.ones((4, 2)))
    np.savez("wide.npz", x=np.ones((4, 5)), y=np.ones((4, 2)))
    Path("text.safetensors").write_text("no model")
    refused("verify", "net.safetensors", fragment="DATA is needed")
    refused("verify", "none.safetensors", "d.npz", fragment="none.safetensors")
    refused("verify", "text.safetensors", "d.npz", fragment="text.safetensors")
    refused("verify", "net.safetensors", "none.npz", fragment="none.npz: no such file")
    refused("verify", "net.safetensors", "wide.npz", fragment="x has 5 features")
    refused("verify", "net.safetensors", "d.npz", "--rows", 0, fragment="--rows: must be a whole")
    refused("verify", "net.safetensors", "d.npz", "--seed", -1, fragment="--seed: must be a whole")
    refused("verify", fragment="the following arguments are required: MODEL")


def test_targets_that_the_loss_does_not_take() -> None:
    dr.MLP([3, 2], output="sigmoid", seed=0).save("net.safetensors")
    np.savez("d.npz", x=np.ones((4, 3)), y=np.full((4, 2), 7.0))
    refused("verify", "net.safetensors", "d.npz", fragment="y[0, 0] is 7.0")


def test_a_loss_that_is_not_finite_is_a_failed_check() -> None:
    dr.MLP([1, 1], init=([[[1e30]]], [[0.0]])).save("net.safetensors")
    np.savez("d.npz", x=[[1e30]], y=[0.0])
    refused("verify", "net.safetensors", "d.npz", fragment="the loss is not finite", status=1)
