"""The list of comparisons: each tensor with its bound and the tensors it was computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from deltarule.layers import Array
from deltarule.verification.report import Line


class Name(NamedTuple):
    """Which computation, and which tensor of it."""

    part: str
    tensor: str


class Comparisons:
    """Lines in the order of the computation.

    Parameters
    ----------
    dtype : dtype
        Of the network, for the ulps and the range.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._lines: dict[Name, Line] = {}

    @property
    def lines(self) -> tuple[Line, ...]:
        """All of them."""
        return tuple(self._lines.values())

    @property
    def ok(self) -> bool:
        """Whether all are right."""
        return all(line.ok for line in self._lines.values())

    def wrong(self, names: Iterable[Name]) -> str | None:
        """Return the first wrong tensor among these and those they were computed from."""
        for line in (self._lines[name] for name in names if name in self._lines):
            if not line.ok:
                return line.rests_on or line.tensor
        return None

    def add(
        self,
        name: Name,
        got: ArrayLike,
        want: ArrayLike,
        bound: ArrayLike,
        reason: str,
        *,
        inputs: Iterable[Name] = (),
        places: Array | None = None,
        at_kink: Array | None = None,
    ) -> None:
        """Compare a tensor.

        Parameters
        ----------
        got, want, bound : array_like of the same shape
            An entry whose reference or bound is beyond the dtype's range is left out.
        reason : str
            The reason of the bound.
        inputs : iterable of Name
            The terms from which it was computed.
        places : ndarray of int, optional
            The numbers along the first axis, if not 0, 1, ...: rows of x; or (entries, axes), each
            entry's index.
        at_kink : ndarray of bool, optional
            Entries that have no derivative, left out.
        """
        limits, is_number = np.finfo(self._dtype), np.ndim(want) == 0
        got, want = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (got, want))
        bound = np.broadcast_to(np.asarray(bound, dtype=np.float64), want.shape)
        with np.errstate(all="ignore"):
            counts = np.isfinite(want) & (np.abs(want) <= limits.max) & np.isfinite(bound)
            if at_kink is not None:
                counts &= ~at_kink
            error = np.where(counts, np.abs(got - want), 0.0)
            error[np.isnan(error)] = np.inf
            used = np.where(error == 0.0, 0.0, error / bound)
            used[~counts] = -1.0
            size = np.abs(want)
            ulp = np.spacing(np.maximum(size, limits.tiny).astype(self._dtype)).astype(np.float64)
            there = counts & (size > 0.0)
            worst = np.unravel_index(int(used.argmax()), used.shape)
            line = Line(
                part=name.part,
                tensor=name.tensor,
                entries=int(counts.sum()),
                left_out=int(counts.size - counts.sum()),
                absolute=float(error.max()),
                relative=float((error[there] / size[there]).max(initial=0.0)),
                ulp=float((error[there] / ulp[there]).max(initial=0.0)),
                at=() if is_number else _place(worst, places),
                error=float(error[worst]),
                bound=float(bound[worst]) if counts[worst] else 0.0,
                used=max(0.0, float(used[worst])),
                reason=reason,
            )
        self._lines[name] = replace(line, rests_on=self.wrong(inputs))


def _place(index: tuple[Any, ...], places: Array | None) -> tuple[int, ...]:
    if places is None:
        return tuple(map(int, index))
    if places.ndim == 2:
        return tuple(map(int, places[index[0]]))
    return (int(places[index[0]]), *map(int, index[1:]))
