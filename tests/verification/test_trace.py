"""`MLP.trace`: every quantity against the reference and by hand, what it takes and refuses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from cases import GRID, Array, Case, assert_close, gradient_magnitudes, magnitudes, parameters64
from deltarule import reference
from deltarule.layers import Layers
from deltarule.trace.trace import Trace
from network_support import assert_same_bits, changed, classification, fingerprint, regression
from trace_support import by_hand, weighted

# Against the reference


def traced(case: Case) -> tuple[Trace, reference.Forward, reference.Backward, Array]:
    """Return the trace of a case, the reference's passes in float64, and its dL/dy_hat."""
    net, (x, y, weight) = case.network(), case.data()
    weights, biases = parameters64(net)
    architecture = case.reference()
    forward = reference.forward_propagation(weights, biases, x.astype(np.float64), architecture)
    backward = reference.back_propagation(weights, biases, forward, y, architecture, weight)
    rows = np.eye(case.sizes[-1])[y] if y.ndim == 1 else y.astype(np.float64)
    share = np.ones(case.batch) if weight is None else weight
    share = share if case.reduction == "sum" else share / share.sum()
    gradient = reference.LOSSES[case.loss].gradient(forward.y_hat, rows) * share[:, np.newaxis]
    return net.trace(x, y, weight), forward, backward, gradient


@pytest.mark.parametrize("case", GRID, ids=str)
def test_every_quantity_is_the_references(case: Case) -> None:
    """Within the rounding of the terms, which is within 1e-12 of the largest entry in float64."""
    trace, forward, backward, gradient = traced(case)
    weights = [w.astype(np.float64) for w in trace.W]
    a, delta = magnitudes(case, weights, forward, backward)
    of_a, of_delta = [float(m.max()) for m in a], [float(m.max()) for m in delta]
    last = len(weights)

    def close(got: Array, want: Array, name: str, scale: float | None = None) -> None:
        assert_close(got, want, case.tolerance, name, scale)

    close(trace.a[0], forward.a[0], "a[0]")
    close(trace.y_hat, forward.y_hat, "y_hat")
    _, y, weight = case.data()
    losses = reference.sample_losses(forward, y, case.reference())
    close(trace.losses, losses, "L_i", float(np.abs(losses).max()) + 1.0)
    value = reference.loss_value(forward, y, case.reference(), weight)
    assert trace.loss == pytest.approx(value, rel=case.tolerance)
    close(trace.dL_dy_hat, gradient, "dL/dy_hat")
    for l in range(1, last + 1):  # noqa: E741
        close(trace.z[l], forward.z[l], f"z[{l}]", of_a[l] + 1.0)
        close(trace.a[l], forward.a[l], f"a[{l}]", of_a[l])
        close(trace.delta[l], backward.delta[l], f"delta[{l}]", of_delta[l - 1])
    for l in range(1, last):  # noqa: E741
        close(trace.dL_da[l], backward.dL_da[l], f"dL/da[{l}]", of_delta[l - 1])
    of_x = float((delta[0] @ np.abs(weights[0])).max())
    close(trace.dL_da[0], backward.dL_da[0], "dL/da[0]", of_x)
    close(trace.dL_da[last], backward.dL_da[last], f"dL/da[{last}]")
    scales = gradient_magnitudes(case, weights, forward, backward)
    for l, scale in enumerate(scales, start=1):  # noqa: E741
        db = backward.biases[l - 1]
        close(trace.dL_dW[l], backward.weights[l - 1], f"dL/dW[{l}]", scale)
        close(trace.dL_db[l], db, f"dL/db[{l}]", max(scale, float(np.abs(db).max())))


