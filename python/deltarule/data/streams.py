"""Batches (x, y) or (x, y, sample_weight) that come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.data.frames import is_frame, is_series
from deltarule.data.samples import Batch
from deltarule.data.sparse import is_sparse


def is_stream(x: Any) -> bool:
    """Whether x can be nothing but batches: callable or iterable, and no array of its own."""
    if isinstance(x, np.ndarray | str | bytes | Mapping) or hasattr(x, "__array__"):
        return False
    if is_frame(x) or is_series(x) or is_sparse(x):
        return False
    return callable(x) or isinstance(x, Iterable)


class Stream:
    """The batches of `MLP.fit`.

    Parameters
    ----------
    source : callable or iterable
        A callable that returns an iterator for each epoch, an iterable that can be passed over
        again, or an iterator, for one epoch.
    check : callable
        From x, y and sample_weight or None to a batch as the core takes it.
    epochs : int

    Raises
    ------
    ValueError
        For an iterator and more than one epoch.
    """

    def __init__(
        self,
        source: Callable[[], Iterable[Any]] | Iterable[Any],
        check: Callable[[Any, Any, Any], Batch],
        epochs: int,
    ) -> None:
        self._source = source
        self._check = check
        if not callable(source) and isinstance(source, Iterator) and epochs > 1:
            raise ValueError(
                "x is an iterator, which is exhausted after one epoch, but epochs is "
                f"{epochs}; give epochs=1, or a callable that returns an iterator for each epoch"
            )

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, checked one by one.

        Raises
        ------
        TypeError, ValueError
            For a batch that does not fit, naming it, or for an epoch without batches.
        """
        batches = self._source() if callable(self._source) else self._source
        if not isinstance(batches, Iterable):
            raise TypeError(f"x must return an iterator of batches, not {batches!r}")
        count = 0
        for count, batch in enumerate(batches, start=1):
            yield self._checked(batch, f"epoch {number}, batch {count}")
        if count == 0:
            again = "; it is exhausted, a callable must return a new one" if number > 1 else ""
            raise ValueError(f"epoch {number}: x gave no batches{again}")

    def _checked(self, batch: Any, where: str) -> Batch:
        if not isinstance(batch, Sequence) or len(batch) not in (2, 3):
            size = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
            raise TypeError(
                f"{where}: a batch must be (x, y) or (x, y, sample_weight), "
                f"not {type(batch).__name__}{size}"
            )
        try:
            return self._check(batch[0], batch[1], batch[2] if len(batch) == 3 else None)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{where}: {error}") from None
