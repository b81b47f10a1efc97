"""A call of `MLP.fit`: its arguments, all checked before anything changes, and its course."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from deltarule import advice
from deltarule.arguments import (
    check_batch_size,
    check_callbacks,
    check_dropout,
    check_flag,
    check_optimizer,
    check_seconds,
    check_verbose,
    whole_number,
)
from deltarule.config import resolve_threads
from deltarule.data.samples import Samples
from deltarule.data.streams import Stream
from deltarule.draws import Draws
from deltarule.fitting import Fit
from deltarule.history import History
from deltarule.metrics import Kind, Measure, check_metrics
from deltarule.pace import Pace, check_schedule
from deltarule.passes import Training, pass_over
from deltarule.preparation import Given
from deltarule.progress import epoch_lines, progress_bar
from deltarule.second_order import SecondOrder
from deltarule.stopping import EarlyStopping, Follower

if TYPE_CHECKING:
    from deltarule.trainable import Trainable

# The seeds of validation_split are below that.
_SEEDS = 2**63


def fit_network(
    network: Trainable,
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
) -> History:
    """Do what `MLP.fit` says."""
    given = Given(
        x, y, sample_weight, validation_data, validation_split, class_weight, label_smoothing
    )
    if isinstance(optimizer, SecondOrder):
        from deltarule.second_order.call import fit_second_order

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
    pace = Pace(check_schedule(schedule), network)
    rates = check_dropout(dropout, len(network.hidden))
    draws = Draws(network._rng, check_flag(shuffle, "shuffle"), rates is not None)
    watchers = [epoch_lines()] if check_verbose(verbose) else []
    if check_flag(progress, "progress"):
        watchers.append(progress_bar(n_epochs))
    split = SplitSeed(network)
    data, validation = given.prepared(network._architecture, n_epochs, split.seed)
    training = Training(
        network._core, settings, float(sgd.lr), pace, rates, size, team, network.reduction
    )
    passes = pass_over(data, training, validation, draws)
    measure, measured = check_measure(network, metrics, data, validation)
    fit = Fit(
        training=training,
        data=passes,
        epochs=n_epochs,
        callbacks=looking_on,
        max_seconds=limit,
        measure=measure,
        measured=measured,
        follower=check_follower(early_stopping, measure, validation),
    )
    network._core.begin_training()  # refused while another thread trains: nothing has changed
    try:
        split.keep()
        history = fit.run(watchers)
    finally:
        network._core.end_training()
    lr = history.learning_rate[-1] if history.learning_rate else float(sgd.lr)
    advice.after_fit(network, history, passes, lr, n_epochs, stacklevel=4)
    return history


class SplitSeed:
    """The seed of `validation_split`: one for all fits of a network, drawn where it is needed.

    Parameters
    ----------
    network : MLP
    """

    def __init__(self, network: Trainable) -> None:
        self._network = network
        self._is_new = False

    def seed(self) -> int:
        """Return it, the network's generator left as it is."""
        kept = self._network._split_seed
        if kept is not None:
            return kept
        self._is_new = True
        return int(copy.deepcopy(self._network._rng).integers(_SEEDS))

    def keep(self) -> None:
        """Draw it, if it was needed, and keep it with the network."""
        if self._is_new:
            self._network._split_seed = int(self._network._rng.integers(_SEEDS))


def check_measure(
    network: Trainable, metrics: object, data: Samples | Stream, validation: Samples | None
) -> tuple[Measure | None, Samples | None]:
    """Return what evaluates the metrics, and what they are of."""
    named = check_metrics(metrics)
    if not named:
        return None, None
    measured = validation or data
    if isinstance(measured, Stream):
        raise ValueError(
            f"metrics need validation_data where x is a stream of batches, not {list(named)}"
        )
    has_class_indices = len(measured.y.shape) == 1
    kind = Kind(network.output, network.loss, network.sizes[-1], has_class_indices)
    return Measure(named, kind, "" if validation is None else "validation_"), measured


def check_follower(
    early_stopping: object, measure: Measure | None, validation: Samples | None
) -> Follower | None:
    if early_stopping is None:
        return None
    if not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be a deltarule.EarlyStopping, not {early_stopping!r}")
    losses = ["loss"] if validation is None else ["loss", "validation_loss"]
    return Follower(early_stopping, [*losses, *(() if measure is None else measure.names)])
