"""The observers of each epoch of a fit: metrics, early stopping, callbacks, the display."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.samples import Samples
from deltarule.data.streams import Stream
from deltarule.training.display import epoch_lines, progress_bar
from deltarule.training.early_stopping import Monitor, MonitorState
from deltarule.training.history import History
from deltarule.training.metrics import Evaluator, MetricContext

if TYPE_CHECKING:
    from deltarule.architecture import Architecture
    from deltarule.backend import Core
    from deltarule.training.options import Callback, FitOptions


@dataclass(eq=False, repr=False)
class Observers:
    """The observers of a fit, in the order in which they see an epoch.

    Attributes
    ----------
    options : FitOptions
    evaluator, measured : Evaluator and Samples, or None
        The metrics, and the samples that they are of.
    monitor : Monitor or None
        Of early stopping.
    callbacks : list of callables
        Those of the user, and within `displayed` those that show the epochs.
    """

    options: FitOptions
    evaluator: Evaluator | None
    measured: Samples | None
    monitor: Monitor | None
    callbacks: list[Callback] = field(default_factory=list)

    @classmethod
    def of_fit(
        cls,
        options: FitOptions,
        network: Architecture,
        data: Samples | Stream,
        validation: Samples | None,
        state: MonitorState | None = None,
    ) -> Observers:
        """Return the observers of a fit; ValueError where the options do not suit the data."""
        evaluator, measured = None, validation or data
        if options.metrics:
            if isinstance(measured, Stream):
                raise ValueError(
                    "metrics need validation_data where x is a stream of batches, "
                    f"not {list(options.metrics)}"
                )
            context = MetricContext(
                network.output, network.loss, network.sizes[-1], len(measured.y.shape) == 1
            )
            prefix = "" if validation is None else "validation_"
            evaluator = Evaluator(options.metrics, context, prefix)
        monitor = None
        if options.early_stopping is not None:
            recorded = ["loss"] if validation is None else ["loss", "validation_loss"]
            recorded += [] if evaluator is None else evaluator.names
            monitor = Monitor(options.early_stopping, recorded, state)
        return cls(options, evaluator, None if isinstance(measured, Stream) else measured, monitor)

    @contextmanager
    def displayed(self, epochs_before: int = 0) -> Iterator[None]:
        """Show the epochs as the options ask: a bar, a line per epoch."""
        displays = [epoch_lines()] if self.options.verbose else []
        if self.options.progress:
            displays.append(progress_bar(self.options.epochs, epochs_before))
        with ExitStack() as stack:
            shown = [stack.enter_context(display) for display in displays]
            self.callbacks = [*self.options.callbacks, *filter(None, shown)]
            yield

    def new_history(self) -> History:
        """Return an empty history with the names of the metrics."""
        return History(metrics={name: [] for name in self.metric_names})

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names under which the metrics are recorded."""
        return () if self.evaluator is None else self.evaluator.names

    def evaluate(self, network: Core, history: History) -> bool:
        """Record the metrics; return whether the epoch is the best so far, and to be restored."""
        if self.evaluator is not None and self.measured is not None:
            values = self.evaluator.of(network, self.measured, self.options.threads)
            for name, value in values.items():
                history.metrics[name].append(value)
        if self.monitor is None:
            return False
        value = history.to_dict()[self.monitor.figure][-1]
        is_best = self.monitor.is_best(len(history), value)
        history.best_epoch = self.monitor.state.epoch
        return is_best and self.monitor.settings.restore_best

    def notify(self, history: History, samples: int) -> str:
        """Call the callbacks; return what ends the fit: "", "callback" or "early stopping"."""
        epochs = self.options.epochs
        answers = [callback(history._record(epochs, samples)) for callback in self.callbacks]
        if any(isinstance(answer, bool | np.bool_) and bool(answer) for answer in answers):
            return "callback"
        return "early stopping" if self.monitor is not None and self.monitor.is_over else ""
