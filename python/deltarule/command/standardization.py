"""Columns of any offset and size, brought to mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltarule.command.double_double import FIRST_INEXACT, DoubleDouble

# A correction of a mean below this part of the standard deviation changes nothing that is seen.
NEGLIGIBLE = 2.0**-40

# Values that differ by so many units in the last place are one value, computed in several ways.
ROUNDING_ULPS = 4

# From here on differences of two float64 may overflow.
LARGE = 2.0**1000


@dataclass(frozen=True, eq=False)
class Standardization:
    """The map v -> (v - mean) / scale, column by column.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,), float64
        `mean` is finite; scale > 0, infinite for a column that is constant: it becomes 0,
        whatever its value.
    mean_low : ndarray of shape (d,), float64, or None
        What `mean` lacks where a float64 is too coarse for the column's spread.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    mean_low: NDArray[np.float64] | None = None

    @classmethod
    def fit(
        cls, values: NDArray[np.float64] | DoubleDouble, constant: float = np.inf
    ) -> Standardization:
        """Return the map to mean 0 and standard deviation 1.

        Parameters
        ----------
        values : ndarray or DoubleDouble of shape (n, d)
            The rows to train on, finite.
        constant : float
            The scale of a column whose values are equal, or differ by no more than rounding.
        """
        values = _pair(values)
        # In units of a power of two, which change no bit: no sum and no square overflows.
        units = unit_of(np.abs(values.high).max(axis=0))
        scaled = values / units
        mean, deviations = _centred(scaled)
        scale = np.sqrt((deviations**2).mean(axis=0))
        # A low part of the mean counts where its loss would be seen.
        low = np.zeros_like(scale) if mean.low is None else mean.low
        low = np.where(np.abs(low) > NEGLIGIBLE * scale, low, 0.0)
        with np.errstate(all="ignore"):
            scale = np.maximum(scale * units, np.finfo(np.float64).smallest_subnormal)
            high, low = mean.high * units, low * units
        same = _is_constant(values, scaled)
        first = values.high[0]
        high, low = np.where(same, first, high), np.where(same, 0.0, low)
        scale = np.where(same, constant, scale)
        if constant != np.inf and values.low is not None:
            low = np.where(same, values.low[0], low)
        return cls(high, scale, low if low.any() else None)

    @classmethod
    def identity(cls, d: int) -> Standardization:
        """Return the map of `d` columns that changes nothing."""
        return cls(np.zeros(d), np.ones(d))

    @property
    def center(self) -> DoubleDouble:
        """The mean with its low part."""
        return DoubleDouble(self.mean, self.mean_low)

    def apply(self, values: NDArray[np.float64] | DoubleDouble) -> NDArray[np.float64]:
        """Return (v - mean) / scale of `values` (n, d); infinite where that is beyond float64."""
        # The difference of large numbers may overflow where the quotient does not.
        units = np.where(np.maximum(np.abs(self.mean), _finite(self.scale)) > LARGE, 4.0, 1.0)
        difference = (_pair(values) / units).minus(self.center / units)
        with np.errstate(all="ignore"):
            return difference / (self.scale / units)

    def invert(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return v * scale + mean, the nearest finite float64."""
        largest = np.finfo(np.float64).max
        with np.errstate(all="ignore"):
            number = values * self.scale + self.mean
            if self.mean_low is not None:
                number = number + self.mean_low
        finite: NDArray[np.float64] = np.clip(number, -largest, largest)
        return finite


def deviations(values: DoubleDouble) -> NDArray[np.float64]:
    """Return the differences of `values` (n, d) from their means."""
    return _centred(values)[1]


def _pair(values: NDArray[np.float64] | DoubleDouble) -> DoubleDouble:
    return values if isinstance(values, DoubleDouble) else DoubleDouble(values)


def _finite(scale: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isinf(scale), 0.0, scale)


def unit_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the powers of two next to `values`: dividing by them changes no bit."""
    units: NDArray[np.float64] = np.ldexp(1.0, np.clip(np.frexp(values)[1], -1021, 1023))
    return units


def _centred(values: DoubleDouble) -> tuple[DoubleDouble, NDArray[np.float64]]:
    """Return the means (d,) and the differences from them (n, d).

    The mean of the differences from a rounded mean is the correction of that mean.
    """
    rough = values.high.mean(axis=0)
    differences = values.minus(DoubleDouble(rough))
    correction = differences.mean(axis=0)
    spread = np.sqrt((differences**2).mean(axis=0))
    correction = np.where(np.abs(correction) > NEGLIGIBLE * spread, correction, 0.0)
    high = rough + correction
    # The rounding error of that sum (Knuth's two-sum).
    shift = high - rough
    low = (rough - (high - shift)) + (correction - shift)
    return DoubleDouble(high, low), differences - correction


def _is_constant(values: DoubleDouble, scaled: DoubleDouble) -> NDArray[np.bool_]:
    """Return, for each column, whether its values differ by no more than rounding.

    Whole numbers below 2^53, and numbers with a low part, are exact: they have to be equal.
    """
    shifted = scaled.minus(scaled[:1])
    spread = shifted.max(axis=0) - shifted.min(axis=0)
    magnitude = np.abs(values.high)
    exact = ((values.high == np.rint(values.high)) & (magnitude < FIRST_INEXACT)).all(axis=0)
    if values.low is not None:
        exact |= values.low.any(axis=0)
    ulp = np.spacing(np.abs(scaled.high).max(axis=0))
    constant: NDArray[np.bool_] = spread <= np.where(exact, 0.0, ROUNDING_ULPS * ulp)
    return constant
