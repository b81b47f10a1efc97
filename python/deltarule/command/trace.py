"""``deltarule trace``: every quantity of the forward and backward pass on a few rows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule.command import pipeline
from deltarule.command.console import CommandError, one_line, package_errors, print_json
from deltarule.command.destinations import check_destination
from deltarule.command.labelled import read_labelled
from deltarule.command.streams import write_data
from deltarule.io.regular_files import write_atomically

ROWS = 2
STDOUT = Path("-")


def run(arguments: argparse.Namespace) -> int:
    """Compute and print the trace, or write it; return the exit status.

    Raises
    ------
    CommandError
        The data do not fit the model, the loss is not finite, or the destination cannot be
        written.
    deltarule.ModelFileError
        The model file is not one.
    """
    data: Path | None = arguments.data
    markdown: Path | None = arguments.markdown
    if markdown is not None and markdown != STDOUT:
        if markdown.suffix.lower() != ".md":
            raise CommandError(
                f"--markdown {markdown}: unknown extension {markdown.suffix!r}, use .md"
            )
        check_destination(markdown, "--markdown", [arguments.model, *filter(None, [data])])
    model = pipeline.load(arguments.model)
    network = model if isinstance(model, dr.MLP) else model.network
    rows = read_labelled(model, data, arguments.target, arguments.rows, arguments.header)
    try:
        with package_errors():
            trace = network.trace(rows.x, rows.y)
    except dr.DivergenceError as error:
        raise CommandError(str(error), status=1) from None
    if arguments.json:
        names = {"model": str(arguments.model), "data": "digits" if data is None else str(data)}
        quantities = {name: _numbers(array) for name, array in trace.to_dict().items()}
        print_json({**names, "rows": len(rows.x), "quantities": quantities})
    elif markdown is None:
        print(trace)
    elif markdown == STDOUT:
        write_data(trace.to_markdown())
    else:
        write_atomically(markdown, trace.to_markdown().encode())
        print(f"trace  {one_line(markdown)}")
    return 0


def _numbers(array: NDArray[Any]) -> Any:
    """Return nested lists of the fewest decimals that give the array back; None for inf and nan."""
    if array.ndim:
        return [_numbers(part) for part in array]
    number: Any = array[()]
    return float(np.format_float_scientific(number)) if np.isfinite(number) else None
