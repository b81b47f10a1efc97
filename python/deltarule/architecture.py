"""The description of a network, sizes and functions: checked once, stored in files; no backend."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule import names
from deltarule.arguments import POSITIVE, check_number
from deltarule.custom import ActivationWord, Custom, LossWord

_DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Architecture:
    """A network's description, names in canonical form; the fields are `MLP`'s attributes."""

    sizes: tuple[int, ...]
    hidden: tuple[ActivationWord, ...]
    output: ActivationWord
    loss: LossWord
    reduction: str
    dtype: np.dtype[Any]
    leaky_slope: float
    huber_delta: float

    @classmethod
    def checked(
        cls,
        sizes: object,
        hidden: object,
        output: object,
        loss: object,
        reduction: object,
        dtype: object,
        leaky_slope: object,
        huber_delta: object,
    ) -> Architecture:
        """Return the description of `MLP`'s arguments, or raise naming the one that is wrong."""
        widths, function, canonical = _widths(sizes), names.output_word(output), _dtype(dtype)
        delta = check_number("huber_delta", huber_delta, *POSITIVE)
        tiny = float(np.finfo(canonical).tiny)  # what is less is 0 in the core
        if delta < tiny:
            raise ValueError(
                f"huber_delta must be at least {tiny} in {canonical.name}, not {delta}"
            )
        above_1 = math.nextafter(1.0, 2.0)
        slope = check_number("leaky_slope", leaky_slope, 0.0, above_1, "in [0, 1]")
        return cls(
            sizes=widths,
            hidden=names.hidden_words(hidden, len(widths) - 2),
            output=function,
            loss=names.loss_word(loss, function, widths[-1]),
            reduction=names.known_name(reduction, "reduction", names.REDUCTIONS),
            dtype=canonical,
            leaky_slope=slope,
            huber_delta=delta,
        )

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self.sizes) - 1

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(n_l, n_{l-1}) of every W."""
        return list(zip(self.sizes[1:], self.sizes[:-1], strict=True))

    @property
    def n_parameters(self) -> int:
        """D of the notes: weights and biases."""
        return sum(n_out * (n_in + 1) for n_out, n_in in self.shapes)

    @property
    def custom(self) -> dict[str, Custom]:
        """The custom functions, by the arguments that hold them."""
        named: dict[str, ActivationWord | LossWord] = {
            f"hidden[{i}]": g for i, g in enumerate(self.hidden)
        }
        named |= {"output": self.output, "loss": self.loss}
        return {name: value for name, value in named.items() if not isinstance(value, str)}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON, except for custom functions."""
        return {
            **vars(self),
            "sizes": list(self.sizes),
            "hidden": list(self.hidden),
            "dtype": self.dtype.name,
        }


def _widths(sizes: object) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise TypeError(f"sizes must be a sequence of widths, not {sizes!r}")
    widths = []
    for i, n in enumerate(sizes):
        try:
            width = operator.index(n)
        except TypeError:
            raise TypeError(f"sizes[{i}] must be a whole number, not {n!r}") from None
        if isinstance(n, bool) or not 1 <= width < 2**31:
            raise ValueError(f"sizes[{i}] must be 1 or more (and below 2**31), not {n!r}")
        widths.append(width)
    if len(widths) < 2:
        raise ValueError(f"sizes must name at least inputs and outputs, not {widths}")
    return tuple(widths)


def _dtype(dtype: object) -> np.dtype[Any]:
    try:
        canonical = np.dtype(dtype) if dtype is not None else None  # type: ignore[call-overload]
    except (TypeError, ValueError, SyntaxError):  # NumPy reads parts of a string as Python's
        canonical = None
    if canonical is None or canonical.name not in _DTYPES or not canonical.isnative:
        raise ValueError(f"dtype must be float32 or float64, not {dtype!r}")
    dtype_of_core: np.dtype[Any] = np.dtype(canonical.name)
    return dtype_of_core