def test_notes_002_by_hand() -> None:
    trace = by_hand()
    assert trace.z[1].tolist() == [[5, -2]]
    assert trace.a[1].tolist() == [[5, 0]]
    assert trace.y_hat.tolist() == trace.a[2].tolist() == trace.z[2].tolist() == [[17]]
    assert (trace.losses.tolist(), trace.loss) == ([2], 2)
    assert trace.dL_dy_hat.tolist() == trace.delta[2].tolist() == [[2]]
    assert trace.dL_da[1].tolist() == [[10, 12]]
    assert trace.delta[1].tolist() == [[10, 0]]
    assert trace.dL_dW[2].tolist() == [[10, 0]]
    assert trace.dL_db[2].tolist() == [2]
    assert trace.dL_dW[1].tolist() == [[20, 10], [0, 0]]
    assert trace.dL_db[1].tolist() == [10, 0]


def test_a_weighted_mean_by_hand() -> None:
    trace = weighted()
    assert trace.losses.tolist() == [0.5, 8]
    assert trace.loss == 6.125
    assert trace.dL_dy_hat.tolist() == trace.delta[1].tolist() == [[0.25], [-3]]
    assert (trace.dL_dW[1].item(), trace.dL_db[1].item()) == (-5.75, -2.75)


# What it holds


def small(**options: Any) -> tuple[dr.MLP, Array, Array]:
    x, y = regression(n=5, n_in=3, n_out=2)
    return dr.MLP([3, 4, 2], **{"hidden": "tanh", "init": "torch", "seed": 0, **options}), x, y


def test_names_shapes_and_order() -> None:
    net, x, y = small()
    shapes = {name: array.shape for name, array in net.trace(x, y, np.ones(5)).to_dict().items()}
    assert list(shapes.items()) == [
        ("a[0]", (5, 3)), ("W[1]", (4, 3)), ("b[1]", (4,)), ("z[1]", (5, 4)), ("a[1]", (5, 4)),
        ("W[2]", (2, 4)), ("b[2]", (2,)), ("z[2]", (5, 2)), ("a[2]", (5, 2)), ("y_hat", (5, 2)),
        ("y", (5, 2)), ("L_i", (5,)), ("w", (5,)), ("L", ()),
        ("dL/dy_hat", (5, 2)), ("dL/da[2]", (5, 2)), ("delta[2]", (5, 2)),
        ("dL/da[1]", (5, 4)), ("delta[1]", (5, 4)), ("dL/da[0]", (5, 3)),
        ("dL/dW[2]", (2, 4)), ("dL/db[2]", (2,)), ("dL/dW[1]", (4, 3)), ("dL/db[1]", (4,)),
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype: str) -> None:
    net, x, y = small(dtype=dtype)
    arrays = net.trace(x, y).to_dict()
    assert {str(a.dtype) for name, a in arrays.items() if name[:1] != "L"} == {dtype}
    assert arrays["L_i"].dtype == arrays["L"].dtype == np.float64


def test_trace_agrees_with_the_other_methods() -> None:
    net, x, y = small()
    weight = np.arange(1.0, 6.0)
    trace = net.trace(x, y, weight)
    value, grads = net.value_and_grad(x, y, sample_weight=weight)
    assert trace.loss == value == net.evaluate(x, y, sample_weight=weight)
    assert_same_bits(trace.y_hat, net.predict(x))
    assert_same_bits(trace.dL_da[0], net.input_gradient(x, y, sample_weight=weight))
    for layer, dW in trace.dL_dW.items():
        assert_same_bits(dW, grads.dL_dW[layer])
        assert_same_bits(trace.dL_db[layer], grads.dL_db[layer])
        assert_same_bits(trace.W[layer], net.W[layer])
        assert_same_bits(trace.b[layer], net.b[layer])


