"""The core network of an architecture: making one, its state, predictions and losses.

Samples that are not in memory are read a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.data.rows import Rows
from deltarule.data.samples import Samples, mean_loss, weight_of

Array = NDArray[Any]
Core = core.NetworkF32 | core.NetworkF64  # `custom.network` has the methods of these, too
Memory = tuple[core.OptimizerKind, Array | None, Array | None, int]

_CORES: dict[str, type[core.NetworkF32] | type[core.NetworkF64]] = {
    "float32": core.NetworkF32,
    "float64": core.NetworkF64,
}


def make_compiled(architecture: Architecture) -> Core:
    """Return a network in C++, all parameters 0; MemoryError says what was asked.

    The architecture has functions by name alone: `custom.core.make_core` takes any.
    """
    try:
        return _CORES[architecture.dtype.name](
            sizes=list(architecture.sizes),
            hidden=[core.Activation[str(g)] for g in architecture.hidden],
            output=core.Output[str(architecture.output)],
            loss=core.Loss[str(architecture.loss)],
            mean=architecture.reduction == "mean",
            leaky_slope=architecture.leaky_slope,
            huber_delta=architecture.huber_delta,
        )
    except MemoryError:
        size = architecture.n_parameters * architecture.dtype.itemsize / 2**30
        raise MemoryError(
            f"sizes {list(architecture.sizes)} make {architecture.n_parameters} parameters: "
            f"{size:.1f} GiB in {architecture.dtype.name}, and up to twice that with the copy for "
            "the backward pass"
        ) from None


class State:
    """What training changes in a network: parameters and the optimizer's memory.

    Parameters
    ----------
    network : core network
    theta : ndarray, optional
        By default the network's, as they are now.
    memory : (OptimizerKind, ndarray or None, ndarray or None, int), optional
        As the core has it, by default as it is now.
    """

    def __init__(
        self, network: Core, theta: Array | None = None, memory: Memory | None = None
    ) -> None:
        self._network = network
        self.theta = network.get_theta() if theta is None else theta
        self.memory = network.get_memory() if memory is None else memory

    def restore(self) -> None:
        """Make the network as it was."""
        self._network.set_theta(self.theta)
        self._network.set_memory(*self.memory)


class MLPLike(Protocol):
    """What is used of an `MLP` by those that it calls: they do not import its class.

    The state of its training: `_epochs` of all fits, `_plateau` of the last fit's `Plateau`,
    `_split_seed` of its `validation_split`, `_history`.
    """

    _architecture: Architecture
    _core: Core
    _rng: np.random.Generator
    _epochs: int
    _plateau: Any
    _split_seed: int | None
    _history: Any

    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def hidden(self) -> tuple[Any, ...]: ...
    @property
    def output(self) -> Any: ...
    @property
    def loss(self) -> Any: ...
    @property
    def reduction(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def theta(self) -> Array: ...
    @property
    def weights(self) -> Any: ...
    @property
    def biases(self) -> Any: ...
    @property
    def value_and_grad(self) -> Callable[..., tuple[float, Any]]: ...
    @property
    def input_gradient(self) -> Callable[..., Array]: ...
    @property
    def _gradients(self) -> Any: ...
    @property
    def _memory(self) -> Any: ...
    @property
    def train_step(self) -> Callable[..., float]: ...
    @property
    def predict(self) -> Callable[..., Array]: ...
    @property
    def evaluate(self) -> Callable[..., float]: ...


@contextmanager
def unchanged(network: Core) -> Iterator[None]:
    """Keep other threads from changing the network between calls: they wait."""
    network.begin_reading()
    try:
        yield
    finally:
        network.end_reading()


def predict_into(network: Core, x: Array | Rows, out: Array, threads: int) -> Array:
    """Write y_hat of x to `out` (n, n_L), and return it."""
    if not isinstance(x, Rows):
        network.predict(x, out, threads)
        return out
    with unchanged(network):
        for part, block in x.blocks():
            network.predict(block, out[part], threads)
    return out


def loss_of(network: Core, samples: Samples, reduction: str, threads: int) -> float:
    """Return the loss."""
    whole = samples.whole
    if whole is not None:
        return network.evaluate(*whole, threads)
    with unchanged(network):
        batches = [
            (network.evaluate(*batch, threads), weight_of(batch)) for _, batch in samples.blocks()
        ]
    return mean_loss(batches, reduction)
