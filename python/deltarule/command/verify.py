"""``deltarule verify``: a saved model beside the reference, on rows of data."""

from __future__ import annotations

import argparse
from pathlib import Path

import deltarule as dr
from deltarule.command import fit_options, pipeline
from deltarule.command.console import CommandError, package_errors, print_json
from deltarule.command.labelled import read_labelled

ROWS = 100
BROKEN = 1


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return the exit status, 1 where a bound is broken.

    The update is that of SGD with the momentum that ``train`` takes.

    Raises
    ------
    CommandError
        The data do not fit the model, or the loss is not finite.
    deltarule.ModelFileError
        The model file is not one.
    """
    data: Path | None = arguments.data
    model = pipeline.load(arguments.model)
    network = model if isinstance(model, dr.MLP) else model.network
    rows = read_labelled(model, data, arguments.target, header=arguments.header)
    try:
        with package_errors():
            report = network.verify(
                rows.x,
                rows.y,
                optimizer=dr.SGD(momentum=fit_options.MOMENTUM),
                seed=arguments.seed,
                max_rows=arguments.rows,
            )
    except dr.DivergenceError as error:
        raise CommandError(str(error), status=BROKEN) from None
    if arguments.json:
        names = {"model": str(arguments.model), "data": "digits" if data is None else str(data)}
        print_json({**names, **report.to_dict()})
    else:
        print(report)
    return 0 if report.ok else BROKEN
