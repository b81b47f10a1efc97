"""The command: trainings that are stopped and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

import deltarule as dr
from command_support import Result, blobs, command, listing, refused, write_csv
from deltarule.command import train
from deltarule.command.termination import Terminated, terminable
from process_support import environment

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")

TABLE = ("train", "d.csv", "--target", "y", "--no-plot", "--json")
TRAIN = (
    *TABLE, "--epochs", 6, "--hidden", "7,5", "--lr", 0.05, "--dropout", 0.1, "--schedule",
    "cosine", "--early-stopping", "--seed", 3, "--nesterov",
)  # fmt: skip
RESUME = (*TABLE, "--resume", "run.st")


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv("d.csv", *blobs())


def stopped(
    monkeypatch: pytest.MonkeyPatch, epoch: int, error: type[BaseException], *arguments: object
) -> Result:
    """Run a command that an exception stops after some epoch, as a signal's handler would."""

    def stop(self: object, record: dr.EpochRecord) -> None:
        if record["epoch"] == epoch:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(train.EpochLine, "__call__", stop)
        return command(*arguments)


def figures(result: Result) -> dict[str, Any]:
    """Return a report without what is of the machine, and the model's bytes."""
    report = result.json
    for name in ("seconds", "checkpoint"):
        del report[name]
    del report["history"]["seconds"]
    return report | {"bytes": Path("d.safetensors").read_bytes().hex()}


@pytest.mark.parametrize("more", [(), ("--every", "1"), ("--every", "30s")])
def test_a_training_goes_on_to_the_same_bytes(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = figures(command(*TRAIN))
    Path("d.safetensors").unlink()
    result = stopped(monkeypatch, 3, KeyboardInterrupt, *TRAIN, "--checkpoint", "run.st", *more)
    assert result.status == 130
    assert result.err == "deltarule: interrupted; --resume run.st goes on\n"
    assert sorted(listing()) == ["d.csv", "run.st"]
    for _ in range(2):  # the second time it is over
        assert figures(command(*RESUME)) == expected


def test_options_may_be_repeated_but_not_changed_on_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, 3, Terminated, *TRAIN, "--checkpoint", "run.st")
    for arguments, fragment in (
        (("--lr", 0.06), "--lr=0.06: the run of run.st has 0.05"),
        (("--hidden", "none"), "--hidden=none: the run of run.st has 7,5"),
        (("--seed", 0), "--seed=0: the run of run.st has 3"),
        (("--optimizer", "adam"), "--optimizer=adam: the run of run.st has sgd"),
        (("--class-weight", "balanced"), "--class-weight=balanced: the run of run.st has None"),
        (("--epochs", 2), "epochs must be 3 or more"),
        (("--checkpoint", "run.st"), "--checkpoint: a run that goes on has its own"),
        (("--folds", 3), "--resume: does not go with --folds"),
    ):
        refused(*RESUME, *arguments, fragment=fragment)
    report = command(*TRAIN, "--resume", "run.st", "--threads", 1, "--save", "m.st").json
    assert len(report["history"]["loss"]) == 6
    assert report["model"] == "m.st"


def test_more_epochs() -> None:
    command(*TABLE, "--epochs", 3, "--checkpoint", "run.st")
    report = command(*RESUME, "--epochs", 5).json
    assert report["epochs"] == len(report["history"]["loss"]) == 5
    assert command(*RESUME).json["epochs"] == 5
    whole = command(*TABLE, "--epochs", 5).json
    assert report["history"]["loss"] == whole["history"]["loss"]


def test_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, 2, Terminated, *TRAIN, "--checkpoint", "run.st")
    x, y = blobs()
    x[0, 0] += 1
    write_csv("d.csv", x, y)
    refused(*RESUME, fragment="x must be what the run was trained on, but has other values")
    write_csv("d.csv", x[:200], y[:200])
    refused(*RESUME, fragment="x must be what the run was trained on, but has shape")


