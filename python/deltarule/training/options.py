"""The options of a fit: one frozen value, each of its fields checked once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deltarule.arguments import (
    check_batch_size,
    check_callbacks,
    check_dropout,
    check_flag,
    check_fraction,
    check_seconds,
    check_verbose,
    whole_number,
)
from deltarule.checkpoint.settings import Checkpoint, check_checkpoint
from deltarule.config import get_num_threads, resolve_threads
from deltarule.data.targets import ClassWeights, check_smoothing
from deltarule.optimizers import SGD, Optimizer, check_optimizer
from deltarule.second_order.settings import SecondOrder
from deltarule.training.early_stopping import EarlyStopping, check_early_stopping
from deltarule.training.history import EpochRecord
from deltarule.training.learning_rate import check_schedule
from deltarule.training.metrics import Metric, check_metrics

if TYPE_CHECKING:
    from deltarule.architecture import Architecture
    from deltarule.schedules import Plateau, Schedule

Callback: TypeAlias = Callable[[EpochRecord], object]


@dataclass(frozen=True, kw_only=True, eq=False)
class FitOptions:
    """What `MLP.fit` is asked for besides the data, in the form in which training uses it.

    The fields are the arguments of `MLP.fit` of the same names. `batch_size` is a number of samples
    or None for all, `dropout` one rate per hidden layer or None, `max_seconds` may be infinite.
    """

    epochs: int = 10
    batch_size: int | None = 32
    optimizer: Optimizer | SecondOrder = field(default_factory=SGD)
    schedule: Schedule | Plateau | None = None
    dropout: NDArray[np.float64] | None = None
    validation_split: float | None = None
    class_weight: Mapping[int, float] | str | None = None
    label_smoothing: float = 0.0
    shuffle: bool = True
    early_stopping: EarlyStopping | None = None
    metrics: Mapping[str, Metric | str] = field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()
    max_seconds: float = math.inf
    verbose: bool = False
    progress: bool = False
    threads: int = field(default_factory=get_num_threads)
    checkpoint: Checkpoint | None = None

    @classmethod
    def checked(cls, network: Architecture, **given: Any) -> FitOptions:
        """Return the options of a fit of that network; those not given have their defaults.

        Raises
        ------
        TypeError, ValueError
            Naming the option that is wrong by itself, or that does not go with the network or with
            another option.
        """
        options = cls(**{name: _CHECKS[name](value, network) for name, value in given.items()})
        optimizer = options.optimizer
        if isinstance(optimizer, SecondOrder):
            if options.checkpoint is not None:
                name = type(optimizer).__name__
                raise ValueError(
                    f"checkpoint must be None with {name}, not {given['checkpoint']!r}"
                )
            batch_size = given.get("batch_size")
            optimizer.check(network, batch_size, options.schedule, options.dropout)
        return options


def _optimizer(optimizer: object, network: Architecture) -> Optimizer | SecondOrder:
    if isinstance(optimizer, SecondOrder):
        return optimizer
    checked = check_optimizer(optimizer)
    checked._settings_in(network.dtype)
    return checked


def _class_weight(weights: Any, network: Architecture) -> Mapping[int, float] | str | None:
    if weights is not None:
        ClassWeights(weights, network.sizes[-1], network.loss)
    checked: Mapping[int, float] | str | None = weights
    return checked


# How each option is checked, and brought into the form of its field.
_CHECKS: dict[str, Callable[[Any, Architecture], Any]] = {
    "epochs": lambda value, _: whole_number(value, "epochs", 0),
    "batch_size": lambda value, _: check_batch_size(value),
    "optimizer": _optimizer,
    "schedule": lambda value, _: check_schedule(value),
    "dropout": lambda value, network: check_dropout(value, len(network.hidden)),
    "validation_split": lambda value, _: (
        None if value is None else check_fraction(value, "validation_split")
    ),
    "class_weight": _class_weight,
    "label_smoothing": lambda value, network: check_smoothing(value, network.loss),
    "shuffle": lambda value, _: check_flag(value, "shuffle"),
    "early_stopping": lambda value, _: check_early_stopping(value),
    "metrics": lambda value, _: check_metrics(value),
    "callbacks": lambda value, _: check_callbacks(value),
    "max_seconds": lambda value, _: check_seconds(value),
    "verbose": lambda value, _: check_verbose(value),
    "progress": lambda value, _: check_flag(value, "progress"),
    "threads": lambda value, _: resolve_threads(value),
    "checkpoint": lambda value, _: check_checkpoint(value),
}
