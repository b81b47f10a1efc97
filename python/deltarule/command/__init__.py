"""The command ``deltarule``: train a network on a table, predict with it, show its contents.

The modules follow the data: `parser` (options), `tables` (files to arrays), `targets` (classes or
numbers, the held-out part), `pipeline` (a network with its table), then one module a command;
`options` and `problem` are the two halves of what ``train`` does before it trains. Networks are
trained and asked through the package's public interface.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

import numpy as np

import deltarule as dr
from deltarule import _start
from deltarule.command import bench, info, predict, trace, train, verify
from deltarule.command.console import CommandError, package_errors, warn
from deltarule.command.parser import parse
from deltarule.command.streams import FULL, check_output, drop_unwritten, standard_streams
from deltarule.command.termination import Terminated, terminable

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "bench": bench.run,
    "info": info.run,
    "predict": predict.run,
    "trace": trace.run,
    "train": train.run,
    "verify": verify.run,
}

INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after ``deltarule``; by default those of the process.

    Returns
    -------
    int
        0: done. 1: a check failed or the training diverged. 2: bad usage or input. 130:
        interrupted. 141: the reader of the output went away. 143: terminated. What went wrong is
        one line on stderr; then no file was written but checkpoints, unless it is stdout that
        could not be written.
    """
    with (
        standard_streams(),
        np.errstate(all="ignore"),
    ):  # values that are not finite are refused by name
        status = _status(argv)
        drop_unwritten()
    return status


def run() -> int:
    """Run the command of the process: `main`, and Ctrl-C before and after it ends the process."""
    _start.raise_again()
    try:
        return main()
    finally:
        _start.end_at_once()


def _status(argv: Sequence[str] | None) -> int:
    try:
        with terminable():
            check_output()
            status = _run(argv)
            sys.stdout.flush()
    except CommandError as error:
        return _fail(str(error), error.status)
    except dr.ModelFileError as error:
        return _fail(str(error), BAD_INPUT)
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        where = error.filename
        if where is None and error.errno in FULL:
            where = "standard output"
        message = error.strerror or str(error)
        return _fail(message if where is None else f"{where}: {message}", BAD_INPUT)
    except MemoryError:
        return _fail("not enough memory", BAD_INPUT)
    except KeyboardInterrupt as error:
        return _fail(_with_notes("interrupted", error), INTERRUPTED)
    except Terminated as error:
        return _fail(_with_notes("terminated", error), TERMINATED)
    return status


def _run(argv: Sequence[str] | None) -> int:
    arguments = parse(argv)
    if arguments is None:
        return 0
    with package_errors():  # the environment's number of threads may be no number
        dr.get_num_threads()
    return COMMANDS[arguments.run](arguments)


def _with_notes(message: str, error: BaseException) -> str:
    return "; ".join([message, *getattr(error, "__notes__", [])])


def _fail(message: str, status: int) -> int:
    warn(message)
    return status
