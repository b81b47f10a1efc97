"""Writes the checkpoints of a fit, keeps the last of them, and reads one."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.backend import MLPLike, State
from deltarule.checkpoint.format import Saved
from deltarule.checkpoint.rng_state import generator_words
from deltarule.checkpoint.settings import Checkpoint, Names, NotedCheckpoint, interval
from deltarule.errors import ModelFileError
from deltarule.io import model_file
from deltarule.io.json_fields import Fields

if TYPE_CHECKING:
    from deltarule.training.history import History
    from deltarule.training.progress import Course

Words = dict[str, Any]

# The part of a model file's own words that makes it a checkpoint.
PART = "checkpoint"


class Keeper:
    """Writes the checkpoints of one fit.

    Parameters
    ----------
    settings : Checkpoint
    network : MLPLike
    run, data : dict
        The settings of the fit and the fingerprints of its data, as JSON can hold them.
    course, is_over : Course, bool
        Where the fit begins, and whether it is over there.

    Raises
    ------
    TypeError
        If the network's random generator cannot be written down.
    """

    def __init__(
        self,
        settings: Checkpoint,
        network: MLPLike,
        run: Words,
        data: Words,
        course: Course,
        is_over: bool,
    ) -> None:
        self._settings, self._network = settings, network
        self._names = Names(settings.path)
        self._run, self._data = run, data
        self._epochs_before = network._epochs - course.epochs
        self._every, self._seconds = interval(settings.every)
        noted = settings if isinstance(settings, NotedCheckpoint) else None
        self._note = {} if noted is None else noted.note
        self._written = [] if noted is None else list(noted.written)
        self._id = os.urandom(8).hex() if noted is None or not noted.id else noted.id
        self._saved = (course, is_over) if self._written else None
        self._saved_epochs, self._saved_at = course.epochs, time.perf_counter()
        generator_words(network._rng.bit_generator.state)

    def check_place(self) -> None:
        """Raise OSError where a file is in the way."""
        path = self._names.newest()
        if path is None or self._settings.overwrite:
            return
        try:
            is_over = Fields(model_file.read_words(path).get(PART), PART).flag("is_over")
        except ModelFileError as error:
            raise FileExistsError(
                errno.EEXIST, f"is no checkpoint, and overwrite is False ({error})", str(path)
            ) from None
        if not is_over:
            raise FileExistsError(
                errno.EEXIST,
                "holds a run that is not over: deltarule.resume goes on with it, overwrite=True "
                "replaces it",
                str(path),
            )

    @property
    def seconds_left(self) -> float:
        """Until the next checkpoint."""
        return max(0.0, self._saved_at + self._seconds - time.perf_counter())

    def epochs_left(self, done: int) -> int:
        """Return how many epochs may follow those that are done until the next checkpoint."""
        if self._every is None:
            return sys.maxsize
        return max(1, self._saved_epochs + self._every - done)

    def is_due(self, done: int) -> bool:
        """Whether a checkpoint is to be written after so many epochs."""
        if self._every is None:
            return self.seconds_left == 0
        return done >= self._saved_epochs + self._every

    def has(self, course: Course, is_over: bool) -> bool:
        """Whether that is what was written last."""
        return self._saved == (course, is_over)

    def save(
        self, course: Course, history: History, generator: Words | None, is_over: bool
    ) -> None:
        """Write a checkpoint, and remove those that are not to be kept any more.

        Parameters
        ----------
        course : Course
            Without a call under way.
        history : History
            Of the whole epochs.
        generator : dict or None
            The state of the random generator before the next epoch; None: as it is.
        is_over : bool
        """
        self._saved_epochs, self._saved_at = course.epochs, time.perf_counter()
        now = State(self._network._core)
        if not np.isfinite(now.theta).all():
            return  # an update overflowed a moment ago
        path = self._names.of(course.epochs)
        written = [name for name in self._written if name != path.name] + [path.name]
        settings = self._settings
        saved = Saved(
            course=course,
            history=history,
            generator=generator_words(generator or self._network._rng.bit_generator.state),
            epochs_before=self._epochs_before,
            split_seed=self._network._split_seed,
            is_over=is_over,
            run=self._run,
            data=self._data,
            keeping={
                "name": self._names.name,
                "every": settings.every,
                "keep": int(settings.keep),
                "written": written,
                "id": self._id,
            },
        )
        main, tensors, words = saved.encoded(now)
        words = {**self._note, PART: words}
        model_file.write_model(
            path, self._network, tensors, words, theta=main.theta, names_functions=True
        )
        self._saved, self._saved_at = (course, is_over), time.perf_counter()
        self._written = written[-settings.keep :]
        for name in written[: -settings.keep]:
            self._remove(self._names.folder / name)

    def _remove(self, path: Path) -> None:
        """Remove a file, if it is of this run, whatever named it."""
        with suppress(OSError, ModelFileError):
            words = Fields(model_file.read_words(path).get(PART), PART)
            if words.part("keeping").text("id") == self._id:
                path.unlink()
