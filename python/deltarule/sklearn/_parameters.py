"""The estimators' parameters: the values they take, and the network they describe."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.utils._param_validation import Interval, StrOptions

from deltarule import names
from deltarule.custom.functions import ActivationWord, CustomActivation, custom
from deltarule.mlp.initializers import NAMES

STOCHASTIC_SOLVERS = ("sgd", "adam")

_ACTIVATIONS = {*names.ACTIVATIONS, "logistic", "linear"}

# Those of scikit-learn's estimators, and of the parameters with more values or of deltarule alone.
CONSTRAINTS: dict[str, list[Any]] = {
    **neural_network.MLPClassifier._parameter_constraints,
    "activation": [StrOptions(_ACTIVATIONS), "array-like", CustomActivation],
    "early_stopping": ["boolean", StrOptions({"loss"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "out_activation": [
        StrOptions({*_ACTIVATIONS, *names.OUTPUTS}),
        CustomActivation,
        tuple,
        None,
    ],
    "init": [StrOptions({"sklearn", *NAMES})],
    "dtype": [StrOptions({"float32", "float64"}), type, np.dtype, None],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "callbacks": ["array-like", callable],
    "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
    "restore_best": ["boolean"],
}


def hidden_widths(hidden_layer_sizes: Any) -> list[int]:
    """Return n_1 .. n_{L-1}; TypeError or ValueError names the one that is wrong."""
    if not isinstance(hidden_layer_sizes, Iterable):
        hidden_layer_sizes = [hidden_layer_sizes]
    widths = []
    for i, value in enumerate(hidden_layer_sizes):
        try:
            width = operator.index(value)
        except TypeError:
            raise TypeError(
                f"hidden_layer_sizes[{i}] must be a whole number, not {value!r}"
            ) from None
        if width < 1:
            raise ValueError(f"hidden_layer_sizes must be > 0, but [{i}] is {value!r}")
        widths.append(width)
    return widths


def layer_functions(activation: Any, n_hidden: int) -> list[ActivationWord]:
    """Return the activation per layer, the output layer's being that of the last hidden layer."""
    function = custom(CustomActivation, activation, "activation")
    if function is not None or isinstance(activation, str):
        return [function or names.activation_word(activation, "activation")] * (n_hidden + 1)
    functions = [
        names.activation_word(name, f"activation[{i}]") for i, name in enumerate(activation)
    ]
    if len(functions) != n_hidden:
        raise ValueError(
            f"activation must be one name or one a hidden layer, but has {len(functions)} names "
            f"for {n_hidden} hidden layers"
        )
    return [*functions, functions[-1] if functions else "identity"]


def training_dtype(dtype: Any) -> list[np.dtype[Any]]:
    """Return the dtypes that X may keep: both by default, else the one asked for."""
    if dtype is None:
        return [np.dtype(np.float64), np.dtype(np.float32)]
    wanted = np.dtype(dtype)
    if wanted.name not in ("float32", "float64"):
        raise ValueError(f"dtype must be float32, float64 or None, not {dtype!r}")
    return [np.dtype(wanted.name)]
