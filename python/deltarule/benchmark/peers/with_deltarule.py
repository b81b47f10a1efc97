"""This package; the number of threads comes from the environment, as for the others."""

from __future__ import annotations

from typing import Any

import deltarule as dr
from deltarule._load import core
from deltarule.benchmark import cases, inputs


def peak(dtype: str, threads: int, seconds: float) -> float:
    """Return the flop a second of nothing but fused multiply-adds."""
    measure = core.fma_peak_f32 if dtype == "float32" else core.fma_peak_f64
    return float(measure(threads=threads, seconds=seconds))


def _network(case: cases.Case) -> dr.MLP:
    net = dr.MLP(case.sizes, hidden=case.hidden, output=case.output, dtype=case.dtype, seed=0)
    net.set_parameters(*inputs.parameters(case))
    return net


class TrainingStep:
    """One call of `MLP.train_step`."""

    def __init__(self, case: cases.TrainingStep) -> None:
        self._x, self._y = inputs.batch(case)
        self._net = _network(case)
        self._optimizer = dr.SGD(lr=inputs.STEP_RATE)

    def run(self) -> None:
        self._net.train_step(self._x, self._y, optimizer=self._optimizer)

    def parameters(self) -> inputs.Parameters:
        return list(self._net.weights), list(self._net.biases)


class Prediction:
    """One call of `MLP.predict`."""

    def __init__(self, case: cases.Prediction) -> None:
        self._x, _ = inputs.batch(case)
        self._net = _network(case)

    def run(self) -> inputs.Array:
        return self._net.predict(self._x)


class Training:
    """One call of `MLP.fit`."""

    def __init__(self, case: cases.Training) -> None:
        self._case = case
        self._data = inputs.data_set(case)

    def run(self) -> None:
        case, data = self._case, self._data
        self._net = _network(case)
        optimizer = dr.SGD(lr=inputs.TRAINING_RATE)
        self._net.fit(data.x, data.y, epochs=case.epochs, batch_size=case.rows, optimizer=optimizer)

    def classes(self, x: inputs.Array) -> Any:
        return self._net.predict(x).argmax(axis=1)
