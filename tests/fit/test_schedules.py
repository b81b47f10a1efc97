"""Learning-rate schedules: their formulas, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deltarule import schedules
from deltarule.training.learning_rate import PlateauState, rates

OURS = {
    "constant": (schedules.Constant(0.3), lambda e: 0.3),
    "step": (schedules.Step(0.3, every=2.5, factor=0.5), lambda e: 0.3 * 0.5 ** (e // 2.5)),
    "exponential": (schedules.Exponential(0.3, factor=0.9), lambda e: 0.3 * 0.9**e),
    "cosine": (
        schedules.Cosine(0.3, epochs=3, final=0.1),
        lambda e: 0.1 + 0.1 * (1 + np.cos(np.pi * min(e / 3, 1))),
    ),
    "inverse scaling": (schedules.InverseScaling(0.3, power=0.7), lambda e: 0.3 / (1 + e) ** 0.7),
    "warm-up": (
        schedules.WarmUp(2, schedules.Exponential(0.3, factor=0.9), start=0.2),
        lambda e: (0.2 + 0.8 * min(e / 2, 1)) * 0.3 * 0.9**e,
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_the_rate_of_every_step(name: str) -> None:
    schedule, formula = OURS[name]
    got = rates(schedule, 1, epochs=4, steps=5)
    want = [[formula(epoch + step / 5) for step in range(5)] for epoch in range(1, 5)]
    np.testing.assert_allclose(got, want, rtol=1e-14)
    assert isinstance(schedule(1), float)


def test_a_momentum_function_is_called_once_per_epoch() -> None:
    asked: list[int] = []

    def schedule(epoch: int) -> float:
        asked.append(epoch)
        return 1.0 / (1 + epoch)

    assert rates(schedule, 3, epochs=2, steps=7).tolist() == [[1 / 4], [1 / 5]]
    assert asked == [3, 4]
    warm = schedules.WarmUp(8, schedule)
    assert rates(warm, 4, epochs=1, steps=7).tolist() == [[0.5 / 5]]


def test_a_plateau_lowers_the_rate_after_its_patience() -> None:
    watch = PlateauState(schedules.Plateau(1.0, factor=0.5, patience=1, min_delta=0.1, least=0.2))
    seen = []
    for loss in (10.0, 8.0, 7.9, 7.8, 7.7, 7.6, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0):
        seen.append(watch.rate)
        watch = watch.after(loss)
    assert seen == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.Constant(0.0), ValueError, "lr must be above 0 and finite, not 0.0"),
        (lambda: schedules.Step(0.1, 0), ValueError, "every must be above 0 and finite, not 0"),
        (lambda: schedules.Exponential(0.1, "x"), TypeError, "factor must be a number, not 'x'"),
        (lambda: schedules.Cosine(0.1, 5, -1), ValueError, "final must be 0 or more and finite"),
        (lambda: schedules.InverseScaling(0.1, 0), ValueError, "power must be above 0"),
        (lambda: schedules.WarmUp(0, 0.1), ValueError, "epochs must be above 0 and finite, not 0"),
        (lambda: schedules.WarmUp(1, 0.1, 1.0), ValueError, r"start must be in \[0, 1\), not 1.0"),
        (lambda: schedules.WarmUp(1, "x"), TypeError, "then must be a schedule of the epoch"),
        (
            lambda: schedules.WarmUp(1, schedules.Plateau(0.1)),
            TypeError,
            "then must be a schedule of the epoch",
        ),
        (lambda: schedules.Plateau(0.1, factor=1.0), ValueError, r"factor must be in \(0, 1\)"),
        (lambda: schedules.Plateau(0.1, patience=-1), ValueError, "patience must be 0 or more"),
        (
            lambda: schedules.Plateau(0.1, patience=2.5),
            TypeError,
            "patience must be a whole number",
        ),
        (lambda: schedules.Plateau(0.1, least=0.2), ValueError, "least must be at most lr 0.1"),
        (lambda: rates(lambda e: "x", 0, 1, 1), TypeError, r"schedule\(0\) must be a number"),
        (lambda: rates(lambda e: -1.0, 2, 1, 1), ValueError, "schedule gives the rate -1.0 in epo"),
        (lambda: rates(lambda e: np.nan, 2, 1, 1), ValueError, "schedule gives the rate nan in ep"),
    ],
)
def test_bad_schedules(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
