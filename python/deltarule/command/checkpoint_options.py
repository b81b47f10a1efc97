"""The options of ``deltarule train`` on checkpoints."""

from __future__ import annotations

import argparse
from pathlib import Path

from deltarule.checkpoint.settings import interval


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of checkpoints to ``train``."""
    add = parser.add_argument
    add(
        "--checkpoint",
        metavar="PATH",
        type=Path,
        help="write down how far the training is, now and then and when Ctrl-C or SIGTERM stops "
        "it; {epoch} in the name makes a file an epoch",
    )
    add(
        "--every",
        metavar="N",
        type=_interval,
        help="epochs between two checkpoints, or a time as 90s, 10m, 2h (default 1m)",
    )
    add(
        "--resume",
        metavar="PATH",
        type=Path,
        help="go on with the training of a checkpoint, on the same DATA; further options are not "
        "needed, --epochs may let it go on for longer",
    )


def _interval(text: str) -> str:
    try:
        interval(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("every ")) from None
    return text
