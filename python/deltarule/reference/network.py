"""The words that define a network and its loss, and what they stand for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from deltarule.reference.activations import ACTIVATIONS, OUTPUTS, Activation, leaky_relu
from deltarule.reference.losses import LOSSES, PAIRS, Loss, huber

_ALIASES = {"linear": "identity", "logistic": "sigmoid", "log_loss": "binary_cross_entropy"}


def canonical(argument: str, name: str, known: Collection[str]) -> str:
    """The name that an alias stands for; it must be known."""
    word = _ALIASES.get(name, name)
    if word not in known:
        raise ValueError(f"{argument} is {name!r}, it must be one of {', '.join(known)}")
    return word


def hidden_names(hidden: str | Sequence[str], layers: int) -> tuple[str, ...]:
    """One canonical name per hidden layer; a single name serves all."""
    names = (hidden,) * layers if isinstance(hidden, str) else tuple(hidden)
    if len(names) != layers:
        raise ValueError(f"hidden has {len(names)} names, the network has {layers} hidden layers")
    return tuple(canonical("hidden", name, ACTIVATIONS) for name in names)


@dataclass(frozen=True)
class Network:
    """The words that, with weights and biases, define a network and its loss.

    Parameters
    ----------
    hidden : str or sequence of str
        A name in `ACTIVATIONS`, or one per hidden layer.
    output, loss : str
        Names in `OUTPUTS` and `LOSSES`; a loss with logarithms needs an output in its domain, see
        `PAIRS`. linear, logistic and log_loss are aliases, kept by their canonical names.
    reduction : {"mean", "sum"}
        L = sum_i w_i L_i / sum_i w_i (0 where all w_i are 0), or sum_i w_i L_i, over the samples i.
    leaky_slope, huber_delta : float
        Slope of leaky_relu below 0; error beyond which huber is linear.

    Raises
    ------
    ValueError
        For an unknown name, or an output and a loss that do not go together.
    """

    hidden: str | Sequence[str] = "relu"
    output: str = "identity"
    loss: str = "squared_error"
    reduction: str = "mean"
    leaky_slope: float = 0.01
    huber_delta: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.hidden, str):
            object.__setattr__(self, "hidden", canonical("hidden", self.hidden, ACTIVATIONS))
        else:
            object.__setattr__(self, "hidden", hidden_names(self.hidden, len(self.hidden)))
        object.__setattr__(self, "output", canonical("output", self.output, OUTPUTS))
        object.__setattr__(self, "loss", canonical("loss", self.loss, LOSSES))
        canonical("reduction", self.reduction, ("mean", "sum"))
        outputs = [output for output, loss in PAIRS if loss == self.loss]
        if outputs and self.output not in outputs:
            raise ValueError(
                f"output is {self.output!r}, for loss {self.loss!r} it must be one of "
                f"{', '.join(outputs)}"
            )


def activations_of(network: Network, layers: int) -> list[Activation]:
    """The activation of each hidden layer."""
    leaky, names = leaky_relu(float(network.leaky_slope)), hidden_names(network.hidden, layers)
    return [leaky if name == "leaky_relu" else ACTIVATIONS[name] for name in names]


def loss_of(network: Network) -> Loss:
    """The plain formula of the network's loss."""
    return huber(float(network.huber_delta)) if network.loss == "huber" else LOSSES[network.loss]
