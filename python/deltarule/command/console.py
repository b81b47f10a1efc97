"""The output of the commands: one line per error, one line per epoch, one JSON object."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TextIO

from deltarule import errors
from deltarule.training.history import EpochRecord

BAR_WIDTH = 20
REWRITES_A_SECOND = 20
PLAIN_LINES = 10
LONGEST_LINE = 1000  # characters of an error or a warning


class CommandError(Exception):
    """An error of the user: one line for stderr and the exit status.

    Parameters
    ----------
    message : str
        The problem, naming the file, column or option, and the rule.
    status : int, default 2
        2 for bad usage or input, 1 for a failed check.
    """

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def package_errors() -> Iterator[None]:
    """Turn the package's error on an option or on a target into the command's own error."""
    try:
        yield
    except ValueError as error:
        raise CommandError(str(error)) from None


def one_line(text: object) -> str:
    """Return ``str(text)`` on one line, each run of white space a single blank.

    Characters that would steer a terminal (escapes, changes of direction) are written as escapes.
    """
    line = " ".join(str(text).split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def warn(message: object) -> None:
    """Write one line on stderr, where that can be written; the middle of a long one is left out."""
    line = one_line(message)
    if len(line) > LONGEST_LINE:
        half = LONGEST_LINE // 2
        left_out = len(line) - 2 * half
        line = f"{line[:half]} ... ({left_out} characters) ... {line[-half:]}"
    with suppress(OSError):
        print(f"deltarule: {line}", file=sys.stderr, flush=True)


def require(module: str, purpose: str) -> Any:
    """Import an optional module of the extra `cli`.

    Parameters
    ----------
    module : str
        The module's name, as ``"polars"``.
    purpose : str
        What needs it, the beginning of the error's sentence.

    Raises
    ------
    CommandError
        The module is not there; the message says how to install it.
    """
    try:
        errors.require(module.partition(".")[0], extra="cli")
        return importlib.import_module(module)
    except ImportError as error:
        raise CommandError(f"{purpose}: {error}") from None


def print_json(report: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout; a non-finite number is a bug here."""
    print(json.dumps(report, allow_nan=False))


class EpochLine:
    """A callback of `MLP.fit` that shows the epoch, its losses and how far the training is.

    On a terminal one line is rewritten, at most 20 times a second; elsewhere about ten plain
    lines are printed. As a context manager it ends a line left open.

    Parameters
    ----------
    stream : text file or None
        Where to write; None writes nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._open = False
        self._start = time.perf_counter()
        self._next = 0.0

    @classmethod
    def choose(cls, quiet: bool) -> EpochLine:
        """Return the line for stdout; where that is `quiet`, for stderr if it is a terminal."""
        if not quiet:
            return cls(sys.stdout)
        return cls(sys.stderr if sys.stderr.isatty() else None)

    def __call__(self, record: EpochRecord) -> None:
        """Take the record of one epoch."""
        if self._stream is None:
            return
        epoch, epochs = record["epoch"], record["epochs"]
        elapsed = time.perf_counter() - self._start
        if not self._live:
            if epoch % math.ceil(epochs / PLAIN_LINES) == 0 or epoch == epochs:
                print(_describe(record, elapsed), file=self._stream, flush=True)
        elif elapsed >= self._next or epoch == epochs:
            self._next = elapsed + 1 / REWRITES_A_SECOND
            width = shutil.get_terminal_size().columns - 1
            line = _describe(record, elapsed, bar=True)[:width]
            self._stream.write("\r" + line.ljust(width))
            self._stream.flush()
            self._open = True

    def __enter__(self) -> EpochLine:
        """Start the clock."""
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the line, so that what follows starts on its own."""
        if self._open and self._stream is not None:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False


def _describe(record: EpochRecord, elapsed: float, bar: bool = False) -> str:
    """Return ``epoch  4/40  loss 0.1234  validation 0.1345  0.2 s``, with a bar if asked for."""
    epoch, epochs = record["epoch"], record["epochs"]
    parts = [f"epoch {epoch:>{len(str(epochs))}}/{epochs}"]
    if bar:
        parts.append(f"[{'=' * (BAR_WIDTH * epoch // epochs):<{BAR_WIDTH}}]")
    parts.append(f"loss {record['loss']:<#9.4g}")
    if record["validation_loss"] is not None:
        parts.append(f"validation {record['validation_loss']:<#9.4g}")
    parts.append(f"{elapsed:.2f} s")
    return "  ".join(parts)
