"""Typed, range-checked access to the JSON metadata of a model file."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from deltarule.errors import ModelFileError

T = TypeVar("T")

# The largest whole number in a file, as in the core.
LARGEST = 2**62


class Fields:
    """The fields of a JSON object.

    Parameters
    ----------
    values : object
        Must be a dict.
    where : str
        The path of the object in the metadata, for messages.

    Raises
    ------
    ModelFileError
        Here and in each method: a value breaks a rule.
    """

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise ModelFileError(f"{where} must be an object, not {reprlib.repr(values)}")
        self._values: dict[str, Any] = values
        self._where = where

    def has(self, name: str) -> bool:
        """Return whether a field exists and is not null."""
        return self._values.get(name) is not None

    def all(self) -> dict[str, Any]:
        """Return all fields, unchecked."""
        return dict(self._values)

    def part(self, name: str) -> Fields:
        """Return the fields of an object within this one."""
        return Fields(self._values.get(name), f"{self._where}.{name}")

    def whole(self, name: str, lowest: int = 0, highest: int = LARGEST) -> int:
        """Return a whole number in [lowest, highest]."""
        rule = f"a whole number in {lowest}..{highest}"
        return int(self._checked(name, rule, lambda v: type(v) is int and lowest <= v <= highest))

    def real(self, name: str, *, finite: bool = True) -> float:
        """Return a number; unless `finite`, NaN and infinities are accepted, too."""
        value = self._checked(name, "a number", lambda v: type(v) in (int, float))
        try:
            number = float(value)
        except OverflowError:
            self.refuse(name, "a number of float64")
        if finite and not math.isfinite(number):
            self.refuse(name, "finite")
        return number

    def flag(self, name: str) -> bool:
        """Return true or false."""
        return bool(self._checked(name, "true or false", lambda v: isinstance(v, bool)))

    def text(self, name: str) -> str:
        """Return a string."""
        return str(self._checked(name, "a text", lambda v: isinstance(v, str)))

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return one of the given strings."""
        rule = f"one of {', '.join(map(repr, choices))}"
        return str(self._checked(name, rule, lambda v: isinstance(v, str) and v in choices))

    def items(self, name: str) -> list[Any]:
        """Return a list, its items unchecked."""
        return list(self._checked(name, "a list", lambda v: isinstance(v, list)))

    def texts(self, name: str) -> list[str]:
        """Return a list of strings."""
        values = self.items(name)
        if not all(isinstance(value, str) for value in values):
            self.refuse(name, "a list of texts")
        return values

    def made(self, kind: Callable[..., T], arguments: dict[str, Any]) -> T:
        """Return ``kind(**arguments)``, whose exceptions become ModelFileError."""
        try:
            return kind(**arguments)
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{self._where} makes no sense ({error})") from None

    def refuse(self, name: str, rule: str) -> NoReturn:
        """Raise for a value that breaks a rule."""
        given = reprlib.repr(self._values[name]) if name in self._values else "missing"
        raise ModelFileError(f"{self._where}.{name} must be {rule}, but is {given}")

    def _checked(self, name: str, rule: str, accepts: Callable[[Any], bool]) -> Any:
        value = self._values.get(name)
        if not accepts(value):
            self.refuse(name, rule)
        return value
