"""Custom functions for the reference, every return value checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule import reference
from deltarule.architecture import Architecture
from deltarule.custom.functions import CustomActivation, CustomLoss
from deltarule.layers import Array


def in_reference(architecture: Architecture) -> reference.Network:
    """Return the reference's description of a network, custom functions checked."""
    loss = architecture.loss
    return reference.Network(
        hidden=[_activation(g, f"hidden[{i}]") for i, g in enumerate(architecture.hidden)],
        output=_activation(architecture.output, "output"),
        loss=_loss(loss) if isinstance(loss, CustomLoss) else loss,
        reduction=architecture.reduction,
        leaky_slope=architecture.leaky_slope,
        huber_delta=architecture.huber_delta,
    )


def _activation(g: Any, name: str) -> Any:
    """Return the checked functions of a custom activation; a name as it is."""
    if not isinstance(g, CustomActivation):
        return g
    return reference.Activation(
        Checked(g.value, f"{name}.value", ("z",)),
        Checked(g.derivative, f"{name}.derivative", ("z", "a")),
    )


def _loss(loss: CustomLoss) -> reference.Loss:
    return reference.Loss(
        Checked(loss.value, "loss.value", ("y_hat", "y"), is_loss=True),
        Checked(loss.gradient, "loss.gradient", ("y_hat", "y")),
    )


class Checked:
    """A custom function with read-only arguments and a checked return value.

    Parameters
    ----------
    function : callable
        Of arrays (n, k) of one dtype.
    name : str
        For messages.
    inputs : sequence of str
        Names of its arguments.
    is_loss : bool
        It returns (n,), finite or not; else (n, k), finite where all its arguments are.
    """

    def __init__(
        self, function: Callable[..., Any], name: str, inputs: Sequence[str], is_loss: bool = False
    ) -> None:
        self._function, self._inputs, self._is_loss = function, inputs, is_loss
        self._name = f"{name} ({getattr(function, '__name__', type(function).__name__)})"

    def __call__(self, *arrays: Array) -> Array:
        """Return a copy of the function's return value, in the dtype of its arguments.

        Raises
        ------
        TypeError, ValueError
            Naming the function, what it must return, and what it returned.
        """
        shape = arrays[0].shape[:1] if self._is_loss else arrays[0].shape
        returned = self._function(*map(_read_only, arrays))
        try:
            array = np.asarray(returned)
        except ValueError as error:
            raise ValueError(f"{self._name} must return shape {shape}: {error}") from None
        if array.dtype.kind not in "biuf":
            kind = array.dtype.name if array.ndim else repr(returned)
            raise TypeError(f"{self._name} must return real numbers, but returned {kind}")
        if array.shape != shape:
            raise ValueError(
                f"{self._name} must return shape {shape}, but returned shape {array.shape}"
            )
        values = np.array(array, dtype=arrays[0].dtype)
        if not self._is_loss and all(np.isfinite(given).all() for given in arrays):
            self._check_finite(values, arrays)
        return values

    def _check_finite(self, values: Array, arrays: Sequence[Array]) -> None:
        finite = np.isfinite(values)
        if finite.all():
            return
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        given = ", ".join(
            f"{name} = {array[row, column]}"
            for name, array in zip(self._inputs, arrays, strict=True)
        )
        raise ValueError(
            f"{self._name} must return finite numbers in {values.dtype}, but returned "
            f"{values[row, column]} at [{row}, {column}], for {given}"
        )


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
