"""Initial parameters, drawn from the estimator's RandomState in scikit-learn's order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np

from deltarule.custom import ActivationWord
from deltarule.layers import Array
from deltarule.mlp.initializers import initial_parameters


def draw_parameters(
    sizes: Sequence[int],
    functions: Sequence[ActivationWord],
    init: str,
    random_state: np.random.RandomState,
) -> tuple[list[Array], list[Array]]:
    """Draw coefs (fan_in, fan_out) and intercepts (fan_out,), layer by layer.

    Parameters
    ----------
    sizes : sequence of int
        n_0 .. n_L.
    functions : sequence of str or CustomActivation
        The activation that each layer is drawn for, deltarule's names; scikit-learn draws the
        output layer as for the last hidden one.
    init : str
        "sklearn": both uniform within sqrt(f / (fan_in + fan_out)), f being 2 for a sigmoid layer
        and 6 otherwise. Or a name of `deltarule.mlp.initializers`.
    random_state : RandomState
    """
    if init != "sklearn":
        # A RandomState draws with the methods of a Generator that are used there.
        generator = cast("np.random.Generator", random_state)
        weights, intercepts = initial_parameters(sizes, functions[:-1], init, generator)
        return [np.ascontiguousarray(W.T) for W in weights], list(intercepts)
    coefs, biases = [], []
    for (fan_in, fan_out), function in zip(pairwise(sizes), functions, strict=True):
        bound = math.sqrt((2.0 if function == "sigmoid" else 6.0) / (fan_in + fan_out))
        coefs.append(random_state.uniform(-bound, bound, (fan_in, fan_out)))
        biases.append(random_state.uniform(-bound, bound, fan_out))
    return coefs, biases
