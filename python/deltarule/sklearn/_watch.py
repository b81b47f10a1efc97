"""Callbacks and the clock: who else may end a training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from deltarule.arguments import check_callbacks

Callback = Callable[[dict[str, Any]], object]


class Watch:
    """The callbacks and `max_seconds` of one fit.

    Parameters
    ----------
    callbacks : callable or sequence of callables
    max_seconds : float or None
    """

    def __init__(self, callbacks: Any, max_seconds: float | None) -> None:
        self._callbacks = cast("tuple[Callback, ...]", check_callbacks(callbacks))
        self._start = self._began = time.perf_counter()
        self._limit = math.inf if max_seconds is None else float(max_seconds)

    def stops_after(
        self,
        *,
        epoch: int,
        epochs: int,
        loss: float,
        validation_loss: float | None,
        validation_score: float | None,
        learning_rate: float | None,
    ) -> bool:
        """Hand an epoch's record, with its seconds, to all callbacks; say whether to stop."""
        now = time.perf_counter()
        record = {
            "epoch": epoch,
            "epochs": epochs,
            "loss": loss,
            "validation_loss": validation_loss,
            "validation_score": validation_score,
            "learning_rate": learning_rate,
            "seconds": now - self._began,
        }
        answers = [callback(record) for callback in self._callbacks]
        self._began = time.perf_counter()
        late = self._began - self._start >= self._limit
        return late or any(isinstance(a, bool | np.bool_) and bool(a) for a in answers)
