"""The standard streams of the process: closed, full, or of an encoding that lacks a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

from deltarule.command.console import CommandError

# Errors of streams that are full; those of files name their file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Handlers of characters that the encoding lacks which no user has chosen.
_DEFAULT_HANDLERS = ("strict", "surrogateescape")


@contextmanager
def standard_streams() -> Iterator[None]:
    r"""Meanwhile, let messages be written to any stdout and stderr, and no file take their place.

    A character that the encoding lacks is written as its escape (``\U0001f600``). A closed stderr
    takes what is written and drops it. The numbers 0 to 2 of closed streams are taken, so that
    no file that is opened has one of them. After it all is as it was.
    """
    with ExitStack() as stack:
        for descriptor in range(3):
            if not _is_open(descriptor):
                stack.callback(os.close, os.open(os.devnull, os.O_RDWR))
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper) and stream.errors in _DEFAULT_HANDLERS:
                stack.callback(_reconfigure, stream, stream.errors)
                _reconfigure(stream, "backslashreplace")
        if sys.stderr is None:
            sys.stderr = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.callback(setattr, sys, "stderr", None)
        yield


def check_output() -> None:
    """Raise CommandError where stdout is closed, before the work begins."""
    if sys.stdout is None or sys.stdout.closed:
        raise CommandError("standard output is closed; > /dev/null drops what is printed")


def write_data(text: str) -> None:
    """Write text for other programs to stdout: every character as it is, or nothing.

    Raises
    ------
    CommandError
        The encoding of stdout lacks a character.
    """
    encoding = getattr(sys.stdout, "encoding", None)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError as error:
        lacking = text[error.start]
        raise CommandError(
            f"standard output: its encoding, {encoding}, lacks {lacking!a}; write a file "
            "in place of it, or set PYTHONIOENCODING=utf-8"
        ) from None
    # Line by line: of one long write, an unbuffered stdout would drop all that a full pipe refuses.
    sys.stdout.writelines(text.splitlines(keepends=True))


def drop_unwritten() -> None:
    """Drop what stdout and stderr hold and cannot write: the interpreter would fail at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            _drop(stream)


def _drop(stream: TextIO) -> None:
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())
        finally:
            os.close(null)
        stream.flush()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError as error:
        return error.errno != errno.EBADF
    return True


def _reconfigure(stream: io.TextIOWrapper, errors: str) -> None:
    with suppress(OSError, ValueError):  # its buffer cannot be written, or it is closed
        stream.reconfigure(errors=errors)
