"""Optimizers: settings only. Their state between steps lives with the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from deltarule._load import core
from deltarule.arguments import BELOW_ONE, NON_NEGATIVE, POSITIVE, check_number

# The ranges of the settings that are numbers; the others are True or False.
_RANGES = {
    "lr": POSITIVE, "epsilon": POSITIVE, "max_norm": POSITIVE,
    "weight_decay": NON_NEGATIVE, "l1": NON_NEGATIVE,
    "momentum": BELOW_ONE, "beta1": BELOW_ONE, "beta2": BELOW_ONE,
}  # fmt: skip


class Optimizer:
    """The base of the optimizers: a frozen dataclass of settings, checked."""

    __slots__ = ("_settings",)  # no field, not in `vars`
    _settings: core.Optimizer
    _kind: ClassVar[str]  # of core.OptimizerKind and reference.UPDATES
    _decoupled: ClassVar[bool] = False
    lr: float
    weight_decay: float
    l1: float
    max_norm: float | None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name not in _RANGES:
                if not isinstance(value, bool):
                    raise TypeError(f"{name} must be True or False, not {value!r}")
            elif name != "max_norm" or value is not None:
                check_number(name, value, *_RANGES[name])
        self._check_rule()
        given = {name: 0.0 if value is None else value for name, value in vars(self).items()}
        settings: dict[str, Any] = {
            name: value if isinstance(value, bool) else float(value)
            for name, value in given.items()
        }
        kind = core.OptimizerKind[self._kind]
        core_settings = core.Optimizer(kind, decoupled=self._decoupled, **settings)
        object.__setattr__(self, "_settings", core_settings)

    def __reduce__(self) -> tuple[type[Optimizer], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    @property
    def _has_state(self) -> bool:
        """Whether the optimizer has a state between steps."""
        return True

    def _check_rule(self) -> None:
        """Refuse settings that do not go together."""

    def _settings_in(self, dtype: np.dtype[Any]) -> core.Optimizer:
        limits = np.finfo(dtype)
        for name in ("lr", "weight_decay", "l1"):
            value = float(getattr(self, name))
            _check_finite_in(limits, name, value)
            if 0.0 < value < float(limits.tiny):  # which is 0 in the core
                raise ValueError(
                    f"{name} must be at least {limits.tiny} in {dtype.name}, not {value!r}"
                )
        self._check_in(limits)
        return self._settings

    def _check_in(self, limits: np.finfo[Any]) -> None:
        """Refuse settings of the rule itself that are out of a dtype's range."""


def _check_finite_in(limits: np.finfo[Any], name: str, value: float) -> None:
    if value > float(limits.max):
        raise ValueError(f"{name} must be finite in {limits.dtype.name}, not {value!r}")


