"""The core network of an architecture: its creation, state, predictions and losses.

Samples that are not in memory are read block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.data.rows import Rows
from deltarule.data.samples import Samples, mean_loss, weight_of
from deltarule.layers import Array

Core = core.NetworkF32 | core.NetworkF64  # `custom.network` has the methods of these, too
StateTuple = tuple[core.OptimizerKind, Array | None, Array | None, int]

_CORES: dict[str, type[core.NetworkF32] | type[core.NetworkF64]] = {
    "float32": core.NetworkF32,
    "float64": core.NetworkF64,
}


def make_compiled(architecture: Architecture) -> Core:
    """Return a network in C++, all parameters 0, of an architecture without custom functions.

    `custom.core.make_core` accepts any. A MemoryError names sizes and bytes.
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
    """A copy of the parameters and the optimizer state of a network, to restore.

    Parameters
    ----------
    network : core network
    theta : ndarray, optional
        By default a copy of the network's.
    optimizer_state : (OptimizerKind, ndarray or None, ndarray or None, int), optional
        In the form of the core, by default a copy of the network's.
    """

    def __init__(
        self, network: Core, theta: Array | None = None, optimizer_state: StateTuple | None = None
    ) -> None:
        self._network = network
        self.theta = network.get_theta() if theta is None else theta
        self.optimizer_state = (
            network.get_optimizer_state() if optimizer_state is None else optimizer_state
        )

    def restore(self) -> None:
        """Set the network to this state."""
        self._network.set_theta(self.theta)
        self._network.set_optimizer_state(*self.optimizer_state)


class MLPLike(Protocol):
    """The attributes of an `MLP` that modules below it use, which must not import the class.

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
    def sizes(self) -> tuple[int, ...]:
        """The widths n_0 .. n_L."""

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The activation of each hidden layer."""

    @property
    def output(self) -> Any:
        """The activation of layer L."""

    @property
    def loss(self) -> Any:
        """The loss."""

    @property
    def reduction(self) -> str:
        """Return "mean" or "sum"."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""

    @property
    def theta(self) -> Array:
        """All parameters, (n_parameters,)."""

    @property
    def weights(self) -> Any:
        """The weight matrices by layer."""

    @property
    def biases(self) -> Any:
        """The bias vectors by layer."""

    def value_and_grad(self, *args: Any, **kwargs: Any) -> tuple[float, Any]:
        """Return the loss and its gradient."""

    def input_gradient(self, *args: Any, **kwargs: Any) -> Array:
        """Return the gradient of the loss by x."""

    @property
    def _gradients(self) -> Any: ...
    @property
    def _optimizer_state(self) -> Any: ...
    def train_step(self, *args: Any, **kwargs: Any) -> float:
        """Do one update, and return the loss before it."""

    def predict(self, *args: Any, **kwargs: Any) -> Array:
        """Return y_hat."""

    def evaluate(self, *args: Any, **kwargs: Any) -> float:
        """Return the loss."""


@contextmanager
def unchanged(network: Core) -> Iterator[None]:
    """Make other threads wait that would change the network between two calls."""
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
