"""``deltarule info``: the contents of a model file, or how the package runs on this machine."""

from __future__ import annotations

import argparse
from typing import Any

import deltarule as dr
from deltarule.command import pipeline
from deltarule.command.console import one_line, print_json
from deltarule.config import config


def run(arguments: argparse.Namespace) -> int:
    """Print the facts of the model, or of the package here; return the exit status.

    Raises
    ------
    deltarule.ModelFileError
        The model file is not one.
    """
    if arguments.model is None:
        if arguments.json:
            print_json(config())
        else:
            dr.show_config()
        return 0
    model = pipeline.load(arguments.model)
    network = model if isinstance(model, dr.MLP) else model.network
    table = None if isinstance(model, dr.MLP) else _table(model)
    if arguments.json:
        print_json({"model": str(arguments.model), **_network(network), "table": table})
        return 0
    print(network.summary())
    for name, value in (table or {}).items():
        text = ", ".join(map(one_line, value)) if isinstance(value, list) else one_line(value)
        print(f"{name:<10s} {text}")
    return 0


def _network(network: dr.MLP) -> dict[str, Any]:
    return {
        "sizes": list(network.sizes),
        "hidden": list(network.hidden),
        "output": network.output,
        "loss": network.loss,
        "dtype": str(network.dtype),
        "parameters": network.n_parameters,
    }


def _table(model: pipeline.TableModel) -> dict[str, Any]:
    """Return the facts of the table that the model was trained on, those that apply."""
    options = {
        "target": model.target,
        "classes": None if model.classes is None else list(model.classes),
        "features": None if model.features is None else list(model.features),
    }
    return {name: value for name, value in options.items() if value is not None}
