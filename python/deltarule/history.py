"""What a fit leaves behind: one number an epoch of each kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deltarule.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass
class History:
    """The course of a training.

    Attributes
    ----------
    loss : list of float
        Training loss of each epoch: over its samples, each taken before its batch's update;
        reduced over the samples as the network's `reduction` says.
    validation_loss : list of float
        Loss on `validation_data` after each epoch; empty without it.
    learning_rate : list of float
    seconds : list of float
        Wall-clock time of each epoch.

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

    def _extend(
        self,
        loss: Sequence[float],
        validation_loss: Sequence[float],
        seconds: Sequence[float],
        learning_rate: float,
    ) -> None:
        self.loss.extend(loss)
        self.validation_loss.extend(validation_loss)
        self.seconds.extend(seconds)
        self.learning_rate.extend([learning_rate] * len(loss))

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.loss)

    def __repr__(self) -> str:
        """Return the number of epochs and the last losses."""
        if not self.loss:
            return "History(epochs=0)"
        last = f"loss={self.loss[-1]:.6g}"
        if self.validation_loss:
            last += f", validation_loss={self.validation_loss[-1]:.6g}"
        return f"History(epochs={len(self)}, {last}, seconds={sum(self.seconds):.3g})"

    def to_dict(self) -> dict[str, list[float]]:
        """Return the lists by name, copied."""
        return {
            "loss": list(self.loss),
            "validation_loss": list(self.validation_loss),
            "learning_rate": list(self.learning_rate),
            "seconds": list(self.seconds),
        }

    def plot(self, path: str | os.PathLike[str] | None = None, ax: Axes | None = None) -> Axes:
        """Draw the loss curves. Needs the extra `plot`.

        Parameters
        ----------
        path : str or path, optional
            Where to save the figure; the ending says the format.
        ax : matplotlib Axes, optional
            Where to draw; without it a new figure of its own, outside pyplot's state.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is missing, naming the extra.

        Examples
        --------
        >>> import deltarule as dr
        >>> axes = dr.History(loss=[3.0, 2.0, 1.5]).plot()
        >>> axes.get_ylabel()
        'loss'
        """
        require("matplotlib", extra="plot")
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure, SubFigure

        if ax is None:
            own = Figure(figsize=(6.4, 4.0), layout="constrained")
            FigureCanvasAgg(own)
            ax = own.add_subplot()
        epochs = range(1, len(self) + 1)
        ax.plot(epochs, self.loss, label="training")
        if self.validation_loss:
            ax.plot(epochs, self.validation_loss, label="validation")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        if self.loss and min(self.loss + self.validation_loss) > 0.0:
            ax.set_yscale("log")
        ax.grid(alpha=0.3)
        ax.legend()
        if path is not None:
            figure = ax.figure
            while isinstance(figure, SubFigure):
                figure = figure.figure
            figure.savefig(path, dpi=150)
        return ax
