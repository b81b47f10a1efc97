"""The random numbers of the epochs: sample orders and dropout keys; the next fit continues them."""

from __future__ import annotations

import copy
import os
from typing import Any, NamedTuple

import numpy as np

from deltarule.backend import MLPLike
from deltarule.layers import Array

_WORD = 2**64
_PROCESS = os.getpid()  # at import


def generator(network: MLPLike) -> np.random.Generator:
    """Return the network's random generator.

    In a forked child its lock may be held by a thread that exists in the parent only. A draw takes
    less than a second, so that after one second the lock counts as free.
    """
    lock: Any = network._rng.bit_generator.lock
    if os.getpid() != _PROCESS:
        if lock.acquire(timeout=1.0):
            lock.release()
        else:
            lock._at_fork_reinit()  # as CPython does with its own
    return network._rng


class EpochSample(NamedTuple):
    """The sample order and the dropout key of an epoch; None without shuffling or dropout."""

    order: Array | None
    key: int | None

    def key_from(self, step: int) -> Array | None:
        """Return the dropout key of the steps from `step` on, in the form of the core."""
        if self.key is None:
            return None
        return np.array([(self.key + step) % _WORD], dtype=np.uint64)


class EpochSampler:
    """Draws per epoch first the sample order, then the dropout key.

    Parameters
    ----------
    rng : Generator
        Of the network.
    shuffle, dropout : bool
        Whether orders and keys are drawn.
    """

    def __init__(self, rng: np.random.Generator, shuffle: bool, dropout: bool) -> None:
        self._rng, self._shuffle, self._dropout = rng, shuffle, dropout

    def epoch(self, n: int) -> EpochSample:
        """Draw for an epoch of n samples."""
        order = self._rng.permutation(n) if self._shuffle else None
        key = int(self._rng.integers(_WORD, dtype=np.uint64)) if self._dropout else None
        return EpochSample(order, key)

    @property
    def state(self) -> dict[str, Any] | None:
        """The state of the generator; None where nothing is drawn."""
        return dict(self._rng.bit_generator.state) if self._shuffle or self._dropout else None

    def state_after(
        self, state: dict[str, Any] | None, epochs: int, n: int
    ) -> dict[str, Any] | None:
        """Return the state of the generator after so many epochs of n samples from `state` on."""
        if state is None or epochs == 0:
            return state
        ahead = EpochSampler(copy.deepcopy(self._rng), self._shuffle, self._dropout)
        ahead.rewind(state, epochs, n)
        return ahead.state

    def rewind(self, state: dict[str, Any] | None, epochs: int, n: int) -> None:
        """Set the generator to its state after so many epochs of n samples from `state` on."""
        if state is None:
            return
        self._rng.bit_generator.state = state
        for _ in range(epochs):
            self.epoch(n)
