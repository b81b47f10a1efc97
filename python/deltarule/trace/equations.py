"""The notes' formulas, each as text and as LaTeX; a new activation or loss is one entry here.

Text is Unicode, which `ascii_text` writes plainly. LaTeX is for Markdown, of whose readers some
(GitHub's among them) take backslashes and underscores away before the mathematics is seen: so
there is no escaped punctuation, rows end in ``\\cr``, and every ``_`` follows a letter.

``[l]``, ``[l-1]``, ``[l+1]`` and the names of settings stand for numbers until `Formula.at`.
Formulas are of one sample, i; j is one of its K outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        >>> FROM_ABOVE.at(1).text
        '∂L/∂a[1] = W[2]ᵀ δ[2]'
        """
        words = {"[l-1]": f"[{layer - 1}]", "[l]": f"[{layer}]", "[l+1]": f"[{layer + 1}]"}
        words |= {name: f"{value:g}" for name, value in settings.items()}
        text, latex = self.text, self.latex
        for word, number in words.items():
            text, latex = text.replace(word, number), latex.replace(word, number)
        return Formula(text, latex)


@dataclass(frozen=True)
class Activation:
    """g of a hidden layer.

    Attributes
    ----------
    value : Formula
        g(z[l]).
    derivative : Formula
        The equation of g'(z), a = g(z).
    where : Formula, optional
        The equation of a function in `value` that needs one.
    """

    value: Formula
    derivative: Formula
    where: Formula | None = None


@dataclass(frozen=True)
class Output(Activation):
    """O; `derivative` is the equation of O'(z), or of the Jacobian J_O, y_hat = O(z).

    Attributes
    ----------
    chain : Formula
        From dL/dy_hat to delta[l].
    """

    chain: Formula = Formula(
        "∂L/∂ŷ ⊙ O'(z[l])", r"\frac{\partial L}{\partial \hat y} \odot O'(z^{[l]})"
    )


@dataclass(frozen=True)
class Loss:
    """L_i.

    Attributes
    ----------
    value : Formula
        L_i.
    gradient : Formula
        dL_i/dy_hat_ij, to be multiplied by what stands before it.
    where : Formula, optional
        The equation of a function in `value` that needs one.
    canonical : str
        The output with which delta[L] is y_hat - y, times what stands before it; "" for none.
    """

    value: Formula
    gradient: Formula
    where: Formula | None = None
    canonical: str = ""


