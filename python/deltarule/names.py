"""The names of activations, outputs, losses: aliases, valid pairs, and the core's enumerations."""

from __future__ import annotations

from collections.abc import Iterable

from deltarule import defaults
from deltarule._load import core
from deltarule.custom.functions import (
    ActivationWord,
    CustomActivation,
    CustomLoss,
    LossWord,
    custom,
)

# The table of functions is csrc/kernels/functions.hpp.
ACTIVATIONS = tuple(core.Activation.__members__)
OUTPUTS = tuple(core.Output.__members__)
LOSSES = tuple(core.Loss.__members__)
REDUCTIONS = ("mean", "sum")

_ALIASES = {"linear": "identity", "logistic": "sigmoid"}

# Outputs whose range lies in the loss's domain; a loss that is not here is defined for every y_hat.
_DOMAINS = {
    "binary_cross_entropy": ("sigmoid", "softmax"),  # y_hat in (0, 1)
    "cross_entropy": ("sigmoid", "softmax"),
    "poisson": ("sigmoid", "softplus", "softmax", "exp"),  # y_hat > 0
}


def _aliases_of(names: tuple[str, ...]) -> list[str]:
    return [alias for alias, name in _ALIASES.items() if name in names]


def known_name(value: object, name: str, known: Iterable[str]) -> str:
    """Return the canonical form of `value`, which must be one of the known names or an alias."""
    names = tuple(known)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a name, not {value!r}")
    canonical = _ALIASES.get(value, value)
    if canonical not in names:
        import difflib

        close = difflib.get_close_matches(value, (*names, *_aliases_of(names)), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"{name} must be one of {', '.join(names)}, not {value!r}{hint}")
    return canonical


def hidden_words(hidden: object, n_hidden: int) -> tuple[ActivationWord, ...]:
    """Return one activation per hidden layer, names in canonical form, from one or one per layer.

    A tuple of two callables is one activation, (value, derivative); any other sequence has one a
    layer.
    """
    function = custom(CustomActivation, hidden, "hidden")
    if function is not None:
        return (function,) * n_hidden
    if isinstance(hidden, str):
        return (known_name(hidden, "hidden", ACTIVATIONS),) * n_hidden
    if not isinstance(hidden, Iterable):
        raise TypeError(f"hidden must be a name or one name a hidden layer, not {hidden!r}")
    names = tuple(activation_word(g, f"hidden[{i}]") for i, g in enumerate(hidden))
    if len(names) != n_hidden:
        raise ValueError(f"hidden has {len(names)} names, the network has {n_hidden} hidden layers")
    return names


def activation_word(value: object, name: str) -> ActivationWord:
    """Return the canonical name of an activation, or a custom function."""
    return custom(CustomActivation, value, name) or known_name(value, name, ACTIVATIONS)


def output_word(value: object, name: str = "output") -> ActivationWord:
    """Return the canonical name of an output, or a `CustomActivation`."""
    return custom(CustomActivation, value, name) or known_name(value, name, OUTPUTS)


def is_defined(output: ActivationWord, loss: LossWord) -> bool:
    """Whether the output's range lies in the loss's domain; for custom functions it is unknown."""
    if not (isinstance(output, str) and isinstance(loss, str)):
        return True
    return output in _DOMAINS.get(loss, OUTPUTS)


def loss_word(loss: object, output: ActivationWord, n_outputs: int) -> LossWord:
    """Return the loss's canonical name, by default the output's own; the pair must be defined.

    Or a custom loss, which goes with any output.
    """
    if loss is None:
        return defaults.loss_of(output)
    function = custom(CustomLoss, loss, "loss")
    if function is not None:
        return function
    if loss == "log_loss":
        if n_outputs != 1:
            raise ValueError(
                f"loss 'log_loss' is for one output, the network has {n_outputs}; "
                "use 'cross_entropy' or 'binary_cross_entropy'"
            )
        loss = "binary_cross_entropy"
    name = known_name(loss, "loss", LOSSES)
    if not is_defined(output, name):
        domain = " or ".join(_DOMAINS[name])
        raise ValueError(f"loss {name!r} needs an output in its domain ({domain}), not {output!r}")
    return name
