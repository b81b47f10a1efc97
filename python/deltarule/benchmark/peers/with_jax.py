"""JAX, the whole step compiled; in a training, the whole epoch."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.layers import Array

_HIDDEN = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
_OUTPUT = {"identity": lambda z: z, "softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}


def forward(case: cases.Case, theta: Any, x: Any) -> Any:
    """Return z of the last layer."""
    for w, b in theta[:-1]:
        x = _HIDDEN[case.hidden](x @ w + b)
    w, b = theta[-1]
    return x @ w + b


def step(case: cases.Case, theta: Any, x: Any, y: Any, rate: float) -> Any:
    """Return the parameters after one step."""

    def loss(theta: Any) -> Any:
        z = forward(case, theta, x)
        if case.output == "softmax":
            return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean()
        if case.output == "sigmoid":
            return (jnp.logaddexp(0, z) - y * z).sum(axis=1).mean()
        return 0.5 * ((z - y) ** 2).sum(axis=1).mean()

    return jax.tree.map(lambda p, g: p - rate * g, theta, jax.grad(loss)(theta))


@cache  # each training makes a new model, and must not compile again
def compiled(case: cases.Case, rate: float) -> tuple[Any, Any, Any]:
    """Return the step, the epoch and the prediction; the first two take over the parameters."""

    def epoch(theta: Any, x: Any, y: Any, batches: Any) -> Any:
        def one(theta: Any, batch: Any) -> Any:
            return step(case, theta, x[batch], y[batch], rate), None

        return jax.lax.scan(one, theta, batches)[0]

    return (
        jax.jit(lambda theta, x, y: step(case, theta, x, y, rate), donate_argnums=0),
        jax.jit(epoch, donate_argnums=0),
        jax.jit(lambda theta, x: _OUTPUT[case.output](forward(case, theta, x))),
    )


class Model(BaseModel):
    """Parameters on the device, as a list of (W of shape (inputs, outputs), b)."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        pairs = zip(*inputs.parameters(case), strict=True)
        self._theta = [(jnp.asarray(np.ascontiguousarray(w.T)), jnp.asarray(b)) for w, b in pairs]
        self._step, self._epoch, self._predict = compiled(case, rate)

    def convert(self, x: Array, y: Array) -> tuple[Any, Any]:
        """Return arrays on the device."""
        return jnp.asarray(x), jnp.asarray(y)

    def step(self, x: Any, y: Any) -> None:
        """Take one step; it takes over the old parameters."""
        self._theta = jax.block_until_ready(self._step(self._theta, x, y))

    def parameters(self) -> inputs.Parameters:
        """Return weights of shape (outputs, inputs) and biases."""
        return [np.asarray(w).T for w, _ in self._theta], [np.asarray(b) for _, b in self._theta]

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        return np.asarray(self._predict(self._theta, x))

    def train(self, data: inputs.DataSet) -> None:
        """Train; the samples beyond the last full mini-batch are left out of an epoch."""
        rows = self.case.rows
        x, y = self.convert(data.x, data.y)
        rng = np.random.default_rng(3)
        full = len(x) // rows * rows
        for _ in range(self.epochs):
            batches = rng.permutation(len(x))[:full].reshape(-1, rows)
            self._theta = self._epoch(self._theta, x, y, batches)
        self._theta = jax.block_until_ready(self._theta)
