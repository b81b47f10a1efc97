"""The network under an estimator: the only place that knows how the core trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.architecture import Architecture
from deltarule.errors import DivergenceError
from deltarule.sklearn._data import Samples, blocks

Array = NDArray[Any]


class FitDivergedError(DivergenceError, ValueError):
    """Training met a loss or a parameter that is not finite: a ValueError, as scikit-learn's.

    The parameters are those after the last finite epoch.
    """


@dataclass(frozen=True)
class Update:
    """What a step makes of the gradient; the names are the estimators' parameters."""

    solver: str
    alpha: float
    momentum: float = 0.0
    nesterov: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    dropout: float = 0.0


class Network:
    """A core network, its parameters in scikit-learn's shapes, and what its optimizer remembers.

    Parameters
    ----------
    architecture : Architecture
    loss_scale : float
        The reported loss of a row is this times the core's, plus `Samples.constant`.
    """

    def __init__(self, architecture: Architecture, loss_scale: float = 1.0) -> None:
        self.architecture = architecture
        self.loss_scale = loss_scale
        self._core = architecture.make_core()
        self._memory: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle needs: the copy trains on as this one would."""
        return {
            "architecture": self.architecture.to_dict(),
            "loss_scale": self.loss_scale,
            "theta": self.theta,
            "memory": self._memory,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the network anew."""
        self.__init__(  # type: ignore[misc]
            Architecture.checked(**state["architecture"]), state["loss_scale"]
        )
        self.theta = state["theta"]
        self._memory = dict(state["memory"])

    # Parameters

    @property
    def theta(self) -> Array:
        """All parameters in one vector, as `deltarule.MLP.theta`. A copy."""
        return self._core.get_theta()

    @theta.setter
    def theta(self, theta: Array) -> None:
        self._core.set_theta(np.require(theta, self.architecture.dtype, ["C", "A"]))

    def coefs(self) -> list[Array]:
        """Return copies of the weights, each (fan_in, fan_out)."""
        layers = range(1, len(self.architecture.sizes))
        return [np.array(self._core.weight_view(layer).T, order="C") for layer in layers]

    def intercepts(self) -> list[Array]:
        """Return copies of the biases, each (fan_out,)."""
        layers = range(1, len(self.architecture.sizes))
        return [np.array(self._core.bias_view(layer)) for layer in layers]

    def set_parameters(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> None:
        """Replace all parameters; ValueError names one that does not fit."""
        sizes = self.architecture.sizes
        for name, tensors, dimensions in (("coefs_", coefs, 2), ("intercepts_", intercepts, 1)):
            if len(tensors) != len(sizes) - 1:
                raise ValueError(f"{name} must have {len(sizes) - 1} arrays, not {len(tensors)}")
            for i, tensor in enumerate(tensors):
                wanted = sizes[i : i + 2] if dimensions == 2 else sizes[i + 1 : i + 2]
                if np.shape(tensor) != wanted:
                    raise ValueError(
                        f"{name}[{i}] must have shape {wanted}, not {np.shape(tensor)}"
                    )
        parts = [np.ravel(np.transpose(W)) for W in coefs] + [np.ravel(b) for b in intercepts]
        self.theta = np.concatenate(parts)

    def has_parameters(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> bool:
        """Return whether these are the parameters: a user may have changed them in place."""
        layers = range(1, len(self.architecture.sizes))
        return (
            len(coefs) == len(intercepts) == len(layers)
            and all(
                np.array_equal(b, self._core.bias_view(layer))
                for b, layer in zip(intercepts, layers, strict=True)
            )
            and all(
                np.array_equal(W, self._core.weight_view(layer).T)
                for W, layer in zip(coefs, layers, strict=True)
            )
        )

    # Passes

    def predict(self, X: Any, threads: int) -> Array:
        """Return y_hat (n, n_outputs) of dense or CSR rows."""
        y_hat = np.empty((X.shape[0], self.architecture.sizes[-1]), self.architecture.dtype)
        for rows, x in blocks(X):
            self._core.predict(x, y_hat[rows], threads)
        return y_hat

    def scores(self, X: Any, threads: int) -> Array:
        """Return z of the output layer, before its activation, (n, n_outputs)."""
        linear = replace(self.architecture, output="identity", loss="squared_error")
        network = Network(linear)
        network.theta = self.theta
        return network.predict(X, threads)

    def loss(self, samples: Samples, threads: int) -> float:
        """Return the reported loss, without penalty."""
        total = weights = 0.0
        for block in samples.blocks():
            weight = block.total_weight
            if weight > 0.0:
                total += weight * self._core.evaluate(block.x, block.y, block.weight, threads)
                weights += weight
        return self.loss_scale * total / weights + samples.mean_constant()

    def value_and_gradient(
        self, samples: Samples, alpha: float, threads: int
    ) -> tuple[float, Array, float]:
        """Return the objective, its gradient, and the reported loss.

        The objective is the core's mean loss plus alpha / (2 n) |W|^2, n being the total weight.
        """
        value, gradient = 0.0, np.zeros(self.architecture.n_parameters, self.architecture.dtype)
        n = samples.total_weight
        for block in samples.blocks():
            share = block.total_weight / n if n else 0.0
            if share == 0.0:
                continue
            loss, part = self._core.value_and_gradient(block.x, block.y, block.weight, threads)
            if not math.isfinite(loss):
                return math.inf, np.zeros_like(gradient), math.inf
            value += share * loss
            gradient += part * share if share != 1.0 else part
        reported = self.loss_scale * value + samples.mean_constant()
        if alpha and n:
            weights = self.theta[: self._n_weights]
            penalty = 0.5 * alpha * float(weights @ weights) / n
            gradient[: self._n_weights] += (alpha / n) * weights
            value, reported = value + penalty, reported + penalty
        return value, gradient, reported

    @property
    def _n_weights(self) -> int:
        return sum(n_out * n_in for n_out, n_in in self.architecture.shapes)

    # Training

    def forget(self) -> None:
        """Start the optimizer anew."""
        self._memory = {}

    def take_memory(self, other: Network) -> None:
        """Go on with what another network's optimizer remembers."""
        self._memory = dict(other._memory)

    def train_epoch(
        self,
        samples: Samples,
        order: Array | None,
        batch_size: int,
        update: Update,
        rate: float,
        threads: int,
    ) -> float:
        """Do one epoch of mini-batches and return its reported loss.

        Parameters
        ----------
        samples : Samples
        order : ndarray of shape (n,), int64, or None
            In which order the rows come; None: as they lie.
        batch_size : int
            The last batch may be smaller.
        update : Update
        rate : float
            The learning rate.
        threads : int

        Returns
        -------
        float
            The mean over the rows of their batch's loss with penalty before its step.

        Raises
        ------
        FitDivergedError
            If the loss or a parameter is not finite; the parameters are as before the epoch.
        """
        before, remembered = self.theta, dict(self._memory)
        total = 0.0
        for step, first in enumerate(range(0, len(samples), batch_size)):
            rows = slice(first, min(first + batch_size, len(samples)))
            batch = samples.take(rows if order is None else order[rows])
            loss = self._step(batch, update, rate, threads)
            if loss is None:
                self.theta, self._memory = before, remembered
                raise FitDivergedError(
                    f"the loss or a parameter is not finite any more in step {step + 1}; the "
                    "parameters are those after the last finite epoch. Try a learning_rate_init "
                    f"below {rate:g}, or scale X",
                    epoch=1,
                    step=step + 1,
                )
            total += len(batch) * loss
        return total / len(samples)

    def _step(self, batch: Samples, update: Update, rate: float, threads: int) -> float | None:
        _, gradient, loss = self.value_and_gradient(batch, update.alpha, threads)
        with np.errstate(over="ignore", invalid="ignore"):
            theta = self.theta + self._change(gradient, update, rate)
        if not (math.isfinite(loss) and np.isfinite(theta).all()):
            return None
        self.theta = theta
        return loss

    def _change(self, g: Array, update: Update, rate: float) -> Array:
        memory = self._memory
        if update.solver == "sgd":
            velocity = update.momentum * memory.get("velocity", 0.0) - rate * g
            memory["velocity"] = velocity
            step: Array = update.momentum * velocity - rate * g if update.nesterov else velocity
            return step
        memory["t"] = t = memory.get("t", 0) + 1
        m = update.beta_1 * memory.get("m", 0.0) + (1.0 - update.beta_1) * g
        v = update.beta_2 * memory.get("v", 0.0) + (1.0 - update.beta_2) * g**2
        memory["m"], memory["v"] = m, v
        corrected = rate * math.sqrt(1.0 - update.beta_2**t) / (1.0 - update.beta_1**t)
        change: Array = -corrected * m / (np.sqrt(v) + update.epsilon)
        return change
