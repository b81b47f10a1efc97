"""The settings of checkpoints: where and when they are written, and the names of their files."""

from __future__ import annotations

import math
import os
import re
import string
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deltarule.arguments import check_flag, whole_number

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_KEPT = 1000


@dataclass(frozen=True)
class Checkpoint:
    """Where and when `MLP.fit` saves its state, for `deltarule.resume` to continue from.

    A checkpoint is written at the beginning, then as often as `every` says, at the end, and when
    Ctrl-C or another exception stops the fit, at that very mini-batch. Each is one file that
    replaces the one before as a whole: a process that is killed leaves the one before.

    Parameters
    ----------
    path : str or path
        The file, replaced each time. With ``{epoch}`` in its name, or ``{epoch:04d}``, one file per
        number of complete epochs.
    every : int or str, default "1m"
        Epochs, or a time such as "90s", "10m", "2h", in which case a checkpoint may also be written
        within an epoch.
    keep : int, default 1
        How many of the last files to keep, where the name has ``{epoch}``.
    overwrite : bool, default False
        Replace an existing file. Otherwise a file that is no checkpoint, or one of a run that is
        not over, is an error when the fit begins.

    Raises
    ------
    TypeError, ValueError
        For a setting of another type or out of its range.

    Notes
    -----
    The file is safetensors, a few times as large as the parameters, and is written and flushed
    to the disk while the training waits. It is also a model file: `deltarule.load` gives the
    network of that moment (of a run that is over, as `fit` left it). When a later checkpoint
    cannot be written, as on a full disk, a RuntimeWarning says so and the training continues.

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
        files = CheckpointFiles(self.path)
        interval(self.every)
        if whole_number(self.keep, "keep", 1) > _MOST_KEPT:
            raise ValueError(f"keep must be at most {_MOST_KEPT}, not {self.keep!r}")
        if self.keep > 1 and not files.are_many:
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


class CheckpointFiles:
    """The files at a path that may have ``{epoch}`` in its last part.

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
            good = fields in ([], ["epoch"]) and self.contains(self.of(12).name)
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

    def contains(self, name: str) -> bool:
        """Return whether a file of that name is one of them."""
        match = self._pattern.fullmatch(name)
        if match is None or not self.are_many:
            return match is not None
        return len(match[1]) < 20 and self.of(int(match[1])).name == name

    def newest(self) -> Path | None:
        """Return the file that was written last; None if there is none."""
        if not self.are_many:
            path = self.of(0)
            return path if path.exists() else None
        for _ in range(4):  # a listing may miss a file that a writer replaces at that moment
            there = []
            for path in self.folder.iterdir():
                if self.contains(path.name):
                    with suppress(FileNotFoundError):
                        there.append((path.stat().st_mtime_ns, path.name))
            if there:
                return self.folder / max(there)[1]
        return None


@dataclass(frozen=True)
class AnnotatedCheckpoint(Checkpoint):
    """A checkpoint with additions of the caller.

    Attributes
    ----------
    note : dict
        Metadata of the caller, which the file holds beside those of the checkpoint.
    written : sequence of str
        The names of the files that the run has written already.
    id : str
        The run's, by which its files are known; "" for a new run.
    """

    note: dict[str, Any] = field(default_factory=dict)
    written: Sequence[str] = ()
    id: str = ""
