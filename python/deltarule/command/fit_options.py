"""How ``deltarule train`` trains: optimizer, schedule, stopping, regularization."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import deltarule as dr
from deltarule.command.console import CommandError, package_errors

OPTIMIZERS = ("sgd", "adam", "adamw")
MOMENTUM = 0.9
ADAM_DECAY = 0.01
PATIENCE = 10

# The schedules by name, from the rate and the number of epochs.
SCHEDULES: dict[str, Callable[[float, int], Any]] = {
    "constant": lambda lr, epochs: None,
    "cosine": lambda lr, epochs: dr.schedules.Cosine(lr, epochs),
    "exponential": lambda lr, epochs: dr.schedules.Exponential(lr, 0.01 ** (1 / epochs)),
    "inverse-scaling": lambda lr, epochs: dr.schedules.InverseScaling(lr),
    "plateau": lambda lr, epochs: dr.schedules.Plateau(lr),
    "step": lambda lr, epochs: dr.schedules.Step(lr, every=max(1, epochs / 3)),
}


@dataclass(frozen=True)
class FitSettings:
    """What `MLP.fit` is given beside data, epochs and batch size.

    Attributes
    ----------
    optimizer : SGD, Adam or AdamW
    schedule : a name of `SCHEDULES`
    epochs : int
        That the schedule is made for.
    warm_up : float
        Epochs in which the rate rises; 0: none.
    early_stopping : EarlyStopping or None
    class_weight : "balanced" or None
    dropout : float
    """

    optimizer: dr.SGD | dr.Adam
    schedule: str
    epochs: int
    warm_up: float
    early_stopping: dr.EarlyStopping | None
    class_weight: str | None
    dropout: float

    @property
    def follows_a_loss(self) -> bool:
        """Whether the training goes by a validation loss."""
        return self.early_stopping is not None or self.schedule == "plateau"

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `MLP.fit`."""
        lr = self.optimizer.lr
        schedule = SCHEDULES[self.schedule](lr, self.epochs)
        if self.warm_up:
            schedule = dr.schedules.WarmUp(self.warm_up, lr if schedule is None else schedule)
        return {
            "optimizer": self.optimizer,
            "schedule": schedule,
            "early_stopping": self.early_stopping,
            "class_weight": self.class_weight,
            "dropout": self.dropout,
        }

    def report(self) -> dict[str, Any]:
        """Return the settings as JSON has them; null where an option does not apply."""
        optimizer = self.optimizer
        return {
            "optimizer": type(optimizer).__name__.lower(),
            "lr": optimizer.lr,
            "momentum": getattr(optimizer, "momentum", None),
            "nesterov": getattr(optimizer, "nesterov", None),
            "weight_decay": optimizer.weight_decay,
            "l1": optimizer.l1,
            "max_norm": optimizer.max_norm,
            "schedule": self.schedule,
            "warm_up": self.warm_up,
            "early_stopping": self.early_stopping and self.early_stopping.patience,
            "class_weight": self.class_weight,
            "dropout": self.dropout,
        }


def fit_settings(arguments: argparse.Namespace, lr: dict[str, float], epochs: int) -> FitSettings:
    """Return the settings of the parsed options.

    Parameters
    ----------
    arguments : argparse.Namespace
    lr : dict
        The default rate of each optimizer.
    epochs : int

    Raises
    ------
    CommandError
        An option is out of range, or two do not go together.
    """
    if arguments.early_stopping is not None and not arguments.folds and not arguments.validation:
        raise CommandError("--early-stopping: needs rows held out, not --validation 0")
    if not 0 <= arguments.warm_up < math.inf:
        raise CommandError(f"--warm-up {arguments.warm_up:g}: must be 0 or more and finite")
    if arguments.warm_up and arguments.schedule == "plateau":
        raise CommandError("--warm-up: does not go with --schedule plateau")
    with package_errors():
        stopping = arguments.early_stopping
        settings = FitSettings(
            optimizer=_optimizer(arguments, lr[arguments.optimizer]),
            schedule=arguments.schedule,
            epochs=epochs,
            warm_up=arguments.warm_up,
            early_stopping=None if stopping is None else dr.EarlyStopping(patience=stopping),
            class_weight=arguments.class_weight,
            dropout=arguments.dropout,
        )
        settings.arguments()  # checks the schedule's numbers
    return settings


def _optimizer(arguments: argparse.Namespace, lr: float) -> dr.SGD | dr.Adam:
    common: dict[str, Any] = {
        "lr": lr if arguments.lr is None else arguments.lr,
        "l1": arguments.l1,
        "max_norm": arguments.max_norm,
    }
    decay = arguments.weight_decay
    if arguments.optimizer == "sgd":
        momentum = MOMENTUM if arguments.momentum is None else arguments.momentum
        return dr.SGD(
            momentum=momentum, nesterov=arguments.nesterov, weight_decay=decay or 0.0, **common
        )
    for option, given in (
        ("--momentum", arguments.momentum is not None),
        ("--nesterov", arguments.nesterov),
    ):
        if given:
            raise CommandError(f"{option}: is for --optimizer sgd, not {arguments.optimizer}")
    if arguments.optimizer == "adam":
        return dr.Adam(weight_decay=decay or 0.0, **common)
    return dr.AdamW(weight_decay=ADAM_DECAY if decay is None else decay, **common)
