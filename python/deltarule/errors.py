"""The exceptions that are deltarule's own, and the error of a missing extra."""

from __future__ import annotations


class DivergenceError(ArithmeticError):
    """Training met a loss or a parameter that is not finite.

    The parameters are those of the last finite epoch (`MLP.fit`) or unchanged (`MLP.train_step`).

    Attributes
    ----------
    epoch : int
        The epoch, from 1, counted within the call.
    step : int
        The mini-batch within that epoch, from 1.
    layer : int or None
        The first layer, from 1, with a value of z or a that is not finite for that mini-batch; None
        where all are finite, so that the loss or the update overflows, or where it is not known.
    """

    def __init__(self, message: str, epoch: int, step: int, layer: int | None = None) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step
        self.layer = layer

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, int, int, int | None]]:
        return type(self), (str(self), self.epoch, self.step, self.layer)


class ModelFileError(ValueError):
    """A model file is damaged, of another kind, makes no sense, or cannot hold the network."""


def require(module: str, *, extra: str) -> None:
    """Raise ImportError, naming the extra to install, unless `module` can be imported."""
    from importlib.util import find_spec  # not with the package: it takes 0.5 ms

    if find_spec(module) is None:
        raise ImportError(
            f"{module} is not installed; it comes with the extra: pip install 'deltarule[{extra}]'"
        )


def at_layer(layer: int) -> str:
    """Say what `first_not_finite` of a core network found."""
    if not layer:
        return "z and a of every layer are finite"
    return f"layer {layer} is the first where z or a is not finite"
