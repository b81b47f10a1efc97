"""deltarule; the number of threads comes from the environment, as for the others."""

from __future__ import annotations

import deltarule as dr
from deltarule._load import core
from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.layers import Array


def peak(dtype: str, threads: int, seconds: float) -> float:
    """Return the flop per second of fused multiply-adds alone."""
    measure = core.fma_peak_f32 if dtype == "float32" else core.fma_peak_f64
    return float(measure(threads=threads, seconds=seconds))


class Model(BaseModel):
    """`MLP.train_step`, `MLP.predict` and `MLP.fit`, one call each."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        self._net = dr.MLP(
            case.sizes, hidden=case.hidden, output=case.output, dtype=case.dtype, seed=0
        )
        self._net.set_parameters(*inputs.parameters(case))
        self._optimizer = dr.SGD(lr=rate)

    def step(self, x: Array, y: Array) -> None:
        """Take one step of gradient descent."""
        self._net.train_step(x, y, optimizer=self._optimizer)

    def parameters(self) -> inputs.Parameters:
        """Return weights of shape (outputs, inputs) and biases."""
        return list(self._net.weights), list(self._net.biases)

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        return self._net.predict(x)

    def train(self, data: inputs.DataSet) -> None:
        """Train for all epochs."""
        epochs, rows = self.epochs, self.case.rows
        self._net.fit(data.x, data.y, epochs=epochs, batch_size=rows, optimizer=self._optimizer)