_SIGMOID = Formula("σ(z) = 1 / (1 + e^−z)", r"\sigma(z) = \frac{1}{1 + e^{-z}}")

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(
        Formula("z[l]", r"z^{[l]}"),
        Formula("g'(z) = 1", r"g'(z) = 1"),
    ),
    "sigmoid": Activation(
        Formula("σ(z[l])", r"\sigma(z^{[l]})"),
        Formula("g'(z) = a (1 − a)", r"g'(z) = a (1 - a)"),
        _SIGMOID,
    ),
    "tanh": Activation(
        Formula("tanh(z[l])", r"\tanh(z^{[l]})"),
        Formula("g'(z) = 1 − a²", r"g'(z) = 1 - a^2"),
    ),
    "relu": Activation(
        Formula("max(0, z[l])", r"\max(0, z^{[l]})"),
        Formula("g'(z) = 1(z > 0)", r"g'(z) = \mathbf{1}(z > 0)"),
    ),
    "leaky_relu": Activation(
        Formula(
            "max(0, z[l]) + leaky_slope min(0, z[l])",
            r"\max(0, z^{[l]}) + leaky_slope \min(0, z^{[l]})",
        ),
        Formula(
            "g'(z) = 1 where z > 0, else leaky_slope",
            r"g'(z) = \begin{cases} 1 & z > 0 \cr leaky_slope & \text{else} \end{cases}",
        ),
    ),
    "elu": Activation(
        Formula("elu(z[l])", r"\mathrm{elu}(z^{[l]})"),
        Formula(
            "g'(z) = 1 where z > 0, else e^z",
            r"g'(z) = \begin{cases} 1 & z > 0 \cr e^z & \text{else} \end{cases}",
        ),
        Formula(
            "elu(z) = z where z > 0, else e^z − 1",
            r"\mathrm{elu}(z) = \begin{cases} z & z > 0 \cr e^z - 1 & \text{else} \end{cases}",
        ),
    ),
    "softplus": Activation(
        Formula("log(1 + exp(z[l]))", r"\log(1 + e^{z^{[l]}})"),
        Formula("g'(z) = 1 / (1 + e^−z)", r"g'(z) = \frac{1}{1 + e^{-z}}"),
    ),
    "gelu": Activation(
        Formula("gelu(z[l])", r"\mathrm{gelu}(z^{[l]})"),
        Formula(
            "g'(z) = ½ (1 + tanh u) + ½ z (1 − (tanh u)²) √(2/π) (1 + 0.134145 z²)",
            r"g'(z) = \frac{1}{2} (1 + \tanh u) + \frac{1}{2} z (1 - (\tanh u)^2)"
            r" \sqrt{2 / \pi} (1 + 0.134145 z^2)",
        ),
        Formula(
            "gelu(z) = ½ z (1 + tanh u), u = √(2/π) (z + 0.044715 z³)",
            r"\mathrm{gelu}(z) = \frac{1}{2} z (1 + \tanh u),"
            r" \quad u = \sqrt{2 / \pi} (z + 0.044715 z^3)",
        ),
    ),
    "silu": Activation(
        Formula("z[l] σ(z[l])", r"z^{[l]} \sigma(z^{[l]})"),
        Formula("g'(z) = σ(z) (1 + z (1 − σ(z)))", r"g'(z) = \sigma(z) (1 + z (1 - \sigma(z)))"),
        _SIGMOID,
    ),
}


def _output(g: Activation, derivative: Formula | None = None) -> Output:
    """Return an activation as an output; its derivative where it is written by a = y_hat."""
    if derivative is None:
        text, latex = g.derivative.text, g.derivative.latex
        derivative = Formula(text.replace("g'(z)", "O'(z)"), latex.replace("g'(z)", "O'(z)"))
    return Output(g.value, derivative, g.where)


OUTPUTS: dict[str, Output] = {
    **{name: _output(g) for name, g in ACTIVATIONS.items()},
    "sigmoid": _output(
        ACTIVATIONS["sigmoid"], Formula("O'(z) = ŷ (1 − ŷ)", r"O'(z) = \hat y (1 - \hat y)")
    ),
    "tanh": _output(ACTIVATIONS["tanh"], Formula("O'(z) = 1 − ŷ²", r"O'(z) = 1 - \hat y^2")),
    "softmax": Output(
        Formula("softmax(z[l])", r"\mathrm{softmax}(z^{[l]})"),
        Formula("J_O = diag(ŷ) − ŷ ŷᵀ", r"J_O = \mathrm{diag}(\hat y) - \hat y \hat y^\top"),
        Formula("ŷ_j = e^z_j / Σ_k e^z_k", r"\hat y_j = \frac{e^{z_j}}{\sum_k e^{z_k}}"),
        Formula("J_Oᵀ ∂L/∂ŷ", r"J_O^\top \frac{\partial L}{\partial \hat y}"),
    ),
    "exp": Output(
        Formula("exp(z[l])", r"\exp(z^{[l]})"),
        Formula("O'(z) = ŷ", r"O'(z) = \hat y"),
    ),
}

_ERROR = Formula("(ŷ_ij − y_ij)", r"(\hat y_{ij} - y_{ij})")
_SQUARES = Formula("Σ_j (ŷ_ij − y_ij)²", r"\sum_j (\hat y_{ij} - y_{ij})^2")

