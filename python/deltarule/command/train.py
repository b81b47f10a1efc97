"""``deltarule train``: a table, a network, its held-out part, a model file and its curves."""

from __future__ import annotations

import argparse
import io
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr
from deltarule.command import runs, targets
from deltarule.command.console import (
    CommandError,
    EpochLine,
    one_line,
    package_errors,
    print_json,
    warn,
)
from deltarule.command.double_double import DoubleDouble
from deltarule.command.options import Plan, make_plan
from deltarule.command.problem import Problem, Table, make_problem, read_table
from deltarule.command.standardization import deviations, unit_of
from deltarule.command.termination import Terminated
from deltarule.io.regular_files import write_atomically

# Of the training rows of a fold, for early stopping: the fold itself is for the report.
INNER_PART = 0.2


def run(arguments: argparse.Namespace) -> int:
    """Train, report and save; return the exit status.

    Raises
    ------
    CommandError
        As `make_plan`, `read_table` and `make_problem`; with status 1 where the training diverges.
    """
    start = time.perf_counter()
    arguments = runs.with_run_options(arguments)
    plan = make_plan(arguments)
    runs.check_words(arguments.given, [file for file in (plan.data, plan.save, plan.plot) if file])
    table = read_table(arguments, plan)
    if arguments.folds:
        return run_folds(arguments, plan, table)
    n = len(table.samples.x)
    parts = targets.split(n, arguments.validation, arguments.seed, table.strata)
    problem = make_problem(arguments, plan, table, *parts)
    if not arguments.json:
        _print_problem(plan, problem)
    with EpochLine.choose(arguments.json) as line:
        if arguments.resume is None:
            place = runs.new_checkpoint(arguments.given)
            history = fit(plan, problem, arguments.threads, line, checkpoint=place)
        else:
            problem, history = resume(arguments, plan, problem, line)
    score = score_of(problem)
    curves = None if plan.plot is None else _draw(history, plan.plot)
    problem.model.save(plan.save)
    if plan.plot is not None and curves is not None:
        write_atomically(plan.plot, curves)
    if arguments.json:
        seconds = time.perf_counter() - start
        print_json(_report(arguments, plan, problem, history, score, seconds))
    else:
        if history.best_epoch is not None:
            print(f"best epoch {history.best_epoch} of {len(history)}")
        _print_result(plan, score)
    return 0


def run_folds(arguments: argparse.Namespace, plan: Plan, table: Table) -> int:
    """Train once for each fold, the others' rows, and report on the fold; keep no model."""
    start = time.perf_counter()
    parts = targets.folds(len(table.samples.x), arguments.folds, arguments.seed, table.strata)
    rows = []
    for number, (training, held_out) in enumerate(parts, start=1):
        problem = make_problem(arguments, plan, table, training, held_out)
        if number == 1 and not arguments.json:
            _print_problem(plan, problem)
        history = fit(plan, problem, arguments.threads, EpochLine(None), own_part=True)
        score = score_of(problem)
        assert score is not None
        rows.append({"fold": number, **score, "epochs": len(history)})
    figures = [name for name in ("loss", "accuracy", "rmse", "r2") if name in rows[0]]
    if arguments.json:
        summary = {name: _mean_and_deviation(rows, name) for name in figures}
        report = {"data": plan.source, "folds": rows, "summary": summary}
        print_json(report | {"seconds": time.perf_counter() - start})
        return 0
    print("fold  rows  epochs" + "".join(f"{name:>12}" for name in figures))
    for row in rows:
        cells = "".join(f"{_cell(row[name]):>12}" for name in figures)
        print(f"{row['fold']:4}{row['rows']:6}{row['epochs']:8}{cells}")
    for i, name in enumerate(("mean", "deviation")):
        summed = [_cell(_mean_and_deviation(rows, figure)[i]) for figure in figures]
        print(f"{name:18}" + "".join(f"{cell:>12}" for cell in summed))
    return 0


def _mean_and_deviation(rows: list[dict[str, Any]], name: str) -> list[float | None]:
    values = [row[name] for row in rows]
    if None in values:
        return [None, None]
    return [float(np.mean(values)), float(np.std(values, ddof=1))]


