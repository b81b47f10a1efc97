"""A network with its table: from a table's columns to classes or numbers in the table's units.

The statistics and words of the table live in the network's own model file, the statistics as
tensors of float64 and the words as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule import files
from deltarule.command.console import CommandError
from deltarule.command.tables import Label

METADATA_KEY = "table"


@dataclass(frozen=True, eq=False)
class Standardization:
    """The map v -> (v - mean) / scale, column by column.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,), float64
        Finite; scale > 0.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float64], where: str) -> Standardization:
        """Return the map to mean 0 and standard deviation 1; a constant column has scale 1.

        Parameters
        ----------
        values : ndarray of shape (n, d)
            The rows to train on.
        where : str
            What they are, for the error.

        Raises
        ------
        CommandError
            The values are so large that the statistics overflow.
        """
        with np.errstate(all="ignore"):
            mean, scale = values.mean(axis=0), values.std(axis=0)
        # The standard deviation of equal values may be rounding instead of 0.
        scale[(values.min(axis=0) == values.max(axis=0)) | (scale == 0.0)] = 1.0
        if not (np.isfinite(mean).all() and np.isfinite(scale).all()):
            raise CommandError(f"{where}: values too large to standardize")
        return cls(mean, scale)

    @classmethod
    def identity(cls, d: int) -> Standardization:
        """Return the map of `d` columns that changes nothing."""
        return cls(np.zeros(d), np.ones(d))

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (v - mean) / scale."""
        with np.errstate(all="ignore"):
            return (values - self.mean) / self.scale

    def invert(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return v * scale + mean."""
        return values * self.scale + self.mean


@dataclass(frozen=True, eq=False)
class TableModel:
    """A network and what it needs to read a table and to answer in the table's words.

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

    def inputs(self, values: NDArray[np.float64]) -> NDArray[Any]:
        """Return the network's inputs for table values (n, n_0)."""
        return cast_finite(self.x.apply(values), self.network.dtype)

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

    def save(self, path: Path) -> None:
        """Write network, statistics and words to one model file."""
        tensors = {
            "x_mean": self.x.mean,
            "x_scale": self.x.scale,
            "y_mean": self.y.mean,
            "y_scale": self.y.scale,
        }
        words = {
            "features": None if self.features is None else list(self.features),
            "target": self.target,
            "classes": None if self.classes is None else list(self.classes),
        }
        files.write_model(path, self.network, tensors, {METADATA_KEY: words})


def cast_finite(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `values` (n, d) in another float dtype, refusing those beyond its range."""
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    if not np.isfinite(cast).all():
        row, column = np.argwhere(~np.isfinite(cast))[0]
        raise CommandError(
            f"row {row + 1}: feature {column + 1} is too large for the network's {dtype}"
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
    network, tensors, metadata = files.read_model(path)
    if METADATA_KEY not in metadata:
        return network
    words = metadata[METADATA_KEY]
    if not isinstance(words, dict):
        raise dr.ModelFileError(f"{path}: the table's words must be a JSON object")
    n_inputs, n_outputs = network.sizes[0], network.sizes[-1]
    target = words.get("target")
    if not isinstance(target, str):
        raise dr.ModelFileError(f"{path}: the target's name must be text, it is {target!r}")
    return TableModel(
        network,
        _features(path, words.get("features"), n_inputs),
        _standardization(path, tensors, "x", n_inputs),
        target,
        _classes(path, words.get("classes"), network.output, n_outputs),
        _standardization(path, tensors, "y", 1),
    )


def _standardization(
    path: Path, tensors: dict[str, NDArray[Any]], prefix: str, d: int
) -> Standardization:
    found = []
    for name in (f"{prefix}_mean", f"{prefix}_scale"):
        tensor = tensors.get(name)
        if tensor is None or tensor.shape != (d,) or tensor.dtype != np.float64:
            raise dr.ModelFileError(f"{path}: tensor {name} must be ({d},) of float64")
        if not np.isfinite(tensor).all():
            raise dr.ModelFileError(f"{path}: tensor {name} must be finite")
        found.append(tensor)
    mean, scale = found
    if not (scale > 0).all():
        raise dr.ModelFileError(f"{path}: tensor {prefix}_scale must be positive")
    return Standardization(mean, scale)


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
