"""Placeholders of custom functions in files, which hold their names; `resume` takes them again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from deltarule import names
from deltarule.custom.functions import Custom, CustomActivation, CustomLoss

if TYPE_CHECKING:
    from deltarule.architecture import Architecture

Options = dict[str, Any]
Option = TypeVar("Option")

_MARK = "function"


@dataclass(frozen=True)
class Given:
    """Custom functions given again to `deltarule.resume`.

    Attributes
    ----------
    hidden, output, loss
        As `MLP` takes them; None where there are none to be given.
    """

    hidden: Any = None
    output: Any = None
    loss: Any = None

    def to(self, architecture: Architecture) -> Architecture:
        """Return the architecture of a file with these functions in their places.

        Raises
        ------
        TypeError
            For a function that is not given.
        ValueError
            For one, or a name, that is not the network's.
        """
        n = len(architecture.hidden)
        hidden: Any = (None,) * n
        if self.hidden is not None:
            hidden = names.hidden_words(self.hidden, n)
        output = None if self.output is None else names.output_word(self.output)
        loss = self.loss
        if loss is not None:
            loss = names.loss_word(loss, output or architecture.output, architecture.sizes[-1])
        pairs = zip(architecture.hidden, hidden, strict=True)
        return replace(
            architecture,
            hidden=tuple(_same(f"hidden[{i}]", *pair) for i, pair in enumerate(pairs)),
            output=_same("output", architecture.output, output),
            loss=_same("loss", architecture.loss, loss),
        )


def _same(argument: str, known: Option, given: Any) -> Option:
    """Return the function given for one of the file, or the name in the file."""
    if isinstance(known, Custom):
        if type(given) is not type(known):
            raise TypeError(
                f"{argument} must be given again: the network's is a function, {known.name!r}, "
                f"which no file holds, not {given!r}"
            )
        return given
    if given is not None and given != known:
        raise ValueError(f"{argument} must be the network's, {known!r}, not {given!r}")
    return known


def marked(architecture: Options) -> Options:
    """Return an architecture's options, with a name in place of each function."""

    def mark(option: Any) -> Any:
        return {_MARK: option.name} if isinstance(option, Custom) else option

    hidden, output, loss = (architecture[name] for name in ("hidden", "output", "loss"))
    return architecture | {
        "hidden": list(map(mark, hidden)), "output": mark(output), "loss": mark(loss)
    }  # fmt: skip


def unmarked(architecture: Options) -> Options:
    """Return such options, with a placeholder in place of each name of a function.

    Raises
    ------
    TypeError
        If a name is none.
    """
    found = dict(architecture)
    if isinstance(found.get("hidden"), list):
        found["hidden"] = [_placeholder(CustomActivation, option) for option in found["hidden"]]
    for name, kind in (("output", CustomActivation), ("loss", CustomLoss)):
        if name in found:
            found[name] = _placeholder(kind, found[name])
    return found


def _placeholder(kind: type[CustomActivation] | type[CustomLoss], option: Any) -> Any:
    if not (isinstance(option, dict) and option.keys() == {_MARK}):
        return option
    if not isinstance(option[_MARK], str):
        raise TypeError(f"a function must have a name, not {option[_MARK]!r}")
    return kind(_nothing, _nothing, option[_MARK])


def _nothing(*arrays: Any) -> Any:
    raise NotImplementedError
