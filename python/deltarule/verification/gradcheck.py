"""The core's gradient beside central differences of the network's own loss."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from deltarule.arguments import check_flag, check_number
from deltarule.backend import Core, MLPLike
from deltarule.config import resolve_threads
from deltarule.custom.core import make_core
from deltarule.data.samples import Batch
from deltarule.layers import Array
from deltarule.verification.arithmetic import U64, Arithmetic
from deltarule.verification.compare_passes import Quantities, propagated
from deltarule.verification.comparisons import Comparisons, Name
from deltarule.verification.reference_model import Model
from deltarule.verification.report import Report
from deltarule.verification.sampling import Sampling
from deltarule.verification.slopes import Entries
from deltarule.verification.verify import make_report

BOUND = "atol + rtol |difference|, and the rounding of L, 2^-47 |L| / eps"
BOUND_OF_FLOAT32 = BOUND + ", and of g, K u |delta|^T |a|"


def check_gradients(
    net: MLPLike,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    seed: int = 0,
    max_rows: int | None = 100,
    max_entries: int | None = 20,
    threads: int | None = None,
) -> Report:
    """Check the gradient of a network against central differences of its loss.

    Entry by entry, |g - d| <= atol + rtol |d|, where g is that of `MLP.value_and_grad` and
    d = (L(theta + eps) - L(theta - eps)) / (2 eps) of the network's own loss, a float32 network's
    taken in float64. Names, defaults and the exception are as `torch.autograd.gradcheck` has them.
    It shows whether the derivative of a custom loss or activation is right; `MLP.verify` has
    tighter bounds.

    Parameters
    ----------
    net : MLPLike
        It is not changed.
    x, y, sample_weight, threads
        As for `MLP.evaluate`.
    eps : float, default 1e-6
        The step in each parameter.
    atol, rtol : float, default 1e-5 and 1e-3
        0 or more. To the tolerance comes what rounding does to L (and in float32 to g).
    raise_exception : bool, default True
        Whether a gradient that is wrong is an error; else the report tells.
    seed, max_rows, max_entries
        As for `MLP.verify`.

    Returns
    -------
    Report
        One line per tensor. It is true where the gradient is right, so that
        ``assert dr.check_gradients(net, x, y)`` reads as with gradcheck.

    Raises
    ------
    VerificationError
        If the gradient is wrong, naming the worst tensor and entry; its `report` has all.
    TypeError, ValueError
        If an argument does not fit or is not finite.
    DivergenceError
        If the loss is not finite.

    Notes
    -----
    An entry whose step crosses a kink (of relu, of an absolute error) has no difference to compare
    with: where it is off, it is left out and counted. So is a sample which float32 puts on the
    other side of a kink.

    Examples
    --------
    >>> import deltarule as dr
    >>> x, y = dr.load_digits()
    >>> net = dr.MLP([64, 16, 10], hidden="tanh", output="softmax", seed=0)
    >>> bool(dr.check_gradients(net, x[:50], y[:50]))
    True
    """
    check_number("eps", eps, math.ulp(0.0), math.inf, "above 0 and finite")
    check_number("atol", atol, 0.0, math.inf, "0 or more and finite")
    check_number("rtol", rtol, 0.0, math.inf, "0 or more and finite")
    raise_exception = check_flag(raise_exception, "raise_exception")
    sampling = Sampling(seed, max_rows, max_entries)
    sampled = sampling.samples(net._architecture, x, y, sample_weight)
    comparisons, parameters = Comparisons(net.dtype), 0
    with np.errstate(all="ignore"):
        check = _Check(net, sampled.batch, float(eps), resolve_threads(threads))
        for entries in sampling.entries(net._architecture):
            check.compare(comparisons, entries, float(atol), float(rtol))
            parameters += len(entries.units)
    sampled = sampled._replace(rows=sampled.rows[~check.left_out])
    report = make_report(net, comparisons, sampling, sampled, parameters, {})
    if raise_exception:
        report.raise_if_broken()
    return report


class _Check:
    """A network's gradient, and a copy of it in float64 whose parameters are moved.

    Attributes
    ----------
    left_out : ndarray of bool
        Rows that float32 puts on the other side of a kink.
    """

    def __init__(self, net: MLPLike, batch: Batch, eps: float, threads: int) -> None:
        self._net, self._eps, self._threads = net, eps, threads
        self._model, self._narrow = Model.of(net._architecture), net.dtype != np.float64
        self._positions = net._gradients(np.arange(net.n_parameters))
        self._core = _in_float64(net)
        self._theta = self._core.get_theta()
        here = propagated(net._core, batch, threads)
        self._batch = _widened(batch)
        self._here = self._at(self._theta)
        self.left_out = self._apart(here)
        x, y, weight = batch
        if self.left_out.any():
            weight = np.where(self.left_out, 0.0, 1.0 if weight is None else weight)
            batch = x, y, weight
            self._batch = _widened(batch)
            self._here = self._at(self._theta)
        self._gradient = net._gradients(net._core.value_and_gradient(*batch, threads)[1])
        c = self._model.factors(len(x), weight)
        loss_size = np.abs(np.where(c > 0.0, c * self._here.losses, 0.0)).sum()
        self._rounding = 64 * U64 * float(loss_size) / eps

    def compare(self, comparisons: Comparisons, entries: Entries, atol: float, rtol: float) -> None:
        """Compare some entries."""
        gradient = entries.of(self._gradient.weights, self._gradient.biases).astype(np.float64)
        positions = entries.of(self._positions.weights, self._positions.biases)
        slopes = np.array([self._slope(p) for p in positions])
        bounds = atol + rtol * np.abs(slopes) + self._rounding + self._rounding_of_gradient(entries)
        at_kink = ~(np.abs(gradient - slopes) <= bounds)
        at_kink[at_kink] = [self._crosses_kink(p) for p in positions[at_kink]]
        comparisons.add(
            Name(f"gradient, by central differences (eps = {self._eps:g})", entries.name),
            gradient, slopes, bounds, BOUND_OF_FLOAT32 if self._narrow else BOUND,
            places=entries.places, at_kink=at_kink,
        )  # fmt: skip

    def _moved(self, position: int, step: float) -> Array:
        theta = self._theta.copy()
        theta[position] += step
        return theta

    def _slope(self, position: int) -> float:
        values, places = [], []
        for step in (self._eps, -self._eps):
            theta = self._moved(position, step)
            self._core.set_theta(theta)
            values.append(self._core.evaluate(*self._batch, self._threads))
            places.append(theta[position])
        return float((values[0] - values[1]) / (places[0] - places[1]))

    def _at(self, theta: Array) -> Quantities:
        self._core.set_theta(theta)
        return propagated(self._core, self._batch, self._threads)

    def _crosses_kink(self, position: int) -> bool:
        """Return whether a slope jumps within the step: half as far it is the same jump."""
        low, high = -self._eps, self._eps
        below, above = (self._at(self._moved(position, step)) for step in (low, high))
        for _ in range(20):
            if not _jumps(below, above):
                return False
            middle = (low + high) / 2
            between = self._at(self._moved(position, middle))
            if _jumps(below, between):
                high, above = middle, between
            else:
                low, below = middle, between
        return True

    def _apart(self, narrow: Quantities) -> Array:
        """Return which rows float32's z, all but equal, puts on the other side of a kink."""
        wide, model = self._here, self._model
        apart = np.zeros(len(wide.losses), bool)
        if not self._narrow:
            return apart
        for l, g in enumerate(model.activations):  # noqa: E741
            z, z32 = wide.z[l], narrow.z[l].astype(np.float64)
            jump = _differ(g.derivative(z, g.value(z)), g.derivative(z32, g.value(z32)))
            apart |= (jump & _close(z, z32)).any(axis=1)
        if model.pair is None:
            y, y_hat, y_hat32 = self._targets(), wide.a[-1], narrow.a[-1].astype(np.float64)
            jump = _differ(model.loss.gradient(y_hat, y), model.loss.gradient(y_hat32, y))
            apart |= (jump & _close(y_hat, y_hat32)).any(axis=1)
        return apart if not apart.all() else np.zeros_like(apart)

    def _targets(self) -> Array:
        return self._model.targets(self._batch[1])

    def _rounding_of_gradient(self, entries: Entries) -> Array | float:
        """Return K u |delta|^T |a|, K being the length of the path from an input to a gradient."""
        if not self._narrow:
            return 0.0
        k, sizes = entries.layer - 1, self._net.sizes
        delta = np.abs(self._here.delta[k])
        below = np.abs(self._here.a[k - 1] if k else self._batch[0])
        K = 2 * sum(sizes) + len(delta)
        return (
            K * Arithmetic(self._net.dtype).u * entries.of([delta.T @ below], [delta.sum(axis=0)])
        )