def test_the_identities_of_the_notes() -> None:
    net, x, y = small(dtype="float64")
    t = net.trace(x, y)
    rounding = {"rtol": 1e-12, "atol": 1e-14}  # some ten roundings of values near 1
    for l in (1, 2):  # noqa: E741
        np.testing.assert_allclose(t.z[l], t.a[l - 1] @ t.W[l].T + t.b[l], **rounding)
        np.testing.assert_allclose(t.dL_dW[l], t.delta[l].T @ t.a[l - 1], **rounding)
        np.testing.assert_allclose(t.dL_db[l], t.delta[l].sum(axis=0), **rounding)
    np.testing.assert_allclose(t.a[1], np.tanh(t.z[1]), **rounding)
    np.testing.assert_allclose(t.delta[2], (t.y_hat - t.y) / 5, **rounding)
    np.testing.assert_allclose(t.dL_da[1], t.delta[2] @ t.W[2], **rounding)
    np.testing.assert_allclose(t.delta[1], t.dL_da[1] * (1 - t.a[1] ** 2), **rounding)
    np.testing.assert_allclose(t.loss, t.losses.mean(), **rounding)
    assert_same_bits(t.dL_da[2], t.dL_dy_hat)


def test_sum_and_mean() -> None:
    net, x, y = small(dtype="float64")
    summed = small(dtype="float64", reduction="sum")[0].trace(x, y)
    mean = net.trace(x, y)
    np.testing.assert_array_equal(summed.losses, mean.losses)
    np.testing.assert_allclose(summed.loss, 5 * mean.loss, rtol=1e-14)
    np.testing.assert_allclose(summed.delta[1], 5 * mean.delta[1], rtol=1e-14)


def test_the_network_is_as_it_was_and_the_trace_is_its_own() -> None:
    net, x, y = small()
    before = fingerprint(net)
    rows = x.astype(np.float32)  # what the core reads in place
    trace = net.trace(rows, y)
    assert fingerprint(net) == before
    arrays = trace.to_dict()
    kept = {name: array.copy() for name, array in arrays.items()}
    rows[:] = 7.0
    net.fit(x, y, epochs=1)
    for name, array in arrays.items():
        assert_same_bits(array, kept[name])
        assert name == "L" or not array.flags.writeable


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_gives_the_same_bits(threads: int, small_work_in_teams: None) -> None:
    net, x, y = small()
    one, many = net.trace(x, y, threads=1).to_dict(), net.trace(x, y, threads=threads).to_dict()
    for name, array in many.items():
        assert_same_bits(array, one[name])


def test_a_layer_is_asked_for_by_its_number() -> None:
    trace = by_hand()
    assert [layer for layer, _ in trace.a.items()] == [0, 1, 2]
    assert [z.shape for z in trace.z] == [(1, 2), (1, 1)]
    assert (len(trace.z), len(trace.a)) == (2, 3)
    assert trace.z[np.int64(1)] is trace.z[1]
    assert repr(trace.delta) == "delta[1] (1, 2), delta[2] (1, 1)"


RULE = "; as in the notes, layer 0 is the input, a[0], 1 the first and L the last"


@pytest.mark.parametrize(
    ("name", "layer", "message"),
    [
        ("z", 0, "z has the layers 1..2, not 0" + RULE),
        ("dL_dW", 3, "dL_dW has the layers 1..2, not 3" + RULE),
        ("a", -1, "a has the layers 0..2, not -1" + RULE),
    ],
)
def test_a_layer_that_is_not_there(name: str, layer: int, message: str) -> None:
    layers: Layers = getattr(by_hand(), name)
    with pytest.raises(IndexError, match=f"^{re.escape(message)}$"):
        layers[layer]


@pytest.mark.parametrize("layer", [slice(1), "1", 1.0, None])
def test_a_layer_that_is_no_number(layer: Any) -> None:
    with pytest.raises(TypeError, match="the layer of z must be a number, not "):
        by_hand().z[layer]


# What it takes


LABELS = dr.MLP([3, 4, 3], output="softmax", init="torch", seed=0)
NUMBERS = dr.MLP([3, 4, 2], init="torch", seed=0)
ONE_OUTPUT = dr.MLP([3, 1], output="sigmoid", init="torch", seed=0)
ROW = [0.5, -1.0, 2.0]


