"""The numbers of a case: batches, parameters and data sets, the same for every peer.

They are drawn in float32 and then converted, so that a float64 peer has the same ones.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from deltarule.benchmark.cases import DIGITS, Case, Training
from deltarule.data.digits import load_digits
from deltarule.layers import Array

Parameters = tuple[list[Array], list[Array]]

STEP_RATE = 1e-3
TRAINING_RATE = 0.1


class DataSet(NamedTuple):
    """Images and class indices, to train on and held out."""

    x: Array
    y: Array
    x_held_out: Array
    y_held_out: Array


def batch(case: Case) -> tuple[Array, Array]:
    """Return inputs, and targets: class indices for a softmax, else a row of values a sample."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.rows, case.sizes[0]), dtype=np.float32)
    shape = (case.rows, case.sizes[-1])
    if case.output == "softmax":
        return x.astype(case.dtype), rng.integers(0, case.sizes[-1], case.rows)
    if case.output == "sigmoid":
        return x.astype(case.dtype), rng.integers(0, 2, shape).astype(case.dtype)
    return x.astype(case.dtype), rng.standard_normal(shape, dtype=np.float32).astype(case.dtype)


def parameters(case: Case) -> Parameters:
    """Return new weights, (outputs, inputs) each, of variance 1 / inputs, and small biases."""
    rng = np.random.default_rng(1)
    weights, biases = [], []
    for n_in, n_out in pairwise(case.sizes):
        scale = np.float32(n_in**-0.5)
        w = scale * rng.standard_normal((n_out, n_in), dtype=np.float32)
        weights.append(w.astype(case.dtype))
        b = np.float32(0.1) * rng.standard_normal(n_out, dtype=np.float32)
        biases.append(b.astype(case.dtype))
    return weights, biases


def data_set(case: Training) -> DataSet:
    """Return the case's images, pixels in [0, 1], and labels."""
    if case.data == DIGITS:
        x, y = load_digits()
    else:
        with np.load(case.data, allow_pickle=False) as archive:
            images, y = archive["images"], archive["labels"].astype(np.int64)
        x = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    x, n = x.astype(case.dtype), case.samples
    return DataSet(x[:n], y[:n], x[n:], y[n:])
