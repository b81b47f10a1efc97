r"""Formulas as text and as LaTeX, to stand beside the functions that they are of.

Text is Unicode. LaTeX is for Markdown, of whose readers some (GitHub's among them) take
backslashes and underscores away before the mathematics is seen: so there is no escaped
punctuation, rows end in ``\cr``, and every ``_`` follows a letter.

``[l]``, ``[l-1]``, ``[l+1]`` and the names of settings stand for numbers until `Formula.at`.
Formulas are of one sample, i; j is one of its K outputs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Formula:
    """One formula, twice.

    Attributes
    ----------
    text, latex : str
    """

    text: str
    latex: str

    def __add__(self, other: Formula) -> Formula:
        """Return this formula, then the other."""
        return Formula(self.text + other.text, self.latex + other.latex)

    def at(self, layer: int, **settings: float) -> Formula:
        """Return the formula of one layer of a network with those settings.

        Examples
        --------
        >>> Formula("∂L/∂a[l] = W[l+1]ᵀ δ[l+1]", "").at(1).text
        '∂L/∂a[1] = W[2]ᵀ δ[2]'
        """
        values = {"[l-1]": f"[{layer - 1}]", "[l]": f"[{layer}]", "[l+1]": f"[{layer + 1}]"}
        values |= {name: f"{value:g}" for name, value in settings.items()}
        text, latex = self.text, self.latex
        for name, value in values.items():
            text, latex = text.replace(name, value), latex.replace(name, value)
        return Formula(text, latex)


CHAIN = Formula("∂L/∂ŷ ⊙ O'(z[l])", r"\frac{\partial L}{\partial \hat y} \odot O'(z^{[l]})")


class Formulas(NamedTuple):
    """The formulas of a function.

    Attributes
    ----------
    value : Formula
        g(z[l]) or O(z[l]); of a loss L_i.
    derivative : Formula
        The equation of g'(z), a = g(z), of O'(z) or of the Jacobian J_O; of a loss dL_i/dy_hat_ij,
        to be multiplied by the factor that stands before it.
    where : Formula, optional
        The equation of a function in `value` that needs one.
    chain : Formula
        Of an output, from dL/dy_hat to delta[l].
    """

    value: Formula
    derivative: Formula
    where: Formula | None = None
    chain: Formula = CHAIN

    def of_output(self) -> Formulas:
        """Return those of an activation as an output: O for g, y_hat for a."""
        text, latex = (f.replace("g'(z)", "O'(z)") for f in vars(self.derivative).values())
        a = r"(?<![A-Za-z])a(?![A-Za-z])"
        derivative = Formula(re.sub(a, "ŷ", text), re.sub(a, r"\\hat y", latex))
        return self._replace(derivative=derivative)


def formulas(*parts: str) -> Formulas:
    """Return formulas from text and LaTeX in turn: of value, derivative, where and chain."""
    return Formulas(*map(Formula, parts[::2], parts[1::2]))
