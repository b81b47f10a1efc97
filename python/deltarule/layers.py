"""Arrays by layer: a quantity by its layer's number, as the notes count; theta and its parts."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


def split_theta(
    theta: Array, shapes: Sequence[tuple[int, int]]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Return every W, of these shapes (n_l, n_{l-1}), and every b (n_l,), as views of theta."""
    weights, biases, at = [], [], 0
    for n_out, n_in in shapes:
        weights.append(theta[at : at + n_out * n_in].reshape(n_out, n_in))
        at += n_out * n_in
    for n_out, _ in shapes:
        biases.append(theta[at : at + n_out])
        at += n_out
    return tuple(weights), tuple(biases)


class Layers:
    """The arrays of a quantity by the number of their layer: z[1] .. z[L], a[0] = x .. a[L].

    Iteration is over the arrays in order, `items` over (layer, array); `len` is their number.

    Parameters
    ----------
    name : str
        The symbol of the quantity.
    arrays : sequence of ndarray
        In order of the layers.
    first : int, default 1
        The number of the first.

    Examples
    --------
    >>> import numpy as np
    >>> z = Layers("z", [np.zeros((5, 3)), np.zeros((5, 1))])
    >>> z
    z[1] (5, 3), z[2] (5, 1)
    >>> z[2].shape, len(z), [layer for layer, _ in z.items()]
    ((5, 1), 2, [1, 2])
    """

    __slots__ = ("_arrays", "_first", "_name")

    def __init__(self, name: str, arrays: Sequence[Array], first: int = 1) -> None:
        self._name, self._arrays, self._first = name, tuple(arrays), first

    def __getitem__(self, layer: int) -> Array:
        """Return the array of a layer.

        Raises
        ------
        IndexError, TypeError
            If there is no such layer; negative numbers do not count from the end.
        """
        try:
            number = operator.index(layer)
        except TypeError:
            raise TypeError(
                f"the layer of {self._name} must be a number, not {layer!r}; "
                f"list({self._name}) has the arrays in order"
            ) from None
        at = number - self._first
        if not 0 <= at < len(self._arrays):
            last = self._first + len(self._arrays) - 1
            raise IndexError(
                f"{self._name} has the layers {self._first}..{last}, not {number}; "
                "as in the notes, layer 0 is the input, a[0], 1 the first and L the last"
            )
        return self._arrays[at]

    def __iter__(self) -> Iterator[Array]:
        """Return the arrays in order of the layers."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """Return how many layers there are."""
        return len(self._arrays)

    @property
    def last(self) -> Array:
        """The array of layer L."""
        return self._arrays[-1]

    def items(self) -> Iterator[tuple[int, Array]]:
        """Return (layer, array) in order of the layers."""
        return enumerate(self._arrays, start=self._first)

    def __repr__(self) -> str:
        """Return names and shapes."""
        return ", ".join(f"{self._name}[{layer}] {a.shape}" for layer, a in self.items())
