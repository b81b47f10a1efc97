"""Metrics of a fit: figures besides the loss, computed from y and y_hat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from deltarule.backend import predict_into
from deltarule.custom import ActivationWord, LossWord
from deltarule.layers import Array

if TYPE_CHECKING:
    from deltarule.backend import Core
    from deltarule.data.samples import Samples

Metric: TypeAlias = Callable[[Array, Array], float]
Metrics: TypeAlias = str | Metric | Iterable[str | Metric] | Mapping[str, str | Metric]

_TAKEN = ("loss", "validation_loss", "learning_rate", "seconds")


@dataclass(eq=False, repr=False)
class MetricContext:
    """The network and the form of its targets, on which a named metric depends."""

    output: ActivationWord
    loss: LossWord
    n_outputs: int
    has_class_indices: bool


def accuracy(y: Array, y_hat: Array, context: MetricContext) -> float:
    """Share of the rows whose largest output is their class; else of the outputs on y's side."""
    if context.output == "softmax" or context.loss == "cross_entropy":
        classes = y if y.ndim == 1 else y.argmax(axis=1)
        return float(np.mean(y_hat.argmax(axis=1) == classes))
    middle = 0.0 if context.output == "tanh" else 0.5
    return float(np.mean((y_hat > middle) == (y > middle)))


def r2(y: Array, y_hat: Array, context: MetricContext) -> float:
    """1 - sum (y - y_hat)^2 / sum (y - mean)^2, the mean over the outputs; 0 for a constant y."""
    y = y.astype(np.float64)
    residual = ((y - y_hat) ** 2).sum(axis=0)
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    varies = (spread > 0) & (y != y[:1]).any(axis=0)  # equal values may have a rounded spread
    ratio = np.divide(residual, spread, out=np.ones_like(spread), where=varies)
    ratio[~varies & (residual == 0)] = 0.0
    return float(np.mean(1 - ratio))


def mae(y: Array, y_hat: Array, context: MetricContext) -> float:
    """Mean of abs(y - y_hat)."""
    return float(np.mean(np.abs(y.astype(np.float64) - y_hat)))


def rmse(y: Array, y_hat: Array, context: MetricContext) -> float:
    """Square root of the mean of (y - y_hat)^2."""
    return float(np.sqrt(np.mean((y.astype(np.float64) - y_hat) ** 2)))


_NAMED: dict[str, Callable[[Array, Array, MetricContext], float]] = {
    "accuracy": accuracy,
    "r2": r2,
    "mae": mae,
    "rmse": rmse,
}
# Whether a higher value is better.
HIGHER_IS_BETTER = {"accuracy": True, "r2": True, "mae": False, "rmse": False}


def check_metrics(metrics: object) -> dict[str, Metric | str]:
    """Return the argument `metrics` of `MLP.fit` by name: functions, or known names."""
    found: dict[str, Metric | str] = {}
    if type(metrics) is tuple and not metrics:  # the default
        return found
    for i, (name, metric) in enumerate(_pairs(metrics)):
        if isinstance(metric, str):
            if metric not in _NAMED:
                raise ValueError(
                    f"metrics must be of {', '.join(_NAMED)}, or callables, not {metric!r}"
                )
        elif not callable(metric):
            raise TypeError(f"metrics[{i}] must be a name or a callable, not {metric!r}")
        if not isinstance(name, str) or name in ("", "<lambda>"):
            raise TypeError(
                f"metrics[{i}] has no name; give a dict {{name: callable}} in place of {metric!r}"
            )
        if name in found or name in _TAKEN or name.startswith("validation_"):
            raise ValueError(
                f"metrics must have names of their own, without 'validation_' before them, "
                f"not {name!r}"
            )
        found[name] = metric
    return found


def _pairs(metrics: object) -> Iterable[tuple[object, object]]:
    if isinstance(metrics, Mapping):
        return metrics.items()
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be names or callables, not {metrics!r}")
    return [(m if isinstance(m, str) else getattr(m, "__name__", ""), m) for m in metrics]


class Evaluator:
    """Evaluates the metrics of a fit.

    Parameters
    ----------
    metrics : dict
        From `check_metrics`.
    context : MetricContext
    prefix : str
        Before each name: "validation_" or "".

    Raises
    ------
    ValueError
        If a named metric makes no sense for the network and its targets.
    """

    def __init__(
        self, metrics: Mapping[str, Metric | str], context: MetricContext, prefix: str
    ) -> None:
        self._functions = {prefix + name: metric for name, metric in metrics.items()}
        self._context = context
        self.n_outputs = context.n_outputs
        for metric in metrics.values():
            if metric == "accuracy" and context.output not in ("softmax", "sigmoid", "tanh"):
                raise ValueError(
                    "metrics: 'accuracy' needs an output of classes (softmax, sigmoid or tanh), "
                    f"not {context.output!r}"
                )
            if metric in ("r2", "mae", "rmse") and context.has_class_indices:
                raise ValueError(
                    f"metrics: {metric!r} needs numbers as targets, but y holds class indices"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which the values are recorded."""
        return tuple(self._functions)

    def of(self, network: Core, samples: Samples, threads: int) -> dict[str, float]:
        """Return the value of each metric of a network on these samples, by name."""
        out = np.empty((len(samples), self.n_outputs), samples.x.dtype)
        y_hat = predict_into(network, samples.x, out, threads)
        y = samples.targets().view()
        y.flags.writeable = False  # the user's array, or the training data
        return self(y, y_hat)

    def __call__(self, y: Array, y_hat: Array) -> dict[str, float]:
        """Return the value of each metric by name."""
        return {name: self._value(name, y, y_hat) for name in self._functions}

    def _value(self, name: str, y: Array, y_hat: Array) -> float:
        metric = self._functions[name]
        if isinstance(metric, str):
            with np.errstate(all="ignore"):
                return _NAMED[metric](y, y_hat, self._context)
        value: Any = metric(y, y_hat)
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, Real):
            raise TypeError(f"metrics: {name!r} must return a number, not {value!r}")
        return float(value)
