"""One call of `MLP.fit` with `LevenbergMarquardt` or `LBFGS`: an epoch is an iteration."""

from __future__ import annotations

from collections.abc import Callable

from deltarule.backend import MLPLike
from deltarule.data.streams import Stream
from deltarule.errors import require
from deltarule.second_order.loop import IterationLoop
from deltarule.second_order.objective import Problem
from deltarule.second_order.settings import LBFGS, SecondOrder
from deltarule.training.fit_data import FitData, SplitSeed
from deltarule.training.history import History
from deltarule.training.observers import Observers
from deltarule.training.options import FitOptions


def fit_second_order(network: MLPLike, data: FitData, options: FitOptions) -> History:
    """Train as `MLP.fit` says; everything is checked before anything changes."""
    optimizer, architecture = options.optimizer, network._architecture
    assert isinstance(optimizer, SecondOrder)
    for library in ("scipy", "threadpoolctl"):
        require(library, extra="second-order")
    split = SplitSeed(network)
    samples, validation = data.samples(architecture, options, options.epochs, split)
    if isinstance(samples, Stream):
        name = type(optimizer).__name__
        raise ValueError(f"x must be whole with {name}, not a stream of batches")
    observers = Observers.of_fit(options, architecture, samples, validation)
    problem = Problem(architecture, samples, options.threads)
    network._core.begin_training()  # refused while another thread trains: nothing has changed
    try:
        split.commit()
        with observers.displayed():
            loop = IterationLoop(network, len(samples), validation, observers, options)
            if options.epochs:
                _algorithm(optimizer)(
                    optimizer, problem, network.theta, options.epochs, loop.after_iteration
                )
        return loop.end()
    finally:
        network._core.end_training()


def _algorithm(optimizer: SecondOrder) -> Callable[..., None]:
    """Return the algorithm of the settings, imported when it is used."""
    if isinstance(optimizer, LBFGS):
        from deltarule.second_order.lbfgs import lbfgs

        return lbfgs
    from deltarule.second_order.levenberg_marquardt import levenberg_marquardt

    return levenberg_marquardt