def least_epsilon(limits: np.finfo[Any], beta2: float) -> float:
    """Return Adam's least epsilon: the root of v where its mean over the steps is `tiny`."""
    return math.sqrt(float(limits.tiny) / (1.0 - beta2))


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay.

    With g = dL/dtheta, and g = dL/dW + weight_decay * W + l1 * sign(W) for the weights (not the
    biases)::

        momentum = 0:  theta <- theta - lr g
        momentum > 0:  v <- momentum v - lr g;  theta <- theta + v
        nesterov:      v <- momentum v - lr g;  theta <- theta + momentum v - lr g

    The velocity v starts at 0 and lives with the network, so one SGD may be used for many networks.

    Parameters
    ----------
    lr : float, default 0.01
        Learning rate, above 0. A schedule in `MLP.fit` stands in for it. In a network's dtype, lr,
        and weight_decay and l1 where they are not 0, must be finite, and no less than its smallest
        normal number (1.2e-38 in float32), below which numbers are 0 there.
    momentum : float, default 0.0
        In [0, 1).
    nesterov : bool, default False
        Needs momentum above 0.
    weight_decay : float, default 0.0
        Factor of the weights in the gradient, 0 or more: the gradient of weight_decay / 2 * |W|^2.
        The losses that are reported leave that term out, and that of l1.
    l1 : float, default 0.0
        Factor of the weights' signs in the gradient, 0 or more: the gradient of l1 * sum |W|.
    max_norm : float, optional
        Where the norm of dL/dtheta, all parameters together, is above it, dL/dtheta is scaled down
        to it, before decay and l1 are added.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    References
    ----------
    Sutskever, Martens, Dahl, Hinton, On the importance of initialization and momentum in deep
    learning, ICML 2013. Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural
    networks, ICML 2013 (max_norm).

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.SGD(lr=0.1, momentum=0.9)
    SGD(lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.0, l1=0.0, max_norm=None)
    """

    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    l1: float = 0.0
    max_norm: float | None = None

    _kind: ClassVar[str] = "sgd"

    def _check_rule(self) -> None:
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs momentum above 0, not momentum=0.0")

    @property
    def _has_state(self) -> bool:
        return self.momentum > 0.0


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps by the mean of the gradient over the root of the mean of its square.

    With g as for `SGD`, in step t = 1, 2, ... of the network::

        m <- beta1 m + (1 - beta1) g;  m_hat = m / (1 - beta1^t)
        v <- beta2 v + (1 - beta2) g^2;  v_hat = v / (1 - beta2^t)
        theta <- theta - lr m_hat / (sqrt(v_hat) + epsilon)

    m and v start at 0 and live with the network, as t does. An SGD with momentum makes them start
    anew, and the other way round.

    Parameters
    ----------
    lr : float, default 0.001
        Learning rate, above 0. A schedule in `MLP.fit` stands in for it.
    beta1, beta2 : float, default 0.9 and 0.999
        In [0, 1).
    epsilon : float, default 1e-8
        Above 0, and at least sqrt(tiny / (1 - beta2)) in a network's dtype, tiny being its smallest
        normal number (3.4e-18 in float32): the square of a smaller gradient would be 0 in v.
        Finite in that dtype.
    weight_decay, l1, max_norm
        As for `SGD`.
    epsilon_hat : bool, default False
        theta <- theta - lr' m / (sqrt(v) + epsilon), lr' = lr sqrt(1 - beta2^t) / (1 - beta1^t):
        the form at the end of the paper's section 2, which Keras and scikit-learn have.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    References
    ----------
    Kingma, Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> import deltarule as dr
    >>> net = dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]))
    >>> loss = net.train_step([[2.0]], [[1.0]], optimizer=dr.Adam(lr=0.1))
    >>> round(net.weights[0].item(), 6)  # the first step is lr, whatever the gradient
    0.9
    """

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    l1: float = 0.0
    max_norm: float | None = None
    epsilon_hat: bool = False

    _kind: ClassVar[str] = "adam"

    def _check_in(self, limits: np.finfo[Any]) -> None:
        epsilon = float(self.epsilon)
        _check_finite_in(limits, "epsilon", epsilon)
        least = least_epsilon(limits, float(self.beta2))
        if epsilon < least:
            raise ValueError(
                f"epsilon must be at least sqrt({limits.tiny} / (1 - beta2)) = {least:.3g} in "
                f"{limits.dtype.name}, not {self.epsilon!r}"
            )


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decay apart from the gradient: W <- (1 - lr weight_decay) W - Adam's step.

    Parameters
    ----------
    weight_decay : float, default 0.01
        0 or more.
    lr, beta1, beta2, epsilon, l1, max_norm, epsilon_hat
        As for `Adam`.

    References
    ----------
    Loshchilov, Hutter, Decoupled weight decay regularization, ICLR 2019.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.AdamW(lr=0.01).weight_decay
    0.01
    """

    weight_decay: float = 0.01

    _decoupled: ClassVar[bool] = True


OPTIMIZERS: tuple[type[Optimizer], ...] = (SGD, Adam, AdamW)

_DEFAULT = SGD()


def check_optimizer(optimizer: object) -> Optimizer:
    """Return the optimizer, SGD() by default."""
    if optimizer is None:
        return _DEFAULT
    if not isinstance(optimizer, Optimizer):
        *names, last = (kind.__name__ for kind in OPTIMIZERS)
        raise TypeError(
            f"optimizer must be a deltarule.{', '.join(names)} or {last}, or for MLP.fit "
            f"LevenbergMarquardt or LBFGS, not {optimizer!r}"
        )
    return optimizer
