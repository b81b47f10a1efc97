"""The estimators' parameters: which values they take, and what they say about the network."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from deltarule import names
from deltarule.custom.functions import ActivationWord, CustomActivation, custom
from deltarule.mlp.initializers import NAMES

STOCHASTIC_SOLVERS = ("sgd", "adam")

# scikit-learn's name of an output activation for deltarule's.
_OUTPUT_NAMES = {"sigmoid": "logistic"}

_ACTIVATIONS = {*names.ACTIVATIONS, "logistic", "linear"}

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(_ACTIVATIONS), "array-like", CustomActivation],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean", StrOptions({"loss"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "out_activation": [
        StrOptions({*names.OUTPUTS, "logistic", "linear"}),
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
    """Return the activation each layer is drawn for: the hidden ones, the last once more."""
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


def output_name(output: ActivationWord) -> ActivationWord:
    """Return scikit-learn's name of an output activation."""
    return _OUTPUT_NAMES.get(output, output) if isinstance(output, str) else output


def training_dtype(dtype: Any) -> list[np.dtype[Any]]:
    """Return the dtypes that X may keep: both by default, else the one asked for."""
    if dtype is None:
        return [np.dtype(np.float64), np.dtype(np.float32)]
    wanted = np.dtype(dtype)
    if wanted.name not in ("float32", "float64"):
        raise ValueError(f"dtype must be float32, float64 or None, not {dtype!r}")
    return [np.dtype(wanted.name)]
