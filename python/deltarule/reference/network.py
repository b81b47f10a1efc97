"""The functions and settings that define a network and its loss."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from deltarule import defaults
from deltarule.reference.activations import (
    ACTIVATIONS,
    OUTPUTS,
    Activation,
    Output,
    elementwise,
    leaky_relu,
)
from deltarule.reference.losses import LOSSES, PAIRS, Loss, Pair, huber

_ALIASES = {"linear": "identity", "logistic": "sigmoid", "log_loss": "binary_cross_entropy"}


def canonical(argument: str, name: str, known: Collection[str]) -> str:
    """The name that an alias stands for; it must be known."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a name, not {name!r}")
    canonical_name = _ALIASES.get(name, name)
    if canonical_name not in known:
        raise ValueError(f"{argument} is {name!r}, it must be one of {', '.join(known)}")
    return canonical_name


Hidden: TypeAlias = str | Activation | Sequence[str | Activation]


def hidden_names(hidden: Hidden, layers: int) -> tuple[str | Activation, ...]:
    """One canonical name, or function, per hidden layer; a single one stands for all."""
    if not isinstance(hidden, Sequence):
        raise TypeError(f"hidden must be a name or an Activation, or one a layer, not {hidden!r}")
    names = (hidden,) * layers if isinstance(hidden, str | Activation) else tuple(hidden)
    if len(names) != layers:
        raise ValueError(f"hidden has {len(names)} names, the network has {layers} hidden layers")
    return tuple(
        name if isinstance(name, Activation) else canonical("hidden", name, ACTIVATIONS)
        for name in names
    )


@dataclass(frozen=True)
class Network:
    """The names that, with weights and biases, define a network and its loss.

    Parameters
    ----------
    hidden : str, Activation, or sequence of them
        A name in `ACTIVATIONS` or a function beside its derivative, or one per hidden layer.
    output, loss : str, Activation and Loss
        Names in `OUTPUTS` and `LOSSES`, or functions beside their derivatives; a loss with
        logarithms needs an output in its domain, see `PAIRS`. linear, logistic and log_loss are
        aliases, kept by their canonical names. The loss is by default the output's, as of
        `deltarule.MLP`: binary_cross_entropy (sigmoid), cross_entropy (softmax), poisson (exp),
        else squared_error.
    reduction : {"mean", "sum"}
        L = sum_i w_i L_i / sum_i w_i (0 where all w_i are 0), or sum_i w_i L_i, over the samples i.
    leaky_slope, huber_delta : float
        Slope of leaky_relu below 0; error beyond which huber is linear.

    Raises
    ------
    TypeError, ValueError
        For what is no name, an unknown name, or an output and a loss that do not go together;
        log_loss is that of one output, so that it does not go with softmax.

    Examples
    --------
    >>> Network(output="softmax").loss
    'cross_entropy'
    """

    hidden: Hidden = defaults.HIDDEN
    output: str | Activation = defaults.OUTPUT
    loss: str | Loss | None = None
    reduction: str = defaults.REDUCTION
    leaky_slope: float = defaults.LEAKY_SLOPE
    huber_delta: float = defaults.HUBER_DELTA

    def __post_init__(self) -> None:
        if isinstance(self.hidden, str):
            object.__setattr__(self, "hidden", canonical("hidden", self.hidden, ACTIVATIONS))
        elif not isinstance(self.hidden, Activation):
            layers = len(self.hidden) if isinstance(self.hidden, Sequence) else 0
            object.__setattr__(self, "hidden", hidden_names(self.hidden, layers))
        if not isinstance(self.output, Activation):
            object.__setattr__(self, "output", canonical("output", self.output, OUTPUTS))
        if self.loss is None:
            object.__setattr__(self, "loss", defaults.loss_of(self.output))
        elif self.loss == "log_loss" and self.output == "softmax":
            raise ValueError(
                "loss is 'log_loss', which is for one output; with output 'softmax' it must be "
                "'cross_entropy' or 'binary_cross_entropy'"
            )
        elif not isinstance(self.loss, Loss):
            object.__setattr__(self, "loss", canonical("loss", self.loss, LOSSES))
        canonical("reduction", self.reduction, ("mean", "sum"))
        outputs = [output for output, loss in PAIRS if loss == self.loss]
        if outputs and isinstance(self.output, str) and self.output not in outputs:
            raise ValueError(
                f"output is {self.output!r}, for loss {self.loss!r} it must be one of "
                f"{', '.join(outputs)}"
            )


def activations_of(network: Network, layers: int) -> list[Activation]:
    """The activation of each hidden layer."""
    if not isinstance(network, Network):
        raise TypeError(f"network must be a reference.Network, not {network!r}")
    leaky, names = leaky_relu(float(network.leaky_slope)), hidden_names(network.hidden, layers)
    named = ACTIVATIONS | {"leaky_relu": leaky}
    return [named[name] if isinstance(name, str) else name for name in names]


def output_of(network: Network) -> Output:
    """The function of the last layer."""
    if isinstance(network.output, Activation):
        return elementwise(network.output)
    if network.output == "leaky_relu":
        return elementwise(leaky_relu(float(network.leaky_slope)))
    return OUTPUTS[network.output]


def loss_of(network: Network) -> Loss:
    """The plain formula of the network's loss."""
    if isinstance(network.loss, Loss):
        return network.loss
    if network.loss == "huber":
        return huber(float(network.huber_delta))
    return LOSSES[str(network.loss)]


def pair_of(network: Network) -> Pair | None:
    """The formulas of the output with the loss from z, where there are some."""
    if isinstance(network.output, str) and isinstance(network.loss, str):
        return PAIRS.get((network.output, network.loss))
    return None
