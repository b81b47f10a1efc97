"""JAX, the whole step compiled; in a training, the whole epoch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.benchmark import cases, inputs

_HIDDEN = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
_OUTPUT = {"identity": lambda z: z, "softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}


def parameters(case: cases.Case) -> Any:
    """Return a list of (W of shape (inputs, outputs), b)."""
    jax.config.update("jax_enable_x64", case.dtype == "float64")
    pairs = zip(*inputs.parameters(case), strict=True)
    return [(jnp.asarray(np.ascontiguousarray(w.T)), jnp.asarray(b)) for w, b in pairs]


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


def as_numpy(theta: Any) -> inputs.Parameters:
    """Return the parameters in the order of the other peers."""
    return [np.asarray(w).T for w, _ in theta], [np.asarray(b) for _, b in theta]


class TrainingStep:
    """A step on arrays that are on the device; it gives its old parameters away."""

    def __init__(self, case: cases.TrainingStep) -> None:
        self._theta = parameters(case)
        self._x, self._y = map(jnp.asarray, inputs.batch(case))
        self._step = jax.jit(
            lambda theta, x, y: step(case, theta, x, y, inputs.STEP_RATE), donate_argnums=0
        )

    def run(self) -> None:
        self._theta = jax.block_until_ready(self._step(self._theta, self._x, self._y))

    def parameters(self) -> inputs.Parameters:
        return as_numpy(self._theta)


class Prediction:
    """From a NumPy array to a NumPy array."""

    def __init__(self, case: cases.Prediction) -> None:
        self._theta = parameters(case)
        self._x, _ = inputs.batch(case)
        output = _OUTPUT[case.output]
        self._predict = jax.jit(lambda theta, x: output(forward(case, theta, x)))

    def run(self) -> inputs.Array:
        return np.asarray(self._predict(self._theta, self._x))


class Training:
    """Epochs, each one call; the samples beyond the last full mini-batch sit out an epoch."""

    def __init__(self, case: cases.Training) -> None:
        self._case = case
        self._data = inputs.data_set(case)

        def epoch(theta: Any, x: Any, y: Any, batches: Any) -> Any:
            def one(theta: Any, batch: Any) -> Any:
                return step(case, theta, x[batch], y[batch], inputs.TRAINING_RATE), None

            return jax.lax.scan(one, theta, batches)[0]

        self._epoch = jax.jit(epoch, donate_argnums=0)

    def run(self) -> None:
        theta, rows = parameters(self._case), self._case.rows
        x, y = jnp.asarray(self._data.x), jnp.asarray(self._data.y)
        rng = np.random.default_rng(3)
        full = len(x) // rows * rows
        for _ in range(self._case.epochs):
            batches = rng.permutation(len(x))[:full].reshape(-1, rows)
            theta = self._epoch(theta, x, y, batches)
        self._theta = jax.block_until_ready(theta)

    def classes(self, x: inputs.Array) -> Any:
        return np.asarray(forward(self._case, self._theta, x)).argmax(axis=1)
