"""The methods that show a network's mathematics; their work is imported when one is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from numpy.typing import ArrayLike

from deltarule.config import resolve_threads
from deltarule.data import validation
from deltarule.layers import Layers

if TYPE_CHECKING:
    from deltarule.architecture import Architecture
    from deltarule.backend import Core, MLPLike
    from deltarule.optimizers import Optimizer
    from deltarule.reference import Backward, Forward
    from deltarule.trace.trace import Trace
    from deltarule.verification.report import Report


class Provable:
    """The part of `MLP` that shows and verifies each step of its computation."""

    _architecture: Architecture
    _core: Core

    def activations(self, x: ArrayLike, *, threads: int | None = None) -> Layers:
        """Compute a[l] of every layer.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
        threads : int, optional

        Returns
        -------
        Layers
            a[1] .. a[L] by the number of the layer, each (n_samples, n_l), or (n_l,) of one
            sample; a[L] is y_hat.

        Raises
        ------
        TypeError, ValueError
            If x does not fit or is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([3, 8, 2], output="softmax", seed=0)
        >>> a = net.activations([[1.0, 2.0, 3.0]])
        >>> a
        a[1] (1, 8), a[2] (1, 2)
        >>> a[2].sum().round(3).item()
        1.0
        """
        rows, one = validation.checked_rows(self._architecture, x)
        layers = self._core.activations(rows, resolve_threads(threads))
        return Layers("a", [a[0] if one else a for a in layers])

    def forward_propagation(self, x: ArrayLike, *, threads: int | None = None) -> Forward:
        """Compute the forward pass: the lecture notes' algorithm of that name.

        a[0] = x; for l = 1..L: z[l] = W[l] a[l-1] + b[l], a[l] = g(z[l]); y_hat = O(z[L]).
        (Notes 003 write a_k for z[k] and h_k for a[k].)

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
            As for `predict`; one sample, 1-D, is a row of the result.
        threads : int, optional

        Returns
        -------
        deltarule.reference.Forward
            z[l], l = 1..L, and a[l], l = 0..L, by the number of the layer, each (n_samples, n_l);
            y_hat = a[L]. As of `deltarule.reference.forward_propagation`, but the core's numbers.

        Raises
        ------
        TypeError, ValueError
            If x does not fit or is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 2, 1], init=([[[1, 2], [3, -4]], [[5, 6]]], [[1, 0], [-8]]))
        >>> forward = net.forward_propagation([2.0, 1.0])
        >>> forward.z[1].tolist(), forward.a[1].tolist(), forward.y_hat.tolist()
        ([[5.0, 2.0]], [[5.0, 2.0]], [[29.0]])
        """
        from deltarule.trace.algorithms import forward_propagation

        return forward_propagation(cast("MLPLike", self), x, threads)

    def back_propagation(
        self,
        forward: Forward,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        threads: int | None = None,
    ) -> Backward:
        """Compute the backward pass: the lecture notes' algorithm of that name.

        delta[L] = dL/dz[L]; for l = L..1: dL/dW[l] = delta[l] a[l-1]^T, dL/db[l] = delta[l],
        dL/da[l-1] = W[l]^T delta[l], delta[l-1] = dL/da[l-1] * g'(z[l-1]).
        (Notes 003 write grad_{a_k} for delta[k] and grad_{h_k} for dL/da[k].) The formulas are of
        one sample as a column; arrays have samples as rows, so that dL_da[l-1] is
        ``delta[l] @ net.W[l]`` and dL_dW[l] is ``delta[l].T @ a[l-1]``.

        Parameters
        ----------
        forward : deltarule.reference.Forward
            What `forward_propagation` returned, the parameters being the same since.
        y, sample_weight, threads
            As for `evaluate`.

        Returns
        -------
        deltarule.reference.Backward
            Of the reduced loss, by the number of the layer: delta[l], dL_dW[l] and dL_db[l],
            l = 1..L, and dL_da[l], l = 0..L, where dL_da[0] is the gradient by the input and
            dL_da[L] that by y_hat.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite, or forward is of other parameters.
        DivergenceError
            If the loss is not finite, so that there is no gradient.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 2, 1], init=([[[1, 2], [3, -4]], [[5, 6]]], [[1, 0], [-8]]))
        >>> forward = net.forward_propagation([2.0, 1.0])
        >>> backward = net.back_propagation(forward, 15.0)
        >>> backward.delta[1].tolist(), backward.dL_dW[2].tolist(), backward.dL_da[0].tolist()
        ([[70.0, 84.0]], [[70.0, 28.0]], [[322.0, -196.0]])
        """
        from deltarule.trace.algorithms import back_propagation

        return back_propagation(cast("MLPLike", self), forward, y, sample_weight, threads)

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
            As for `evaluate`; one sample, 1-D, is a row of every array.

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
        from deltarule.trace.trace import trace_network

        return trace_network(cast("MLPLike", self), x, y, sample_weight, threads)

    def verify(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        optimizer: Optimizer | None = None,
        strict: bool = False,
        seed: int = 0,
        max_rows: int | None = 100,
        max_entries: int | None = 20,
        threads: int | None = None,
    ) -> Report:
        """Prove the results of the network on these samples, tensor by tensor.

        Forward pass, loss, backward pass, gradient and one update of the C++ core are compared with
        `deltarule.reference` in float64, each step taken from the core's own numbers before it: so
        a bound is the rounding of one step, which is known, and an error shows where it is made.
        The gradient is then compared with slopes of the loss along single parameters, taken by the
        complex step (Squire, Trapp, SIAM Review 40, 1998), or by central differences where a
        function is a custom one; neither uses backpropagation.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `evaluate`.
        optimizer : SGD, Adam or AdamW, optional
            The optimizer whose step is compared, on a copy of the network with its optimizer
            state; by default ``SGD()``. Without such a state the second step is compared.
        strict : bool, default False
            Whether a tensor beyond its bound is an error.
        seed : int, default 0
            Of the drawn samples and parameters, where there are more than are examined.
        max_rows : int or None, default 100
            Samples to examine; None: all.
        max_entries : int or None, default 20
            Parameters of each tensor along which slopes are taken; None: all.

        Returns
        -------
        Report
            One line per tensor: its largest absolute, relative and ulp error, the entry nearest
            to its bound or beyond, that bound and its reason. ``report.ok``, ``print(report)``,
            ``report.broken`` (what is wrong by itself) and ``report.to_dict()`` for JSON.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        VerificationError
            With ``strict``, if a tensor is beyond its bound, naming the worst; its `report` has
            all.
        DivergenceError
            If the loss is not finite, or the step overflows.

        Notes
        -----
        The network is not changed. Bounds follow from rounding alone, for the worst of signs, and
        hold for any data; those of z, delta and the gradient grow with the length of the sums.

        Examples
        --------
        >>> import deltarule as dr
        >>> x, y = dr.load_digits()
        >>> net = dr.MLP([64, 16, 10], output="softmax", seed=0)
        >>> report = net.verify(x, y, optimizer=dr.SGD(lr=0.1, momentum=0.9))
        >>> report.ok, len(report.lines)
        (True, 27)
        >>> print(report)  # doctest: +ELLIPSIS
        MLP 64-16-10, float32: hidden relu; output softmax; loss cross_entropy (mean)
        ...
        all 27 tensors within their bounds; looked at 100 of 1797 rows, 66 of 1210 parameters...
        """
        from deltarule.verification.sampling import Sampling
        from deltarule.verification.verify import verify_network

        return verify_network(
            cast("MLPLike", self), x, y, sample_weight, optimizer=optimizer, strict=strict,
            sampling=Sampling(seed, max_rows, max_entries), threads=threads,
        )  # fmt: skip
