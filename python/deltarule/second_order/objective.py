"""The loss over all samples as a function of theta, with its derivatives."""

from __future__ import annotations

import numpy as np

from deltarule.architecture import Architecture
from deltarule.backend import loss_of, predict_into
from deltarule.custom.core import make_core
from deltarule.data.rows import parts
from deltarule.data.samples import Samples
from deltarule.layers import Array
from deltarule.second_order.settings import SQUARES

# Numbers of the Jacobian that are there at a time: 32 MiB.
_BLOCK = 2**22


class Problem:
    """L(theta) of a network of its own: the network that is trained stays as it is.

    Parameters
    ----------
    network : Architecture
        In float64.
    data : Samples
    threads : int

    Attributes
    ----------
    shares : ndarray of shape (n,)
        c of L = sum_i c_i L_i.
    """

    def __init__(self, network: Architecture, data: Samples, threads: int) -> None:
        self._architecture, self._threads = network, threads
        self._core = make_core(network)
        self._whole = data.whole
        self._data = data if self._whole is None else Samples(*self._whole)
        self.shares = np.ones(len(data)) if data.weight is None else data.weight
        if network.reduction == "mean":
            self.shares = self.shares / max(self.shares.sum(), np.finfo(np.float64).tiny)

    def loss(self, theta: Array) -> float:
        """Return L, as `MLP.evaluate` gives it."""
        self._core.set_theta(theta)
        return loss_of(self._core, self._data, self._architecture.reduction, self._threads)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return L and dL/dtheta, (D,)."""
        self._core.set_theta(theta)
        if self._whole is not None:
            return self._core.value_and_gradient(*self._whole, self._threads)
        is_mean = self._architecture.reduction == "mean"
        value, gradient = 0.0, np.zeros_like(theta)
        with np.errstate(all="ignore"):
            for part, batch in self._data.blocks():
                of_part = self._core.value_and_gradient(*batch, self._threads)
                share = float(self.shares[part].sum()) if is_mean else 1.0
                value += share * of_part[0]
                gradient += share * of_part[1]
        return value, gradient

    def normal_equations(self, theta: Array) -> tuple[Array, Array]:
        """Return J^T J, its upper triangle (D, D), and J^T r = dL/dtheta, (D,), block by block.

        For r_ij = (y_hat_ij - y_ij) sqrt(2 q c_i), L = sum_i c_i q sum_j (y_hat_ij - y_ij)^2.
        """
        from scipy.linalg.blas import dsyrk

        core, D, K = self._core, len(theta), self._architecture.sizes[-1]
        core.set_theta(theta)
        matrix, gradient = np.zeros((D, D), order="F"), np.zeros(D)
        roots = np.sqrt(2 * SQUARES[str(self._architecture.loss)](K) * self.shares)[:, np.newaxis]
        with np.errstate(all="ignore"):
            for part in parts(len(self._data), max(1, _BLOCK // (K * D))):
                x, y, _ = self._data.take(part)
                y_hat = predict_into(core, x, np.empty_like(y), self._threads)
                J = core.output_jacobian(x, 0, K, True, None, self._threads)
                J *= roots[part, :, np.newaxis]
                rows, r = J.reshape(-1, D), (roots[part] * (y_hat - y)).ravel()
                matrix = dsyrk(1.0, rows.T, beta=1.0, c=matrix, overwrite_c=True)
                gradient += rows.T @ r
                self._data.done()
        return matrix, gradient
