"""Early stopping: when a fit that does not improve ends, and the restoring of its best epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from deltarule.arguments import NON_NEGATIVE, check_flag, check_number, whole_number

_MODES = ("auto", "min", "max")


@dataclass(frozen=True)
class EarlyStopping:
    """When `MLP.fit` stops before its last epoch, and which epoch's parameters it leaves.

    Parameters
    ----------
    patience : int, default 10
        Epochs without improvement after which the training ends, 1 or more.
    min_delta : float, default 0.0
        The least improvement on the best value so far that counts as one, 0 or more.
    monitor : str, default "validation_loss"
        "loss", "validation_loss", or the name of a metric of the fit, with or without the
        "validation_" of its recorded name.
    mode : {"auto", "min", "max"}, default "auto"
        Whether lower or higher is better. "auto" knows the losses and the named metrics.
    restore_best : bool, default True
        Restore the network after its best epoch, its parameters and its optimizer state (velocity,
        moments, steps), so that training would continue from there; its random generator, its count
        of epochs and the state of a Plateau are not restored. This holds also if all epochs are
        done, but not if an exception ends the fit.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> import deltarule as dr
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> net = dr.MLP([1, 16, 1], hidden="tanh", seed=0)
    >>> history = net.fit(x, x**2, epochs=500, optimizer=dr.SGD(lr=0.5), validation_split=0.25,
    ...                   early_stopping=dr.EarlyStopping(patience=5))
    >>> len(history) < 500
    True
    >>> history.best_epoch == int(np.argmin(history.validation_loss)) + 1
    True
    """

    patience: int = 10
    min_delta: float = 0.0
    monitor: str = "validation_loss"
    mode: str = "auto"
    restore_best: bool = True

    def __post_init__(self) -> None:
        whole_number(self.patience, "patience", 1)
        check_number("min_delta", self.min_delta, *NON_NEGATIVE)
        if not isinstance(self.monitor, str):
            raise TypeError(f"monitor must be a name, not {self.monitor!r}")
        if self.mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {self.mode!r}")
        check_flag(self.restore_best, "restore_best")


class MonitorState(NamedTuple):
    """Best value so far, signed so that lower is better; its epoch from 1; epochs since then."""

    best: float = math.inf
    epoch: int = 0
    waited: int = 0


class Monitor:
    """The monitored figure of one fit with `EarlyStopping`.

    Parameters
    ----------
    settings : EarlyStopping
    recorded : iterable of str
        The figures that the fit records.
    state : MonitorState, optional
        After the epochs before.

    Raises
    ------
    ValueError
        If the monitored figure is not among them, or it is not known which way is better.
    """

    def __init__(
        self, settings: EarlyStopping, recorded: Iterable[str], state: MonitorState | None = None
    ) -> None:
        names = tuple(recorded)
        self.settings = settings
        self.state = state or MonitorState()
        self.figure = _recorded(settings.monitor, names)
        self._sign = -1.0 if _higher_is_better(settings, self.figure) else 1.0
        self._min_delta = float(settings.min_delta)

    def is_best(self, epoch: int, value: float) -> bool:
        """Record the figure of an epoch; return whether it is the best so far."""
        cost, state = self._sign * value, self.state
        if cost < state.best - self._min_delta or state.epoch == 0:
            self.state = MonitorState(cost if not math.isnan(cost) else math.inf, epoch, 0)
            return True
        self.state = state._replace(waited=state.waited + 1)
        return False

    @property
    def is_over(self) -> bool:
        """Whether as many epochs as `patience` brought no improvement."""
        return self.state.waited >= self.settings.patience


def check_early_stopping(early_stopping: object) -> EarlyStopping | None:
    """Return the argument `early_stopping` of `MLP.fit`, or raise TypeError."""
    if early_stopping is None or isinstance(early_stopping, EarlyStopping):
        return early_stopping
    raise TypeError(f"early_stopping must be a deltarule.EarlyStopping, not {early_stopping!r}")


def _recorded(monitor: str, names: tuple[str, ...]) -> str:
    if monitor in names:
        return monitor
    if f"validation_{monitor}" in names:
        return f"validation_{monitor}"
    needs = ", which needs validation_data or validation_split"
    raise ValueError(
        f"early_stopping must monitor one of {', '.join(names)}, not {monitor!r}"
        + (needs if monitor == "validation_loss" else "")
    )


def _higher_is_better(settings: EarlyStopping, figure: str) -> bool:
    if settings.mode != "auto":
        return settings.mode == "max"
    from deltarule.training.metrics import (
        HIGHER_IS_BETTER,  # not with the package: only fits need it
    )

    name = figure.removeprefix("validation_")
    if name == "loss":
        return False
    if name not in HIGHER_IS_BETTER:
        raise ValueError(
            f"early_stopping needs mode='min' or mode='max' to monitor {figure!r}: "
            "'auto' knows the losses and the named metrics"
        )
    return HIGHER_IS_BETTER[name]
