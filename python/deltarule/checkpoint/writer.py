"""Writes the checkpoints of a fit, and removes all but the last of them."""

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
from deltarule.checkpoint.format import SavedRun
from deltarule.checkpoint.rng_state import generator_to_json
from deltarule.checkpoint.settings import (
    AnnotatedCheckpoint,
    Checkpoint,
    CheckpointFiles,
    interval,
)
from deltarule.errors import ModelFileError
from deltarule.io import model_file
from deltarule.io.json_fields import Fields

if TYPE_CHECKING:
    from deltarule.training.history import History
    from deltarule.training.progress import Progress

Json = dict[str, Any]

# The part of a model file's metadata that makes it a checkpoint.
PART = "checkpoint"


class CheckpointWriter:
    """Writes the checkpoints of one fit.

    Parameters
    ----------
    settings : Checkpoint
    network : MLPLike
    run, data : dict
        The options of the fit and the fingerprints of its data, as JSON.
    progress, is_over : Progress, bool
        The beginning of the fit, and whether the run has ended there.

    Raises
    ------
    TypeError
        If the state of the network's random generator cannot be saved.
    """

    def __init__(
        self,
        settings: Checkpoint,
        network: MLPLike,
        run: Json,
        data: Json,
        progress: Progress,
        is_over: bool,
    ) -> None:
        self._settings, self._network = settings, network
        self._files = CheckpointFiles(settings.path)
        self._run, self._data = run, data
        self._epochs_before = network._epochs - progress.epochs
        self._every, self._seconds = interval(settings.every)
        more = settings if isinstance(settings, AnnotatedCheckpoint) else None
        self._note = {} if more is None else more.note
        self._written = [] if more is None else list(more.written)
        self._id = os.urandom(8).hex() if more is None or not more.id else more.id
        self._saved = (progress, is_over) if self._written else None
        self._saved_epochs, self._saved_at = progress.epochs, time.perf_counter()
        generator_to_json(network._rng.bit_generator.state)

    def check_place(self) -> None:
        """Raise OSError where a file exists that must not be replaced."""
        path = self._files.newest()
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
        """Time until the next checkpoint is due."""
        return max(0.0, self._saved_at + self._seconds - time.perf_counter())

    def epochs_left(self, done: int) -> int:
        """Return the number of epochs until the next checkpoint is due, at least 1."""
        if self._every is None:
            return sys.maxsize
        return max(1, self._saved_epochs + self._every - done)

    def is_due(self, done: int) -> bool:
        """Return whether a checkpoint is due after so many epochs."""
        if self._every is None:
            return self.seconds_left == 0
        return done >= self._saved_epochs + self._every

    def has(self, progress: Progress, is_over: bool) -> bool:
        """Return whether the last checkpoint is of that state."""
        return self._saved == (progress, is_over)

    def save(
        self, progress: Progress, history: History, generator: Json | None, is_over: bool
    ) -> None:
        """Write a checkpoint, and remove the oldest beyond `Checkpoint.keep`.

        Parameters
        ----------
        progress : Progress
            Without a call that runs.
        history : History
            Of the complete epochs.
        generator : dict or None
            The state of the random generator before the next epoch; None: its present state.
        is_over : bool
        """
        self._saved_epochs, self._saved_at = progress.epochs, time.perf_counter()
        now = State(self._network._core)
        if not np.isfinite(now.theta).all():
            return  # an update has just overflowed, and is about to be undone
        path = self._files.of(progress.epochs)
        written = [name for name in self._written if name != path.name] + [path.name]
        settings = self._settings
        saved = SavedRun(
            progress=progress,
            history=history,
            generator=generator_to_json(generator or self._network._rng.bit_generator.state),
            epochs_before=self._epochs_before,
            split_seed=self._network._split_seed,
            is_over=is_over,
            run=self._run,
            data=self._data,
            keeping={
                "name": self._files.name,
                "every": settings.every,
                "keep": int(settings.keep),
                "written": written,
                "id": self._id,
            },
        )
        main, tensors, metadata = saved.encoded(now)
        metadata = {**self._note, PART: metadata}
        model_file.write_model(
            path, self._network, tensors, metadata, theta=main.theta, names_functions=True
        )
        self._saved, self._saved_at = (progress, is_over), time.perf_counter()
        self._written = written[-settings.keep :]
        for name in written[: -settings.keep]:
            self._remove(self._files.folder / name)

    def _remove(self, path: Path) -> None:
        """Remove a file if it is one of this run."""
        with suppress(OSError, ModelFileError):
            metadata = Fields(model_file.read_words(path).get(PART), PART)
            if metadata.part("keeping").text("id") == self._id:
                path.unlink()
