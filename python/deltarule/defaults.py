"""The defaults of a network: one table, for `MLP` and for the reference."""

from __future__ import annotations

HIDDEN = "relu"
OUTPUT = "identity"
REDUCTION = "mean"
LEAKY_SLOPE = 0.01
HUBER_DELTA = 1.0
INIT = "auto"

# The loss whose delta[L] with this output is y_hat - y.
_CANONICAL_LOSS = {
    "sigmoid": "binary_cross_entropy",
    "softmax": "cross_entropy",
    "exp": "poisson",
}


def loss_of(output: object) -> str:
    """Return the loss of an output: of its canonical pair, or the plain choice."""
    name = output if isinstance(output, str) else ""
    return _CANONICAL_LOSS.get(name, "squared_error")
