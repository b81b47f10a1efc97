"""Where results go, checked before the work begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from deltarule.command.console import CommandError, require
from deltarule.io.regular_files import destination


def check_destination(path: Path, option: str, others: Iterable[Path]) -> None:
    """Refuse a destination that cannot be written, or that would replace one of the `others`.

    Parameters
    ----------
    path : Path
        The file to be written.
    option : str
        The option it belongs to, for the message.
    others : iterable of Path
        Files of the same command: its input and its other results.

    Raises
    ------
    CommandError
        The folder is missing or closed, the path is a folder, a device or another thing that is no
        regular file, or the file is one of `others`.
    """
    try:
        final = Path(destination(path)[0])
    except OSError as error:
        raise CommandError(f"{option} {path}: {error.strerror}") from None
    folder = final.parent
    if not folder.is_dir():
        raise CommandError(f"{option} {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(f"{option} {path}: the folder {folder} is not writable")
    for other in others:
        if os.path.realpath(final) == os.path.realpath(other):
            raise CommandError(f"{option} {path}: would replace another file of this command")


def check_plot(path: Path, others: Iterable[Path] = ()) -> None:
    """Refuse what cannot be drawn to: as `check_destination`, and formats that nothing writes.

    Raises
    ------
    CommandError
        Also where matplotlib is missing.
    """
    check_destination(path, "--plot", others)
    backend = require("matplotlib.backend_bases", "drawing the curves (--no-plot draws none)")
    formats = backend.FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise CommandError(f"--plot {path}: unknown extension {path.suffix!r}, use .png")
