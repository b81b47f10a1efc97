"""A line of a report by hand, the report as text and as JSON, and the functions it trusts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import deltarule as dr
import planted
from cases import HIDDEN, PAIRS
from deltarule import reference
from deltarule.architecture import Architecture
from deltarule.verification import analytic
from deltarule.verification.arithmetic import Arithmetic
from deltarule.verification.comparisons import Comparisons, Name
from deltarule.verification.report import Line
from network_support import classification, regression
from reference_support import at_output, targets

FLOAT32 = np.dtype("float32")
A, B, C = Name("part", "A"), Name("part", "B"), Name("part", "C")


def line(got: Any, want: Any, bound: Any, **options: Any) -> Line:
    comparisons = Comparisons(FLOAT32)
    comparisons.add(A, got, want, bound, "why", **options)
    return comparisons.lines[0]


# A line


def test_errors_by_hand() -> None:
    """Of 2: 1e-6, 5e-7 of it, in ulps of 2^-22; of 0.5: 8e-7, 1.6e-6, in ulps of 2^-24."""
    found = line([2.000001, 0.5000008, 0.0], [2.0, 0.5, 0.0], [4e-6, 1e-6, 0.0])
    assert found.absolute == pytest.approx(1e-6)
    assert found.relative == pytest.approx(1.6e-6)
    assert found.ulp == pytest.approx(8e-7 * 2**24)
    assert (found.at, found.entries, found.left_out) == ((1,), 3, 0)
    assert (found.error, found.bound) == pytest.approx((8e-7, 1e-6))
    assert found.used == pytest.approx(0.8)
    assert found.ok


def test_where_the_reference_is_0_an_error_is_absolute_only() -> None:
    found = line([1e-8, 1.0], [0.0, 1.0], [1e-7, 1e-7])
    assert (found.absolute, found.relative, found.ulp) == (1e-8, 0.0, 0.0)


def test_below_the_smallest_normal_number_an_ulp_is_its() -> None:
    tiny = float(np.finfo(FLOAT32).tiny)
    assert line([0.0], [tiny / 2], [tiny]).ulp == 2**22


@pytest.mark.parametrize("got", [np.nan, np.inf, -np.inf])
def test_nan_counts_as_broken(got: float) -> None:
    found = line([[1.0, got]], [[1.0, 1.0]], [[1.0, 1.0]])
    assert (found.at, found.used, found.ok) == ((0, 1), np.inf, False)


@pytest.mark.parametrize("want", [np.nan, np.inf, 1e39])
def test_values_beyond_the_dtype_are_left_out(want: float) -> None:
    found = line([np.inf, 1.0], [want, 1.0], [1.0, 1.0])
    assert (found.entries, found.left_out, found.ok) == (1, 1, True)


def test_a_bound_of_0_takes_equals_only() -> None:
    assert line([1.0], [1.0], [0.0]).ok
    assert line([1.0 + 1e-15], [1.0], [0.0]).used == np.inf


def test_places_of_entries() -> None:
    wrong = {"got": [[0.0], [1.0]], "want": [[0.0], [0.0]], "bound": [[1.0], [1.0]]}
    assert line(**wrong).at == (1, 0)
    assert line(**wrong, places=np.array([7, 9])).at == (9, 0)
    assert line([0.0, 1.0], [0.0, 0.0], [1.0, 1.0], places=np.array([[3, 4], [5, 6]])).at == (5, 6)
    assert line(1.0, 0.0, 1.0).at == ()


def test_tensors_computed_from_a_broken_one() -> None:
    """A is wrong, B comes from A, C from B; D from none."""
    comparisons = Comparisons(FLOAT32)
    comparisons.add(A, [1.0], [0.0], [0.1], "why")
    comparisons.add(B, [1.0], [1.0], [0.1], "why", inputs=[A])
    comparisons.add(C, [2.0], [1.0], [0.1], "why", inputs=[B])
    comparisons.add(Name("part", "D"), [1.0], [1.0], [0.1], "why", inputs=[Name("part", "E")])
    assert [found.rests_on for found in comparisons.lines] == [None, "A", "A", None]
    assert [found.broken for found in comparisons.lines] == [True, False, False, False]
    assert [found.ok for found in comparisons.lines] == [False, False, False, True]
    assert not comparisons.ok


# Text and JSON


BEGINNING = """\
MLP 2-2-1, float32: hidden relu; output identity; loss squared_error (mean)

                            largest error         entry nearest to its bound, or beyond
                      absolute relative   in ulp                    bound      used  why
forward pass
  z[1]                       0        0        0  [0, 0]          1.2e-06       0 %   1  ok
  a[1]                       0        0        0  [0, 0]          4.8e-06       0 %   2  ok
  z[2]                       0        0        0  [0, 0]          7.9e-06       0 %   1  ok
  y_hat                      0        0        0  [0, 0]          1.6e-05       0 %   2  ok
  y_hat (predict)            0        0        0  [0, 0]          1.6e-05       0 %   2  ok
loss
  L_i                        0        0        0  [0]             3.6e-15       0 %   3  ok
