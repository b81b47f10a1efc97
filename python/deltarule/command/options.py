"""The options of ``deltarule train``, completed by defaults and checked before any work."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from deltarule.command.console import CommandError
from deltarule.command.destinations import check_destination, check_plot
from deltarule.command.fit_options import FitSettings, fit_settings
from deltarule.command.tables import check_file

MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Defaults:
    """The defaults."""

    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    lr: dict[str, float]  # by optimizer


DIGITS = Defaults(
    hidden=(128,), epochs=40, batch_size=16, lr={"sgd": 0.1, "adam": 0.002, "adamw": 0.002}
)
TABLE = Defaults(
    hidden=(64,), epochs=100, batch_size=32, lr={"sgd": 0.02, "adam": 0.003, "adamw": 0.003}
)


@dataclass(frozen=True)
class Plan:
    """The work of one command, as its options say.

    Attributes
    ----------
    data : Path or None
        The file to train on; None for the digits.
    save : Path
        The model file.
    plot : Path or None
        The loss curves; None draws none.
    hidden : tuple of int
        The sizes of the hidden layers.
    activation : str or list of str
        Of the hidden layers, as `MLP` takes it.
    epochs : int
        At least 1.
    batch_size : int or None
        None is the full batch.
    fit : FitSettings
        The settings of the training.
    """

    data: Path | None
    save: Path
    plot: Path | None
    hidden: tuple[int, ...]
    activation: str | list[str]
    epochs: int
    batch_size: int | None
    fit: FitSettings

    @property
    def source(self) -> str:
        """The source of the data, for messages."""
        return "digits" if self.data is None else str(self.data)


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Return the plan of the parsed options.

    Raises
    ------
    CommandError
        A destination cannot be written, matplotlib is missing, or an option is out of range.
    """
    data: Path | None = arguments.data
    if data is None and arguments.target is not None:
        raise CommandError(f"--target {arguments.target}: needs DATA, the digits have their own")
    if data is None and arguments.header is not None:
        raise CommandError(f"--{'' if arguments.header else 'no-'}header: needs DATA")
    if data is not None:
        check_file(data)
    defaults = DIGITS if data is None else TABLE
    save, plot = _destinations(arguments, data)
    batch_size = arguments.batch_size or defaults.batch_size
    names = arguments.activation.split(",")
    epochs = arguments.epochs or defaults.epochs
    return Plan(
        data=data,
        save=save,
        plot=plot,
        hidden=defaults.hidden if arguments.hidden is None else arguments.hidden,
        activation=names[0] if len(names) == 1 else names,
        epochs=epochs,
        batch_size=None if batch_size == "full" else batch_size,
        fit=fit_settings(arguments, defaults.lr, epochs),
    )


def _destinations(arguments: argparse.Namespace, data: Path | None) -> tuple[Path, Path | None]:
    if arguments.folds:
        for option, given in (("--save", arguments.save), ("--plot", arguments.plot)):
            if given is not None:
                raise CommandError(f"{option}: --folds compares trainings, and keeps no model")
        return Path(), None
    save: Path = arguments.save or Path(("digits" if data is None else data.stem) + MODEL_SUFFIX)
    inputs = [] if data is None else [data]
    check_destination(save, "--save", inputs)
    if arguments.no_plot:
        return save, None
    plot: Path = arguments.plot or save.with_name(save.name.removesuffix(MODEL_SUFFIX) + ".png")
    check_plot(plot, [save, *inputs])
    return save, plot