@pytest.mark.parametrize(
    ("net", "y", "of_batch"),
    [
        (LABELS, 2, [2]),
        (LABELS, np.int64(2), [2]),
        (LABELS, [2], [2]),
        (LABELS, [0.0, 0.25, 0.75], [[0.0, 0.25, 0.75]]),
        (NUMBERS, [1.0, 2.0], [[1.0, 2.0]]),
        (ONE_OUTPUT, 1, [[1.0]]),
        (ONE_OUTPUT, [1.0], [[1.0]]),
        (ONE_OUTPUT, [[1.0]], [[1.0]]),
    ],
)
def test_one_sample_as_a_row(net: dr.MLP, y: Any, of_batch: Any) -> None:
    found, wanted = net.trace(ROW, y).to_dict(), net.trace([ROW], of_batch).to_dict()
    for name, array in found.items():
        assert_same_bits(array, wanted[name])


def test_labels_are_rows_of_the_identity() -> None:
    x, labels = classification(n=4)
    trace = LABELS.trace(x, labels)
    np.testing.assert_array_equal(trace.y, np.eye(3)[labels])
    assert trace.of_labels
    assert "y_ij = 1(j = label i)" in trace.to_text()
    rows = LABELS.trace(x, np.eye(3)[labels])
    assert not rows.of_labels
    np.testing.assert_array_equal(rows.y, trace.y)


X, Y = regression(n=5)
BAD: dict[str, tuple[Any, Any, Any]] = {
    "x of another width": (X[:, :2], Y, None),
    "x nan": (changed(X, _1_2=np.nan), Y, None),
    "x empty": (X[:0], Y[:0], None),
    "x 3-D": (X[None], Y, None),
    "x ragged": ([[1.0, 2.0, 3.0], [1.0]], Y, None),
    "y short": (X, Y[:4], None),
    "y of another width": (X, Y[:, :1], None),
    "y inf": (X, changed(Y, _4_0=np.inf), None),
    "text in y": (X, np.full((5, 2), "a"), None),
    "weights negative": (X, Y, [1.0, -1.0, 1.0, 1.0, 1.0]),
    "weights all 0": (X, Y, np.zeros(5)),
    "weights short": (X, Y, np.ones(4)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_as_evaluate_refuses_it(name: str) -> None:
    x, y, weight = BAD[name]
    net = small()[0]
    before = fingerprint(net)
    with pytest.raises((TypeError, ValueError)) as wanted:
        net.evaluate(x, y, sample_weight=weight)
    with pytest.raises((TypeError, ValueError)) as found:
        net.trace(x, y, weight)
    assert (found.type, str(found.value)) == (wanted.type, str(wanted.value))
    assert fingerprint(net) == before


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "x has 2 features, the network takes 3 (x is 1-D: one sample)"),
        ([1.0, np.nan, 2.0], [1.0, 2.0], "x[1] is nan; every value must be finite (in float32)"),
        (ROW, [1.0], "y must have shape (2,) where x is 1-D, one sample, but has shape (1,)"),
        (ROW, 1.0, "y must have shape (2,) where x is 1-D, one sample, but has shape ()"),
        (
            ROW,
            [[1.0, 2.0]] * 2,
            "y must have shape (2,) where x is 1-D, one sample, but has shape (2, 2)",
        ),
    ],
)
def test_a_bad_row(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        NUMBERS.trace(x, y)


def test_bad_threads() -> None:
    with pytest.raises(ValueError, match="threads"):
        NUMBERS.trace(ROW, [1.0, 2.0], threads=0)


def test_a_loss_that_is_not_finite() -> None:
    net = dr.MLP([1, 1], init=([[[1e30]]], [[0.0]]))
    with pytest.raises(dr.DivergenceError, match="the loss is not finite; it has no gradient"):
        net.trace([[1e30]], [[0.0]])
