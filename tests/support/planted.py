"""Networks with a bug: a core of NumPy's with a seam at each step, and what goes wrong at one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule import reference
from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.layers import Layers
from deltarule.reference.network import activations_of, loss_of
from reference_support import at_output

Array = NDArray[Any]


class NumPyCore:
    """The core's interface over its own parameters, every pass in NumPy, in the network's dtype.

    A bug overrides one of the seams; this itself is right.
    """

    def __init__(self, compiled: Any, network: Architecture) -> None:
        self._core, self._network = compiled, network
        self._words = reference.Network(
            network.hidden, network.output, network.loss, network.reduction,
            network.leaky_slope, network.huber_delta,
        )  # fmt: skip
        self.refresh()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    # Seams

    def refresh(self) -> None:
        """Make the copy of W that the backward pass reads."""
        self._copy = [W.copy() for W in self.weights]

    def after_step(self) -> None:
        self.refresh()

    def affine(self, layer: int, a: Array, W: Array, b: Array) -> Array:
        return a @ W.T + b

    def predicted(self, y_hat: Array) -> Array:
        return y_hat

    def targets(self, y: Array) -> Array:
        return y if y.ndim == 2 else (y[:, None] == np.arange(self._network.sizes[-1]))

    def factors(self, n: int, weight: Array | None) -> Array:
        w = np.ones(n) if weight is None else weight
        return w / w.sum() if self._network.reduction == "mean" else w

    def loss_factors(self, n: int, weight: Array | None) -> Array:
        return self.factors(n, weight)

    def slope(self, layer: int, z: Array, a: Array) -> Array:
        return self.functions[layer - 1].derivative(z, a)

    def from_above(self, layer: int, delta: Array, W: Array) -> Array:
        return delta @ W

    def weight_gradient(self, layer: int, delta: Array, a: Array) -> Array:
        return delta.T @ a

    def bias_gradient(self, layer: int, delta: Array) -> Array:
        return delta.sum(axis=0)

    def descend(self, theta: Array, optimizer: Any, total: float) -> None:
        self._core.descend(theta, optimizer, total)

    # Passes

    @property
    def functions(self) -> list[reference.Activation]:
        return activations_of(self._words, self._network.n_layers - 1)

    @property
    def weights(self) -> list[Array]:
        return [self._core.weight_view(l) for l in range(1, self._network.n_layers + 1)]  # noqa: E741

    def set_theta(self, theta: Array) -> None:
        self._core.set_theta(theta)
        self.refresh()

    def forward(self, x: Array) -> reference.Forward:
        z: list[Array] = []
        a = [x]
        for k, W in enumerate(self.weights):
            z.append(self.affine(k + 1, a[-1], W, self._core.bias_view(k + 1)))
            last = k == len(self.weights) - 1
            g = reference.OUTPUTS[self._network.output] if last else self.functions[k]
            a.append(g.value(z[-1]))
        return reference.Forward(Layers("z", z), Layers("a", a, 0), a[-1], Layers("fed", a, 0))

    def losses(self, forward: reference.Forward, y: Array) -> Array:
        z, y_hat = forward.z.last.astype(float), forward.y_hat.astype(float)
        wide = at_output(z, self._words)._replace(y_hat=y_hat)
        return reference.sample_losses(wide, self.targets(y).astype(float), self._words)

    def propagate(self, x: Array, y: Array, weight: Array | None, threads: int) -> tuple[Any, ...]:
        forward, dtype = self.forward(x), x.dtype
        targets = self.targets(y).astype(dtype)
        c = self.factors(len(x), weight).astype(dtype)[:, None]
        dy_hat = loss_of(self._words).gradient(forward.y_hat, targets) * c
        delta = [reference.output_delta(forward, targets, self._words) * c]
        da: list[Array] = []
        for l in range(self._network.n_layers - 1, 0, -1):  # noqa: E741
            da.insert(0, self.from_above(l, delta[0], self._copy[l]))
            delta.insert(0, da[0] * self.slope(l, forward.z[l], forward.a[l]))
        z, a = list(forward.z), list(forward.a)[1:]
        return z, a, self.losses(forward, y), dy_hat, delta, da

    def predict(self, x: Array, out: Array, threads: int) -> None:
        out[...] = self.predicted(self.forward(x).y_hat)

    def evaluate(self, x: Array, y: Array, weight: Array | None, threads: int) -> float:
        return float(self.loss_factors(len(x), weight) @ self.losses(self.forward(x), y))

    def value_and_gradient(
        self, x: Array, y: Array, weight: Array | None, threads: int
    ) -> tuple[float, Array]:
        _, a, _, _, delta, _ = self.propagate(x, y, weight, threads)
        layers = list(enumerate(zip(delta, [x, *a[:-1]], strict=True), start=1))
        dW = [self.weight_gradient(l, d, below) for l, (d, below) in layers]  # noqa: E741
        db = [self.bias_gradient(l, d) for l, (d, _) in layers]  # noqa: E741
        return self.evaluate(x, y, weight, threads), reference.theta(dW, db).astype(x.dtype)

    def train_step(
        self, x: Array, y: Array, weight: Array | None, optimizer: Any, threads: int
    ) -> float:
        loss, theta = self.value_and_gradient(x, y, weight, threads)
        self.descend(theta, optimizer, len(x) if weight is None else weight.sum())
        self.after_step()
        return loss


def plant(net: dr.MLP, bug: type[NumPyCore]) -> dr.MLP:
    """Give the network, and every copy of it, a core with the bug."""

    class Planted(dr.MLP):
        def __setstate__(self, state: dict[str, Any]) -> None:
            super().__setstate__(state)
            self._core = bug(self._core, self._architecture)

    net.__class__ = Planted
    net._core = bug(net._core, net._architecture)
    return net


class WrongDerivative(NumPyCore):
    """tanh' = 1 - a in layer 2."""

    def slope(self, layer: int, z: Array, a: Array) -> Array:
        return 1 - a if layer == 2 else super().slope(layer, z, a)


