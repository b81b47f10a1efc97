"""Whether a peer does the same work: it is asked for evidence before it is timed.

The truth is the plain NumPy peer in float64.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from deltarule.benchmark import inputs
from deltarule.benchmark.cases import Case, Prediction, Training, TrainingStep

Evidence = list[list[float]]

STEPS = 3
ROWS = 4
# How far from the truth, relative to its largest number. Different sums, in float32, move a step by
# some 1e-4; what a training reaches depends on its shuffles.
TOLERANCE = {TrainingStep: 0.02, Prediction: 1e-3, Training: 0.05}


class Truth(NamedTuple):
    """What a peer must show, and how far each of the groups may be from it."""

    groups: Evidence
    tolerance: list[float]


def evidence(case: Case, work: Any) -> Evidence:
    """Return groups of numbers on which the peers must agree; does the work a few times."""
    if isinstance(case, TrainingStep):
        for _ in range(STEPS):
            work.run()
        return _moves(case, work.parameters())
    if isinstance(case, Prediction):
        outputs = np.asarray(work.run(), np.float64).reshape(case.rows, -1)
        return [row.tolist() for row in outputs[:ROWS]]
    assert isinstance(case, Training)
    work.run()
    held_out = inputs.data_set(case)
    correct = np.asarray(work.classes(held_out.x_held_out)) == held_out.y_held_out
    return [[float(correct.mean())]]


def _moves(case: Case, after: inputs.Parameters) -> Evidence:
    """Return where the steps took each layer, U (W' - W) v and U (b' - b), over the rate."""
    rng = np.random.default_rng(2)
    groups = []
    for w, b, w_after, b_after in zip(*inputs.parameters(case), *after, strict=True):
        u, v = rng.standard_normal((4, w.shape[0])), rng.standard_normal(w.shape[1])
        w_move = u @ ((np.asarray(w_after, np.float64) - w) @ v)
        b_move = u @ (np.asarray(b_after, np.float64) - b)
        groups += [(move / inputs.STEP_RATE).tolist() for move in (w_move, b_move)]
    return groups


def truth(case: Case) -> Truth:
    """Return what plain NumPy shows in float64."""
    from deltarule.benchmark.peers import with_numpy

    precise = replace(case, dtype="float64")
    work = getattr(with_numpy, type(case).__name__)(precise)
    groups = evidence(precise, work)
    tolerance = TOLERANCE[type(case)] * np.array([np.abs(group).max() for group in groups])
    if isinstance(case, TrainingStep):
        tolerance += _rounding(case)
    return Truth(groups, tolerance.tolist())


def _rounding(case: Case) -> list[float]:
    """Return what rounding the new parameters adds to a group of `_moves`.

    A step's rounding is a random number of 0.2 epsilon times the parameter; those of the steps and
    of the projection add up as squares; the factor 2 is some five standard deviations.
    """
    epsilon = float(np.finfo(case.dtype).eps)
    return [
        2 * epsilon * float(np.linalg.norm(values)) / inputs.STEP_RATE
        for layer in zip(*inputs.parameters(case), strict=True)
        for values in layer
    ]


def disagreement(got: Evidence, want: Truth) -> str | None:
    """Return what is wrong with a peer's evidence, or None."""
    if [len(group) for group in got] != [len(group) for group in want.groups]:
        return "its results differ in shape"
    for a, b, tolerance in zip(got, *want, strict=True):
        if not np.abs(np.subtract(a, b)).max() <= tolerance:
            return f"its results differ: {_few(a)} instead of {_few(b)}"
    return None


def _few(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values[:3])