LOSSES: dict[str, Loss] = {
    "squared_error": Loss(Formula("½ ", r"\frac{1}{2} ") + _SQUARES, _ERROR, canonical="identity"),
    "sum_squared_error": Loss(_SQUARES, Formula("2 ", "2 ") + _ERROR),
    "mean_squared_error": Loss(
        Formula("1/K ", r"\frac{1}{K} ") + _SQUARES, Formula("2/K ", r"\frac{2}{K} ") + _ERROR
    ),
    "absolute_error": Loss(
        Formula("Σ_j |ŷ_ij − y_ij|", r"\sum_j \lvert \hat y_{ij} - y_{ij} \rvert"),
        Formula("sign", r"\mathrm{sign}") + _ERROR,
    ),
    "huber": Loss(
        Formula("Σ_j h", r"\sum_j h") + _ERROR,
        Formula(
            "max(−huber_delta, min(huber_delta, ŷ_ij − y_ij))",
            r"\max(-huber_delta, \min(huber_delta, \hat y_{ij} - y_{ij}))",
        ),
        Formula(
            "h(e) = ½ e² where |e| ≤ d, else d (|e| − ½ d), d = huber_delta",
            r"h(e) = \begin{cases} \frac{1}{2} e^2 & \lvert e \rvert \le d \cr"
            r" d (\lvert e \rvert - \frac{1}{2} d) & \text{else} \end{cases} \quad d = huber_delta",
        ),
    ),
    "binary_cross_entropy": Loss(
        Formula(
            "−Σ_j (y_ij log ŷ_ij + (1 − y_ij) log(1 − ŷ_ij))",
            r"-\sum_j (y_{ij} \log \hat y_{ij} + (1 - y_{ij}) \log(1 - \hat y_{ij}))",
        ),
        _ERROR + Formula(" / (ŷ_ij (1 − ŷ_ij))", r" / (\hat y_{ij} (1 - \hat y_{ij}))"),
        canonical="sigmoid",
    ),
    "cross_entropy": Loss(
        Formula("−Σ_j y_ij log ŷ_ij", r"-\sum_j y_{ij} \log \hat y_{ij}"),
        Formula("(−y_ij / ŷ_ij)", r"(-y_{ij} / \hat y_{ij})"),
        canonical="softmax",
    ),
    "poisson": Loss(
        Formula("Σ_j (ŷ_ij − y_ij log ŷ_ij)", r"\sum_j (\hat y_{ij} - y_{ij} \log \hat y_{ij})"),
        Formula("(1 − y_ij / ŷ_ij)", r"(1 - y_{ij} / \hat y_{ij})"),
        canonical="exp",
    ),
}


@dataclass(frozen=True)
class Reduction:
    """L of the L_i, and the factor that each sample's derivatives have from it."""

    value: Formula
    factor: Formula


# By the network's word, and whether the samples have weights w.
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


def activation_of(word: object) -> Activation:
    """Return the formulas of a hidden activation: a word's, or of a function of the user's own."""
    if isinstance(word, str):
        return ACTIVATIONS[word]
    name = _name(word)
    return Activation(
        Formula("g(z[l])", "g(z^{[l]})"),
        Formula("g'(z) = ", "g'(z) = ") + name + Formula("'(z)", "'(z)"),
        Formula("g = ", "g = ") + name,
    )


def output_of(word: object) -> Output:
    """Return the formulas of an output, as `activation_of` does."""
    return OUTPUTS[word] if isinstance(word, str) else _output(activation_of(word))


def loss_of(word: object) -> Loss:
    """Return the formulas of a loss, as `activation_of` does."""
    if isinstance(word, str):
        return LOSSES[word]
    arguments = Formula("(ŷ_i, y_i)", r"(\hat y_i, y_i)")
    return Loss(
        _name(word) + arguments,
        Formula("∂L_i/∂ŷ_ij", r"\frac{\partial L_i}{\partial \hat y_{ij}}"),
    )


def _name(word: object) -> Formula:
    # Letters, digits and blanks alone mean the same to LaTeX, to Markdown and to the reader.
    plain = "".join(c if c.isascii() and c.isalnum() else " " for c in str(word))
    return Formula(str(word), rf"\text{{{plain}}}")
