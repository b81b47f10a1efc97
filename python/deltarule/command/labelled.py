"""Rows with their targets, in the form in which a saved model's network takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command import pipeline, tables
from deltarule.command.console import CommandError
from deltarule.command.pipeline import Standardization, TableModel
from deltarule.command.problem import encode

CLASSES_SHOWN = 8


class Labelled(NamedTuple):
    """The network's inputs (n, n_0) and targets, as `MLP.evaluate` takes them."""

    x: NDArray[Any]
    y: NDArray[Any]


def read_labelled(
    model: TableModel | dr.MLP, data: Path | None, target: str | None, rows: int | None = None
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

    Raises
    ------
    CommandError
        The rows do not fit the model, or their targets are none of it.
    """
    if isinstance(model, dr.MLP):
        y = None if data is None else tables.read_target_rows(data)
        if data is not None and y is not None:
            x = tables.read_inputs(data, None, model.sizes[0])[:rows]
            return Labelled(pipeline.cast_finite(x, model.dtype), y[:rows])
        model = _with_indices(model)
    samples, where = _samples(model, data, target)
    if samples.x.shape[1] != model.network.sizes[0]:
        raise CommandError(
            f"{where}: {samples.x.shape[1]} features, the model takes {model.network.sizes[0]}"
        )
    truth = _truth(model, samples.y[:rows], f"{where}: target {samples.target!r}")
    return Labelled(model.inputs(samples.x[:rows]), encode(model, truth))


def _with_indices(network: dr.MLP) -> TableModel:
    n_in, n_out = network.sizes[0], network.sizes[-1]
    classes = tuple(range(n_out)) if n_out > 1 else None
    x_map, y_map = Standardization.identity(n_in), Standardization.identity(1)
    return TableModel(network, None, x_map, "y", classes, y_map)


def _samples(
    model: TableModel, data: Path | None, target: str | None
) -> tuple[tables.Samples, str]:
    if data is not None:
        column = target if target is not None or data.suffix.lower() == ".npz" else model.target
        return tables.read_samples(data, column, model.features), str(data)
    images, labels = dr.load_digits()
    if target is not None:
        raise CommandError(f"--target {target}: needs DATA, the digits have their own")
    if (
        model.features is not None
        or model.classes != tuple(range(10))
        or model.network.sizes[0] != images.shape[1]
    ):
        raise CommandError("DATA is needed: the model is not one of the digits in the package")
    return tables.Samples(None, images.astype(np.float64), "digit", labels.tolist()), "digits"


def _truth(model: TableModel, y: tables.Values, where: str) -> NDArray[Any]:
    """Return class indices, or numbers in the target's units."""
    if model.classes is None:
        if isinstance(y[0], str):
            raise CommandError(f"{where}: holds text ({y[0]!r}), the model takes numbers")
        return np.array(y, dtype=np.float64)
    position: dict[Any, int] = {label: i for i, label in enumerate(model.classes)}
    indices = []
    for row, label in enumerate(y, start=1):
        index = position.get(label, position.get(str(label)))  # a column of text may look whole
        if index is None:
            known = ", ".join(map(repr, model.classes[:CLASSES_SHOWN]))
            more = len(model.classes) - CLASSES_SHOWN
            raise CommandError(
                f"{where}, row {row}: {label!r} is none of the model's classes ({known}"
                + (f" and {more} more)" if more > 0 else ")")
            )
        indices.append(index)
    return np.array(indices, dtype=np.int64)