def test_options_that_exclude_each_other() -> None:
    check = Path("there.st")
    check.write_bytes(b"mine")
    for arguments, fragment in (
        (("--every", "3"), "--every: needs --checkpoint"),
        (("--every", "soon", "--checkpoint", "run.st"), "argument --every: must be a number of ep"),
        (("--folds", 3, "--checkpoint", "run.st"), "--checkpoint: does not go with --folds"),
        (("--checkpoint", "no/run.st"), "--checkpoint no/run.st: there is no folder no"),
        (("--checkpoint", "d.csv"), "--checkpoint d.csv: would replace another file"),
        (("--checkpoint", "d.safetensors"), "--checkpoint d.safetensors: would replace another"),
        (("--checkpoint", "run-{e}"), "--checkpoint: path must be that of a file"),
        (("--checkpoint", "there.st"), "--checkpoint there.st: is there already"),
        (("--resume", "there.st"), "there.st: not a readable safetensors file"),
        (("--resume", "run.st"), "run.st: "),
    ):
        refused(*TABLE, *arguments, fragment=fragment)


def test_a_checkpoint_not_written_by_the_command_is_refused() -> None:
    x, y = dr.load_digits()
    dr.MLP([64, 10], output="softmax", seed=0).fit(x, y, epochs=1, checkpoint="run.st")
    refused(*RESUME, fragment="--resume run.st: is of MLP.fit, not of this command")


@pytest.mark.parametrize(
    "arguments",
    [
        3, {"save": "/tmp/elsewhere"}, {"data": "d.csv"}, {"help": True}, {"run": "x"}, {"lr": 3},
        {"lr": "fast"}, {"no_such": "x"}, {"lr": ["0.1"]}, {"threads": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_invalid_options_in_a_checkpoint_are_refused(arguments: Any) -> None:
    command(*TABLE, "--epochs", 2, "--checkpoint", "run.st")
    data = Path("run.st").read_bytes()
    size = int.from_bytes(data[:8], "little")
    description = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["deltarule"])
    description["extra"]["command"] = arguments
    metadata = {"deltarule": json.dumps(description)}
    Path("run.st").write_bytes(safetensors.numpy.save(safetensors.numpy.load(data), metadata))
    refused(*RESUME, fragment="run.st: the options of the command make no sense")


def test_a_checkpoint_is_shown_and_predicts_as_a_network() -> None:
    command(*TABLE, "--epochs", 2, "--checkpoint", "run.st")
    assert command("info", "run.st", "--json").json["sizes"] == [4, 64, 3]


# Signals

ENDLESS = (
    "train", "--epochs", 100_000, "--no-plot", "--hidden", "64", "--batch-size", 32, "--save",
    "model.st",
)  # fmt: skip


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "deltarule", *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def work_for(pid: int, seconds: float) -> float:
    """Wait until a process has used that much CPU time more; returns all that it has used."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        time.sleep(seconds)
        return seconds

    def used() -> float:
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    end = used() + seconds
    while used() < end:
        time.sleep(0.01)
    return used()


def used_by_children() -> float:
    """CPU time of the child processes that have ended, seconds."""
    import resource  # not on Windows

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(os.name != "posix", reason="needs the signals of POSIX")
@pytest.mark.parametrize(
    ("number", "status", "participle"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_signal_ends_the_command(
    checkpoint: bool, number: signal.Signals, status: int, participle: str
) -> None:
    more = ("--checkpoint", "run.st") if checkpoint else ()
    before = used_by_children()
    with started(*ENDLESS, *more) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)][-1].startswith("network")
        used = work_for(process.pid, 1.0)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert used_by_children() - before - used < 5.0  # seconds of CPU time after the signal
    assert process.returncode == status, err
    goes_on = "; --resume run.st goes on" if checkpoint else ""
    assert err == f"deltarule: {participle}{goes_on}\n"
    assert sorted(listing()) == ["d.csv", *(["run.st"] if checkpoint else [])]
    if checkpoint:
        size = int.from_bytes(Path("run.st").read_bytes()[:8], "little")
        header = json.loads(Path("run.st").read_bytes()[8 : 8 + size])
        metadata = json.loads(header["__metadata__"]["deltarule"])["extra"]["checkpoint"]
        done = metadata["epochs"]
        assert done > 0
        network, history = resumed_digits(done + 2)
        whole = command(*ENDLESS[:1], "--epochs", done + 2, *ENDLESS[3:], "--json").json
        assert history.loss == whole["history"]["loss"]
        assert network.theta.tobytes() == dr.load("model.st").theta.tobytes()


def resumed_digits(epochs: int) -> tuple[dr.MLP, dr.History]:
    result = command(
        "train", "--resume", "run.st", "--epochs", epochs, "--no-plot", "--save", "again.st",
        "--json",
    )  # fmt: skip
    losses = result.json["history"]["loss"]
    return dr.load("again.st"), dr.History(loss=losses)


def test_the_handler_of_a_signal_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
