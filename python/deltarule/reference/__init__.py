"""Forward propagation, backpropagation and gradient descent in plain NumPy.

The algorithm as the lecture notes write it, against which the compiled network is checked. Layers
are l = 1..L with n_l units, a batch is n samples, one per row, and K = n_L:

- ``W[l]`` (n_l, n_{l-1}), ``b[l]`` (n_l,): parameters, ``weights[l-1]`` and ``biases[l-1]``;
- ``z[l] = W[l] a[l-1] + b[l]`` (n, n_l): pre-activation, ``forward.z[l]``;
- ``a[l] = g(z[l])`` (n, n_l): activation, a[0] = x, ``forward.a[l]``; ``y_hat = O(z[L]) = a[L]``;
- ``delta[l] = dL/dz[l]``, ``dL_da[l]`` (n, n_l), ``dL_dW[l]``, ``dL_db[l]``: of ``backward``;
- ``theta`` (D,): every W[l], row by row, then every b[l].

A quantity of each layer is a `Layers`, whose index is the notes' l; plain sequences, the parameters
that are given and ``backward.weights``, have layer l at position l - 1.

``y`` is (n, K), or (n,) when K = 1; for cross_entropy (n,) integer class indices or (n, K) rows
that sum to 1. ``sample_weight`` w is (n,), by default 1. One sample may be x of shape (n_0,) with y
(K,), a number for K = 1 or a class index. Arrays may be nested lists. All is computed in the dtype
of the parameters, to which x, y and w are converted (float32 stays float32; integers become
float64).

Sources: notes 000 (CS229, additional notes on backpropagation: the three-step recipe), 001
(backpropagation with M layers of sigmoids: theta in R^D), 002 (introductory machine learning: ReLU
with 1(h > 0), p - 1(y = k)), 003 (feedforward neural networks: the three algorithms, their a and h
here z and a) and 004 (slides on the backward pass: the recursion; its cross entropy lacks a minus).

The modules, each on those before it: `functions` (types, stable forms), `formulas` (their text),
`activations` and `losses` (the tables), `network` (the names), `propagation` (loss and gradient),
`dropout` (its masks), `training` (update, descents), `parameters` (first values, theta),
`derivatives` (all the others).
"""

from __future__ import annotations

from deltarule.layers import Layers
from deltarule.reference.activations import ACTIVATIONS, OUTPUTS, Activation, Output
from deltarule.reference.derivatives import (
    gauss_newton_vp,
    hvp,
    input_gradient,
    jacobian,
    jvp,
    per_sample_gradients,
    vjp,
)
from deltarule.reference.dropout import dropout_masks, mix
from deltarule.reference.functions import F1, F2, F3, F4, Array, Arrays
from deltarule.reference.losses import LOSSES, PAIRS, Loss, Pair
from deltarule.reference.network import Network
from deltarule.reference.parameters import INITIALIZERS, Initializer, initialize, theta, unflatten
from deltarule.reference.propagation import (
    Backward,
    Forward,
    back_propagation,
    forward_propagation,
    loss_value,
    output_delta,
    output_gauss_newton,
    output_gradient,
    output_hessian,
    sample_losses,
    value_and_grad,
)
from deltarule.reference.training import (
    Descent,
    Moments,
    Velocity,
    adam_update,
    gradient_descent,
    sgd_update,
    shuffle,
    stochastic_gradient_descent,
)

__all__ = [
    "ACTIVATIONS",
    "F1",
    "F2",
    "F3",
    "F4",
    "INITIALIZERS",
    "LOSSES",
    "OUTPUTS",
    "PAIRS",
    "Activation",
    "Array",
    "Arrays",
    "Backward",
    "Descent",
    "Forward",
    "Initializer",
    "Layers",
    "Loss",
    "Moments",
    "Network",
    "Output",
    "Pair",
    "Velocity",
    "adam_update",
    "back_propagation",
    "dropout_masks",
    "forward_propagation",
    "gauss_newton_vp",
    "gradient_descent",
    "hvp",
    "initialize",
    "input_gradient",
    "jacobian",
    "jvp",
    "loss_value",
    "mix",
    "output_delta",
    "output_gauss_newton",
    "output_gradient",
    "output_hessian",
    "per_sample_gradients",
    "sample_losses",
    "sgd_update",
    "shuffle",
    "stochastic_gradient_descent",
    "theta",
    "unflatten",
    "value_and_grad",
    "vjp",
]
