"""Custom losses and activations: a function and its derivative in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, TypeVar

from numpy.typing import ArrayLike

from deltarule.layers import Array

Of1: TypeAlias = Callable[[Array], ArrayLike]
Of2: TypeAlias = Callable[[Array, Array], ArrayLike]


class Custom:
    """What `CustomLoss` and `CustomActivation` have in common: two callables and a name."""

    name: str | None

    def __post_init__(self) -> None:
        for argument, function in self._functions.items():
            if not callable(function):
                raise TypeError(f"{argument} must be callable, not {function!r}")
        if self.name is None:
            object.__setattr__(self, "name", self._usual_name)
        elif not isinstance(self.name, str) or not self.name:
            raise TypeError(f"name must be a string that is not empty, not {self.name!r}")

    def __str__(self) -> str:
        """Return the name."""
        return str(self.name)

    def __repr__(self) -> str:
        """Return the constructor's call, functions by their names."""
        shown = [getattr(f, "__name__", type(f).__name__) for f in self._functions.values()]
        if self.name != self._usual_name:
            shown.append(f"name={self.name!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __hash__(self) -> int:
        return hash((type(self), self.name))  # callables need not be hashable

    @property
    def _functions(self) -> dict[str, Any]:
        names = [field.name for field in fields(self)[:2]]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names}

    @property
    def _usual_name(self) -> str:
        value, _ = self._functions.values()
        name = getattr(value, "__name__", "<")
        return "custom" if name.startswith("<") else str(name)


@dataclass(frozen=True, repr=False)
class CustomLoss(Custom):
    """A custom loss for `MLP` and the estimators; the tuple (value, gradient) may stand for it.

    A network with a custom loss or activation is computed by NumPy, layer by layer: much
    slower than the core, above all where it is small, and to rounding: the same bits for any number
    of threads are the core's promise alone.

    Parameters
    ----------
    value : callable
        value(y_hat, y) -> (n,): L of each of n samples, unweighted; y_hat and y are (n, K), of the
        network's dtype, and read-only. y is never class indices.
    gradient : callable
        gradient(y_hat, y) -> (n, K): dL/dy_hat of each sample's own L.
        `deltarule.check_gradients` tells whether it is the derivative of `value`.
    name : str, optional
        By default that of the function `value`.

    Raises
    ------
    TypeError
        If an argument is no callable, or the name no string.

    Notes
    -----
    The result of a function is checked in every call: of that shape, real, and finite where its
    arguments are. A loss of a sample that is not finite is divergence, as with any loss. NumPy's
    warnings of overflow and the like are off meanwhile. An error in a function, or in what it
    returns, is raised as it is; a fit then leaves the network at the last whole mini-batch.

    All of `MLP` works but `hvp` and `gauss_newton_vp`, which need second derivatives, and `save`,
    as a file cannot hold functions. Pickles hold functions by their names, as always.

    Examples
    --------
    The pinball loss, whose minimum is a quantile (Koenker and Bassett, 1978):

    >>> import numpy as np
    >>> import deltarule as dr
    >>> def pinball(y_hat, y):
    ...     e = y - y_hat
    ...     return np.maximum(0.9 * e, -0.1 * e).sum(axis=1)
    >>> def pinball_gradient(y_hat, y):
    ...     return np.where(y > y_hat, -0.9, 0.1)
    >>> loss = dr.CustomLoss(pinball, pinball_gradient)
    >>> net = dr.MLP([1, 1], loss=loss, dtype="float64", init=([[[0.0]]], [[0.0]]))
    >>> x, y = np.zeros((100, 1)), np.arange(100.0)
    >>> history = net.fit(x, y, epochs=200, batch_size=None, optimizer=dr.SGD(lr=10))
    >>> 89 <= net.predict([0.0]).item() <= 90
    True
    """

    value: Of2
    gradient: Of2
    name: str | None = None

    __hash__ = Custom.__hash__


@dataclass(frozen=True, repr=False)
class CustomActivation(Custom):
    """A custom activation, hidden or of the output; the tuple (value, derivative) may stand for it.

    Parameters
    ----------
    value : callable
        value(z) -> (n, n_l): g(z), elementwise; z is (n, n_l), of the network's dtype, read-only.
    derivative : callable
        derivative(z, a) -> (n, n_l): g'(z), with a = g(z) at hand.
        `deltarule.check_gradients` tells whether it is the derivative of `value`.
    name : str, optional
        By default that of the function `value`.

    Raises
    ------
    TypeError
        If an argument is no callable, or the name no string.

    Notes
    -----
    As of `CustomLoss`. With ``init="auto"`` the weights of its layers are glorot_uniform's. As an
    output its default loss is squared_error, and it goes with any loss: where it leaves the range
    that a loss with logarithms is defined on, the loss is not finite, which is divergence.

    Examples
    --------
    >>> import numpy as np
    >>> import deltarule as dr
    >>> sine = dr.CustomActivation(np.sin, lambda z, a: np.cos(z))
    >>> net = dr.MLP([1, 8, 8, 1], hidden=[sine, "tanh"], seed=0)
    >>> print(net.summary())
    layer   inputs  outputs  activation  parameters
        1        1        8  sin                 16
        2        8        8  tanh                72
        3        8        1  identity             9
    loss squared_error (mean), float32, 97 parameters
    """

    value: Of1
    derivative: Of2
    name: str | None = None

    __hash__ = Custom.__hash__


ActivationWord: TypeAlias = str | CustomActivation
LossWord: TypeAlias = str | CustomLoss

Kind = TypeVar("Kind", CustomLoss, CustomActivation)


def custom(kind: type[Kind], given: object, name: str) -> Kind | None:
    """Return a custom function, or the one that a pair of callables stands for; else None.

    Raises
    ------
    TypeError
        For one callable alone, which has no derivative.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, tuple) and len(given) == 2 and all(map(callable, given)):
        return kind(*given)
    if callable(given):
        pair = "(value, gradient)" if kind is CustomLoss else "(value, derivative)"
        raise TypeError(f"{name} must be a name, a {kind.__name__} or {pair}, not {given!r} alone")
    return None
