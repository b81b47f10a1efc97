"""A call of `MLP.fit` with `LevenbergMarquardt` or `LBFGS`: its arguments, and its course."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from deltarule.arguments import (
    check_callbacks,
    check_dropout,
    check_flag,
    check_seconds,
    check_verbose,
    whole_number,
)
from deltarule.backend import MLPLike
from deltarule.config import resolve_threads
from deltarule.data.streams import Stream
from deltarule.errors import require
from deltarule.second_order.loop import Course
from deltarule.second_order.objective import Problem
from deltarule.second_order.settings import LBFGS, SecondOrder
from deltarule.training.display import epoch_lines, progress_bar
from deltarule.training.history import History
from deltarule.training.prepare import Given, SplitSeed, check_follower, check_measure


def fit_second_order(
    network: MLPLike,
    optimizer: SecondOrder,
    given: Given,
    *,
    epochs: object,
    batch_size: object,
    schedule: object,
    dropout: object,
    shuffle: object,
    early_stopping: object,
    metrics: object,
    callbacks: object,
    max_seconds: object,
    verbose: object,
    progress: object,
    threads: Any,
) -> History:
    """Do what `MLP.fit` says, an iteration an epoch; all is checked before anything changes."""
    n_epochs = whole_number(epochs, "epochs", 0)
    rates = check_dropout(dropout, len(network.hidden))
    optimizer.check(network._architecture, batch_size, schedule, rates)
    for library in ("scipy", "threadpoolctl"):
        require(library, extra="second-order")
    looking_on = check_callbacks(callbacks)
    limit = check_seconds(max_seconds)
    team = resolve_threads(threads)
    check_flag(shuffle, "shuffle")
    watchers = [epoch_lines()] if check_verbose(verbose) else []
    if check_flag(progress, "progress"):
        watchers.append(progress_bar(n_epochs))
    split = SplitSeed(network)
    data, validation = given.prepared(network._architecture, n_epochs, split.seed)
    if isinstance(data, Stream):
        name = type(optimizer).__name__
        raise ValueError(f"x must be whole with {name}, not a stream of batches")
    measure, measured = check_measure(network, metrics, data, validation)
    course = Course(
        network=network,
        samples=len(data),
        epochs=n_epochs,
        validation=validation,
        measure=measure,
        measured=measured,
        follower=check_follower(early_stopping, measure, validation),
        threads=team,
    )
    problem = Problem(network._architecture, data, team)
    network._core.begin_training()  # refused while another thread trains: nothing has changed
    try:
        split.keep()
        with ExitStack() as stack:
            shown = [stack.enter_context(watcher) for watcher in watchers]
            course.begin([*looking_on, *filter(None, shown)], limit)
            if n_epochs:
                _iterate(optimizer)(optimizer, problem, network.theta, n_epochs, course.after)
        return course.end()
    finally:
        network._core.end_training()


def _iterate(optimizer: SecondOrder) -> Callable[..., None]:
    """Return the algorithm of the settings, imported when it is used."""
    if isinstance(optimizer, LBFGS):
        from deltarule.second_order.lbfgs import lbfgs

        return lbfgs
    from deltarule.second_order.levenberg_marquardt import levenberg_marquardt

    return levenberg_marquardt
