"""Double-double numbers: whole numbers beyond 2^53, whose neighbours share a float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# From here on a float64 may not be the only whole number that rounds to it.
FIRST_INEXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class DoubleDouble:
    """The numbers ``high + low``.

    Attributes
    ----------
    high : ndarray, float64
        The nearest float64 of each number.
    low : ndarray of the shape of `high`, float64, or None
        What `high` lacks; None where that is 0 throughout.
    """

    high: NDArray[np.float64]
    low: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.high)

    def __getitem__(self, rows: Any) -> DoubleDouble:
        """Return some of the rows, as NumPy selects them."""
        return DoubleDouble(self.high[rows], None if self.low is None else self.low[rows])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of both parts."""
        return self.high.shape

    def __truediv__(self, powers: NDArray[np.float64] | np.float64) -> DoubleDouble:
        """Return the quotients by powers of two, which are broadcast."""
        return DoubleDouble(self.high / powers, None if self.low is None else self.low / powers)

    def minus(self, other: DoubleDouble) -> NDArray[np.float64]:
        """Return the difference as float64, exact to rounding; `other` is broadcast."""
        difference: NDArray[np.float64] = self.high - other.high
        if self.low is not None:
            difference = difference + self.low
        return difference if other.low is None else difference - other.low


def of_integers(integers: Sequence[Any], high: NDArray[np.float64]) -> DoubleDouble:
    """Return numbers whose float64 `high` (n,) are known.

    Parameters
    ----------
    integers : sequence of length n
        What ``int`` takes, or None where `high` is all there is.
    """
    low = np.zeros_like(high)
    for i in np.flatnonzero(np.abs(high) >= FIRST_INEXACT).tolist():
        if integers[i] is not None and np.isfinite(high[i]):
            low[i] = int(integers[i]) - int(high[i])
    return DoubleDouble(high, low if low.any() else None)


def of_array(array: NDArray[Any]) -> DoubleDouble:
    """Return an array of booleans, integers or floats."""
    high = array.astype(np.float64)
    if array.dtype.kind not in "iu" or not (np.abs(high) >= FIRST_INEXACT).any():
        return DoubleDouble(high)
    flat = of_integers(array.reshape(-1).tolist(), high.reshape(-1))
    return DoubleDouble(high, None if flat.low is None else flat.low.reshape(high.shape))
