"""Checkpoints of a fit: where and when they are written, and how a run goes on from one."""

from __future__ import annotations

import math
import os
import re
import string
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from deltarule.arguments import check_flag, whole_number

if TYPE_CHECKING:
    from deltarule.custom import CustomLoss
    from deltarule.custom.functions import Of2
    from deltarule.mlp.fit import Batches, Callback
    from deltarule.mlp.network import MLP, Hidden
    from deltarule.schedules import Schedule
    from deltarule.training.history import History
    from deltarule.training.metrics import Metrics

Words = dict[str, Any]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_KEPT = 1000


@dataclass(frozen=True)
class Checkpoint:
    """Where and when `MLP.fit` writes down where it is, for `deltarule.resume` to go on from.

    A checkpoint is written at the beginning, then as often as `every` says, at the end, and when
    Ctrl-C or another exception stops the fit: at that very mini-batch. Each is one file, put in
    place whole: a process that is killed leaves the one before.

    Parameters
    ----------
    path : str or path
        The file, replaced each time. With ``{epoch}`` in its name, or ``{epoch:04d}``, a file for
        each number of whole epochs.
    every : int or str, default "1m"
        Epochs, or a time as "90s", "10m", "2h", in which case a checkpoint may be written within
        an epoch, too.
    keep : int, default 1
        How many of the last files are left, where the name has ``{epoch}``.
    overwrite : bool, default False
        Replace whatever is there. Otherwise a file that is no checkpoint, or that of a run that is
        not over, is an error when the fit begins.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    Notes
    -----
    The file is safetensors, a few times as large as the parameters, and is written and flushed
    to the disk while the training waits. It is a model file, too: `deltarule.load` gives the
    network as it was then (and of a run that is over, as `fit` left it). When a later checkpoint
    cannot be written, as on a full disk, a RuntimeWarning says so and the training goes on.

    Examples
    --------
    >>> import os, tempfile
    >>> import deltarule as dr
    >>> x, y = dr.load_digits()
    >>> def network():
    ...     return dr.MLP([64, 16, 10], output="softmax", seed=0)
    >>> def stop(record):
    ...     if record["epoch"] == 2:
    ...         raise KeyboardInterrupt
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.safetensors")
    ...     try:
    ...         history = network().fit(x, y, epochs=4, checkpoint=path, callbacks=stop)
    ...     except KeyboardInterrupt:
    ...         net, history = dr.resume(path, x, y, callbacks=())
    >>> whole = network()
    >>> whole.fit(x, y, epochs=4).loss == history.loss, bool((whole.theta == net.theta).all())
    (True, True)
    """

    path: str | os.PathLike[str]
    every: int | str = "1m"
    keep: int = 1
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | os.PathLike):
            raise TypeError(f"path must be a str or a path, not {self.path!r}")
        names = Names(self.path)
        interval(self.every)
        if whole_number(self.keep, "keep", 1) > _MOST_KEPT:
            raise ValueError(f"keep must be at most {_MOST_KEPT}, not {self.keep!r}")
        if self.keep > 1 and not names.are_many:
            raise ValueError(
                f"keep must be 1 where the name has no {{epoch}}, not {self.keep!r} "
                f"for {os.fspath(self.path)!r}"
            )
        check_flag(self.overwrite, "overwrite")


def check_checkpoint(checkpoint: object) -> Checkpoint | None:
    """Return the argument `checkpoint` of `MLP.fit`: a `Checkpoint`, or that of a path."""
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    if isinstance(checkpoint, str | os.PathLike):
        return Checkpoint(checkpoint)
    raise TypeError(f"checkpoint must be a deltarule.Checkpoint or a path, not {checkpoint!r}")


