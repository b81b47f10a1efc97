"""Plain NumPy, as one writes it by hand: in place where it can be."""

from __future__ import annotations

import numpy as np

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.data.rows import parts
from deltarule.layers import Array


class Model(BaseModel):
    """Weights, biases, and the three passes."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        self.weights, self.biases = inputs.parameters(case)
        self._hidden, self._output = case.hidden, case.output

    def convert(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return x, and one-hot targets for a softmax."""
        return x, np.eye(self.case.sizes[-1], dtype=x.dtype)[y] if self._output == "softmax" else y

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

    def step(self, x: Array, y: Array) -> None:
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
            dw *= self.rate
            w -= dw
            db *= self.rate
            b -= db

    def parameters(self) -> inputs.Parameters:
        """Return weights of shape (outputs, inputs) and biases."""
        return self.weights, self.biases

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        return self.activations(x)[-1]

    def train(self, data: inputs.DataSet) -> None:
        """Train for all epochs."""
        x, y = self.convert(data.x, data.y)
        rng = np.random.default_rng(3)
        for _ in range(self.epochs):
            order = rng.permutation(len(x))
            for rows in parts(len(x), self.case.rows):
                self.step(x[order[rows]], y[order[rows]])
