"""One call of `MLP.fit`: everything is checked before anything changes, then the epochs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.backend import MLPLike
from deltarule.checkpoint.settings import Checkpoint
from deltarule.data.samples import Samples
from deltarule.data.streams import Stream
from deltarule.second_order.settings import SecondOrder
from deltarule.training import advice
from deltarule.training.core_call import CoreCall
from deltarule.training.epochs import ArraysPass
from deltarule.training.epochs_out_of_core import BlocksPass, StreamPass
from deltarule.training.fit_data import FitData, SplitSeed
from deltarule.training.history import History
from deltarule.training.learning_rate import LearningRates
from deltarule.training.loop import FitLoop
from deltarule.training.observers import Observers
from deltarule.training.options import FitOptions
from deltarule.training.progress import Progress
from deltarule.training.sampling import EpochSampler, generator

if TYPE_CHECKING:
    from deltarule.checkpoint.format import SavedRun


def fit(
    network: MLPLike, data: FitData, options: FitOptions, saved: SavedRun | None = None
) -> History:
    """Train a network, continuing a `saved` run if there is one; see `MLP.fit`."""
    if isinstance(options.optimizer, SecondOrder):
        from deltarule.second_order.fit import fit_second_order

        return fit_second_order(network, data, options)
    split = SplitSeed(network)
    loop = _fit_loop(network, data, options, split, saved)
    epochs_before = loop.progress.epochs
    network._core.begin_training()  # refused while another thread trains: nothing has changed
    try:
        split.commit()
        try:
            loop.save_first()
        except BaseException:
            split.roll_back()
            raise
        network._history = loop.history
        loop.run()
    finally:
        network._core.end_training()
    if len(loop.history) > epochs_before:
        advice.after_fit(network, loop.history, loop.data, options.epochs, stacklevel=4)
    return loop.history


def _fit_loop(
    network: MLPLike, data: FitData, options: FitOptions, split: SplitSeed, saved: SavedRun | None
) -> FitLoop:
    """Return the epoch loop of a fit, all of its arguments checked."""
    progress = Progress(plateau=network._plateau) if saved is None else saved.progress
    epochs_left = options.epochs - progress.epochs
    rates = LearningRates(options.schedule, network, epochs_left)
    samples, validation = data.samples(network._architecture, options, epochs_left, split)
    observers = Observers.of_fit(
        options, network._architecture, samples, validation, progress.monitor
    )
    core_call = CoreCall.of_fit(network, options, rates)
    sampler = EpochSampler(generator(network), options.shuffle, options.dropout is not None)
    passes: ArraysPass | BlocksPass | StreamPass
    if isinstance(samples, Stream):
        has_digest = options.checkpoint is not None
        passes = StreamPass(core_call, validation, sampler, samples, has_digest)
    elif samples.is_in_blocks:
        passes = BlocksPass(core_call, validation, sampler, samples)
    else:
        passes = ArraysPass(core_call, validation, sampler, samples)
    history = observers.new_history() if saved is None else saved.history
    loop = FitLoop(options, core_call, passes, observers, history, progress)
    if options.checkpoint is not None:
        _add_writer(loop, network, options.checkpoint, samples, validation, saved)
    if saved is not None:
        saved.check_fit(passes, observers, samples, validation)
    return loop


def _add_writer(
    loop: FitLoop,
    network: MLPLike,
    place: Checkpoint,
    samples: Samples | Stream,
    validation: Samples | None,
    saved: SavedRun | None,
) -> None:
    from deltarule.checkpoint.data_digest import fingerprints
    from deltarule.checkpoint.options_json import options_to_json
    from deltarule.checkpoint.writer import CheckpointWriter

    data = {
        "over": loop.data.metadata,
        "training": None if isinstance(samples, Stream) else fingerprints(samples),
        "validation": None if validation is None else fingerprints(validation),
    }
    has_validation_data = validation is not None and loop.options.validation_split is None
    run = options_to_json(loop.options, has_validation_data)
    is_over = saved is not None and saved.is_over
    loop.writer = CheckpointWriter(place, network, run, data, loop.progress, is_over)
    loop.writer.check_place()