def _in_float64(net: MLPLike) -> Core:
    """Return a copy of the network's core, in float64."""
    if net.dtype == np.float64:
        return copy.deepcopy(net)._core
    core = make_core(replace(net._architecture, dtype=np.dtype(np.float64)))
    core.set_theta(net.theta.astype(np.float64))
    return core


def _widened(batch: Batch) -> Batch:
    x, y, weight = batch
    return x.astype(np.float64), y if y.ndim == 1 else y.astype(np.float64), weight


def _differ(p: Array, q: Array) -> Array:
    """Whether slopes are not the same, entry by entry, as they are but at a kink."""
    differ: Array = np.abs(np.subtract(p, q)) > 0.01 * (1.0 + np.abs(p))
    return differ


def _close(p: Array, q: Array) -> Array:
    close: Array = np.abs(p - q) < 1e-3 * (1.0 + np.abs(p))
    return close


def _jumps(p: Quantities, q: Quantities) -> bool:
    """Return whether g' = delta / (dL/da) or dL/dy_hat is another from p to q."""
    if any(_differ(s, t).any() for s, t in zip(_slopes(p), _slopes(q), strict=True)):
        return True
    most = max(np.abs(p.dy_hat).max(), np.abs(q.dy_hat).max())
    return bool((np.abs(p.dy_hat - q.dy_hat) > 0.01 * most).any())


def _slopes(quantities: Quantities) -> list[Array]:
    """Return g' of each hidden layer, 0 where dL/da is."""
    return [
        np.divide(delta, da, out=np.zeros(da.shape), where=da != 0.0)
        for delta, da in zip(quantities.delta[:-1], quantities.da, strict=True)
    ]
