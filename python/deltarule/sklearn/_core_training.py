"""The network under an estimator: the only place that knows how the core trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.custom.core import make_core
from deltarule.errors import DivergenceError, at_layer
from deltarule.optimizers import least_epsilon
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

    def settings(self, rate: float, dtype: np.dtype[Any]) -> core.Optimizer:
        """Return the core's settings for one learning rate."""
        return core.Optimizer(
            core.OptimizerKind.sgd if self.solver == "sgd" else core.OptimizerKind.adam,
            lr=rate,
            momentum=self.momentum if self.solver == "sgd" else 0.0,
            nesterov=self.nesterov,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=max(self.epsilon, least_epsilon(np.finfo(dtype), self.beta_2)),
            epsilon_hat=True,
            weight_decay=self.alpha,
            penalizes_sum=True,
        )


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
        self._core = make_core(architecture)
        self._linear: Network | None = None  # the same parameters without output activation
        layers = range(1, len(architecture.sizes))
        self._W = [self._core.weight_view(layer).T for layer in layers]  # live, (fan_in, fan_out)
        self._b = [self._core.bias_view(layer) for layer in layers]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle needs: the copy trains on as this one would."""
        return {
            "architecture": self.architecture.to_dict(),
            "loss_scale": self.loss_scale,
            "theta": self.theta,
            "memory": self.memory,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the network anew."""
        self.__init__(  # type: ignore[misc]
            Architecture.checked(**state["architecture"]), state["loss_scale"]
        )
        self.theta = state["theta"]
        self.memory = state["memory"]

    # Parameters

    @property
    def theta(self) -> Array:
        """All parameters in one vector, as `deltarule.MLP.theta`. A copy."""
        return self._core.get_theta()

    @theta.setter
    def theta(self, theta: Array) -> None:
        self._linear = None
        self._core.set_theta(np.require(theta, self.architecture.dtype, ["C", "A"]))

    def coefs(self) -> list[Array]:
        """Return copies of the weights, each (fan_in, fan_out)."""
        return [np.array(W, order="C") for W in self._W]

    def intercepts(self) -> list[Array]:
        """Return copies of the biases, each (fan_out,)."""
        return [np.array(b) for b in self._b]

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
        return len(coefs) == len(self._W) and all(
            map(np.array_equal, [*intercepts, *coefs], [*self._b, *self._W])
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
        if self._linear is None:
            linear = replace(self.architecture, output="identity", loss="squared_error")
            network = Network(linear)
            network.theta = self.theta
            self._linear = network
        return self._linear.predict(X, threads)

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
            n_weights = sum(n_out * n_in for n_out, n_in in self.architecture.shapes)
            gradient[:n_weights] += (alpha / n) * self.theta[:n_weights]
            penalty = self._penalty(alpha, n)
            value, reported = value + penalty, reported + penalty
        return value, gradient, reported

    def _penalty(self, alpha: float, n: float) -> float:
        if not (alpha and n):
            return 0.0
        return 0.5 * alpha * sum(float(np.vdot(W, W)) for W in self._W) / n

    # Training

    @property
    def memory(self) -> tuple[str, Array | None, Array | None, int]:
        """What the optimizer remembers: its kind, two arrays as theta, and the steps of Adam."""
        kind, m, v, steps = self._core.get_memory()
        return kind.name, m, v, steps

    @memory.setter
    def memory(self, memory: tuple[str, Array | None, Array | None, int]) -> None:
        kind, m, v, steps = memory
        self._core.set_memory(getattr(core.OptimizerKind, kind), m, v, steps)

    def train_epoch(
        self,
        samples: Samples,
        order: Array | None,
        batch_size: int,
        update: Update,
        rate: float,
        random_state: np.random.RandomState,
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
        random_state : RandomState
            Of the dropout.
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
        self._linear = None
        optimizer = update.settings(rate, self.architecture.dtype)

        def train(part: Samples, order: Array | None, rows: int) -> core.TrainingResult:
            result = core.TrainingResult()
            self._core.train(
                part.x,
                part.y,
                part.weight,
                order=None if order is None else order.reshape(1, -1),
                epochs=1,
                batch_size=rows,
                optimizer=optimizer,
                lr=None,
                dropout=self._dropout(update.dropout, random_state),
                validation=None,
                threads=threads,
                seconds=math.inf,
                result=result,
            )
            return result

        is_sum_of_rows = samples.weight is None and (self.loss_scale == 1.0 or not update.alpha)
        if samples.is_sparse or not is_sum_of_rows:
            return self._train_by_batches(samples, order, batch_size, update.alpha, train)
        before, remembered = self.theta, self.memory
        result = train(samples, order, batch_size)
        if result.diverged:
            raise _diverged(result.step + 1, result.layer)
        if not math.isfinite(result.loss[0]):
            self.theta, self.memory = before, remembered
            raise _diverged(-(-len(samples) // batch_size), 0)
        return self.loss_scale * result.loss[0] + samples.mean_constant()

    def _train_by_batches(
        self,
        samples: Samples,
        order: Array | None,
        batch_size: int,
        alpha: float,
        train: Callable[[Samples, Array | None, int], core.TrainingResult],
    ) -> float:
        """Do what the core does in one call where it cannot: it takes no sparse rows.

        Nor does it weigh the batches' losses by their rows, as scikit-learn's `loss_curve_` does,
        or tell loss and penalty apart.
        """
        before, remembered = self.theta, self.memory
        total = 0.0
        for step, first in enumerate(range(0, len(samples), batch_size)):
            rows = slice(first, min(first + batch_size, len(samples)))
            batch = samples.take(rows if order is None else order[rows])
            n = batch.total_weight
            penalty = self._penalty(alpha, n) if self.loss_scale != 1.0 else 0.0
            result = train(batch, None, len(batch))
            if result.diverged or not math.isfinite(result.loss[0]):
                self.theta, self.memory = before, remembered
                raise _diverged(step + 1, result.layer)
            loss = self.loss_scale * (result.loss[0] - penalty) + penalty
            total += len(batch) * (loss + batch.mean_constant())
        return total / len(samples)

    def _dropout(
        self, probability: float, random_state: np.random.RandomState
    ) -> tuple[Array, Array] | None:
        """Return the probability of each hidden layer, and the key of one epoch's masks."""
        n_hidden = len(self.architecture.hidden)
        if not (probability and n_hidden):
            return None
        key = random_state.randint(0, 2**63 - 1, size=1, dtype=np.int64).astype(np.uint64)
        return np.full(n_hidden, probability), key


def _diverged(step: int, layer: int) -> FitDivergedError:
    return FitDivergedError(
        "the loss or a parameter is not finite any more; "
        f"{at_layer(layer)}; the parameters are those before the epoch",
        epoch=1,
        step=step,
        layer=layer or None,
    )
