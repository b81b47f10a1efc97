"""``deltarule predict``: the rows of a table, answered by a saved model."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command import pipeline
from deltarule.command.console import CommandError, one_line, print_json
from deltarule.command.destinations import check_destination
from deltarule.command.streams import write_data
from deltarule.command.tables import read_inputs
from deltarule.io.regular_files import write_atomically

Columns = dict[str, Sequence[Any]]


def run(arguments: argparse.Namespace) -> int:
    """Predict and print or write the answers; return the exit status.

    Raises
    ------
    CommandError
        The data do not fit the model, or the destination cannot be written.
    deltarule.ModelFileError
        The model file is not one.
    """
    out = arguments.out
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise CommandError(f"--out {out}: unknown extension {out.suffix!r}, use .csv")
        check_destination(out, "--out", [arguments.model, arguments.data])
    model = pipeline.load(arguments.model)
    if isinstance(model, dr.MLP):
        inputs = read_inputs(arguments.data, None, model.sizes[0], arguments.header)
        x = pipeline.cast_finite(inputs.x.high, model.dtype, inputs.names, str(arguments.data))
        columns = _outputs(model.predict(x))
    else:
        n_inputs = model.network.sizes[0]
        inputs = read_inputs(arguments.data, model.features, n_inputs, arguments.header)
        x = model.inputs(inputs.x, inputs.names, str(arguments.data))
        columns = _answers(model, x)
    if out is not None:
        write_atomically(out, _csv(columns).encode())
    if arguments.json:
        place = {} if out is None else {"out": str(out)}
        print_json({"model": str(arguments.model), "rows": len(x), **place, **columns})
    elif out is None:
        write_data(_csv(columns))
    else:
        print(f"{len(x)} predictions  {one_line(out)}")
    return 0


def _answers(model: pipeline.TableModel, x: NDArray[Any]) -> Columns:
    """Return the predictions in the table's own values, a class with its probability."""
    if model.classes is None:
        return {"prediction": model.predict_numbers(x).tolist()}
    index, probability = model.predict_classes(x)
    return {
        "prediction": [model.classes[i] for i in index],
        "probability": _shortest(probability),
    }


def _outputs(y_hat: NDArray[Any]) -> Columns:
    """Return the outputs of a network without a table, a column each."""
    return {f"y_hat_{j}": _shortest(column) for j, column in enumerate(y_hat.T)}


def _shortest(values: NDArray[Any]) -> list[float]:
    """Return floats whose decimals are the fewest that give `values` back in their dtype."""
    return [float(np.format_float_scientific(value)) for value in values]


def _csv(columns: Columns) -> str:
    # Where lines end with LF, csv does not quote a CR, which readers take for a line end.
    returns = any("\r" in str(cell) for cell in set(columns.get("prediction", ())))
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    )
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
