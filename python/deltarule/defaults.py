"""What a network is unless it is said otherwise: one table, for `MLP` and for the reference."""

from __future__ import annotations

HIDDEN = "relu"
OUTPUT = "identity"
REDUCTION = "mean"
LEAKY_SLOPE = 0.01
HUBER_DELTA = 1.0
INIT = "auto"

# By output: the loss whose delta[L] with it is y_hat - y (or, for tanh, the plain choice).
LOSS = {
    "identity": "squared_error",
    "sigmoid": "binary_cross_entropy",
    "tanh": "squared_error",
    "softmax": "cross_entropy",
    "exp": "poisson",
}
