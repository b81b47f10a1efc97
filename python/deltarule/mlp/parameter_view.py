"""The arrays of `MLP.weights` and `MLP.biases`, read-only; a try to write says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from deltarule.layers import Array

HOW_TO_CHANGE = (
    "the arrays of weights and biases are read-only views of the network's parameters; to change "
    "them, change copies and hand those to net.set_parameters(weights, biases), or "
    "theta = net.theta, change theta, and net.theta = theta"
)


class ParameterView(np.ndarray[Any, np.dtype[Any]]):
    """A view of a network's parameter.

    Results of arithmetic, copies and what a pickle holds are plain arrays; so is ``np.asarray`` of
    it, which is read-only, too.
    """

    def __array_wrap__(self, array: Array, context: Any = None, return_scalar: bool = False) -> Any:
        """Return the result of a ufunc as plain arrays have it."""
        return array[()] if return_scalar or not array.ndim else np.asarray(array)

    def __reduce__(self) -> Any:
        """Return the state to pickle: a plain array."""
        return np.array(self).__reduce__()

    def __deepcopy__(self, memo: Any) -> Array:  # type: ignore[override]
        """Return a plain copy."""
        return np.array(self)

    def __copy__(self) -> Array:  # type: ignore[override]
        """Return a plain copy."""
        return np.array(self)

    def copy(self, order: Any = "C") -> Any:
        """Return a plain copy."""
        return np.array(self, order=order)

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        """Return a plain copy of another dtype."""
        return np.asarray(self).astype(*args, **kwargs)

    def __repr__(self) -> str:
        """Return that of a plain array."""
        return repr(np.asarray(self))


def _writer(name: str) -> Callable[..., Any]:
    """Return a method of ndarray that writes, or says how to where the array is read-only.

    An array that indexing made of a view, by numbers, is no view and can be written.
    """
    method = getattr(np.ndarray, name)

    def write(self: ParameterView, *args: Any, **kwargs: Any) -> Any:
        if not self.flags.writeable:
            raise ValueError(HOW_TO_CHANGE)
        return method(self, *args, **kwargs)

    write.__name__, write.__doc__ = name, "Write, where the array may be written."
    return write


for _name in ("fill", "partition", "put", "sort", "__setitem__"):
    setattr(ParameterView, _name, _writer(_name))
for _name in "add sub mul matmul truediv floordiv mod pow lshift rshift and xor or".split():
    if hasattr(np.ndarray, f"__i{_name}__"):  # imatmul from NumPy 2.0
        setattr(ParameterView, f"__i{_name}__", _writer(f"__i{_name}__"))


class ParameterViews(tuple[Array, ...]):
    """The views of all layers, a tuple; a try to set one says what to do."""

    __slots__ = ()

    def __setitem__(self, position: object, value: object) -> NoReturn:
        """Raise TypeError."""
        raise TypeError(HOW_TO_CHANGE)

    def __reduce__(self) -> Any:
        """Return the state to pickle: a plain tuple."""
        return tuple, (tuple(self),)


def refuse(name: str) -> NoReturn:
    """Raise AttributeError: the attribute is not set as a whole, either."""
    raise AttributeError(f"{name} cannot be set: {HOW_TO_CHANGE}")
