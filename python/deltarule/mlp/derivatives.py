"""Derivatives beyond the gradient: of single samples, of the outputs, and of second order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from deltarule.arguments import whole_number
from deltarule.config import resolve_threads
from deltarule.data import validation
from deltarule.errors import DivergenceError
from deltarule.layers import Array

if TYPE_CHECKING:
    from deltarule.architecture import Architecture
    from deltarule.backend import Core


class Differentiable:
    """The derivative methods of `MLP`.

    With J = dy_hat/dx or dy_hat/dtheta of a sample. At a kink the derivative is that of the formula
    in `deltarule.reference`: relu'(0) = 0, leaky_relu'(0) = its slope, abs'(0) = 0; and the second
    derivative of a piecewise linear function is 0 everywhere, so that H v of a relu network is that
    of the piece on which the samples lie.

    One sample may be 1-D, as in `MLP.evaluate`; a result that has an axis of samples then lacks it.
    Computed in the network's dtype; every result has the same bits for any number of threads.
    """

    _architecture: Architecture
    _core: Core

    def input_gradient(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        output: int | None = None,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Array:
        """Compute dL/dx, or the gradient of one output by x.

        dL/dx = W[1]^T delta[1], row by row; of the loss as `evaluate` gives it, so that the mean's
        1/N is in it.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `MLP.evaluate`.
        output : int, optional
            In place of y: k, for dy_hat_k/dx.

        Returns
        -------
        ndarray of shape (n_samples, n_0) or (n_0,)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite; if not one of y and output is given.
        DivergenceError
            If the loss is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1], init=([[[1.0, -3.0]]], [[0.0]]))
        >>> net.input_gradient([[2.0, 0.0]], [1.0]), net.input_gradient([[2.0, 0.0]], output=0)
        (array([[ 1., -3.]], dtype=float32), array([[ 1., -3.]], dtype=float32))
        """
        if (y is None) == (output is None):
            raise TypeError("input_gradient takes y, or output=k, and not both")
        if y is not None:
            batch = validation.checked_batch(self._architecture, x, y, sample_weight)
            dx = _finite(self._core.input_gradient(*batch, resolve_threads(threads)), "the loss")
            return dx if validation.one_row(x) is None else dx[0]
        if sample_weight is not None:
            raise TypeError("sample_weight is of the loss: it does not go with output")
        k, n_out = whole_number(output, "output", 0), self._architecture.sizes[-1]
        if k >= n_out:
            raise ValueError(f"output must be below {n_out}, the number of outputs, not {k}")
        rows, one = validation.checked_rows(self._architecture, x)
        jacobian = self._core.output_jacobian(rows, k, 1, False, None, resolve_threads(threads))
        return jacobian[0, 0] if one else jacobian[:, 0]

    def jacobian(
        self, x: ArrayLike, *, wrt: str = "x", out: Array | None = None, threads: int | None = None
    ) -> Array:
        """Compute the Jacobian of y_hat, sample by sample.

        Row k is J_O(z[L])^T e_k, carried back by the recursion of the deltas.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
        wrt : {"x", "theta"}
            What to differentiate by: the sample's own x, or the parameters.
        out : ndarray, optional
            Where to write, as for `MLP.predict`: new memory is much of the time of a large result.
        threads : int, optional

        Returns
        -------
        ndarray of shape (n_samples, n_L, n_0) or (n_samples, n_L, n_parameters)
            dy_hat_k / dx_j of each sample, or dy_hat_k / dtheta_d; of one sample, 1-D,
            (n_L, n_0) or (n_L, n_parameters).

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        MemoryError
            If the result does not fit.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1], init=([[[1.0, -3.0]]], [[0.0]]))
        >>> net.jacobian([[2.0, 5.0]]).tolist(), net.jacobian([[2.0, 5.0]], wrt="theta").tolist()
        ([[[1.0, -3.0]]], [[[2.0, 5.0, 1.0]]])
        """
        by_theta, (rows, one) = _by_theta(wrt), validation.checked_rows(self._architecture, x)
        n_in, *_, n_out = self._architecture.sizes
        shape = (len(rows), n_out, self._core.n_parameters if by_theta else n_in)
        validation.check_size(shape, self._architecture.dtype, "the Jacobian")
        to = None if out is None else self._out(out, shape, x, one)
        most = resolve_threads(threads)
        jacobian = self._core.output_jacobian(rows, 0, n_out, by_theta, to, most)
        if out is not None:
            return out
        return jacobian[0] if one else jacobian

    def per_sample_gradients(
        self, x: ArrayLike, y: ArrayLike, *, out: Array | None = None, threads: int | None = None
    ) -> Array:
        """Compute the gradient of the loss of each sample by the parameters.

        Of the sample's own loss L_i, whatever the reduction: dL_i/dW[l] = delta[l] a[l-1]^T.

        Parameters
        ----------
        x, y, threads
            As for `MLP.evaluate`.
        out : ndarray of the result's shape, optional
            Where to write, as for `MLP.predict`: new memory is much of the time of a large result.

        Returns
        -------
        ndarray of shape (n_samples, n_parameters) or (n_parameters,)
            In the order of theta; the mean over the samples is `value_and_grad`'s gradient, to
            rounding.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        DivergenceError
            If the loss is not finite.
        MemoryError
            If the result does not fit.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> net.per_sample_gradients([[2.0], [3.0]], [1.0, 1.0]).tolist()
        [[2.0, 1.0], [6.0, 2.0]]
        """
        rows, targets, _ = validation.checked_batch(self._architecture, x, y, None)
        one = validation.one_row(x) is not None
        shape = (len(rows), self._core.n_parameters)
        validation.check_size(shape, self._architecture.dtype, "the result")
        to = None if out is None else self._out(out, shape, x, one)
        made = self._core.per_sample_gradients(rows, targets, to, resolve_threads(threads))
        gradients = _finite(made, "the loss")
        if out is not None:
            return out
        return gradients[0] if one else gradients

    def jvp(
        self, x: ArrayLike, v: ArrayLike, *, wrt: str = "x", threads: int | None = None
    ) -> Array:
        """Compute J v: how y_hat changes along a direction.

        Forward mode: z_dot[l] = W[l] a_dot[l-1] + W_dot[l] a[l-1] + b_dot[l],
        a_dot[l] = g'(z[l]) z_dot[l], y_hat_dot = J_O(z[L]) z_dot[L].

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
        v : array_like of the shape of x, or (n_parameters,) with wrt="theta"
            The direction: of each sample, or of the parameters.
        wrt : {"x", "theta"}
        threads : int, optional

        Returns
        -------
        ndarray of shape (n_samples, n_L) or (n_L,)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1], init=([[[1.0, -3.0]]], [[0.0]]))
        >>> net.jvp([[2.0, 5.0]], [[1.0, 1.0]]).tolist()
        [[-2.0]]
        >>> net.jvp([[2.0, 5.0]], [1.0, 0.0, 10.0], wrt="theta").tolist()
        [[12.0]]
        """
        by_theta, (rows, one) = _by_theta(wrt), validation.checked_rows(self._architecture, x)
        direction = self._direction(v) if by_theta else self._like(v, "v", rows.shape, one)
        y_dot = self._core.jvp(rows, direction, by_theta, resolve_threads(threads))
        return y_dot[0] if one else y_dot

    def vjp(
        self, x: ArrayLike, u: ArrayLike, *, wrt: str = "x", threads: int | None = None
    ) -> Array:
        """Compute J^T u: the gradient of sum_ik u_ik y_hat_ik.

        Reverse mode: delta[L] = J_O(z[L])^T u, then the recursion of the deltas.

        Parameters
        ----------
        x : array_like of shape (n_samples, n_0) or (n_0,)
        u : array_like of shape (n_samples, n_L), or (n_L,) of one sample
            What each output counts.
        wrt : {"x", "theta"}
        threads : int, optional

        Returns
        -------
        ndarray of the shape of x, or (n_parameters,) with wrt="theta"
            Each sample's by its own x, or the sum over the samples by theta.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([2, 1], init=([[[1.0, -3.0]]], [[0.0]]))
        >>> net.vjp([[2.0, 5.0]], [[10.0]]).tolist()
        [[10.0, -30.0]]
        >>> net.vjp([[2.0, 5.0]], [[10.0]], wrt="theta").tolist()
        [20.0, 50.0, 10.0]
        """
        by_theta, (rows, one) = _by_theta(wrt), validation.checked_rows(self._architecture, x)
        outputs = self._like(u, "u", (len(rows), self._architecture.sizes[-1]), one)
        product = self._core.vjp(rows, outputs, by_theta, resolve_threads(threads))
        gradient = _finite(product, "J^T u")
        return gradient[0] if one and not by_theta else gradient

    def hvp(
        self,
        x: ArrayLike,
        y: ArrayLike,
        v: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Array:
        """Compute H v, H being the Hessian of the loss by the parameters.

        By the R-operator (Pearlmutter, Neural Computation 6, 1994): the passes of `value_and_grad`
        differentiated along v, at some three times their cost; H is never formed.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `MLP.evaluate`.
        v : array_like of shape (n_parameters,)
            In the order of theta.

        Returns
        -------
        ndarray of shape (n_parameters,)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        DivergenceError
            If the product is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> net.hvp([[2.0]], [1.0], [1.0, 0.0]).tolist()  # H = [[4, 2], [2, 1]]
        [4.0, 2.0]
        """
        return self._hessian_product(x, y, v, sample_weight, False, threads)

    def gauss_newton_vp(
        self,
        x: ArrayLike,
        y: ArrayLike,
        v: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
    ) -> Array:
        """Compute G v, G being the Gauss-Newton part of the Hessian.

        G = sum_i c_i J_i^T H_i J_i with c_i the sample's share in the loss (Schraudolph, Neural
        Computation 14, 2002): H without the second derivatives of the network; positive
        semi-definite where the loss is convex. For the canonical pairs (identity with a loss of
        y_hat - y, sigmoid with binary_cross_entropy, softmax with cross_entropy, exp with poisson)
        J is dz[L]/dtheta and H_i = d2L_i/dz[L]^2; for the others dy_hat/dtheta and d2L_i/dy_hat^2.

        Parameters
        ----------
        x, y, sample_weight, threads
            As for `MLP.evaluate`.
        v : array_like of shape (n_parameters,)

        Returns
        -------
        ndarray of shape (n_parameters,)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit or is not finite.
        DivergenceError
            If the product is not finite.

        Examples
        --------
        >>> import deltarule as dr
        >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
        >>> net.gauss_newton_vp([[2.0]], [1.0], [1.0, 0.0]).tolist()
        [4.0, 2.0]
        """
        return self._hessian_product(x, y, v, sample_weight, True, threads)

    def _hessian_product(
        self, x: ArrayLike, y: ArrayLike, v: ArrayLike, sample_weight: ArrayLike | None,
        gauss_newton: bool, threads: int | None,
    ) -> Array:  # fmt: skip
        batch = validation.checked_batch(self._architecture, x, y, sample_weight)
        direction = self._direction(v)
        product = self._core.hessian_product(
            *batch, direction, gauss_newton, resolve_threads(threads)
        )
        return _finite(product, "the product")

    def _out(self, out: Array, shape: tuple[int, ...], x: ArrayLike, one: bool) -> Array:
        given = shape[1:] if one else shape
        return validation.output_array(out, given, self._architecture.dtype, x).reshape(shape)

    def _direction(self, v: ArrayLike) -> Array:
        return self._like(v, "v", (self._core.n_parameters,))

    def _like(
        self, values: ArrayLike, name: str, shape: tuple[int, ...], one: bool = False
    ) -> Array:
        given = shape[1:] if one else shape
        return validation.parameter(values, given, self._architecture.dtype, name).reshape(shape)


def _by_theta(wrt: object) -> bool:
    if wrt not in ("x", "theta"):
        raise ValueError(f"wrt must be 'x' or 'theta', not {wrt!r}")
    return wrt == "theta"


def _finite(result: Array | None, what: str) -> Array:
    if result is None:
        raise DivergenceError(f"{what} is not finite; it has no derivative", 1, 1)
    return result
