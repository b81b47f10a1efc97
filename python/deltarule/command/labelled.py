"""Rows with their targets, in the form in which a saved model's network takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command import cells, pipeline, tables
from deltarule.command.columns import Label
from deltarule.command.console import CommandError
from deltarule.command.double_double import DoubleDouble
from deltarule.command.pipeline import TableModel
from deltarule.command.problem import digits, encode
from deltarule.command.standardization import Standardization
from deltarule.command.targets import numbers

CLASSES_SHOWN = 8


class Labelled(NamedTuple):
    """The network's inputs (n, n_0) and targets, as `MLP.evaluate` takes them."""

    x: NDArray[Any]
    y: NDArray[Any]


def read_labelled(
    model: TableModel | dr.MLP,
    data: Path | None,
    target: str | None,
    rows: int | None = None,
    header: bool | None = None,
) -> Labelled:
    """Read the first rows of a file, or of the digits, for a model.

    Parameters
    ----------
    model : TableModel or MLP
        A network alone takes its classes as their indices.
    data : Path or None
        As for `tables.read_samples`; None: the digits in the package.
    target : str or None
        The target's column; by default that of the model.
    rows : int, optional
        How many; by default all.
    header : bool, optional
        As for `tables.read_samples`.

    Raises
    ------
    CommandError
        The rows do not fit the model, or their targets are none of it.
    """
    if isinstance(model, dr.MLP):
        y = None if data is None else tables.read_target_rows(data)
        if data is not None and y is not None:
            inputs = tables.read_inputs(data, None, model.sizes[0], header)
            x = pipeline.cast_finite(inputs.x.high[:rows], model.dtype, where=str(data))
            return Labelled(x, y[:rows])
        model = _with_indices(model)
    samples, where = _samples(model, data, target, header)
    if samples.x.shape[1] != model.network.sizes[0]:
        raise CommandError(
            f"{where}: {samples.x.shape[1]} features, the model takes {model.network.sizes[0]}"
        )
    samples = replace(samples, x=samples.x[:rows], y=samples.y[:rows])
    of_target = f"{where}: target {cells.shown(samples.target)}"
    truth = _truth(model, samples, of_target)
    x = model.inputs(samples.x, samples.names, where)
    return Labelled(x, encode(model, truth, of_target))


def _with_indices(network: dr.MLP) -> TableModel:
    n_in, n_out = network.sizes[0], network.sizes[-1]
    classes = tuple(range(n_out)) if n_out > 1 else None
    x_map, y_map = Standardization.identity(n_in), Standardization.identity(1)
    return TableModel(network, None, x_map, "y", classes, y_map)


def _samples(
    model: TableModel, data: Path | None, target: str | None, header: bool | None
) -> tuple[tables.Samples, str]:
    if data is not None:
        column = target if target is not None or data.suffix.lower() == ".npz" else model.target
        return tables.read_samples(data, column, model.features, header), str(data)
    samples = digits()
    if target is not None:
        raise CommandError(f"--target {target}: needs DATA, the digits have their own")
    if header is not None:
        raise CommandError(f"--{'' if header else 'no-'}header: needs DATA")
    if (
        model.features is not None
        or model.classes != tuple(range(10))
        or model.network.sizes[0] != samples.x.shape[1]
    ):
        raise CommandError("DATA is needed: the model is not one of the digits in the package")
    return samples, "digits"


def _truth(
    model: TableModel, samples: tables.Samples, where: str
) -> NDArray[np.int64] | DoubleDouble:
    """Return class indices, or numbers in the target's units."""
    if model.classes is None:
        return numbers(samples, where, "the model takes numbers")
    position: dict[Any, int] = {label: i for i, label in enumerate(model.classes)}
    indices = []
    for row, label in enumerate(samples.y, start=1):
        index = position.get(label, position.get(_respelled(label, type(model.classes[0]))))
        if index is None:
            known = ", ".join(map(cells.shown, model.classes[:CLASSES_SHOWN]))
            more = len(model.classes) - CLASSES_SHOWN
            raise CommandError(
                f"{where}, row {row}: {cells.shown(label)} is none of the model's classes ({known}"
                + (f" and {more} more)" if more > 0 else ")")
            )
        indices.append(index)
    return np.array(indices, dtype=np.int64)


def _respelled(label: object, kind: type) -> Label | None:
    """Return a class as a file of another format has it, where classes are of that kind.

    Text has no types; Parquet and npz do.
    """
    if isinstance(label, str):
        if kind is int:
            return cells.whole(label)
        return {"true": True, "false": False}.get(label.lower()) if kind is bool else None
    if kind is str and isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label) if kind is str else None
