"""Every row of the tables of functions: in the core, the reference and the documents; and right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import FIRST, HIDDEN, ISAS, OPTIMIZERS, PAIRS, Case
from deltarule import names, reference
from deltarule._load import core
from deltarule.reference.activations import ROWS
from deltarule.reference.training import UPDATES

ROOT = Path(__file__).resolve().parents[2]
THEORY = (ROOT / "docs" / "theory.md").read_text("utf-8")

# Each activation, hidden and as output; each loss with its outputs; smooth enough at these points.
FUNCTIONS = [
    *((hidden, "identity", "squared_error") for hidden in HIDDEN),
    *(("tanh", output, loss) for output, loss in PAIRS),
]


def case(hidden: str, output: str, loss: str) -> Case:
    return Case((3, 5, 4), hidden, output, loss, "float64", 6, weighted=True)


def listed(header: str) -> list[str]:
    """Return the names in the first column of the table in docs/theory.md with that header."""
    rows = THEORY.partition(f"| `{header}` |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)`", rows, re.MULTILINE)


def test_no_function_of_the_first_release_is_gone() -> None:
    assert FIRST - {*names.ACTIVATIONS, *names.OUTPUTS, *names.LOSSES} == set()


def test_core_reference_and_documents_list_the_same_functions() -> None:
    assert set(names.ACTIVATIONS) == set(reference.ACTIVATIONS) == set(listed("hidden="))
    assert set(names.OUTPUTS) == set(reference.OUTPUTS)
    table = THEORY.partition("| `loss=` | $L$ |")[2].partition("\n\n")[0]
    losses = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert set(names.LOSSES) == set(reference.LOSSES) == set(losses)
    documented = str(dr.MLP.__doc__)
    assert {loss for loss in names.LOSSES if f"- {loss}" not in documented} == set()


def test_core_and_reference_initialize_and_pair_the_same_functions() -> None:
    assert {g for g in HIDDEN if ROWS[g].uses_he} == core.PASSES_HALF_LINE
    for output in names.OUTPUTS:
        for loss in names.LOSSES:
            is_logarithmic = any(loss == other for _, other in reference.PAIRS)
            is_defined = not is_logarithmic or (output, loss) in reference.PAIRS
            assert names.is_defined(output, loss) == is_defined


def test_every_optimizer_has_its_update_and_its_row() -> None:
    assert set(core.OptimizerKind.__members__) == set(UPDATES)
    assert {optimizer._kind for optimizer in OPTIMIZERS} == set(UPDATES)
    for optimizer in OPTIMIZERS:
        name = type(optimizer).__name__
        assert name in dr.__all__
        assert f"`{name}(" in THEORY


@pytest.mark.parametrize(("hidden", "output", "loss"), FUNCTIONS)
def test_gradients_are_the_slopes_of_the_loss(hidden: str, output: str, loss: str) -> None:
    of = case(hidden, output, loss)
    x, y, weight = of.data()
    dr.check_gradients(of.network(), x, y, sample_weight=weight)


@pytest.mark.usefixtures("keep_isa")
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("hidden", "output", "loss"), FUNCTIONS)
def test_second_derivatives_are_the_references(
    hidden: str, output: str, loss: str, isa: str
) -> None:
    dr.set_isa(isa)
    of = case(hidden, output, loss)
    net, (x, y, weight) = of.network(), of.data()
    v = np.random.default_rng(1).standard_normal(net.n_parameters)
    W, b = list(net.weights), list(net.biases)
    want = reference.hvp(W, b, x, y, v, of.reference(), weight)
    np.testing.assert_allclose(net.hvp(x, y, v, sample_weight=weight), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("hidden", "output", "loss"), FUNCTIONS)
def test_verify_passes(hidden: str, output: str, loss: str, dtype: str) -> None:
    of = Case((3, 5, 4), hidden, output, loss, dtype, 6)
    x, y, _ = of.data()
    assert of.network().verify(x, y, strict=True).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_verify_passes_an_optimizer(optimizer: Any, dtype: str) -> None:
    of = Case((3, 5, 4), "tanh", "identity", "squared_error", dtype, 6)
    x, y, _ = of.data()
    assert of.network().verify(x, y, optimizer=optimizer, strict=True).ok
