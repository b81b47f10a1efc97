"""The network under an estimator: the only place that knows how the core trains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from deltarule._load import core
from deltarule.architecture import Architecture
from deltarule.backend import State
from deltarule.custom.core import make_core
from deltarule.data.rows import parts
from deltarule.errors import DivergenceError, at_layer
from deltarule.layers import Array
from deltarule.optimizers import least_epsilon
from deltarule.sklearn._data import Samples, blocks, dense


class FitDivergedError(DivergenceError, ValueError):
    """Training met a loss or a parameter that is not finite: a ValueError, as scikit-learn's.

    The parameters are those after the last finite epoch.
    """


def core_optimizer(estimator: Any, rate: float, dtype: np.dtype[Any]) -> core.Optimizer:
    """Return the core's update rule of an estimator's parameters, for one learning rate."""
    beta_2 = float(estimator.beta_2)
    return core.Optimizer(
        getattr(core.OptimizerKind, estimator.solver),
        lr=rate,
        momentum=float(estimator.momentum) if estimator.solver == "sgd" else 0.0,
        nesterov=bool(estimator.nesterovs_momentum),
        beta1=float(estimator.beta_1),
        beta2=beta_2,
        epsilon=max(float(estimator.epsilon), least_epsilon(np.finfo(dtype), beta_2)),
        epsilon_hat=True,
        weight_decay=float(estimator.alpha),
        penalizes_sum=True,
    )


class Network:
    """A core network with its optimizer state; parameters in scikit-learn's shapes.

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
        """Return the state to pickle: the copy trains on as this network would."""
        return {
            "architecture": self.architecture.to_dict(),
            "loss_scale": self.loss_scale,
            "theta": self.theta,
            "memory": self.optimizer_state,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the network anew."""
        self.__init__(  # type: ignore[misc]
            Architecture.checked(**state["architecture"]), state["loss_scale"]
        )
        self.theta = state["theta"]
        self.optimizer_state = state["memory"]

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
        for rows in blocks(X):
            self._core.predict(dense(X[rows]), y_hat[rows], threads)
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
        penalty = self._penalty(alpha, n)
        if alpha and n:
            n_weights = sum(W.size for W in self._W)
            gradient[:n_weights] += (alpha / n) * self.theta[:n_weights]
        return value + penalty, gradient, reported + penalty

    def _penalty(self, alpha: float, n: float) -> float:
        if not (alpha and n):
            return 0.0
        return 0.5 * alpha * sum(float(np.vdot(W, W)) for W in self._W) / n

    # Training

    @property
    def optimizer_state(self) -> tuple[str, Array | None, Array | None, int]:
        """The kind of optimizer, its two moments as theta or None, and the steps of Adam."""
        kind, m, v, steps = self._core.get_optimizer_state()
        return kind.name, m, v, steps

    @optimizer_state.setter
    def optimizer_state(self, state: tuple[str, Array | None, Array | None, int]) -> None:
        kind, m, v, steps = state
        self._core.set_optimizer_state(getattr(core.OptimizerKind, kind), m, v, steps)

    def train_epoch(
        self,
        samples: Samples,
        order: Array | None,
        batch_size: int,
        optimizer: core.Optimizer,
        dropout: float,
        random_state: np.random.RandomState,
        threads: int,
    ) -> float:
        """Do one epoch of mini-batches and return its reported loss.

        One call of the core, where it takes the samples and reports the loss as scikit-learn's
        `loss_curve_` has it; else one per batch: the core takes no sparse rows, does not weigh the
        batches' losses by their numbers of rows, and returns loss and penalty as a sum.

        Parameters
        ----------
        samples : Samples
        order : ndarray of shape (n,), int64, or None
            The order of the rows; None: storage order.
        batch_size : int
            The last batch may be smaller.
        optimizer : core.Optimizer
        dropout : float
            The probability with which a hidden unit is left out.
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
        alpha = optimizer.weight_decay
        is_sum_of_rows = samples.weight is None and (self.loss_scale == 1.0 or not alpha)
        in_one_call = is_sum_of_rows and not issparse(samples.x)
        calls: Iterable[tuple[Samples, Array | None]] = [(samples, order)]
        if not in_one_call:
            calls = ((batch, None) for batch in _batches(samples, order, batch_size))
        state, total = State(self._core), 0.0
        for step, (part, part_order) in enumerate(calls):
            penalty = self._penalty(alpha, part.total_weight) if self.loss_scale != 1.0 else 0.0
            result = core.TrainingResult()
            self._core.train(
                part.x,
                part.y,
                part.weight,
                order=None if part_order is None else part_order.reshape(1, -1),
                epochs=1,
                batch_size=min(batch_size, len(part)),
                optimizer=optimizer,
                lr=None,
                dropout=self._dropout(dropout, random_state),
                validation=None,
                threads=threads,
                seconds=math.inf,
                result=result,
            )
            if result.diverged or not math.isfinite(result.loss[0]):
                state.restore()
                last = result.step + 1 if result.diverged else -(-len(part) // batch_size)
                raise _diverged(step + last, result.layer)
            loss = self.loss_scale * (result.loss[0] - penalty) + penalty + part.mean_constant()
            total += len(part) * loss
        return loss if in_one_call else total / len(samples)

    def _dropout(
        self, probability: float, random_state: np.random.RandomState
    ) -> tuple[Array, Array] | None:
        """Return the probability of each hidden layer, and the key of one epoch's masks."""
        n_hidden = len(self.architecture.hidden)
        if not (probability and n_hidden):
            return None
        key = random_state.randint(0, 2**63 - 1, size=1, dtype=np.int64).astype(np.uint64)
        return np.full(n_hidden, probability), key


def _batches(samples: Samples, order: Array | None, batch_size: int) -> Iterator[Samples]:
    for rows in parts(len(samples), batch_size):
        yield samples.batch(rows if order is None else order[rows])


def _diverged(step: int, layer: int) -> FitDivergedError:
    return FitDivergedError(
        "the loss or a parameter is not finite any more; "
        f"{at_layer(layer)}; the parameters are those before the epoch",
        epoch=1,
        step=step,
        layer=layer or None,
    )
