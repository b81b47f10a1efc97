"""Whether a peer does the same work: it is asked for evidence before it is timed.

The truth is the plain NumPy peer in float64.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from deltarule.benchmark import inputs
from deltarule.benchmark.cases import Case, Prediction, Training, TrainingStep
from deltarule.benchmark.peers import with_numpy
from deltarule.benchmark.peers.model import Job

Evidence = list[list[float]]

STEPS = 3
ROWS = 4
# How far from the truth, relative to its largest number. Other orders of summation, in float32,
# change a step by some 1e-4; the accuracy of a training depends on its shuffles.
TOLERANCE = {TrainingStep: 0.02, Prediction: 1e-3, Training: 0.05}


class Truth(NamedTuple):
    """The evidence of a correct peer, and how far each of its groups may be from it."""

    groups: Evidence
    tolerance: list[float]


def evidence(case: Case, job: Job) -> Evidence:
    """Return groups of numbers on which the peers must agree; does the job a few times."""
    if isinstance(case, TrainingStep):
        for _ in range(STEPS):
            job.run()
        return _moves(case, job.model.parameters())
    result = job.run()
    if isinstance(case, Prediction):
        outputs = np.asarray(result, np.float64).reshape(case.rows, -1)
        return outputs[:ROWS].tolist()  # type: ignore[no-any-return]
    assert isinstance(case, Training)
    data = inputs.data_set(case)
    correct = np.asarray(job.model.classes(data.x_held_out)) == data.y_held_out
    return [[float(correct.mean())]]


def _moves(case: Case, after: inputs.Parameters) -> Evidence:
    """Return projections of each layer's change, U (W' - W) v and U (b' - b), over the rate."""
    rng = np.random.default_rng(2)
    groups = []
    for w, b, w_after, b_after in zip(*inputs.parameters(case), *after, strict=True):
        u, v = rng.standard_normal((4, w.shape[0])), rng.standard_normal(w.shape[1])
        w_move = u @ ((np.asarray(w_after, np.float64) - w) @ v)
        b_move = u @ (np.asarray(b_after, np.float64) - b)
        groups += [(move / inputs.STEP_RATE).tolist() for move in (w_move, b_move)]
    return groups


def truth(case: Case) -> Truth:
    """Return the evidence of plain NumPy in float64."""
    precise = replace(case, dtype="float64")
    groups = evidence(precise, Job(precise, with_numpy.Model))
    tolerance = TOLERANCE[type(case)] * np.array([np.abs(group).max() for group in groups])
    if isinstance(case, TrainingStep):
        tolerance += _rounding(case)
    return Truth(groups, tolerance.tolist())


def _rounding(case: Case) -> list[float]:
    """Return the error of each group of `_moves` that comes of rounding the new parameters.

    A step's rounding is a random number of 0.2 epsilon times the parameter; the squares of the
    steps' and the projection's errors add up; the factor 2 is some five standard deviations.
    """
    epsilon = float(np.finfo(case.dtype).eps)
    return [
        2 * epsilon * float(np.linalg.norm(values)) / inputs.STEP_RATE
        for layer in zip(*inputs.parameters(case), strict=True)
        for values in layer
    ]


def disagreement(got: Evidence, want: Truth) -> str | None:
    """Return the first difference of a peer's evidence from the truth, or None."""
    if [len(group) for group in got] != [len(group) for group in want.groups]:
        return "its results differ in shape"
    for a, b, tolerance in zip(got, *want, strict=True):
        if not np.abs(np.subtract(a, b)).max() <= tolerance:
            return f"its results differ: {_few(a)} instead of {_few(b)}"
    return None


def _few(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:3])
