"""Resumed runs of ``deltarule train``: the options that a checkpoint stores."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import deltarule as dr
from deltarule.checkpoint.settings import AnnotatedCheckpoint
from deltarule.command.console import CommandError
from deltarule.command.destinations import check_destination
from deltarule.command.parser import parse
from deltarule.mlp.resume import Run, read_newest

# The part of a checkpoint's metadata with the options, by name.
NOTE = "command"

# Options that may differ when a run is resumed: places, output, length.
FREE = frozenset(
    "data save plot no_plot json threads epochs every checkpoint resume folds run".split()
)

Options = Mapping[str, Any]


def check_words(given: Options, inputs: list[Path]) -> None:
    """Refuse options of checkpoints that do not go together, and places that take no file.

    Parameters
    ----------
    given : mapping
        The options of the command line, by name.
    inputs : list of Path
        The other files of the command.

    Raises
    ------
    CommandError
    """
    for name in ("checkpoint", "resume"):
        if name in given and "folds" in given:
            raise CommandError(f"--{name}: does not go with --folds")
    if "checkpoint" in given and "resume" in given:
        raise CommandError("--checkpoint: a run that goes on has its own, which --resume names")
    if "every" in given and not given.keys() & {"checkpoint", "resume"}:
        raise CommandError("--every: needs --checkpoint")
    if "checkpoint" in given:
        check_destination(given["checkpoint"], "--checkpoint", inputs)


def new_checkpoint(given: Options) -> dr.Checkpoint | None:
    """Return the checkpoint of a new run, with the options that made it.

    Raises
    ------
    CommandError
        The path or the time between two checkpoints is none.
    """
    if "checkpoint" not in given:
        return None
    note = {NOTE: {name: _text(value) for name, value in given.items() if name not in FREE}}
    try:
        return AnnotatedCheckpoint(given["checkpoint"], _every(given), note=note)
    except ValueError as error:
        raise CommandError(f"--checkpoint: {error}") from None


def _every(given: Options) -> int | str:
    every = given.get("every", "1m")
    return int(every) if every.isdecimal() else every


def _text(value: Any) -> str | bool:
    """Return an option as it could have been given; True or False for one that has no value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return repr(value) if isinstance(value, float) else str(value)


def with_run_options(arguments: argparse.Namespace) -> argparse.Namespace:
    """Return the options of the command line; with --resume, completed by those of the run.

    Raises
    ------
    CommandError
        The checkpoint is none of this command's, or the run was made with another option.
    deltarule.ModelFileError
        The file is no checkpoint.
    """
    if arguments.resume is None:
        return arguments
    path, given = arguments.resume, arguments.given
    _, run = read_newest(path)
    options = run.keeping.note.get(NOTE)
    if options is None:
        raise CommandError(f"--resume {path}: is of MLP.fit, not of this command")
    nonsense = dr.ModelFileError(f"{path}: the options of the command make no sense")
    if not isinstance(options, dict) or not options.keys() <= vars(arguments).keys() - FREE:
        raise nonsense
    if not all(isinstance(value, bool | str) for value in options.values()):
        raise nonsense
    try:
        made = parse(["train", *(_option(name, value) for name, value in options.items())])
    except CommandError:
        raise nonsense from None
    if made is None:
        raise nonsense
    for name, value in given.items():
        if name not in FREE and value != getattr(made, name):
            raise CommandError(
                f"{_option(name, _text(value))}: the run of {path} has {_text(getattr(made, name))}"
            )
    _check_data(arguments, made, run)
    free = {name: value for name, value in vars(arguments).items() if name in FREE | {"given"}}
    epochs = given.get("epochs", run.arguments["epochs"])
    return argparse.Namespace(**{**vars(made), **free, "epochs": epochs})


def _check_data(arguments: argparse.Namespace, made: argparse.Namespace, run: Run) -> None:
    """Refuse a table's run without DATA, and a table for a run that had none."""
    path, data = arguments.resume, arguments.data
    if data is None:
        if made.target is not None or run.network.sizes[0] != dr.load_digits()[0].shape[1]:
            raise CommandError(
                f"--resume {path}: needs DATA, the run is on a table: deltarule train DATA "
                f"--resume {path}"
            )
    elif made.target is None and data.suffix.lower() != ".npz":
        raise CommandError(
            f"--resume {path}: does not go with {data}, the run is on the digits or an npz file"
        )


def changed_place(arguments: argparse.Namespace) -> dr.Checkpoint | None:
    """Return the checkpoint of a resumed run, where --every changes how often."""
    if "every" not in arguments.given:
        return None
    file, run = read_newest(arguments.resume)
    return replace(run.place(file, arguments.resume), every=_every(arguments.given))


def _option(name: str, value: str | bool) -> str:
    if value is False:
        return f"--no-{name}"
    return f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
