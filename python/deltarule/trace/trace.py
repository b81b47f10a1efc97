"""Every quantity of the derivation, by the notes' names: what `MLP.trace` returns."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from deltarule.backend import MLPLike
from deltarule.config import resolve_threads
from deltarule.data import validation
from deltarule.errors import DivergenceError
from deltarule.layers import Array, Layers
from deltarule.trace.quantities import Quantities
from deltarule.trace.rendering import as_markdown, as_text


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Quantities):
    """Every quantity of one forward and backward pass over n samples.

    Row i of an array is sample i. Derivatives are of the reduced loss L. All arrays are read-only
    and of the trace alone: the network may train on.

    Attributes
    ----------
    W, b : Layers
        The parameters, W[l] (n_l, n_{l-1}) and b[l] (n_l,), l = 1..L.
    z : Layers
        z[l] = W[l] a[l-1] + b[l], (n, n_l), l = 1..L.
    a : Layers
        a[0] = x, a[l] = g(z[l]), a[L] = y_hat, (n, n_l), l = 0..L.
    y_hat : ndarray of shape (n, K)
        O(z[L]), for K outputs.
    y : ndarray of shape (n, K)
        The targets; of class indices the rows 1(j = label).
    of_labels : bool
        Whether y was class indices.
    sample_weight : ndarray of shape (n,), or None
        w.
    losses : ndarray of shape (n,), float64
        L_i of each sample, not weighted.
    loss : float
        L, reduced over the samples as the network's `reduction` says.
    dL_dy_hat : ndarray of shape (n, K)
    delta : Layers
        delta[l] = dL/dz[l], (n, n_l), l = 1..L.
    dL_da : Layers
        dL/da[l] = W[l+1]^T delta[l+1], (n, n_l), l = 0..L-1, that of l = 0 being the gradient by
        the input; dL/da[L] = dL/dy_hat.
    dL_dW, dL_db : Layers
        sum_i delta[l] a[l-1]^T and sum_i delta[l], shaped as W[l] and b[l], l = 1..L.
    network : Architecture
        The network: its `sizes`, `hidden`, `output`, `loss`, `reduction`, `dtype`.
    """

    def to_dict(self) -> dict[str, Array]:
        """Return the arrays by name, in the order of the derivation.

        Examples
        --------
        >>> import deltarule as dr
        >>> arrays = dr.MLP([2, 1], seed=0).trace([1.0, 2.0], 1.0).to_dict()
        >>> print(*list(arrays)[5:])
        y_hat y L_i L dL/dy_hat dL/da[1] delta[1] dL/da[0] dL/dW[1] dL/db[1]
        """
        layers, arrays = range(1, self.network.n_layers + 1), {"a[0]": self.a[0]}
        for l in layers:  # noqa: E741
            arrays[f"W[{l}]"], arrays[f"b[{l}]"] = self.W[l], self.b[l]
            arrays[f"z[{l}]"], arrays[f"a[{l}]"] = self.z[l], self.a[l]
        arrays |= {"y_hat": self.y_hat, "y": self.y, "L_i": self.losses}
        if self.sample_weight is not None:
            arrays["w"] = self.sample_weight
        arrays |= {"L": np.array(self.loss), "dL/dy_hat": self.dL_dy_hat}
        for l in reversed(layers):  # noqa: E741
            arrays[f"dL/da[{l}]"], arrays[f"delta[{l}]"] = self.dL_da[l], self.delta[l]
        arrays["dL/da[0]"] = self.dL_da[0]
        for l in reversed(layers):  # noqa: E741
            arrays[f"dL/dW[{l}]"], arrays[f"dL/db[{l}]"] = self.dL_dW[l], self.dL_db[l]
        return arrays

    def to_text(self, *, ascii: bool = False) -> str:
        """Return the derivation, one equation per line, at most 100 columns wide.

        Small arrays with their numbers, others with least, mean and largest entry.

        Parameters
        ----------
        ascii : bool, default False
            Spell out what is not ASCII: delta, y_hat, sum.

        Examples
        --------
        See `MLP.trace`.
        """
        return as_text(self, ascii)

    def __str__(self) -> str:
        """Return `to_text`, in ASCII where stdout cannot encode it."""
        text = as_text(self, ascii=False)
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return as_text(self, ascii=True)
        return text

    __repr__ = __str__

    def to_markdown(self) -> str:
        r"""Return the derivation as Markdown with LaTeX between dollars, as GitHub shows it.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[2.0]]], [[0.5]]))
        >>> print(net.trace([3.0], 6.0).to_markdown().splitlines()[7])
        a^{[0]} = x \qquad \begin{bmatrix} 3 \end{bmatrix} \quad (1, 1)
        """
        return as_markdown(self)

    # What notebooks show. Of the rich forms, Markdown is the one whose mathematics Jupyter, VS Code
    # and Colab all render; VS Code and Colab leave dollars in HTML as they are, and whoever finds
    # HTML as well shows that.
    _repr_markdown_ = to_markdown


def trace_network(
    network: MLPLike,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    threads: int | None,
) -> Trace:
    """Return what `MLP.trace` promises."""
    batch = validation.checked_batch(network._architecture, x, y, sample_weight)
    quantities = network._core.propagate(*batch, resolve_threads(threads))
    if quantities is None:
        raise DivergenceError("the loss is not finite; it has no gradient", 1, 1)
    z, a, losses, dy_hat, delta, da = quantities
    rows, targets, weight = batch
    loss, grads = network.value_and_grad(rows, targets, sample_weight=weight, threads=threads)
    dx = network.input_gradient(rows, targets, sample_weight=weight, threads=threads)
    of_labels = targets.ndim == 1
    if of_labels:
        targets = (targets[:, np.newaxis] == np.arange(network.sizes[-1])).astype(network.dtype)
    return Trace(
        network=network._architecture,
        W=_own("W", network.weights),
        b=_own("b", network.biases),
        z=_own("z", z),
        a=_own("a", [rows, *a], first=0),
        y=_read_only(targets),
        of_labels=of_labels,
        sample_weight=None if weight is None else _read_only(weight),
        losses=_read_only(losses),
        loss=loss,
        dL_dy_hat=_read_only(dy_hat),
        delta=_own("delta", delta),
        dL_da=_own("dL_da", [dx, *da, dy_hat], first=0),
        dL_dW=_own("dL_dW", grads.weights),
        dL_db=_own("dL_db", grads.biases),
    )


def _own(name: str, arrays: Sequence[Array], first: int = 1) -> Layers:
    return Layers(name, [_read_only(array) for array in arrays], first)


def _read_only(array: Array) -> Array:
    """Return a read-only copy: the array may be an argument, or the network's."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy
