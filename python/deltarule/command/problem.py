"""From samples to a network's training data: task, held-out part, statistics, targets."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command import cells, tables, targets
from deltarule.command.console import CommandError, package_errors
from deltarule.command.double_double import DoubleDouble
from deltarule.command.options import Plan
from deltarule.command.pipeline import TableModel, cast_finite
from deltarule.command.standardization import Standardization

FEWEST_ROWS = 10
SIGMOID = ("sigmoid", "logistic")


@dataclass(frozen=True, eq=False)
class Problem:
    """The samples in the form the network takes.

    Attributes
    ----------
    model : TableModel
        With its network, not yet trained.
    x, y : ndarray
        The network's inputs and targets, all rows.
    truth : ndarray or DoubleDouble of shape (n,)
        Class indices, or numbers in the target's units.
    training, held_out : ndarray of int64
        Row numbers.
    reason : str or None
        Why the target is taken as classes or numbers, where that is a guess.
    """

    model: TableModel
    x: NDArray[Any]
    y: NDArray[Any]
    truth: NDArray[np.int64] | DoubleDouble
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]
    reason: str | None


@dataclass(frozen=True, eq=False)
class Table:
    """The samples as they were read, and what their target holds.

    Attributes
    ----------
    samples : Samples
    classes : tuple of labels, or None
        None for numbers.
    truth : ndarray or DoubleDouble of shape (n,)
        Class indices, or numbers.
    reason : str or None
        Why the target is taken as classes or numbers, where that is a guess.
    where : str
        The target, for messages.
    """

    samples: tables.Samples
    classes: tuple[tables.Label, ...] | None
    truth: NDArray[np.int64] | DoubleDouble
    reason: str | None
    where: str

    @property
    def strata(self) -> NDArray[np.int64] | None:
        """The classes that every part is to have its share of."""
        return None if isinstance(self.truth, DoubleDouble) else self.truth


def read_table(arguments: argparse.Namespace, plan: Plan) -> Table:
    """Read the data of a plan.

    Raises
    ------
    CommandError
        The data are not fit to train on.
    """
    samples = _samples(arguments, plan)
    n = len(samples.x)
    if n < FEWEST_ROWS:
        raise CommandError(f"{plan.source}: {n} rows, at least {FEWEST_ROWS} are needed")
    where = f"{plan.source}: target {cells.shown(samples.target)}"
    task, reason = arguments.task, None
    if task is None:
        task, reason = targets.choose_task(samples, where)
    if task == targets.CLASSIFICATION:
        classes, indices = targets.encode_classes(samples, where)
        return Table(samples, classes, indices, reason, where)
    truth = targets.numbers(samples, where, "--task regression needs numbers")
    if np.isinf(Standardization.fit(truth[:, None]).scale[0]):
        raise CommandError(f"{where}: one value only ({samples.y[0]}), there is nothing to learn")
    return Table(samples, None, truth, reason, where)


def make_problem(
    arguments: argparse.Namespace,
    plan: Plan,
    table: Table,
    training: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> Problem:
    """Build the network of a plan for a table that is cut into those rows.

    Raises
    ------
    CommandError
        The data are not fit to train on, or the network's options do not go together.
    """
    samples, classes, truth = table.samples, table.classes, table.truth
    network = _network(arguments, plan, samples.x.shape[1], classes)
    x_map, y_map = Standardization.identity(samples.x.shape[1]), Standardization.identity(1)
    # The digits share one scale: their model takes what dr.load_digits returns as it is.
    if plan.data is not None:
        x_map = Standardization.fit(samples.x[training])
    # The other outputs have a range of their own, which the target must lie in as it is.
    if isinstance(truth, DoubleDouble) and network.output == "identity":
        y_map = Standardization.fit(truth[training, None], constant=1.0)
    model = TableModel(network, samples.features, x_map, samples.target, classes, y_map)
    model.check_names(plan.source)
    x, y = model.inputs(samples.x, samples.names, plan.source), encode(model, truth, table.where)
    with package_errors():  # are the targets in the loss's domain?
        network.evaluate(x, y, threads=arguments.threads)
    return Problem(model, x, y, truth, training, held_out, table.reason)


def _samples(arguments: argparse.Namespace, plan: Plan) -> tables.Samples:
    if plan.data is None:
        return digits()
    return tables.read_samples(plan.data, arguments.target, header=arguments.header)


def digits() -> tables.Samples:
    """Return the digits in the package."""
    images, labels = dr.load_digits()
    x = DoubleDouble(images.astype(np.float64))
    return tables.Samples(None, x, "digit", labels.tolist())


def _network(
    arguments: argparse.Namespace, plan: Plan, d: int, classes: tuple[tables.Label, ...] | None
) -> dr.MLP:
    output, outputs = _output(arguments.output, classes)
    with package_errors():
        network = dr.MLP(
            [d, *plan.hidden, outputs],
            hidden=plan.activation,
            output=output,
            loss=arguments.loss,
            dtype=arguments.dtype,
            seed=arguments.seed,
        )
    if outputs == 1 and network.loss == "cross_entropy":
        raise CommandError(
            "--loss cross_entropy: needs an output a class (--output softmax); for one output "
            "take binary_cross_entropy"
        )
    return network


def _output(name: str | None, classes: tuple[tables.Label, ...] | None) -> tuple[str, int]:
    """Return the output activation and the number of outputs."""
    if classes is None:
        if name == "softmax":
            raise CommandError("--output softmax: is for classes, the target holds numbers")
        return name or "identity", 1
    if name is None:
        name = "sigmoid" if len(classes) == 2 else "softmax"
    if name == "softmax":
        return name, len(classes)
    if name in SIGMOID and len(classes) == 2:
        return name, 1
    raise CommandError(
        f"--output {name}: {len(classes)} classes need softmax"
        + (" or sigmoid" if len(classes) == 2 else "")
    )


def encode(model: TableModel, truth: NDArray[np.int64] | DoubleDouble, where: str) -> NDArray[Any]:
    """Return the targets as the network's loss takes them; `where` names them in the error."""
    network = model.network
    if isinstance(truth, DoubleDouble):
        return cast_finite(
            model.y.apply(truth[:, None]), network.dtype, (), where, "standardized, "
        )[:, 0]
    if network.loss == "cross_entropy":
        return truth
    if network.sizes[-1] == 1:
        return truth.astype(network.dtype)
    one_hot: NDArray[Any] = np.eye(network.sizes[-1], dtype=network.dtype)[truth]
    return one_hot
