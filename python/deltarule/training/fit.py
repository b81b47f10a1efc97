"""A call of `MLP.fit`: its arguments, all checked before anything changes, and its course."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltarule.arguments import (
    check_batch_size,
    check_callbacks,
    check_dropout,
    check_flag,
    check_seconds,
    check_verbose,
    whole_number,
)
from deltarule.backend import MLPLike
from deltarule.checkpoint.settings import Checkpoint, check_checkpoint
from deltarule.checkpoint.settings_json import run_words
from deltarule.config import resolve_threads
from deltarule.data.samples import Samples
from deltarule.data.streams import Stream
from deltarule.optimizers import check_optimizer
from deltarule.second_order import SecondOrder
from deltarule.training import advice
from deltarule.training.core_call import Training
from deltarule.training.display import epoch_lines, progress_bar
from deltarule.training.epochs import ArraysPass, Pass
from deltarule.training.epochs_out_of_core import BlocksPass, StreamPass
from deltarule.training.history import History
from deltarule.training.learning_rate import Pace, check_schedule
from deltarule.training.loop import Fit
from deltarule.training.metrics import Measure, check_metrics
from deltarule.training.prepare import Given, SplitSeed, check_follower, check_measure
from deltarule.training.progress import Course
from deltarule.training.sampling import Draws, generator

if TYPE_CHECKING:
    from deltarule.checkpoint.format import Saved
    from deltarule.checkpoint.writer import Keeper

# The seeds of validation_split are below that.


def fit_network(
    network: MLPLike,
    x: Any,
    y: Any,
    *,
    epochs: object,
    batch_size: object,
    optimizer: object,
    schedule: object,
    dropout: object,
    validation_data: object,
    validation_split: object,
    sample_weight: object,
    class_weight: object,
    label_smoothing: object,
    shuffle: object,
    early_stopping: object,
    metrics: object,
    callbacks: object,
    max_seconds: object,
    verbose: object,
    progress: object,
    threads: Any,
    checkpoint: object,
    saved: Saved | None = None,
) -> History:
    """Do what `MLP.fit` says, going on where a `saved` run was."""
    given = Given(
        x, y, sample_weight, validation_data, validation_split, class_weight, label_smoothing
    )
    if isinstance(optimizer, SecondOrder):
        from deltarule.second_order.call import fit_second_order

        if checkpoint is not None:
            name = type(optimizer).__name__
            raise ValueError(f"checkpoint must be None with {name}, not {checkpoint!r}")
        return fit_second_order(
            network, optimizer, given, epochs=epochs, batch_size=batch_size, schedule=schedule,
            dropout=dropout, shuffle=shuffle, early_stopping=early_stopping, metrics=metrics,
            callbacks=callbacks, max_seconds=max_seconds, verbose=verbose, progress=progress,
            threads=threads,
        )  # fmt: skip
    n_epochs = whole_number(epochs, "epochs", 0)
    size = check_batch_size(batch_size)
    sgd = check_optimizer(optimizer)
    settings = sgd._settings_in(network.dtype)
    looking_on = check_callbacks(callbacks)
    limit = check_seconds(max_seconds)
    team = resolve_threads(threads)
    course = Course(watch=network._watch) if saved is None else saved.course
    pace = Pace(check_schedule(schedule), network, n_epochs - course.epochs)
    rates = check_dropout(dropout, len(network.hidden))
    draws = Draws(generator(network), check_flag(shuffle, "shuffle"), rates is not None)
    watchers = [epoch_lines()] if check_verbose(verbose) else []
    if check_flag(progress, "progress"):
        watchers.append(progress_bar(n_epochs, course.epochs))
    place = check_checkpoint(checkpoint)
    split = SplitSeed(network)
    left = n_epochs - course.epochs
    data, validation = given.prepared(network._architecture, left, split.seed)
    training = Training(
        network._core, settings, float(sgd.lr), pace, rates, size, team, network.reduction
    )
    passes = _pass_over(data, training, validation, draws, is_told=place is not None)
    named = check_metrics(metrics)
    measure, measured = check_measure(network, named, data, validation)
    fit = Fit(
        training=training,
        data=passes,
        epochs=n_epochs,
        callbacks=looking_on,
        max_seconds=limit,
        measure=measure,
        measured=measured,
        follower=check_follower(early_stopping, measure, validation, course.followed),
        history=_history(measure) if saved is None else saved.history,
        course=course,
        keeper=None,
    )
    if place is not None:
        run = run_words(
            epochs=n_epochs, batch_size=size, optimizer=sgd, schedule=schedule, dropout=rates,
            validation_data=validation_data, validation_split=validation_split,
            class_weight=class_weight, label_smoothing=label_smoothing, shuffle=shuffle,
            early_stopping=early_stopping, metrics=named, callbacks=looking_on,
        )  # fmt: skip
        fit.keeper = _keeper(place, network, run, data, validation, passes, saved)
        fit.keeper.check_place()
    if saved is not None:
        saved.check_fit(passes, measure, fit.follower, data, validation)
    network._core.begin_training()  # refused while another thread trains: nothing has changed
    try:
        split.keep()
        try:
            fit.save_first()
        except BaseException:
            split.take_back()
            raise
        network._history = fit.history
        history = fit.run(watchers)
    finally:
        network._core.end_training()
    if len(history) > course.epochs:
        lr = history.learning_rate[-1]
        advice.after_fit(network, history, passes, lr, n_epochs, stacklevel=4)
    return history


def _pass_over(
    data: Samples | Stream,
    training: Training,
    validation: Samples | None,
    draws: Draws,
    *,
    is_told: bool,
) -> ArraysPass | BlocksPass | StreamPass:
    if isinstance(data, Stream):
        return StreamPass(training, validation, draws, data, is_told)
    over = BlocksPass if data.is_in_blocks else ArraysPass
    return over(training, validation, draws, data)


def _keeper(
    place: Checkpoint,
    network: MLPLike,
    run: dict[str, Any],
    data: Samples | Stream,
    validation: Samples | None,
    passes: Pass[Any],
    saved: Saved | None,
) -> Keeper:
    from deltarule.checkpoint.data_digest import fingerprints
    from deltarule.checkpoint.writer import Keeper

    prints = {
        "over": passes.words,
        "training": None if isinstance(data, Stream) else fingerprints(data),
        "validation": None if validation is None else fingerprints(validation),
    }
    if saved is None:
        return Keeper(place, network, run, prints, Course(), False)
    return Keeper(place, network, run, prints, saved.course, saved.is_over)


def _history(measure: Measure | None) -> History:
    return History(metrics={name: [] for name in (() if measure is None else measure.names)})