"""


def test_a_report_as_text() -> None:
    """Whole numbers, of which nothing is rounded."""
    net = dr.MLP([2, 2, 1], init=([[[1, 2], [3, -4]], [[5, 6]]], [[1, -4], [-8]]))
    text = str(net.verify([[2.0, 1.0]], [15.0], optimizer=dr.SGD(lr=0.5)))
    assert text.startswith(BEGINNING)
    assert text.endswith(
        "all steps together, largest error beside float64 from x on: y_hat 0.0e+00, gradient "
        "0.0e+00\nall 26 tensors within their bounds; looked at 1 of 1 rows, 9 of 9 parameters "
        "(seed 0)"
    )
    assert repr(net.verify([[2.0, 1.0]], [15.0], optimizer=dr.SGD(lr=0.5))) == text


def test_broken_lines_are_marked() -> None:
    net = planted.plant(dr.MLP([3, 4, 4, 2], hidden="tanh", seed=0), planted.WrongDerivative)
    report = net.verify(*regression())
    rows = str(report).splitlines()
    (wrong,) = [row for row in rows if row.endswith("WRONG")]
    assert wrong.startswith("  delta[2] ")
    assert " x   6  WRONG" in wrong
    resting = [line for line in report.lines if line.rests_on]
    assert sum(row.endswith("  ? delta[2]") for row in rows) == len(resting) == 15
    assert "1 of 37 tensors WRONG, 15 computed from them (?); looked at 40 of 40 rows" in str(
        report
    )


@pytest.mark.parametrize("bug", [planted.NumPyCore, planted.NotANumber, planted.IgnoredWeight])
@pytest.mark.parametrize("n", [40, 123_456])
def test_at_most_100_columns(bug: type[planted.NumPyCore], n: int) -> None:
    sizes = [3, *[7] * 9, 3]
    net = dr.MLP(sizes, hidden=["tanh", "softplus", "silu"] * 3, output="softmax", seed=0)
    x, y = classification(n=n)
    weight = np.linspace(1.0, 2.0, n)
    report = planted.plant(net, bug).verify(x, y, weight, optimizer=dr.AdamW(max_norm=1.0))
    assert max(map(len, str(report).splitlines())) <= 100


@pytest.mark.parametrize("bug", [planted.NumPyCore, planted.NotANumber])
def test_a_report_as_json(bug: type[planted.NumPyCore]) -> None:
    net = planted.plant(dr.MLP([3, 4, 2], seed=0), bug)
    report = net.verify(*regression())
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["ok"] == report.ok == bool(report) == (bug is planted.NumPyCore)
    assert read["broken"] == planted.names(report.broken)
    assert [found["tensor"] for found in read["lines"]] == planted.names(report.lines)
    assert (read["rows"], read["n_samples"], read["seed"], read["dtype"]) == (40, 40, 0, "float32")


# The functions of the complex step


def architecture(hidden: str, output: str, loss: str) -> Architecture:
    sizes = (2, 3, 4)
    return Architecture.checked(sizes, hidden, output, loss, "mean", "float64", 0.01, 0.7)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_activations_for_complex_numbers(hidden: str) -> None:
    """Their real part is g, the imaginary part's slope g', kinks and far ends included."""
    z = np.concatenate([np.linspace(-40, 40, 801), [-800.0, -0.0, 1e-300, 1e-9, 800.0]])
    ((g,), _) = analytic.functions(architecture(hidden, "identity", "squared_error"))
    want = reference.ACTIVATIONS[hidden]
    with np.errstate(all="ignore"):
        got, value = g(z + 1e-30j), want.value(z)
        slope = want.derivative(z, value)
    np.testing.assert_allclose(got.real, value, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(got.imag / 1e-30, slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_losses_for_complex_numbers(output: str, loss: str, scale: float) -> None:
    """Along a direction: sum_j delta_j v_j."""
    rng = np.random.default_rng(0)
    z, v = scale * rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    y = targets(loss, rng, (50, 4))
    network = reference.Network("tanh", output, loss, "sum", huber_delta=0.7)
    forward = at_output(z, network)
    want = (reference.output_delta(forward, y, network) * v).sum(axis=1)
    _, losses_of = analytic.functions(architecture("tanh", output, loss))
    got = losses_of(z + 1e-30j * v, y)
    size = np.abs(reference.sample_losses(forward, y, network)).max() + 1.0
    losses = reference.sample_losses(forward, y, network)
    np.testing.assert_allclose(got.real, losses, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(got.imag / 1e-30, want, rtol=1e-10, atol=1e-14 * size)


# The bound of a sum


@pytest.mark.parametrize("in_blocks", [True, False])
def test_the_bound_of_a_sum_by_hand(in_blocks: bool) -> None:
    """300 terms, 5 rows: chains of 256 and 44 and their sum, 256 + 2, + b; or all 300."""
    arithmetic = Arithmetic(FLOAT32, in_blocks)
    left, right = np.full((5, 300), -2.0), np.full((300, 1), 3.0)
    u, K = 2.0**-24, 259 if in_blocks else 301
    bound = arithmetic.product(left, right, np.array([[1.0]]))
    assert bound == pytest.approx(np.full((5, 1), K * u * 1801.0), rel=1e-6)
    tall = np.full((2500, 1), 0.5)
    rows = 64 + 16 + 3 if in_blocks else 2500  # a chain, those of 1024 rows, the super-blocks
    assert arithmetic.row_sum(tall) == pytest.approx([rows * u * 1250.0], rel=1e-5)
