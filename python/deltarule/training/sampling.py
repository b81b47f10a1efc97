"""The random numbers of a fit's epochs, in an order that a next fit continues."""

from __future__ import annotations

import copy
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.backend import MLPLike

Array = NDArray[Any]

_WORD = 2**64
_PROCESS = os.getpid()  # that imported this


def generator(network: MLPLike) -> np.random.Generator:
    """Return the network's random generator.

    In a forked child its lock may be held by a thread of the parent's, which is not there: no draw
    takes a second, so that after one the lock counts as free.
    """
    lock: Any = network._rng.bit_generator.lock
    if os.getpid() != _PROCESS:
        if lock.acquire(timeout=1.0):
            lock.release()
        else:
            lock._at_fork_reinit()  # as CPython does with its own
    return network._rng


class Draw(NamedTuple):
    """What is drawn for an epoch: an order, and a key of dropout; None where there is none."""

    order: Array | None
    key: int | None

    def key_from(self, step: int) -> Array | None:
        """Return the key for the steps from that one on, as the core takes it."""
        if self.key is None:
            return None
        return np.array([(self.key + step) % _WORD], dtype=np.uint64)


class Draws:
    """Draws for each epoch first its order, then its key of dropout.

    Parameters
    ----------
    rng : Generator
        Of the network.
    shuffles, drops : bool
        Whether there are orders and keys.
    """

    def __init__(self, rng: np.random.Generator, shuffles: bool, drops: bool) -> None:
        self._rng, self._shuffles, self._drops = rng, shuffles, drops

    def epoch(self, n: int) -> Draw:
        """Return what an epoch of n samples needs."""
        order = self._rng.permutation(n) if self._shuffles else None
        key = int(self._rng.integers(_WORD, dtype=np.uint64)) if self._drops else None
        return Draw(order, key)

    @property
    def state(self) -> dict[str, Any] | None:
        """Where the generator is; None where nothing is drawn."""
        return dict(self._rng.bit_generator.state) if self._shuffles or self._drops else None

    def state_after(
        self, state: dict[str, Any] | None, epochs: int, n: int
    ) -> dict[str, Any] | None:
        """Return where the generator is after so many epochs of n samples from a state on."""
        if state is None or epochs == 0:
            return state
        ahead = Draws(copy.deepcopy(self._rng), self._shuffles, self._drops)
        ahead.go_back(state, epochs, n)
        return ahead.state

    def go_back(self, state: dict[str, Any] | None, epochs: int, n: int) -> None:
        """Let the generator be where so many epochs of n samples left it, from that state on."""
        if state is None:
            return
        self._rng.bit_generator.state = state
        for _ in range(epochs):
            self.epoch(n)
