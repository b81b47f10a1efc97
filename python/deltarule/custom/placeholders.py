"""Functions of the user's own in files, which cannot hold them: names there, given again later."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from deltarule import names
from deltarule.custom.functions import Custom, CustomActivation, CustomLoss

if TYPE_CHECKING:
    from deltarule.architecture import Architecture

Words = dict[str, Any]
Word = TypeVar("Word")

_MARK = "function"


@dataclass(frozen=True)
class Given:
    """What `deltarule.resume` is given again.

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


def _same(argument: str, known: Word, given: Any) -> Word:
    """Return what is given for a word of the file, or the word."""
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


def marked(architecture: Words) -> Words:
    """Return an architecture's words, with a name in place of each function."""

    def mark(word: Any) -> Any:
        return {_MARK: word.name} if isinstance(word, Custom) else word

    hidden = [mark(word) for word in architecture["hidden"]]
    marks = {name: mark(architecture[name]) for name in ("output", "loss")}
    return {**architecture, "hidden": hidden, **marks}


def unmarked(architecture: Words) -> Words:
    """Return such words, with functions in place of their names that do nothing but stand there.

    Raises
    ------
    TypeError
        If a name is none.
    """
    found = dict(architecture)
    if isinstance(found.get("hidden"), list):
        found["hidden"] = [_stand_in(CustomActivation, word) for word in found["hidden"]]
    if "output" in found:
        found["output"] = _stand_in(CustomActivation, found["output"])
    if "loss" in found:
        found["loss"] = _stand_in(CustomLoss, found["loss"])
    return found


def _stand_in(kind: type[CustomActivation] | type[CustomLoss], word: Any) -> Any:
    if not (isinstance(word, dict) and word.keys() == {_MARK}):
        return word
    if not isinstance(word[_MARK], str):
        raise TypeError(f"a function must have a name, not {word[_MARK]!r}")
    return kind(_nothing, _nothing, word[_MARK])


def _nothing(*arrays: Any) -> Any:
    raise NotImplementedError
