"""The words of a file, looked at one by one: of the type and in the range that each must have."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from deltarule.errors import ModelFileError

T = TypeVar("T")

# Whole numbers in a file are below that, as the core's are.
LARGEST = 2**62


class Fields:
    """An object of a file's JSON.

    Parameters
    ----------
    words : object
        Should be a mapping.
    where : str
        What it is, for messages.

    Raises
    ------
    ModelFileError
        Here and in each method: something is not what it must be.
    """

    def __init__(self, words: object, where: str) -> None:
        if not isinstance(words, dict):
            raise ModelFileError(f"{where} must be an object, not {reprlib.repr(words)}")
        self._words: dict[str, Any] = words
        self._where = where

    def has(self, name: str) -> bool:
        """Whether it is there, and not null."""
        return self._words.get(name) is not None

    def all(self) -> dict[str, Any]:
        """Return all words as they are."""
        return dict(self._words)

    def part(self, name: str) -> Fields:
        """Return an object in it."""
        return Fields(self._words.get(name), f"{self._where}.{name}")

    def whole(self, name: str, lowest: int = 0, highest: int = LARGEST) -> int:
        """Return a whole number in that range."""
        value = self._words.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            self.refuse(name, f"a whole number in {lowest}..{highest}")
        return int(value)

    def real(self, name: str, *, finite: bool = True) -> float:
        """Return a number; where it need not be finite, it may be none (NaN)."""
        value = self._words.get(name)
        if type(value) not in (int, float):
            self.refuse(name, "a number")
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:
            self.refuse(name, "a number of float64")
        if finite and not math.isfinite(number):
            self.refuse(name, "finite")
        return number

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._words.get(name)
        if not isinstance(value, bool):
            self.refuse(name, "true or false")
        return value

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._words.get(name)
        if not isinstance(value, str):
            self.refuse(name, "a text")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of some texts."""
        value = self._words.get(name)
        if not isinstance(value, str) or value not in choices:
            self.refuse(name, f"one of {', '.join(map(repr, choices))}")
        return value

    def items(self, name: str) -> list[Any]:
        """Return a list of whatever."""
        value = self._words.get(name)
        if not isinstance(value, list):
            self.refuse(name, "a list")
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            self.refuse(name, "a list of texts")
        return values

    def made(self, kind: Callable[..., T], words: dict[str, Any]) -> T:
        """Return what a class makes of words, which it checks itself."""
        try:
            return kind(**words)
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{self._where} makes no sense ({error})") from None

    def refuse(self, name: str, rule: str) -> NoReturn:
        """Raise for a word that breaks a rule."""
        given = reprlib.repr(self._words[name]) if name in self._words else "missing"
        raise ModelFileError(f"{self._where}.{name} must be {rule}, but is {given}")
