"""`MLP.trace` as it is read: text, ASCII, Markdown, in notebooks."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import HIDDEN, PAIRS, Case
from deltarule.trace.rendering import WIDTH
from deltarule.trace.trace import Trace
from trace_support import by_hand, weighted

TEXT = """\
MLP 2-2-1, float32: hidden relu; output identity; loss squared_error (mean)
n = 1 sample, K = 1. Row i of an array is sample i; an equation's vectors are one sample's.

Forward
  a[0] = x                               (1, 2)  [2. 1.]
  W[1]                                   (2, 2)  [ 1.  2.]
                                                 [ 3. -4.]
  b[1]                                   (2,)    [ 1. -4.]
  z[1] = W[1] a[0] + b[1]                (1, 2)  [ 5. -2.]
  a[1] = max(0, z[1])                    (1, 2)  [5. 0.]
  W[2]                                   (1, 2)  [5. 6.]
  b[2]                                   (1,)    [-8.]
  z[2] = W[2] a[1] + b[2]                (1, 1)  [17.]
  ŷ = a[2] = z[2]                        (1, 1)  [17.]

Loss
  y                                      (1, 1)  [15.]
  L_i = ½ Σ_j (ŷ_ij − y_ij)²             (1,)    [2.]
  L = 1/n Σ_i L_i                                2

Backward
      δ[l] = ∂L/∂z[l]
  ∂L/∂ŷ_ij = 1/n (ŷ_ij − y_ij)           (1, 1)  [2.]
  δ[2] = ∂L/∂ŷ ⊙ O'(z[2]) = 1/n (ŷ − y)  (1, 1)  [2.]
      O'(z) = 1
  ∂L/∂a[1] = W[2]ᵀ δ[2]                  (1, 2)  [10. 12.]
  δ[1] = ∂L/∂a[1] ⊙ g'(z[1])             (1, 2)  [10.  0.]
      g'(z) = 1(z > 0)
  ∂L/∂a[0] = W[1]ᵀ δ[1]                  (1, 2)  [10. 20.]

Gradient
  ∂L/∂W[2] = Σ_i δ[2] a[1]ᵀ              (1, 2)  [10.  0.]
  ∂L/∂b[2] = Σ_i δ[2]                    (1,)    [2.]
  ∂L/∂W[1] = Σ_i δ[1] a[0]ᵀ              (2, 2)  [20. 10.]
                                                 [ 0.  0.]
  ∂L/∂b[1] = Σ_i δ[1]                    (2,)    [10.  0.]"""

# Its backward pass where there is ASCII alone.
BACKWARD_IN_ASCII = """\
Backward
      delta[l] = dL/dz[l]
  dL/dy_hat_ij = 1/n (y_hat_ij - y_ij)               (1, 1)  [2.]
  delta[2] = dL/dy_hat * O'(z[2]) = 1/n (y_hat - y)  (1, 1)  [2.]
      O'(z) = 1
  dL/da[1] = W[2]^T delta[2]                         (1, 2)  [10. 12.]
  delta[1] = dL/da[1] * g'(z[1])                     (1, 2)  [10.  0.]
      g'(z) = 1(z > 0)
  dL/da[0] = W[1]^T delta[1]                         (1, 2)  [10. 20.]
"""


def test_notes_002_as_text() -> None:
    assert by_hand().to_text() == TEXT


def test_notes_002_as_ascii_text() -> None:
    text = by_hand().to_text(ascii=True)
    assert text.isascii()
    assert BACKWARD_IN_ASCII in text
    assert text.count("\n") == TEXT.count("\n")


MARKDOWN = r"""MLP 1-1, float32: output identity; loss squared_error (mean)

n = 2 samples, K = 1. Row i of an array is sample i; an equation's vectors are one sample's.

### Forward

$$
a^{[0]} = x \qquad \begin{bmatrix} 1 \cr 2 \end{bmatrix} \quad (2, 1)
$$