def _cell(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def fit(
    plan: Plan,
    problem: Problem,
    threads: int | None,
    line: EpochLine,
    *,
    own_part: bool = False,
    checkpoint: dr.Checkpoint | None = None,
) -> dr.History:
    """Train the network of a problem.

    Parameters
    ----------
    plan, problem, threads, line
    own_part : bool, default False
        Whether what follows a validation loss, early stopping or a plateau, sees a part of the
        training rows in place of those held out.
    checkpoint : Checkpoint, optional

    Raises
    ------
    CommandError
        A setting does not fit the data; with status 1 where the training diverges.
    """
    x, y, training, held_out = problem.x, problem.y, problem.training, problem.held_out
    held = (x[held_out], y[held_out])
    inner = own_part and plan.fit.follows_a_loss
    with _in_words(plan, None if checkpoint is None else checkpoint.path):
        return problem.model.network.fit(
            x[training],
            y[training],
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            **plan.fit.arguments(),
            validation_data=held if len(held_out) and not inner else None,
            validation_split=INNER_PART if inner else None,
            callbacks=[line],
            threads=threads,
            checkpoint=checkpoint,
        )


def resume(
    arguments: argparse.Namespace, plan: Plan, problem: Problem, line: EpochLine
) -> tuple[Problem, dr.History]:
    """Go on with the training of a checkpoint; return the problem with its network."""
    x, y, rows, held = problem.x, problem.y, problem.training, problem.held_out
    given = arguments.given
    with _in_words(plan, arguments.resume):
        network, history = dr.resume(
            arguments.resume,
            x[rows],
            y[rows],
            validation_data=(x[held], y[held]) if len(held) else None,
            epochs=given.get("epochs"),
            callbacks=[line],
            threads=arguments.threads,
            checkpoint=runs.changed_place(arguments),
        )
    return replace(problem, model=replace(problem.model, network=network)), history


@contextmanager
def _in_words(plan: Plan, place: str | os.PathLike[str] | None) -> Iterator[None]:
    """Print the warnings of a training as lines of the command."""
    try:
        with warnings.catch_warnings(), package_errors():
            warnings.simplefilter("ignore", dr.TrainingAdvice)
            warnings.showwarning = lambda message, *_: warn(message)
            yield
    except dr.DivergenceError as error:
        lr = plan.fit.optimizer.lr
        raise CommandError(
            f"the training diverged in epoch {error.epoch}, step {error.step}: try a lower --lr "
            f"than {lr:g}, as {lr / 10:g}",
            status=1,
        ) from None
    except FileExistsError as error:
        raise CommandError(
            f"--checkpoint {error.filename}: is there already, and no run that is over; --resume "
            "goes on with a run, or remove the file"
        ) from None
    except (KeyboardInterrupt, Terminated) as error:
        if place is not None:
            error.add_note(f"--resume {place} goes on")
        raise


def score_of(problem: Problem) -> dict[str, Any] | None:
    """Return the held-out part's figures, or None where nothing is held out."""
    rows = problem.held_out
    if len(rows) == 0:
        return None
    model, x, truth = problem.model, problem.x[rows], problem.truth[rows]
    score: dict[str, Any] = {
        "rows": len(rows),
        "loss": model.network.evaluate(x, problem.y[rows]),
    }
    if not isinstance(truth, DoubleDouble):
        correct = int((model.predict_classes(x)[0] == truth).sum())
        return score | {"correct": correct, "accuracy": correct / len(rows)}
    # In units of a power of two, which change no bit: no square overflows.
    unit = unit_of(model.y.scale)
    residual = model.residuals(x, truth, unit)
    deviation = deviations(truth[:, None] / unit)
    error, spread = float((residual**2).sum()), float((deviation**2).sum())
    return score | {
        "rmse": float(np.sqrt((residual**2).mean()) * unit[0]),
        "r2": 1 - error / spread if spread > 0 else None,
    }


def _draw(history: dr.History, path: Path) -> bytes:
    """Return the loss curves as an image file, so that a failure comes before any file."""
    buffer = io.BytesIO()
    figure: Any = history.plot().figure
    figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=150)
    return buffer.getvalue()


def _print_problem(plan: Plan, problem: Problem) -> None:
    model, network = problem.model, problem.model.network
    n, d = problem.x.shape
    what = "numbers" if model.classes is None else f"{len(model.classes)} classes"
    if problem.reason is not None and plan.data is not None:
        other = targets.REGRESSION if model.classes is not None else targets.CLASSIFICATION
        what += f" ({problem.reason}; --task {other} overrides)"
    print(one_line(f"{plan.source}: {n} rows, {d} features, target {model.target}: {what}"))
    print(f"{len(problem.training)} rows to train on, {len(problem.held_out)} held out")
    sizes = "-".join(map(str, network.sizes))
    functions = ", ".join(dict.fromkeys(map(str, (*network.hidden, network.output, network.loss))))
    print(f"network {sizes}: {functions}, {network.n_parameters} parameters", flush=True)


def _print_result(plan: Plan, score: dict[str, Any] | None) -> None:
    if score is None:
        print("no rows held out, no figure to report")
    elif "accuracy" in score:
        print(f"held-out accuracy {score['accuracy']:.4f} ({score['correct']} of {score['rows']})")
    else:
        r2 = "undefined" if score["r2"] is None else f"{score['r2']:.4f}"
        print(f"held-out RMSE {score['rmse']:.4g} (in the target's units), R2 {r2}")
    print(f"model   {one_line(plan.save)}")
    if plan.plot is not None:
        print(f"curves  {one_line(plan.plot)}")


def _report(
    arguments: argparse.Namespace,
    plan: Plan,
    problem: Problem,
    history: dr.History,
    score: dict[str, Any] | None,
    seconds: float,
) -> dict[str, Any]:
    model, network = problem.model, problem.model.network
    place = arguments.resume or arguments.checkpoint
    return {
        "data": plan.source,
        "rows": len(problem.x),
        "features": None if model.features is None else list(model.features),
        "target": model.target,
        "task": targets.REGRESSION if model.classes is None else targets.CLASSIFICATION,
        "classes": None if model.classes is None else list(model.classes),
        "training_rows": len(problem.training),
        "held_out": score,
        "sizes": list(network.sizes),
        "hidden": list(network.hidden),
        "output": network.output,
        "loss": network.loss,
        "dtype": str(network.dtype),
        "parameters": network.n_parameters,
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        **plan.fit.report(),
        "seed": arguments.seed,
        "history": history.to_dict(),
        "best_epoch": history.best_epoch,
        "model": str(plan.save),
        "plot": None if plan.plot is None else str(plan.plot),
        "checkpoint": None if place is None else str(place),
        "seconds": seconds,
    }
