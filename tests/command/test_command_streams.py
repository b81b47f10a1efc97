"""The command where a standard stream is closed, full, or lacks a character."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from command_support import command, listing
from deltarule.command.console import one_line
from process_support import environment

pytest.importorskip("polars", reason="needs the extra: pip install 'deltarule[cli]'")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the streams of POSIX")

NAMES = ("k\U0001f600", "ü")


@pytest.fixture(autouse=True)
def in_a_folder_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(40, 2))
    rows = [f"{a},{b},{NAMES[int(a > 0)]}\n" for a, b in x]
    Path("d.csv").write_text("a\U0001f600,b,y\n" + "".join(rows), encoding="utf-8")
    arguments = ("--epochs", 2, "--no-plot", "--save", "m.st")
    assert command("train", "d.csv", "--target", "y", *arguments).status == 0


def run(
    arguments: str, redirections: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a shell of its own."""
    line = f'"{sys.executable}" -m deltarule {arguments} {redirections}'
    variables = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "", **variables}
    encoding = variables["PYTHONIOENCODING"].partition(":")[0]
    return subprocess.run(
        ["sh", "-c", line], env=environment(**variables), capture_output=True, timeout=60,
        encoding=encoding,
    )  # fmt: skip


COMMANDS = {
    "train": "train d.csv --target y --epochs 2 --no-plot --save n.st",
    "train, JSON": "train d.csv --target y --epochs 2 --no-plot --save n.st --json",
    "predict": "predict m.st d.csv",
    "predict, a file": "predict m.st d.csv --out p.csv",
    "info": "info",
    "info, a model": "info m.st",
    "trace": "trace m.st d.csv --target y",
    "trace, Markdown": "trace m.st d.csv --target y --markdown -",
    "verify": "verify m.st d.csv --target y",
    "help": "train --help",
    "version": "--version",
}
CLOSED = "deltarule: standard output is closed; > /dev/null drops what is printed\n"
FULL = "deltarule: standard output: No space left on device\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_stdout_is_refused_before_the_work(name: str) -> None:
    before = listing()
    done = run(COMMANDS[name], ">&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", CLOSED)
    assert listing() == before
    assert run(COMMANDS[name], "<&- >&- 2>&-").returncode == 2
    assert listing() == before


@pytest.mark.parametrize("name", COMMANDS)
def test_closed_stdin_and_stderr_change_nothing(name: str) -> None:
    whole, done = run(COMMANDS[name]), run(COMMANDS[name], "<&- 2>&-")
    assert (done.returncode, done.stderr) == (whole.returncode, "") == (0, "")
    assert len(done.stdout.splitlines()) == len(whole.stdout.splitlines())


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full"])
def test_an_error_without_stderr_is_its_status_alone(redirections: str) -> None:
    done = run("info none.st", redirections)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_stdout_is_one_line(name: str) -> None:
    done = run(COMMANDS[name], ">/dev/full")
    assert (done.returncode, done.stderr) == (2, FULL)
    assert run(COMMANDS[name], ">/dev/full 2>/dev/full").returncode == 2


def test_a_file_never_takes_the_number_of_a_closed_stream() -> None:
    """What the process writes to stderr, as the OpenMP runtime does, is not in the model."""
    script = (
        "import os, sys\n"
        "from deltarule.command import main; from deltarule.io import regular_files\n"
        "write = regular_files.os.fsync\n"
        "def fsync(number): assert number > 2; os.write(2, b'noise'); write(number)\n"
        "regular_files.os.fsync = fsync\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    Path("script.py").write_text(script)
    line = f'"{sys.executable}" script.py {COMMANDS["train"]} <&- 2>&-'
    done = subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 0
    assert b"noise" not in Path("n.st").read_bytes()
    assert command("info", "n.st").status == 0


# Encodings

ENCODINGS = ["ascii", "cp1252", "latin1", "ascii:surrogateescape", "ascii:replace"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in ("predict", "help")])
def test_a_message_has_escapes_of_what_the_encoding_lacks(name: str, encoding: str) -> None:
    done = run(COMMANDS[name], PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    if name == "info, a model" and "replace" not in encoding:
        assert "features   a\\U0001f600, b\n" in done.stdout


def test_names_and_paths_in_errors() -> None:
    done = run("info none\U0001f600.st", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr == "deltarule: none\\U0001f600.st: No such file or directory\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_are_written_as_they_are_or_not_at_all(encoding: str) -> None:
    done = run(COMMANDS["predict"], PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("deltarule: standard output: its encoding, ")
    assert done.stderr.endswith("write a file in place of it, or set PYTHONIOENCODING=utf-8\n")
    assert run("predict m.st d.csv --out p.csv", PYTHONIOENCODING=encoding).returncode == 0
    rows = Path("p.csv").read_text(encoding="utf-8").splitlines()
    assert {row.partition(",")[0] for row in rows[1:]} == set(NAMES)
    done = run("predict m.st d.csv --json", PYTHONIOENCODING=encoding)
    assert set(json.loads(done.stdout)["prediction"]) == set(NAMES)


def test_a_callers_streams_are_left_as_they_were(tmp_path: Path) -> None:
    with open("out", "w", encoding="ascii") as out, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", None)
        from deltarule.command import main

        assert main(["info", "m.st"]) == 0
        assert (out.errors, sys.stderr) == ("strict", None)
    assert "a\\U0001f600, b" in Path("out").read_text()


# Names that would steer a terminal


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x07\x00b", "a\\x07\\x00b"),
        ("a\n\tb", "a b"),
        ("a\u200bb", "a\\u200bb"),
        ("a\udcffb", "a\\udcffb"),
        ("äöü 漢字 \U0001f600", "äöü 漢字 \U0001f600"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_one_line(name: str, shown: str) -> None:
    assert one_line(name) == shown


def test_names_are_shown_without_what_steers_a_terminal() -> None:
    odd = "\x1b[31mred\u202e"
    x = np.random.default_rng(0).normal(size=(40, 2))
    rows = [f"{a},{b},{odd + 'no' if a > 0 else 'yes'}\n" for a, b in x]
    Path("o.csv").write_text(f"a{odd},b,y{odd}\n" + "".join(rows), encoding="utf-8")
    arguments = ("--target", f"y{odd}", "--epochs", 2, "--no-plot", "--save", f"{odd}.st")
    for result in (
        command("train", "o.csv", *arguments),
        command("info", f"{odd}.st"),
        command("predict", f"{odd}.st", "o.csv", "--out", f"{odd}.csv"),
        command("info", f"{odd}none.st"),
        command("predict", f"{odd}.st", "d.csv"),
    ):
        assert result.out + result.err
        assert not {"\x1b", "\u202e"} & set(result.out + result.err)
    model = dr.load(f"{odd}.st")
    assert model.sizes[0] == 2
    assert odd + "no" in command("predict", f"{odd}.st", "o.csv").out  # data are as they are


@pytest.mark.parametrize("columns", ["1", "2", "0", "-3", "many"])
@pytest.mark.parametrize("name", ["help", "train", "verify"])
def test_terminals_of_every_width(name: str, columns: str) -> None:
    done = run(COMMANDS[name], COLUMNS=columns, TERM="dumb", NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