class MissingBiasGradient(NumPyCore):
    """dL/db[2] is left 0."""

    def bias_gradient(self, layer: int, delta: Array) -> Array:
        return super().bias_gradient(layer, delta) * (layer != 2)


class TransposedForward(NumPyCore):
    """W[2], as wide as high, the wrong way round."""

    def affine(self, layer: int, a: Array, W: Array, b: Array) -> Array:
        return super().affine(layer, a, W.T if layer == 2 else W, b)


class TransposedBackward(NumPyCore):
    """The same in the backward pass, where it makes dL/da[1]."""

    def from_above(self, layer: int, delta: Array, W: Array) -> Array:
        return delta @ (W.T if layer == 1 else W)


class LostSample(NumPyCore):
    """The tail of the sums over the rows ends one too early."""

    def weight_gradient(self, layer: int, delta: Array, a: Array) -> Array:
        return super().weight_gradient(layer, delta[:-1], a[:-1])


class WrongMean(NumPyCore):
    """1 / (N + 1) in delta."""

    def factors(self, n: int, weight: Array | None) -> Array:
        return super().factors(n, weight) * (n / (n + 1))

    def loss_factors(self, n: int, weight: Array | None) -> Array:
        return super().factors(n, weight)


class WrongMeanOfTheLoss(NumPyCore):
    """1 / (N + 1) in the loss."""

    def loss_factors(self, n: int, weight: Array | None) -> Array:
        return super().factors(n, weight) * (n / (n + 1))


class IgnoredWeight(NumPyCore):
    """Every sample counts alike."""

    def factors(self, n: int, weight: Array | None) -> Array:
        return super().factors(n, None)


class MomentumsSign(NumPyCore):
    """v <- -momentum v - lr g."""

    def descend(self, theta: Array, optimizer: Any, total: float) -> None:
        wrong = core.Optimizer(core.OptimizerKind.sgd, 0.05, momentum=-0.9)
        self._core.descend(theta, wrong, total)


class SwappedOutputs(NumPyCore):
    """predict returns classes 0 and 1 in each other's place."""

    def predicted(self, y_hat: Array) -> Array:
        return y_hat[:, [1, 0, *range(2, y_hat.shape[1])]]


class SwappedClass(NumPyCore):
    """Labels 0 and 1 are taken for each other."""

    def targets(self, y: Array) -> Array:
        return super().targets(np.where(y < 2, 1 - y, y))


class StaleCopy(NumPyCore):
    """A step does not refresh the copy of W that the backward pass reads."""

    def after_step(self) -> None:
        pass


class NarrowSum(NumPyCore):
    """Sums over the rows in float32."""

    def weight_gradient(self, layer: int, delta: Array, a: Array) -> Array:
        return (delta.astype(np.float32).T @ a.astype(np.float32)).astype(delta.dtype)


class NotANumber(NumPyCore):
    """One entry of dL/dW[1] is NaN."""

    def weight_gradient(self, layer: int, delta: Array, a: Array) -> Array:
        gradient = super().weight_gradient(layer, delta, a)
        gradient[0, 0] = np.nan if layer == 1 else gradient[0, 0]
        return gradient


def names(lines: Sequence[Any]) -> list[str]:
    """Return the tensors of some lines."""
    return [line.tensor for line in lines]