$$
W^{[1]} \qquad \begin{bmatrix} 2 \end{bmatrix} \quad (1, 1)
$$

$$
b^{[1]} \qquad \begin{bmatrix} 0 \end{bmatrix} \quad (1,)
$$

$$
z^{[1]} = W^{[1]} a^{[0]} + b^{[1]} \qquad \begin{bmatrix} 2 \cr 4 \end{bmatrix} \quad (2, 1)
$$

$$
\hat y = a^{[1]} = z^{[1]} \qquad \begin{bmatrix} 2 \cr 4 \end{bmatrix} \quad (2, 1)
$$

### Loss

$$
y \qquad \begin{bmatrix} 1 \cr 8 \end{bmatrix} \quad (2, 1)
$$

$$
L_i = \frac{1}{2} \sum_j (\hat y_{ij} - y_{ij})^2 \
\qquad \begin{bmatrix} 0.5 & 8 \end{bmatrix} \quad (2,)
$$

$$
w \qquad \begin{bmatrix} 1 & 3 \end{bmatrix} \quad (2,)
$$

$$
L = \frac{\sum_i w_i L_i}{\sum_i w_i} = 6.125
$$

### Backward

$$
\delta^{[l]} = \frac{\partial L}{\partial z^{[l]}}
$$

$$
\frac{\partial L}{\partial \hat y_{ij}} = \frac{w_i}{\sum_k w_k} (\hat y_{ij} - y_{ij}) \
\qquad \begin{bmatrix} 0.25 \cr -3 \end{bmatrix} \quad (2, 1)
$$

$$
\delta^{[1]} = \frac{\partial L}{\partial \hat y} \odot O'(z^{[1]}) = \frac{w_i}{\sum_k w_k} \
(\hat y - y) \qquad \begin{bmatrix} 0.25 \cr -3 \end{bmatrix} \quad (2, 1)
$$

$$
O'(z) = 1
$$

$$
\frac{\partial L}{\partial a^{[0]}} = W^{[1]\top} \delta^{[1]} \
\qquad \begin{bmatrix} 0.5 \cr -6 \end{bmatrix} \quad (2, 1)
$$

### Gradient

$$
\frac{\partial L}{\partial W^{[1]}} = \sum_i \delta^{[1]} a^{[0]\top} \
\qquad \begin{bmatrix} -5.75 \end{bmatrix} \quad (1, 1)
$$

