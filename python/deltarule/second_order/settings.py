"""`LevenbergMarquardt` and `LBFGS`: settings, and the options of a fit that they exclude."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from deltarule.arguments import POSITIVE, check_number, whole_number
from deltarule.layers import Array

if TYPE_CHECKING:
    from deltarule.architecture import Architecture

After: TypeAlias = Callable[[Array, float], bool]  # of theta and its loss: whether that is enough

# L of a sample over sum_j e_j^2, of the losses that are sums of squares; K outputs.
SQUARES: dict[str, Callable[[int], float]] = {
    "squared_error": lambda K: 1 / 2,
    "sum_squared_error": lambda K: 1.0,
    "mean_squared_error": lambda K: 1 / K,
}
# The matrix of that many parameters is 200 MB, and there are two.
MOST_PARAMETERS = 5000


class SecondOrder:
    """What `LevenbergMarquardt` and `LBFGS` have in common: the fits that they are for."""

    def check(
        self, network: Architecture, batch_size: object, schedule: object, rates: Array | None
    ) -> None:
        """Raise naming the argument of `MLP.fit`, or the part of the network, that does not fit.

        Parameters
        ----------
        network : Architecture
        batch_size, schedule
            As given to `MLP.fit`.
        rates : ndarray or None
            Of dropout; None for no dropout.
        """
        name = type(self).__name__
        if network.dtype != np.float64:
            raise ValueError(
                f"optimizer {name} needs the digits of a network of dtype='float64', "
                f"this one is {network.dtype.name}"
            )
        if batch_size is not None and not (isinstance(batch_size, str) and batch_size == "auto"):
            raise ValueError(
                f"batch_size must not be given with {name}, which takes all samples at once, "
                f"but is {batch_size!r}"
            )
        if schedule is not None:
            raise ValueError(
                f"schedule must not be given with {name}, which has no learning rate, "
                f"but is {schedule!r}"
            )
        if rates is not None:
            raise ValueError(f"dropout must be 0 with {name}, not {rates.tolist()}")


@dataclass(frozen=True)
class LevenbergMarquardt(SecondOrder):
    """The Levenberg-Marquardt method, for `MLP.fit` on small regressions: a few dozen iterations.

    With r the residuals y_hat - y, each by the root of its share of the loss so that
    L = 1/2 |r|^2, J = dr/dtheta and g = J^T r = dL/dtheta, an iteration tries::

        (J^T J + mu I) p = -g;  theta <- theta + p

    and keeps the first p that lowers the loss. A p that does not is rejected: mu grows by `factor`,
    then by twice that, and so on, and p is solved for anew within the same iteration, J^T J kept.
    After a step that was kept, mu shrinks as far as the loss fell as foreseen (Nielsen), to a third
    at most: near a minimum of small residuals the steps are Gauss-Newton's and converge
    quadratically.

    An epoch is an iteration, a kept step over all samples. `History.loss` is the loss after it, so
    that it never rises, and the fit ends before its last epoch where no step lowers the loss any
    more: at a minimum, to rounding. Each fit begins with its own mu. Needs SciPy (extra
    `second-order`), float64, at most 5000 parameters, and a loss that is a sum of squares
    (squared_error, sum_squared_error, mean_squared_error), with any output; no dropout, schedule,
    batch_size or stream. `History.learning_rate` is 1.

    Parameters
    ----------
    damping : float, default 0.001
        The first mu, over the largest diagonal entry of J^T J; above 0. Large: short steps, along
        the gradient. Small: Gauss-Newton's.
    factor : float, default 2.0
        By which mu grows after a first rejected step, above 1.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    Notes
    -----
    J is computed a block of rows at a time (32 MiB), so that memory is that of two matrices of
    n_parameters^2. The matrices are LAPACK's, on one thread: their bits depend on its build, not on
    a number of threads. No advice is given after the fit.

    References
    ----------
    Marquardt, An algorithm for least-squares estimation of nonlinear parameters, SIAM J. 11, 1963.
    Hagan, Menhaj, Training feedforward networks with the Marquardt algorithm, IEEE Trans. Neural
    Networks 5, 1994. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05.

    Examples
    --------
    >>> import numpy as np
    >>> import deltarule as dr
    >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
    >>> net = dr.MLP([1, 8, 1], hidden="tanh", dtype="float64", seed=0)
    >>> history = net.fit(x, np.sin(3 * x), epochs=30, optimizer=dr.LevenbergMarquardt())
    >>> history.loss[-1] < 1e-5
    True
    """

    damping: float = 1e-3
    factor: float = 2.0

    def __post_init__(self) -> None:
        check_number("damping", self.damping, *POSITIVE)
        above_1 = math.nextafter(1.0, 2.0)
        check_number("factor", self.factor, above_1, math.inf, "above 1 and finite")

    def check(
        self, network: Architecture, batch_size: object, schedule: object, rates: Array | None
    ) -> None:
        """Raise as `SecondOrder` does, or for a loss or a size that is not for this method."""
        super().check(network, batch_size, schedule, rates)
        if network.loss not in SQUARES:
            raise ValueError(
                f"loss must be a sum of squares for LevenbergMarquardt ({', '.join(SQUARES)}), "
                f"not {str(network.loss)!r}; LBFGS takes any"
            )
        if network.n_parameters > MOST_PARAMETERS:
            raise ValueError(
                f"LevenbergMarquardt takes at most {MOST_PARAMETERS} parameters, whose square its "
                f"matrix has, the network has {network.n_parameters}; LBFGS takes any number"
            )


@dataclass(frozen=True)
class LBFGS(SecondOrder):
    """L-BFGS, for `MLP.fit`: SciPy's L-BFGS-B on the loss of all samples and its gradient.

    Steps along -H g, H an approximation of the inverse Hessian by the last changes of theta and of
    the gradient, of a length by a line search that meets the strong Wolfe conditions.

    An epoch is an iteration, a step over all samples, whose line search mostly evaluates the loss
    and its gradient once. `History.loss` is the loss after it, so that it never rises, and the fit
    ends before its last epoch where no step lowers the loss any more. Each fit begins without
    memory. Needs SciPy (extra `second-order`) and float64; takes any loss and output, without
    weight decay; no dropout, schedule, batch_size or stream. `History.learning_rate` is 1.

    Parameters
    ----------
    memory : int, default 10
        The number of last changes that approximate the Hessian, 1 or more.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    Notes
    -----
    During the fit, its callbacks included, the process's BLAS works on one thread, so that the bits
    do not depend on a number of threads. No advice is given after it.

    References
    ----------
    Liu, Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical
    Programming 45, 1989. Zhu, Byrd, Lu, Nocedal, Algorithm 778, ACM TOMS 23, 1997.

    Examples
    --------
    >>> import deltarule as dr
    >>> x, y = dr.load_digits()
    >>> net = dr.MLP([64, 16, 10], output="softmax", dtype="float64", seed=0)
    >>> history = net.fit(x, y, epochs=30, optimizer=dr.LBFGS())
    >>> history.loss[-1] < 0.2
    True
    """

    memory: int = 10

    def __post_init__(self) -> None:
        whole_number(self.memory, "memory", 1)
