"""The notes' equations of a network, each as text and as LaTeX; `reference` has its functions'."""

from __future__ import annotations

from dataclasses import dataclass

from deltarule.reference.activations import OUTPUT_FORMULAS, ROWS
from deltarule.reference.formulas import Formula, Formulas
from deltarule.reference.losses import FORMULAS

_ASCII = str.maketrans(
    {
        "ŷ": "y_hat", "δ": "delta", "σ": "sigmoid", "π": "pi", "∂": "d", "Σ": "sum", "√": "sqrt",
        "ᵀ": "^T", "²": "^2", "³": "^3", "½": "1/2", "⊙": "*", "−": "-", "≤": "<=",
    }
)  # fmt: skip


def ascii_text(text: str) -> str:
    """Return text without characters beyond ASCII, those of the formulas spelled out.

    Examples
    --------
    >>> ascii_text("∂L/∂ŷ = 2 (ŷ − y)")
    'dL/dy_hat = 2 (y_hat - y)'
    """
    return text.translate(_ASCII).encode("ascii", "replace").decode()


@dataclass(frozen=True)
class Reduction:
    """L of the L_i, and the factor that each sample's derivatives have from it."""

    value: Formula
    factor: Formula


# By the network's reduction, and whether the samples have weights w.
REDUCTIONS: dict[tuple[str, bool], Reduction] = {
    ("mean", False): Reduction(
        Formula("1/n Σ_i L_i", r"\frac{1}{n} \sum_i L_i"), Formula("1/n ", r"\frac{1}{n} ")
    ),
    ("mean", True): Reduction(
        Formula("Σ_i w_i L_i / Σ_i w_i", r"\frac{\sum_i w_i L_i}{\sum_i w_i}"),
        Formula("(w_i / Σ_k w_k) ", r"\frac{w_i}{\sum_k w_k} "),
    ),
    ("sum", False): Reduction(Formula("Σ_i L_i", r"\sum_i L_i"), Formula("", "")),
    ("sum", True): Reduction(Formula("Σ_i w_i L_i", r"\sum_i w_i L_i"), Formula("w_i ", "w_i ")),
}

# The equations that every network has, in the order of the notes.
INPUT = Formula("a[0] = x", r"a^{[0]} = x")
WEIGHTS = Formula("W[l]", r"W^{[l]}")
BIASES = Formula("b[l]", r"b^{[l]}")
PRE_ACTIVATION = Formula("z[l] = W[l] a[l-1] + b[l]", r"z^{[l]} = W^{[l]} a^{[l-1]} + b^{[l]}")
ACTIVATION_IS = Formula("a[l] = ", r"a^{[l]} = ")
PREDICTION_IS = Formula("ŷ = a[l] = ", r"\hat y = a^{[l]} = ")
TARGETS = Formula("y", "y")
LABELS = Formula("y_ij = 1(j = label i)", r"y_{ij} = \mathbf{1}(j = \text{label } i)")
SAMPLE_WEIGHTS = Formula("w", "w")
SAMPLE_LOSS_IS = Formula("L_i = ", "L_i = ")
LOSS_IS = Formula("L = ", "L = ")
OUTPUT_GRADIENT_IS = Formula("∂L/∂ŷ_ij = ", r"\frac{\partial L}{\partial \hat y_{ij}} = ")
DELTA_MEANS = Formula("δ[l] = ∂L/∂z[l]", r"\delta^{[l]} = \frac{\partial L}{\partial z^{[l]}}")
DELTA_IS = Formula("δ[l] = ", r"\delta^{[l]} = ")
EQUALS = Formula(" = ", " = ")
ERROR = Formula("(ŷ − y)", r"(\hat y - y)")
FROM_ABOVE = Formula(
    "∂L/∂a[l] = W[l+1]ᵀ δ[l+1]",
    r"\frac{\partial L}{\partial a^{[l]}} = W^{[l+1]\top} \delta^{[l+1]}",
)
HIDDEN_CHAIN = Formula(
    "∂L/∂a[l] ⊙ g'(z[l])", r"\frac{\partial L}{\partial a^{[l]}} \odot g'(z^{[l]})"
)
WEIGHT_GRADIENT = Formula(
    "∂L/∂W[l] = Σ_i δ[l] a[l-1]ᵀ",
    r"\frac{\partial L}{\partial W^{[l]}} = \sum_i \delta^{[l]} a^{[l-1]\top}",
)
BIAS_GRADIENT = Formula(
    "∂L/∂b[l] = Σ_i δ[l]", r"\frac{\partial L}{\partial b^{[l]}} = \sum_i \delta^{[l]}"
)


def activation_of(activation: object) -> Formulas:
    """Return the formulas of a hidden activation: a name's, or of a custom function."""
    if isinstance(activation, str):
        return ROWS[activation].formulas
    name = _name(activation)
    return Formulas(
        Formula("g(z[l])", "g(z^{[l]})"),
        Formula("g'(z) = ", "g'(z) = ") + name + Formula("'(z)", "'(z)"),
        Formula("g = ", "g = ") + name,
    )


def output_of(output: object) -> Formulas:
    """Return the formulas of an output, as `activation_of` does."""
    if isinstance(output, str):
        return OUTPUT_FORMULAS[output]
    return activation_of(output).of_output()


def loss_of(loss: object) -> Formulas:
    """Return the formulas of a loss, as `activation_of` does."""
    if isinstance(loss, str):
        return FORMULAS[loss]
    arguments = Formula("(ŷ_i, y_i)", r"(\hat y_i, y_i)")
    return Formulas(
        _name(loss) + arguments,
        Formula("∂L_i/∂ŷ_ij", r"\frac{\partial L_i}{\partial \hat y_{ij}}"),
    )


def _name(function: object) -> Formula:
    # Letters, digits and blanks alone mean the same to LaTeX, to Markdown and to the reader.
    plain = "".join(c if c.isascii() and c.isalnum() else " " for c in str(function))
    return Formula(str(function), rf"\text{{{plain}}}")