$$
\frac{\partial L}{\partial b^{[1]}} = \sum_i \delta^{[1]} \
\qquad \begin{bmatrix} -2.75 \end{bmatrix} \quad (1,)
$$
""".replace("\\\n", "")


def test_a_weighted_mean_by_hand_as_markdown() -> None:
    assert weighted().to_markdown() == MARKDOWN


def test_a_notebook_shows_the_markdown() -> None:
    """And finds no HTML or LaTeX, which Jupyter would prefer and Colab or VS Code not typeset."""
    trace = weighted()
    assert trace._repr_markdown_() == MARKDOWN
    assert not hasattr(trace, "_repr_html_")
    assert not hasattr(trace, "_repr_latex_")


# How it reads


def every_form() -> list[Trace]:
    """Every activation, output, loss, reduction, weighting and number of samples, in some net."""
    traces = []
    for i, (output, loss) in enumerate(PAIRS):
        hidden = [HIDDEN[i % len(HIDDEN)], HIDDEN[(i + 4) % len(HIDDEN)]]
        net = dr.MLP(
            [3, 4, 4, 3], hidden=hidden, output=output, loss=loss, init="torch", seed=i,
            reduction=("mean", "sum")[i % 2], leaky_slope=0.125, huber_delta=0.375,
        )  # fmt: skip
        case = Case(net.sizes, "relu", output, loss, "float32", 1 + i % 4)
        x, y, _ = case.data()
        traces.append(net.trace(x, y, np.ones(len(x)) if i % 3 else None))
    return traces


EVERY_FORM = every_form()


@pytest.mark.parametrize("ascii", [False, True])
def test_no_line_is_wider_than_100_columns(ascii: bool) -> None:
    for trace in EVERY_FORM:
        text = trace.to_text(ascii=ascii)
        assert max(map(len, text.splitlines())) <= WIDTH == 100
        assert "leaky_slope" not in text
        assert "huber_delta" not in text
        assert not ascii or (text.isascii() and "?" not in text)


def test_latex_survives_markdown() -> None:
    r"""No escapes that Markdown takes away, no ``_`` that could begin emphasis; braces match."""
    for trace in EVERY_FORM:
        markdown = trace.to_markdown()
        assert markdown.isascii()
        formulas = re.findall(r"^\$\$\n(.*)\n\$\$$", markdown, re.MULTILINE)
        assert len(formulas) == markdown.count("$$") / 2 > 20
        for formula in formulas:
            assert not re.search(r"\\[^A-Za-z]|[^A-Za-z]_|\*|<|\d[A-Za-z]", formula), formula
            depth = np.cumsum([(c == "{") - (c == "}") for c in formula])
            assert (depth.min(), depth[-1]) == (0, 0), formula
            assert formula.count(r"\begin") == formula.count(r"\end"), formula


@pytest.mark.parametrize(
    ("output", "loss", "line"),
    [
        ("identity", "squared_error", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1]) = 1/n (ŷ − y) "),
        ("sigmoid", "binary_cross_entropy", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1]) = 1/n (ŷ − y) "),
        ("softmax", "cross_entropy", "δ[1] = J_Oᵀ ∂L/∂ŷ = 1/n (ŷ − y) "),
        ("exp", "poisson", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1]) = 1/n (ŷ − y) "),
        ("tanh", "squared_error", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1])  "),
        ("identity", "sum_squared_error", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1])  "),
        ("softmax", "squared_error", "δ[1] = J_Oᵀ ∂L/∂ŷ  "),
        ("sigmoid", "cross_entropy", "δ[1] = ∂L/∂ŷ ⊙ O'(z[1])  "),
    ],
)
def test_the_closed_form_is_that_of_the_canonical_pairs(output: str, loss: str, line: str) -> None:
    net = dr.MLP([1, 2], output=output, loss=loss, init="torch", seed=0)
    trace = net.trace([1.0], [0.25, 0.75])
    assert f"\n  {line}" in trace.to_text()
    equal = np.allclose(trace.delta[1], trace.y_hat - trace.y, atol=1e-6)  # float32, near 1
    assert equal == ("(ŷ − y)" in line)


@pytest.mark.parametrize(
    ("reduction", "weight", "loss", "factor"),
    [
        ("mean", None, "L = 1/n Σ_i L_i ", "1/n "),
        ("sum", None, "L = Σ_i L_i ", ""),
        ("mean", [1.0, 2.0], "L = Σ_i w_i L_i / Σ_i w_i ", "(w_i / Σ_k w_k) "),
        ("sum", [1.0, 2.0], "L = Σ_i w_i L_i ", "w_i "),
    ],
)
def test_the_share_of_a_sample(
    reduction: str, weight: list[float] | None, loss: str, factor: str
) -> None:
    net = dr.MLP([1, 1], reduction=reduction, seed=0)
    text = net.trace([[1.0], [2.0]], [1.0, 2.0], weight).to_text()
    assert f"\n  {loss}" in text
    assert f"\n  ∂L/∂ŷ_ij = {factor}(ŷ_ij − y_ij) " in text
    assert f"O'(z[1]) = {factor}(ŷ − y) " in text
    assert ("\n  w  " in text) == (weight is not None)


def test_each_layer_has_its_own_function() -> None:
    net = dr.MLP([2, 3, 3, 1], hidden=["sigmoid", "silu"], output="sigmoid", seed=0)
    text = net.trace([1.0, 2.0], 1.0).to_text()
    assert "a[1] = σ(z[1])" in text
    assert "a[2] = z[2] σ(z[2])" in text
    assert "ŷ = a[3] = σ(z[3])" in text
    assert text.count("σ(z) = 1 / (1 + e^−z)") == 1
    backward = text[text.index("Backward") :]
    assert backward.index("g'(z) = σ(z) (1 + z (1 − σ(z)))") < backward.index("g'(z) = a (1 − a)")


def test_a_large_network_prints_no_wall_of_numbers() -> None:
    x, y = dr.load_digits()
    net = dr.MLP([64, 300, 200, 10], output="softmax", seed=0)
    trace = net.trace(x, y)
    text = trace.to_text()
    assert text.count("\n") < 50
    assert len(trace.to_markdown()) < 10_000
    lines = [line for line in text.splitlines() if line.startswith("  z[1] =")]
    z = trace.z[1]
    assert lines[0].split("  ")[-4:] == [
        "(1797, 300)", f"min {z.min():.4g}", f"mean {z.mean(dtype=float):.4g}", f"max {z.max():.4g}"
    ]  # fmt: skip


def test_wide_rows_stand_below_their_equation() -> None:
    x, y = dr.load_digits()
    net = dr.MLP([64, 10], output="softmax", seed=0)
    lines = net.trace(x[:2], y[:2]).to_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  ŷ = a[1]"))
    assert lines[at].rstrip().endswith("(2, 10)")
    assert [len(re.findall(r"0\.\d+", line)) for line in lines[at + 1 : at + 3]] == [10, 10]


def test_numbers_that_are_not_finite_or_tiny() -> None:
    """A probability that is 0 has an infinite dL/dy_hat, and a finite delta."""
    net = dr.MLP([1, 2], output="softmax", init=([[[0.0], [200.0]]], [[0.0, 0.0]]))
    trace = net.trace([1.0], 0)
    assert trace.dL_dy_hat[0, 0] == -np.inf
    assert trace.delta[1].tolist() == [[-1.0, 1.0]]
    assert "[-inf   0.]" in trace.to_text()
    assert r"-\infty" in trace.to_markdown()
    tiny = dr.MLP([1, 1], init=([[[1.5e-7]]], [[0.0]])).trace([1.0], 0.0).to_markdown()
    assert r"\begin{bmatrix} 1.5 \cdot 10^{-7} \end{bmatrix}" in tiny


@pytest.mark.parametrize(
    ("encoding", "ascii"),
    [("utf-8", False), ("ascii", True), ("latin-1", True), (None, False)],
)
def test_print_writes_what_stdout_can_encode(
    encoding: str | None, ascii: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = by_hand()
    stream = io.StringIO() if encoding is None else io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print(trace)
    stream.seek(0)
    assert stream.read() == trace.to_text(ascii=ascii) + "\n"


def test_repr_is_str() -> None:
    assert repr(by_hand()) == str(by_hand())


class Named:
    """As a custom function: known by its name."""

    def __str__(self) -> str:
        return "my_function"


def test_custom_functions_are_shown_by_name() -> None:
    trace = by_hand()
    functions: dict[str, Any] = {"hidden": (Named(),), "loss": Named()}
    trace = replace(trace, network=replace(trace.network, **functions))
    text, markdown = trace.to_text(), trace.to_markdown()
    assert "hidden my_function; output identity; loss my_function (mean)" in text
    assert "a[1] = g(z[1])" in text
    assert "      g = my_function\n" in text
    assert "      g'(z) = my_function'(z)\n" in text
    assert "L_i = my_function(ŷ_i, y_i)" in text
    assert "∂L/∂ŷ_ij = 1/n ∂L_i/∂ŷ_ij " in text
    assert "δ[2] = ∂L/∂ŷ ⊙ O'(z[2])  " in text
    assert r"g = \text{my function}" in markdown
