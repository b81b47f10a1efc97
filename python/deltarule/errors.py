"""The exceptions that are deltarule's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltarule.proof.report import Report

# What the core says where an update would overflow, and nothing is updated (OverflowError), and
# where it overflowed before that could be foreseen (ValueError).
UPDATE_OVERFLOWS = "the update overflows"
UPDATE_OVERFLOWED = "the update overflowed"


class DivergenceError(ArithmeticError):
    """Training met a loss or a parameter that is not finite.

    The parameters are those of the last finite epoch (`MLP.fit`) or unchanged (`MLP.train_step`).

    Attributes
    ----------
    epoch : int
        The epoch, from 1, counted within the call.
    step : int
        The mini-batch within that epoch, from 1.
    """

    def __init__(self, message: str, epoch: int, step: int) -> None:
        super().__init__(message)
        self.epoch = epoch
        self.step = step

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[str, int, int]]:
        return type(self), (str(self), self.epoch, self.step)


class VerificationError(AssertionError):
    """What was computed is beyond the bound of what it should be.

    Attributes
    ----------
    report : Report
        Every tensor that was compared.
    """

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[type[VerificationError], tuple[str, Report]]:
        return type(self), (str(self), self.report)


class ModelFileError(ValueError):
    """A model file is damaged, of another kind, makes no sense, or cannot hold the network."""


def raise_update_overflowed() -> None:
    """Raise DivergenceError for a step whose update overflowed before it could be foreseen."""
    raise DivergenceError(
        "the update overflowed: the parameters are not finite any more, set them anew. "
        "Try a lower learning rate, or scale the inputs",
        epoch=1,
        step=1,
    )
