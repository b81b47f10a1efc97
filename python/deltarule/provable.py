"""The methods that show a network's mathematics; their work is imported when one is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from deltarule.network import MLP
    from deltarule.proof.trace import Trace


class Provable:
    """The part of `MLP` that shows each step of what it computes."""

    def trace(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        threads: int | None = None,
    ) -> Trace:
        """Compute every quantity of the forward and the backward pass, by the notes' names.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`. One sample may be x of shape (n_0,) with y (n_L,), a number or a
            class index.

        Returns
        -------
        Trace
            z[l], a[l], y_hat, the losses L_i and L, dL/dy_hat, delta[l], dL/da[l], dL/dW[l] and
            dL/db[l] as arrays: ``trace.z[1]``, ``trace.dL_dW[2]``, ... It prints as the notes'
            equations with shapes, and numbers where they are few; a notebook shows them as
            mathematics.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        DivergenceError
            If the loss is not finite, so that there is no gradient.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 2, 1], init=([[[1, 2], [3, -4]], [[5, 6]]], [[1, 0], [-8]]))
        >>> trace = net.trace([2.0, 1.0], 15.0)
        >>> trace.delta[1]
        array([[70., 84.]], dtype=float32)
        >>> print(trace)  # doctest: +ELLIPSIS
        MLP 2-2-1, float32: hidden relu; output identity; loss squared_error (mean)
        ...
          δ[2] = ∂L/∂ŷ ⊙ O'(z[2]) = 1/n (ŷ − y)  (1, 1)  [14.]
              O'(z) = 1
          ∂L/∂a[1] = W[2]ᵀ δ[2]                  (1, 2)  [70. 84.]
          δ[1] = ∂L/∂a[1] ⊙ g'(z[1])             (1, 2)  [70. 84.]
              g'(z) = 1(z > 0)
        ...
        """
        from deltarule.proof.trace import trace_network

        return trace_network(cast("MLP", self), x, y, sample_weight, threads)
