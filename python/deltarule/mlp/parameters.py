"""The description and the parameters of a network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from deltarule import defaults
from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.backend import Core, unchanged
from deltarule.custom import ActivationWord, LossWord
from deltarule.custom.core import make_core
from deltarule.data import validation
from deltarule.layers import Array, Layers
from deltarule.mlp.initializers import TOGETHER
from deltarule.mlp.parameter_view import ParameterView, ParameterViews, refuse

if TYPE_CHECKING:
    from deltarule.training.learning_rate import PlateauState


class Parameterized:
    """The part of `MLP` with its description and its parameters: get, set, copy."""

    _architecture: Architecture
    _core: Core
    _rng: np.random.Generator
    _epochs: int = 0  # of all fits, by which schedules count
    _plateau: PlateauState | None = None  # of the last fit's Plateau
    _split_seed: int | None = None  # of the fits' validation_split, once one was asked for

    @property
    def sizes(self) -> tuple[int, ...]:
        """n_0 .. n_L: inputs, hidden widths, outputs."""
        return self._architecture.sizes

    @property
    def hidden(self) -> tuple[ActivationWord, ...]:
        """The activation of each hidden layer: its name, or a `CustomActivation`."""
        return self._architecture.hidden

    @property
    def output(self) -> ActivationWord:
        """The activation of the last layer: its name, or a `CustomActivation`."""
        return self._architecture.output

    @property
    def loss(self) -> LossWord:
        """The loss's name, or a `CustomLoss`."""
        return self._architecture.loss

    @property
    def reduction(self) -> str:
        """How the losses of the samples become one: "mean" or "sum"."""
        return self._architecture.reduction

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and results."""
        return self._architecture.dtype

    @property
    def leaky_slope(self) -> float:
        """Slope of leaky_relu below 0."""
        return self._architecture.leaky_slope

    @property
    def huber_delta(self) -> float:
        """Where the Huber loss turns from square to linear."""
        return self._architecture.huber_delta

    @property
    def n_parameters(self) -> int:
        """D: the number of weights and biases."""
        return self._architecture.n_parameters

    @property
    def weights(self) -> tuple[Array, ...]:
        """W[l], each (n_l, n_{l-1}): live, read-only views, layer l at position l - 1.

        They are changed by `set_parameters` or by `theta`. RuntimeError while another thread fits
        the network.
        """
        view, layers = self._core.weight_view, range(1, len(self.sizes))
        return ParameterViews([view(l).view(ParameterView) for l in layers])  # noqa: E741

    @weights.setter
    def weights(self, weights: object) -> None:
        refuse("weights")

    @property
    def biases(self) -> tuple[Array, ...]:
        """b[l], each (n_l,): live, read-only views, layer l at position l - 1.

        They are changed as `weights` are.
        """
        view, layers = self._core.bias_view, range(1, len(self.sizes))
        return ParameterViews([view(l).view(ParameterView) for l in layers])  # noqa: E741

    @biases.setter
    def biases(self, biases: object) -> None:
        refuse("biases")

    @property
    def W(self) -> Layers:
        """W[l] (n_l, n_{l-1}) by the number of the layer, l = 1..L; the views of `weights`."""
        return Layers("W", self.weights)

    @property
    def b(self) -> Layers:
        """b[l] (n_l,) by the number of the layer, l = 1..L; the views of `biases`."""
        return Layers("b", self.biases)

    @property
    def theta(self) -> Array:
        """All parameters in one vector: every W row-major in order, then every b.

        A copy: to change one, ``theta = net.theta; theta[0] += h; net.theta = theta``.
        """
        return self._core.get_theta()

    @theta.setter
    def theta(self, theta: ArrayLike) -> None:
        array = validation.parameter(theta, (self.n_parameters,), self.dtype, "theta")
        self._core.set_theta(array)

    def set_parameters(
        self, weights: Sequence[ArrayLike] | Layers, biases: Sequence[ArrayLike] | Layers
    ) -> None:
        """Replace every weight and bias.

        `weights` and `biases` are read-only views; `theta` sets all in one vector.

        Parameters
        ----------
        weights, biases : sequence of array_like, or Layers
            W[l] (n_l, n_{l-1}) and b[l] (n_l,), finite.

        Raises
        ------
        TypeError, ValueError
            If one does not fit; then nothing is replaced.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1])
        >>> net.set_parameters([[[1.0, 2.0]]], [[0.5]])
        >>> net.predict([10.0, 1.0]).item()
        12.5

        One weight of a network, moved:

        >>> weights = [W.copy() for W in net.weights]
        >>> weights[0][0, 1] += 1.0
        >>> net.set_parameters(weights, net.biases)
        >>> net.W[1].tolist()
        [[1.0, 3.0]]
        """
        shapes = self._architecture.shapes
        self._core.set_theta(
            self._flatten(
                self._tensors(weights, "weights", shapes),
                self._tensors(biases, "biases", [(n_out,) for n_out, _ in shapes]),
            )
        )

    def _tensors(
        self, tensors: Sequence[ArrayLike] | Layers, name: str, shapes: Sequence[tuple[int, ...]]
    ) -> list[Array]:
        if isinstance(tensors, str) or not isinstance(tensors, Sequence | np.ndarray | Layers):
            raise TypeError(f"{name} must be a sequence of arrays, one a layer, not {tensors!r}")
        if len(tensors) != len(shapes):
            raise ValueError(
                f"{name} has {len(tensors)} arrays, the network has {len(shapes)} layers"
            )
        return [
            validation.parameter(tensor, shape, self.dtype, f"{name}[{i}]")
            for i, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True))
        ]

    def _flatten(self, weights: Sequence[Array], biases: Sequence[Array]) -> Array:
        theta = np.empty(self.n_parameters, self.dtype)
        start = 0
        for tensor in (*weights, *biases):
            values = np.ravel(tensor)
            for first in range(0, len(values), TOGETHER):  # Ctrl-C comes between two
                part = values[first : first + TOGETHER]
                theta[start + first : start + first + len(part)] = part
            start += len(values)
        return theta

    def summary(self) -> str:
        """Return a table of the layers.

        Examples
        --------
        >>> import deltarule as dr
        >>> print(dr.MLP([4, 8, 3], output="softmax").summary())
        layer   inputs  outputs  activation  parameters
            1        4        8  relu                40
            2        8        3  softmax             27
        loss cross_entropy (mean), float32, 67 parameters
        """
        lines = ["layer   inputs  outputs  activation  parameters"]
        functions = (*self.hidden, self.output)
        for layer, (n_out, n_in) in enumerate(self._architecture.shapes, start=1):
            g, count = functions[layer - 1], n_out * (n_in + 1)
            lines.append(f"{layer:5d}{n_in:9d}{n_out:9d}  {g!s:<10s}{count:12d}")
        lines.append(
            f"loss {self.loss} ({self.reduction}), {self.dtype}, {self.n_parameters} parameters"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return the constructor's call, without the parameters."""
        hidden = self.hidden[0] if len(set(self.hidden)) == 1 else list(self.hidden)
        shown = f", hidden={hidden!r}" if self.hidden else ""
        if self.leaky_slope != defaults.LEAKY_SLOPE:
            shown += f", leaky_slope={self.leaky_slope}"
        if self.huber_delta != defaults.HUBER_DELTA:
            shown += f", huber_delta={self.huber_delta}"
        return (
            f"MLP({list(self.sizes)}, output={self.output!r}, loss={self.loss!r}, "
            f"reduction={self.reduction!r}, dtype={self.dtype.name!r}{shown})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy or a pickle, which trains on as this network would."""
        with unchanged(self._core):
            theta, memory = self.theta, self._optimizer_state()
        return {
            "architecture": self._architecture.to_dict(),
            "theta": theta,
            "memory": memory,
            "rng": self._rng,
            "split_seed": self._split_seed,
            "epochs": self._epochs,
            "watch": self._plateau,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the network anew; a copy has a random generator and parameters of its own."""
        self._architecture = Architecture.checked(**state["architecture"])
        self._rng = copy.deepcopy(state["rng"])
        self._split_seed = state.get("split_seed")
        self._epochs, self._plateau = state["epochs"], state["watch"]
        self._core = make_core(self._architecture)
        self.theta = state["theta"]
        kind, m, v, steps = state["memory"]
        self._core.set_optimizer_state(core.OptimizerKind[kind], m, v, steps)

    def _optimizer_state(self) -> tuple[str, Array | None, Array | None, int]:
        """Return the optimizer state: its kind, its arrays laid out as theta, the steps of Adam."""
        kind, m, v, steps = self._core.get_optimizer_state()
        return kind.name, m, v, steps
