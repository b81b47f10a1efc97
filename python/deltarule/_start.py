"""The start and the end of the command's process, where Ctrl-C ends it with status 130 at once.

While modules are imported, and once all is done, nothing is there that a handler in Python could
save: it would only print where the import was. A program that imports the package keeps its own
handler.
"""

from __future__ import annotations

import os
import sys


def is_command() -> bool:
    """Whether the process runs ``deltarule`` or ``python -m deltarule``, and nothing else."""
    if os.name != "posix" or not sys.argv:
        return False
    if sys.argv[0] == "-m":  # while runpy imports the package, before it runs __main__
        after = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
        return after[:1] == ["deltarule"]
    if os.path.basename(sys.argv[0]) != "deltarule":
        return False
    try:
        with open(sys.argv[0], "rb") as file:  # what pip makes of the entry point, a few lines
            return b"deltarule.command import run" in file.read(4096)
    except OSError:
        return False


def end_at_once() -> None:
    """Let SIGINT end the process, where Python would raise KeyboardInterrupt."""
    import signal  # here: it takes half a millisecond, which other programs need not wait for

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_again() -> None:
    """Let SIGINT raise KeyboardInterrupt again."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


IS_COMMAND = is_command()
if IS_COMMAND:
    end_at_once()
