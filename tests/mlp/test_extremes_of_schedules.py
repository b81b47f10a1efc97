"""Learning rates at the ends of the numbers, of any type: used as they are, or refused by name."""

from __future__ import annotations

import decimal
import fractions
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import schedules
from extremes_support import TINY, X, is_finite, refused, unit

pytestmark = pytest.mark.filterwarnings("error")

GOOD_RATES: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "0": (lambda epoch: 0, [0.0] * 3),
    "-0.0": (lambda epoch: -0.0, [0.0] * 3),
    "subnormal": (lambda epoch: 1e-310, [1e-310] * 3),
    "numpy.float32": (lambda epoch: np.float32(0.5), [0.5] * 3),
    "Fraction": (lambda epoch: fractions.Fraction(1, 8), [0.125] * 3),
    "Cosine of Fraction": (
        schedules.Cosine(fractions.Fraction(1, 4), fractions.Fraction(2)),
        [0.25, 0.125, 0.0],
    ),
    "Step of Fraction": (
        schedules.Step(fractions.Fraction(1, 4), 1, fractions.Fraction(1, 2)),
        [0.25, 0.125, 0.0625],
    ),
    "Plateau of Fraction": (schedules.Plateau(fractions.Fraction(1, 8)), [0.125] * 3),
    "Exponential to 0": (schedules.Exponential(0.125, 1e-300), [0.125, 1.25e-301, 0.0]),
    "InverseScaling to 0": (schedules.InverseScaling(0.125, 1e308), [0.125, 0.0, 0.0]),
    "WarmUp for ever": (schedules.WarmUp(1e308, 0.5), [0.0, 5e-309, 1e-308]),
    "WarmUp of a numpy.float32": (schedules.WarmUp(1, lambda _: np.float32(0.5)), [0, 0.5, 0.5]),
}


@pytest.mark.parametrize("name", GOOD_RATES)
def test_rates_of_any_real_type(name: str) -> None:
    schedule, wanted = GOOD_RATES[name]
    net = unit("float32")
    history = net.fit(X, X, epochs=3, schedule=schedule)
    np.testing.assert_allclose(history.learning_rate, wanted, rtol=1e-15, atol=1e-16)
    assert is_finite(net)
    assert (history.loss[1] == history.loss[0]) == (wanted[0] < TINY["float32"])


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (math.nan, ValueError, "schedule gives the rate nan in epoch 0"),
        (math.inf, ValueError, "schedule gives the rate inf in epoch 0"),
        (-1, ValueError, r"schedule gives the rate -1\.0 in epoch 0"),
        (10**400, ValueError, "schedule gives the rate inf in epoch 0"),
        (fractions.Fraction(10**400), ValueError, "schedule gives the rate inf in epoch 0"),
        (np.longdouble("inf"), ValueError, "schedule gives the rate inf in epoch 0"),
        (None, TypeError, r"schedule\(0\) must be a number, not None"),
        ("0.1", TypeError, r"schedule\(0\) must be a number, not '0\.1'"),
        (True, TypeError, r"schedule\(0\) must be a number, not True"),
        (0.1j, TypeError, r"schedule\(0\) must be a number, not 0\.1j"),
        (np.array([0.1]), TypeError, r"schedule\(0\) must be a number, not array"),
        (decimal.Decimal("0.1"), TypeError, r"schedule\(0\) must be a number, not Decimal"),
        (1e38, dr.DivergenceError, r"lower learning rate than 1e\+38"),
        (1e300, dr.DivergenceError, r"lower learning rate than 1e\+300"),
    ],
)
def test_invalid_rates_of_a_schedule_are_refused(
    rate: Any, error: type[Exception], message: str
) -> None:
    net = dr.MLP([1, 3, 1], seed=0)
    fit: dict[str, Any] = {"epochs": 3, "batch_size": 4}
    refused(net, lambda: net.fit(X, X**2, schedule=lambda _: rate, **fit), error, message)
    warm = schedules.WarmUp(1, lambda _: rate, start=0.5)
    if error is TypeError:
        message = message.replace("schedule", "then")
    if error is not dr.DivergenceError:
        message = message.replace(r"-1\.0", r"-0\.5")
        refused(net, lambda: net.fit(X, X**2, schedule=warm, **fit), error, message)
        with pytest.raises(error, match="configs"):
            dr.fit_many(X, X**2, [{"schedule": lambda _: rate}], sizes=[1, 1])


@pytest.mark.parametrize("then", [10**400, math.inf, 0])
def test_invalid_targets_of_a_warm_up_are_refused(then: Any) -> None:
    with pytest.raises(ValueError, match="then must be above 0 and finite, not"):
        schedules.WarmUp(1, then)
