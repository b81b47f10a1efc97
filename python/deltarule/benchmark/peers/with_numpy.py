"""Plain NumPy, as one writes it by hand: in place where it can be."""

from __future__ import annotations

from typing import Any

import numpy as np

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.inputs import Array


class Network:
    """Weights, biases, and the three passes."""

    def __init__(self, case: cases.Case) -> None:
        self.weights, self.biases = inputs.parameters(case)
        self._hidden, self._output = case.hidden, case.output

    def activations(self, x: Array) -> list[Array]:
        """Return the activations of all layers, the inputs first."""
        a = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = a[-1] @ w.T
            z += b
            if self._hidden == "relu":
                np.maximum(z, 0, out=z)
            elif self._hidden == "tanh":
                np.tanh(z, out=z)
            else:
                z = 1 / (1 + np.exp(-z))
            a.append(z)
        z = a[-1] @ self.weights[-1].T
        z += self.biases[-1]
        if self._output == "softmax":
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
        elif self._output == "sigmoid":
            z = 1 / (1 + np.exp(-z))
        return [*a, z]

    def step(self, x: Array, y: Array, rate: float) -> None:
        """Take one step of gradient descent; y has the shape of the outputs."""
        a = self.activations(x)
        delta = (a[-1] - y) / len(x)
        for i in reversed(range(len(self.weights))):
            w, b, below = self.weights[i], self.biases[i], a[i]
            dw, db = delta.T @ below, delta.sum(axis=0)
            if i > 0:
                delta = delta @ w
                if self._hidden == "relu":
                    delta *= below > 0
                elif self._hidden == "tanh":
                    delta *= 1 - below * below
                else:
                    delta *= below * (1 - below)
            dw *= rate
            w -= dw
            db *= rate
            b -= db


class TrainingStep:
    """A step on targets that are ready."""

    def __init__(self, case: cases.TrainingStep) -> None:
        self._x, y = inputs.batch(case)
        self._y = np.eye(case.sizes[-1], dtype=case.dtype)[y] if case.output == "softmax" else y
        self._net = Network(case)

    def run(self) -> None:
        self._net.step(self._x, self._y, inputs.STEP_RATE)

    def parameters(self) -> inputs.Parameters:
        return self._net.weights, self._net.biases


class Prediction:
    """The last activations."""

    def __init__(self, case: cases.Prediction) -> None:
        self._x, _ = inputs.batch(case)
        self._net = Network(case)

    def run(self) -> Array:
        return self._net.activations(self._x)[-1]


class Training:
    """Epochs of shuffled mini-batches."""

    def __init__(self, case: cases.Training) -> None:
        self._case = case
        self._data = inputs.data_set(case)

    def run(self) -> None:
        x, rows = self._data.x, self._case.rows
        y = np.eye(self._case.sizes[-1], dtype=self._case.dtype)[self._data.y]
        self._net = Network(self._case)
        rng = np.random.default_rng(3)
        for _ in range(self._case.epochs):
            order = rng.permutation(len(x))
            for first in range(0, len(x), rows):
                batch = order[first : first + rows]
                self._net.step(x[batch], y[batch], inputs.TRAINING_RATE)

    def classes(self, x: Array) -> Any:
        return self._net.activations(x)[-1].argmax(axis=1)
