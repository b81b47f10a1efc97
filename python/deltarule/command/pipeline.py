"""A network with its table: from a table's columns to classes or numbers in the table's units.

The statistics and metadata of the table are in the network's own model file, the statistics as
tensors of float64 and the metadata as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command.console import CommandError
from deltarule.command.double_double import DoubleDouble
from deltarule.command.standardization import Standardization
from deltarule.command.tables import Label
from deltarule.io import model_file
from deltarule.mlp.load import read_model

__all__ = ["Standardization", "TableModel", "cast_finite", "load"]

METADATA_KEY = "table"

# Of columns and classes in a model file (docs/files.md), whose header has a few more values.
MOST_NAMES = 60_000
LONGEST_NAMES = 4_000_000  # bytes


@dataclass(frozen=True, eq=False)
class TableModel:
    """A network with the metadata to read a table and to predict the table's own values.

    Attributes
    ----------
    network : MLP
        n_0 inputs; one output for numbers or for two classes (sigmoid), K for K classes.
    features : tuple of str, or None
        The column of each input; None where the columns have no names.
    x : Standardization
        Of the inputs.
    target : str
        The name of what is predicted.
    classes : tuple of str, bool or int, or None
        The class of each output (of two classes and one output: the output is the probability
        of the second); None for numbers.
    y : Standardization
        Of the number predicted, d = 1.
    """

    network: dr.MLP
    features: tuple[str, ...] | None
    x: Standardization
    target: str
    classes: tuple[Label, ...] | None
    y: Standardization

    def inputs(
        self, values: NDArray[np.float64] | DoubleDouble, names: Sequence[str] = (), where: str = ""
    ) -> NDArray[Any]:
        """Return the network's inputs for table values (n, n_0).

        Parameters
        ----------
        values : ndarray or DoubleDouble
        names : sequence of str, optional
            The names of the columns for errors.
        where : str, optional
            The file, for the error.

        Raises
        ------
        CommandError
            A standardized value is beyond the range of the network's dtype.
        """
        standardized = self.x.apply(values)
        return cast_finite(standardized, self.network.dtype, names, where, "standardized, ")

    def predict_classes(self, x: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the most probable class's index and its probability, each (n,), for inputs."""
        y_hat = self.network.predict(x)
        if y_hat.shape[1] == 1:
            y_hat = np.concatenate([1 - y_hat, y_hat], axis=1)
        index = y_hat.argmax(axis=1)
        return index, y_hat[np.arange(len(index)), index]

    def predict_numbers(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return the predicted numbers (n,) in the target's units, for inputs."""
        return self.y.invert(self.network.predict(x).astype(np.float64))[:, 0]

    def residuals(
        self, x: NDArray[Any], truth: DoubleDouble, unit: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the predicted numbers less the true ones, each (n,), divided by a power of two."""
        if truth.low is None and self.y.mean_low is None:
            return self.predict_numbers(x) / unit - truth.high / unit
        scaled = self.network.predict(x).astype(np.float64)[:, 0] * (self.y.scale / unit)
        return scaled - (truth / unit).minus(self.y.center / unit)

    def save(self, path: Path) -> None:
        """Write network, statistics and metadata to one model file."""
        tensors = {
            "x_mean": _stacked(self.x),
            "x_scale": self.x.scale,
            "y_mean": _stacked(self.y),
            "y_scale": self.y.scale,
        }
        model_file.write_model(path, self.network, tensors, {METADATA_KEY: self._words()})

    def _words(self) -> dict[str, Any]:
        return {
            "features": None if self.features is None else list(self.features),
            "target": self.target,
            "classes": None if self.classes is None else list(self.classes),
        }

    def check_names(self, where: str) -> None:
        """Refuse more names of columns and classes than a model file may hold.

        Raises
        ------
        CommandError
            Begins with `where`, the data.
        """
        count = len(self.features or ()) + len(self.classes or ())
        size = len(json.dumps(json.dumps(self._words())))
        if count > MOST_NAMES or size > LONGEST_NAMES:
            raise CommandError(
                f"{where}: {count} names of columns and classes, {size} bytes; a model file holds "
                f"at most {MOST_NAMES}, {LONGEST_NAMES} bytes"
            )


def _stacked(standardization: Standardization) -> NDArray[np.float64]:
    """Return the means (d,); (2, d) with their low parts where they have them."""
    low = standardization.mean_low
    return standardization.mean if low is None else np.stack([standardization.mean, low])


def cast_finite(
    values: NDArray[np.float64],
    dtype: np.dtype[Any],
    names: Sequence[str] = (),
    where: str = "",
    what: str = "",
) -> NDArray[Any]:
    """Return `values` (n, d) in another float dtype, refusing those beyond its range.

    Parameters
    ----------
    values, dtype
    names : sequence of str, optional
        The names of the columns for errors; by default their numbers from 1.
    where, what : str, optional
        In the error, the file and what comes before the value.
    """
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        row, column = np.argwhere(~np.isfinite(cast))[0]
        name = repr(names[column]) if names else str(column + 1)
        raise CommandError(
            f"{where + ': ' if where else ''}column {name}, row {row + 1}: {what}"
            f"{values[row, column]:g} is too large for the network's {dtype}"
        )
    return cast


def load(path: Path) -> TableModel | dr.MLP:
    """Read a model file.

    Parameters
    ----------
    path : Path
        Written by `TableModel.save` or `MLP.save`.

    Returns
    -------
    TableModel or MLP
        The latter where the file holds a network alone.

    Raises
    ------
    deltarule.ModelFileError
        The file is not a model, or what it says of its table makes no sense.
    """
    network, tensors, metadata = read_model(path)
    if METADATA_KEY not in metadata:
        return network
    fields = metadata[METADATA_KEY]
    if not isinstance(fields, dict):
        raise dr.ModelFileError(f"{path}: the table's metadata must be a JSON object")
    n_inputs, n_outputs = network.sizes[0], network.sizes[-1]
    target = fields.get("target")
    if not isinstance(target, str):
        raise dr.ModelFileError(f"{path}: the target's name must be text, it is {target!r}")
    return TableModel(
        network,
        _features(path, fields.get("features"), n_inputs),
        _standardization(path, tensors, "x", n_inputs),
        target,
        _classes(path, fields.get("classes"), str(network.output), n_outputs),
        _standardization(path, tensors, "y", 1),
    )


def _standardization(
    path: Path, tensors: dict[str, NDArray[Any]], prefix: str, d: int
) -> Standardization:
    found = []
    for name, shapes in ((f"{prefix}_mean", [(d,), (2, d)]), (f"{prefix}_scale", [(d,)])):
        tensor = tensors.get(name)
        if tensor is None or tensor.shape not in shapes or tensor.dtype != np.float64:
            raise dr.ModelFileError(f"{path}: tensor {name} must be ({d},) of float64")
        found.append(tensor)
    mean, scale = found
    if not np.isfinite(mean).all():
        raise dr.ModelFileError(f"{path}: tensor {prefix}_mean must be finite")
    if not (scale > 0).all():
        raise dr.ModelFileError(f"{path}: tensor {prefix}_scale must be positive")
    if prefix == "y" and np.isinf(scale).any():  # of inputs, it is a constant column's
        raise dr.ModelFileError(f"{path}: tensor {prefix}_scale must be finite")
    return (
        Standardization(mean, scale) if mean.ndim == 1 else Standardization(mean[0], scale, mean[1])
    )


def _features(path: Path, names: object, n_inputs: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise dr.ModelFileError(f"{path}: the features must be a list of names")
    if len(names) != n_inputs or len(set(names)) != n_inputs:
        raise dr.ModelFileError(
            f"{path}: {len(set(names))} distinct features named, the network takes {n_inputs}"
        )
    return tuple(names)


def _classes(path: Path, labels: object, output: str, n_outputs: int) -> tuple[Label, ...] | None:
    if labels is None:
        if n_outputs != 1:
            raise dr.ModelFileError(f"{path}: {n_outputs} outputs without classes, one is needed")
        return None
    if not isinstance(labels, list) or not labels:
        raise dr.ModelFileError(f"{path}: the classes must be a list")
    kind = type(labels[0])
    if kind not in (str, int, bool) or any(type(label) is not kind for label in labels):
        raise dr.ModelFileError(f"{path}: the classes must be all text, all whole or all boolean")
    expected = 2 if output == "sigmoid" and n_outputs == 1 else n_outputs
    if len(labels) != expected or len(set(labels)) != expected or expected < 2:
        raise dr.ModelFileError(
            f"{path}: {len(set(labels))} distinct classes named for {n_outputs} outputs ({output})"
        )
    return tuple(labels)
