"""The history of a fit: one number per epoch of each figure."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from deltarule.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from deltarule.training.progress import Entry


class EpochRecord(TypedDict):
    """The record of an epoch that each callback of `MLP.fit` gets.

    Attributes
    ----------
    epoch, epochs : int
        Which epoch, from 1, of how many.
    loss : float
    validation_loss : float or None
        None without validation data.
    metrics : dict of str to float
        By the names under which `History.metrics` has them.
    learning_rate : float
    seconds : float
        Of the epoch, without metrics and callbacks.
    samples_per_second : float
        Samples of the epoch by its seconds.
    """

    epoch: int
    epochs: int
    loss: float
    validation_loss: float | None
    metrics: dict[str, float]
    learning_rate: float
    seconds: float
    samples_per_second: float


@dataclass
class History:
    """The figures of a fit, epoch by epoch.

    Attributes
    ----------
    loss : list of float
        Training loss of each epoch: over its samples, each taken before its batch's update (with
        `LevenbergMarquardt` and `LBFGS` after it); reduced over the samples as the network's
        `reduction` says.
    validation_loss : list of float
        Loss on `validation_data` after each epoch; empty without it.
    learning_rate : list of float
        At the beginning of each epoch.
    seconds : list of float
        Wall-clock time of each epoch, without metrics and callbacks.
    metrics : dict of str to list of float
        Each metric after each epoch: on the validation data where there are some, its name then
        beginning with "validation_", else on the training data.
    best_epoch : int or None
        The epoch, from 1, that `EarlyStopping` found the best; None without it.

    Examples
    --------
    >>> import deltarule as dr
    >>> net = dr.MLP([2, 1], seed=0)
    >>> history = net.fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], epochs=3)
    >>> len(history)
    3
    >>> sorted(history.to_dict())
    ['learning_rate', 'loss', 'seconds', 'validation_loss']
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int | None = None

    def _extend(
        self,
        loss: Sequence[float],
        validation_loss: Sequence[float],
        seconds: Sequence[float],
        learning_rate: Sequence[float],
    ) -> None:
        self.loss.extend(loss)
        self.validation_loss.extend(validation_loss)
        self.seconds.extend(seconds)
        self.learning_rate.extend(learning_rate[: len(loss)])

    def _enter(self, entries: Sequence[Entry], learning_rate: Sequence[float]) -> None:
        validated = [e.validation_loss for e in entries if e.validation_loss is not None]
        self._extend(
            [e.loss for e in entries], validated, [e.seconds for e in entries], learning_rate
        )

    def _until(self, epochs: int) -> History:
        """Return a copy of the first epochs."""
        return History(
            self.loss[:epochs],
            self.validation_loss[:epochs],
            self.learning_rate[:epochs],
            self.seconds[:epochs],
            {name: values[:epochs] for name, values in self.metrics.items()},
        )

    def _even(self) -> None:
        """Cut off an epoch that was not entered completely."""
        lists = [self.loss, self.learning_rate, self.seconds, *self.metrics.values()]
        if self.validation_loss:
            lists.append(self.validation_loss)
        epochs = min(map(len, lists))
        for values in lists:
            del values[epochs:]

    def _record(self, epochs: int, samples: int) -> EpochRecord:
        """Return the record of the last epoch of so many, for the callbacks."""
        seconds = self.seconds[-1]
        return {
            "epoch": len(self),
            "epochs": epochs,
            "loss": self.loss[-1],
            "validation_loss": self.validation_loss[-1] if self.validation_loss else None,
            "metrics": {name: values[-1] for name, values in self.metrics.items()},
            "learning_rate": self.learning_rate[-1],
            "seconds": seconds,
            "samples_per_second": samples / max(seconds, 1e-9),
        }

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.loss)

    def __repr__(self) -> str:
        """Return the number of epochs and the last figures."""
        if not self.loss:
            return "History(epochs=0)"
        last = f"loss={self.loss[-1]:.6g}"
        if self.validation_loss:
            last += f", validation_loss={self.validation_loss[-1]:.6g}"
        for name, values in self.metrics.items():
            last += f", {name}={values[-1]:.6g}"
        return f"History(epochs={len(self)}, {last}, seconds={sum(self.seconds):.3g})"

    def to_dict(self) -> dict[str, list[float]]:
        """Return the lists by name, those of the metrics among them, copied.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1], seed=0)
        >>> history = net.fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], epochs=3, metrics="mae")
        >>> history.to_dict()["mae"] == history.metrics["mae"]
        True
        """
        return {
            "loss": list(self.loss),
            "validation_loss": list(self.validation_loss),
            "learning_rate": list(self.learning_rate),
            "seconds": list(self.seconds),
            **{name: list(values) for name, values in self.metrics.items()},
        }

    def plot(self, path: str | os.PathLike[str] | None = None, ax: Axes | None = None) -> Axes:
        """Draw the losses; in a figure of its own the metrics and the learning rate below them.

        Needs the extra `plot`.

        Parameters
        ----------
        path : str or path, optional
            Where to save the figure; the ending says the format.
        ax : matplotlib Axes, optional
            Where to draw the losses, alone; without it a new figure, outside pyplot's state, has
            an axes for the losses, one for each metric, and one for the learning rate where that
            changes.

        Returns
        -------
        matplotlib Axes
            That of the losses; ``axes.figure.axes`` are all.

        Raises
        ------
        ImportError
            If matplotlib is missing, naming the extra.
        OSError
            If the file cannot be written, or is no regular one.

        Examples
        --------
        >>> import deltarule as dr
        >>> axes = dr.History(loss=[3.0, 2.0, 1.5]).plot()
        >>> axes.get_ylabel()
        'loss'
        """
        require("matplotlib", extra="plot")
        below = [] if ax is not None else self._plots_below()
        if ax is None:
            ax, *others = _new_axes(1 + len(below))
            for axes, (name, values) in zip(others, below, strict=True):
                self._draw(axes, {name: values}, name)
            [ax, *others][-1].set_xlabel("epoch")
        else:
            ax.set_xlabel("epoch")
        curves = {"training": self.loss}
        if self.validation_loss:
            curves["validation"] = self.validation_loss
        self._draw(ax, curves, "loss")
        if self.loss and min(self.loss + self.validation_loss) > 0.0:
            ax.set_yscale("log")
        ax.legend()
        if path is not None:
            _save(_whole_figure(ax), path)
        return ax

    def _plots_below(self) -> list[tuple[str, list[float]]]:
        plots = list(self.metrics.items())
        if len(set(self.learning_rate)) > 1:
            plots.append(("learning rate", self.learning_rate))
        return plots

    def _draw(self, axes: Axes, curves: dict[str, list[float]], title: str) -> None:
        for label, values in curves.items():
            axes.plot(range(1, len(values) + 1), values, label=label)
        axes.set_ylabel(title.replace("_", " "))
        axes.grid(alpha=0.3)
        if self.best_epoch is not None:
            axes.axvline(self.best_epoch, color="0.5", linestyle=":", label="best epoch")


def _new_axes(count: int) -> list[Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0 + 2.0 * (count - 1)), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [2.0] + [1.0] * (count - 1)
    grid = figure.subplots(count, sharex=True, squeeze=False, height_ratios=heights)
    return list(grid[:, 0])


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the path's ending, or else in matplotlib's own."""
    from deltarule.io.regular_files import text_of, write_atomically

    path = text_of(path)
    ending = os.path.splitext(path)[1][1:]
    if not ending:
        ending = figure.canvas.get_default_filetype()
        path = f"{path.rstrip('.')}.{ending}"
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=150)
    write_atomically(path, buffer.getvalue())


def _whole_figure(axes: Axes) -> Any:
    from matplotlib.figure import SubFigure

    figure = axes.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    return figure