def interval(every: object) -> tuple[int | None, float]:
    """Return the epochs, or None, and the seconds, or infinity, between two checkpoints."""
    if isinstance(every, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", every.strip())
        seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
        if not 0 < seconds < math.inf:
            raise ValueError(
                f"every must be a number of epochs, or a time as '90s', '10m' or '2h', "
                f"not {every!r}"
            )
        return None, seconds
    return whole_number(every, "every", 1), math.inf


class Names:
    """The names of the files at a path that may have ``{epoch}`` in its last part.

    Raises
    ------
    ValueError
        For other fields in braces.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        whole = Path(os.fspath(path))
        self.folder, self.name = whole.parent, whole.name
        self._pattern = re.compile("")
        try:
            parts = list(string.Formatter().parse(self.name))
            fields = [field for _, field, _, _ in parts if field is not None]
            self.are_many = bool(fields)
            texts = [re.escape(text) + ("" if f is None else r"(\d+)") for text, f, _, _ in parts]
            self._pattern = re.compile("".join(texts))
            good = fields in ([], ["epoch"]) and self.are(self.of(12).name)
        except (ValueError, KeyError, IndexError):
            good = False
        if not good or self.name in ("", ".."):
            raise ValueError(
                "path must be that of a file, with no braces in its name but {epoch}, once, "
                f"or as {{epoch:04d}}, not {os.fspath(path)!r}"
            )

    def of(self, epoch: int) -> Path:
        """Return the file after so many epochs."""
        return self.folder / self.name.format(epoch=epoch)

    def are(self, name: str) -> bool:
        """Whether a file of that name is one of them."""
        match = self._pattern.fullmatch(name)
        if match is None or not self.are_many:
            return match is not None
        return len(match[1]) < 20 and self.of(int(match[1])).name == name

    def newest(self) -> Path | None:
        """Return the file that was written last, if there is one."""
        if not self.are_many:
            path = self.of(0)
            return path if path.exists() else None
        for _ in range(4):  # a listing may miss the file that a writer puts in another's place
            there = []
            for path in self.folder.iterdir():
                if self.are(path.name):
                    with suppress(FileNotFoundError):
                        there.append((path.stat().st_mtime_ns, path.name))
            if there:
                return self.folder / max(there)[1]
        return None


@dataclass(frozen=True)
class NotedCheckpoint(Checkpoint):
    """A checkpoint with what a caller adds.

    Attributes
    ----------
    note : dict
        Words of the caller's own, which the file has beside those of the checkpoint.
    written : sequence of str
        The names of the run's files that are there already.
    id : str
        Which all of these have, and no others; "" for a new run.
    """

    note: Words = field(default_factory=dict)
    written: Sequence[str] = ()
    id: str = ""


def resume(
    path: str | os.PathLike[str],
    x: ArrayLike | Batches,
    y: ArrayLike | None = None,
    *,
    hidden: Hidden | Sequence[Hidden] | None = None,
    output: Hidden | None = None,
    loss: str | CustomLoss | tuple[Of2, Of2] | None = None,
    sample_weight: ArrayLike | None = None,
    validation_data: tuple[ArrayLike, ...] | None = None,
    epochs: int | None = None,
    schedule: Schedule | None = None,
    metrics: Metrics | None = None,
    callbacks: Callback | Iterable[Callback] | None = None,
    max_seconds: float | None = None,
    verbose: int = 0,
    progress: bool = False,
    threads: int | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
) -> tuple[MLP, History]:
    """Go on with a fit from its checkpoint, to the bits of the fit that was never stopped.

    Parameters
    ----------
    path : str or path
        The checkpoint; with ``{epoch}`` in its name, the one of these files that was written last.
    x, y, sample_weight, validation_data
        As the fit was given; their fingerprints are compared. A stream has to give the batches that
        it gave: those of a begun epoch are passed over, and compared.
    hidden, output, loss
        As for `MLP`, where these are functions of your own.
    epochs : int, optional
        Of the whole run, by default as it was. More than it had let a run go on that had ended
        with its last epoch.
    schedule, metrics, callbacks
        Functions are in no file: a run that had some is to be given them again (`callbacks` may be
        ``()`` to go on without). Otherwise they need not be given.
    max_seconds, verbose, progress, threads
        As for `MLP.fit`, of what is to come.
    checkpoint : Checkpoint or path, optional
        Where the next checkpoints go; by default where this one is, as often as the fit's.

    Returns
    -------
    net : MLP
        As `MLP.fit` would have left it, the state of its random generator included.
    history : History
        Of the whole run. All but `seconds` is what it would have been.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense. Nothing in it is executed.
    TypeError, ValueError
        If what is given is not what the run was given, naming the argument.
    OSError
        If the file cannot be read.
    DivergenceError, KeyboardInterrupt
        As for `MLP.fit`; the checkpoint is as far as the run came.

    Notes
    -----
    A run that is over, by its epochs, early stopping or a callback, comes back at once;
    `max_seconds` ends a call, not a run. The callbacks, metrics and validation of an epoch that
    were not all done when the run was stopped are done again. The bits are those of the same
    versions of deltarule and NumPy, whose generator shuffles.

    Examples
    --------
    See `Checkpoint`.
    """
    from deltarule.checkpoint.resuming import resumed

    return resumed(
        path,
        x,
        y,
        hidden=hidden,
        output=output,
        loss=loss,
        sample_weight=sample_weight,
        validation_data=validation_data,
        epochs=epochs,
        schedule=schedule,
        metrics=metrics,
        callbacks=callbacks,
        max_seconds=max_seconds,
        verbose=verbose,
        progress=progress,
        threads=threads,
        checkpoint=checkpoint,
    )
