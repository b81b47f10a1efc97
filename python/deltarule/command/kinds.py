"""Conversions of arguments; argparse turns their errors into those of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def names(text: str) -> list[str]:
    """Return names that are separated by commas."""
    return text.split(",")


def whole(minimum: int) -> Callable[[str], int]:
    """Return the conversion to a whole number of at least `minimum`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {minimum}, got {text!r}"
            )
        return value

    return convert


def hidden(text: str) -> tuple[int, ...]:
    """Return layer sizes such as ``64,64``; () for ``none``."""
    if text == "none":
        return ()
    try:
        return tuple(map(whole(1), text.split(",")))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be layer sizes such as 64 or 64,64, or 'none', got {text!r}"
        ) from None


def batch_size(text: str) -> int | str:
    """Return a number of samples, or ``full``."""
    return text if text == "full" else whole(1)(text)


def fraction(text: str) -> float:
    """Return a number from 0 to below 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to below 1, got {text!r}")
    return value
