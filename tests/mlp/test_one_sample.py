"""One sample, x of shape (n_0,), is a batch of one to every method and to the ref."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference as ref
from deltarule.layers import Layers
from network_support import MOMENTUM, Array, assert_same_bits

ROW = np.array([0.5, -1.0, 2.0])


def network(output: str, loss: str | None, n_out: int, n_in: int = 3) -> dr.MLP:
    return dr.MLP(
        [n_in, 4, n_out],
        hidden="tanh",
        output=output,
        loss=loss,
        dtype="float64",
        init="torch",
        seed=0,
    )


# (output, loss, outputs, y of the sample, y of the batch of one)
SAMPLES: dict[str, tuple[str, str | None, int, Any, Any]] = {
    "a class index": ("softmax", None, 3, 2, [2]),
    "a class index of NumPy": ("softmax", None, 3, np.int64(2), [2]),
    "an array of a class index": ("softmax", None, 3, [2], [2]),
    "a one-hot row of integers": ("softmax", None, 3, [0, 1, 0], [[0, 1, 0]]),
    "probabilities": ("softmax", None, 3, [0.0, 0.25, 0.75], [[0.0, 0.25, 0.75]]),
    "a class index for sigmoids": ("sigmoid", "cross_entropy", 2, 1, [1]),
    "two numbers": ("identity", None, 2, [1.0, -2.0], [[1.0, -2.0]]),
    "a row": ("tanh", "huber", 2, [[1.0, -2.0]], [[1.0, -2.0]]),
    "a number": ("sigmoid", None, 1, 1, [[1.0]]),
    "a number of NumPy": ("identity", "squared_error", 1, np.float32(0.5), [[0.5]]),
    "one number": ("exp", None, 1, [2.0], [[2.0]]),
}
samples = pytest.mark.parametrize("name", SAMPLES)


def directions(net: dr.MLP) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(3)
    return rng.normal(size=3), rng.normal(size=net.sizes[-1]), rng.normal(size=net.n_parameters)


# f(net, x, y, row), where row makes what goes with a sample into what goes with its batch; whether
# the result has an axis of samples, which that of one sample lacks.
METHODS: dict[str, tuple[Callable[..., Any], bool]] = {
    "predict": (lambda n, x, y, row: n.predict(x), True),
    "call": (lambda n, x, y, row: n(x), True),
    "predict out": (lambda n, x, y, row: n.predict(x, out=row(np.zeros(n.sizes[-1]))), True),
    "activations": (lambda n, x, y, row: n.activations(x), True),
    "evaluate": (lambda n, x, y, row: n.evaluate(x, y), False),
    "evaluate weighted": (lambda n, x, y, row: n.evaluate(x, y, sample_weight=row(2.0)), False),
    "value_and_grad": (lambda n, x, y, row: n.value_and_grad(x, y), False),
    "train_step": (lambda n, x, y, row: (n.train_step(x, y, optimizer=MOMENTUM), n.theta), False),
    "fit": (lambda n, x, y, row: (n.fit(x, y, epochs=3).loss, n.theta), False),
    "fit validated": (
        lambda n, x, y, row: n.fit(x, y, epochs=2, validation_data=(x, y)).validation_loss,
        False,
    ),
    "fit on a stream": (lambda n, x, y, row: (n.fit([(x, y)] * 2, epochs=2), n.theta)[1], False),
    "gradient_descent": (
        lambda n, x, y, row: n.gradient_descent(x, y, lr=0.1, max_iterations=3),
        False,
    ),
    "forward_propagation": (lambda n, x, y, row: n.forward_propagation(x)[:3], False),
    "back_propagation": (
        lambda n, x, y, row: n.back_propagation(n.forward_propagation(x), y, row(2.0)),
        False,
    ),
    "trace": (lambda n, x, y, row: n.trace(x, y, row(2.0)).to_dict(), False),
    "verify": (lambda n, x, y, row: n.verify(x, y).to_dict(), False),
    "check_gradients": (lambda n, x, y, row: dr.check_gradients(n, x, y).to_dict(), False),
    "input_gradient": (lambda n, x, y, row: n.input_gradient(x, y, sample_weight=row(2.0)), True),
    "input_gradient of an output": (lambda n, x, y, row: n.input_gradient(x, output=0), True),
    "jacobian": (lambda n, x, y, row: n.jacobian(x), True),
    "jacobian by theta": (lambda n, x, y, row: n.jacobian(x, wrt="theta"), True),
    "per_sample_gradients": (lambda n, x, y, row: n.per_sample_gradients(x, y), True),
    "per_sample_gradients out": (
        lambda n, x, y, row: n.per_sample_gradients(x, y, out=row(np.zeros(n.n_parameters))),
        True,
    ),
    "jvp": (lambda n, x, y, row: n.jvp(x, row(directions(n)[0])), True),
    "jvp by theta": (lambda n, x, y, row: n.jvp(x, directions(n)[2], wrt="theta"), True),
    "vjp": (lambda n, x, y, row: n.vjp(x, row(directions(n)[1])), True),
    "vjp by theta": (lambda n, x, y, row: n.vjp(x, row(directions(n)[1]), wrt="theta"), False),
    "hvp": (lambda n, x, y, row: n.hvp(x, y, directions(n)[2]), False),
    "gauss_newton_vp": (lambda n, x, y, row: n.gauss_newton_vp(x, y, directions(n)[2]), False),
}


def of_reference(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the parameters of a network and its architecture."""

    def called(net: dr.MLP, x: Any, y: Any, row: Callable[[Any], Any]) -> Any:
        architecture = ref.Network("tanh", net.output, net.loss)
        return function((net.weights, net.biases), x, y, architecture, row, directions(net))

    return called


REFERENCE: dict[str, tuple[Callable[..., Any], bool]] = {
    "forward_propagation": (
        lambda p, x, y, w, row, v: ref.forward_propagation(*p, x, w)[:4],
        False,
    ),
    "value_and_grad": (
        lambda p, x, y, w, row, v: ref.value_and_grad(*p, x, y, w, row(2.0)),
        False,
    ),
    "sample_losses": (
        lambda p, x, y, w, row, v: ref.sample_losses(ref.forward_propagation(*p, x, w), y, w),
        False,
    ),
    "gradient_descent": (
        lambda p, x, y, w, row, v: ref.gradient_descent(*p, x, y, w, lr=0.1, max_iterations=3),
        False,
    ),
    "stochastic_gradient_descent": (
        lambda p, x, y, w, row, v: ref.stochastic_gradient_descent(
            *p, x, y, w, lr=0.1, epochs=2, batch_size=1, sample_weight=row(2.0)
        ),
        False,
    ),
    "input_gradient": (lambda p, x, y, w, row, v: ref.input_gradient(*p, x, y, w), True),
    "jacobian": (lambda p, x, y, w, row, v: ref.jacobian(*p, x, w, wrt="theta"), True),
    "per_sample_gradients": (
        lambda p, x, y, w, row, v: ref.per_sample_gradients(*p, x, y, w),
        True,
    ),
    "jvp": (lambda p, x, y, w, row, v: ref.jvp(*p, x, row(v[0]), w), True),
    "vjp": (lambda p, x, y, w, row, v: ref.vjp(*p, x, row(v[1]), w), True),
    "vjp by theta": (lambda p, x, y, w, row, v: ref.vjp(*p, x, row(v[1]), w, "theta"), False),
    "hvp": (lambda p, x, y, w, row, v: ref.hvp(*p, x, y, v[2], w), False),
    "gauss_newton_vp": (
        lambda p, x, y, w, row, v: ref.gauss_newton_vp(*p, x, y, v[2], w),
        False,
    ),
}
CALLS = METHODS | {f"reference {k}": (of_reference(f), rows) for k, (f, rows) in REFERENCE.items()}


def flat(result: Any) -> list[Any]:
    """All arrays, numbers and names in a result, in order."""
    if isinstance(result, dict):
        return [*result, *flat(list(result.values()))]
    if isinstance(result, tuple | list | Layers):
        return [leaf for part in result for leaf in flat(part)]
    return [result]


def assert_same(found: Any, wanted: Any) -> None:
    for a, b in zip(flat(found), flat(wanted), strict=True):
        if isinstance(b, np.ndarray):
            assert_same_bits(a, b)
        else:
            assert a == b or (a != a and b != b)


@samples
@pytest.mark.parametrize("call", CALLS)
def test_one_sample_is_a_batch_of_one(call: str, name: str) -> None:
    output, loss, n_out, y, of_batch = SAMPLES[name]
    function, has_rows = CALLS[call]
    one, batch = network(output, loss, n_out), network(output, loss, n_out)
    found = function(one, ROW, y, lambda of_sample: of_sample)
    wanted = function(batch, ROW[None], of_batch, lambda of_sample: np.asarray(of_sample)[None])
    if has_rows:
        assert {len(a) for a in flat(wanted)} == {1}
        wanted = [a[0] for a in flat(wanted)]
    assert_same(found, wanted)


@pytest.mark.parametrize("kind", ["list", "tuple", "float32", "strided", "series", "sparse"])
def test_one_sample_of_every_kind(kind: str) -> None:
    x: Any = {
        "list": ROW.tolist(),
        "tuple": tuple(ROW.tolist()),
        "float32": ROW.astype("f4"),
        "strided": np.repeat(ROW, 2)[::2],
    }.get(kind)
    if kind == "series":
        x = pytest.importorskip("polars").Series("x", ROW)
    if kind == "sparse":
        x = pytest.importorskip("scipy.sparse").coo_array(ROW)
    net = network("softmax", None, 3)
    assert net.evaluate(x, 1) == net.evaluate([ROW], [1])
    assert_same_bits(net.input_gradient(x, 1), net.input_gradient([ROW], [1])[0])


# The rule: x of shape (n_0,) is one sample, and y of shape (K,) then its targets.
OF_ONE = "where x is 1-D, one sample, but has shape"


OF_FIVE = (
    "x has 5 features, the network takes 1 "
    "(x is 1-D: one sample; n samples of one feature are x of shape (n, 1))"
)
NO_SAMPLE: dict[str, tuple[str, int, int, Any, Any, str]] = {
    "another width": (
        "identity", 3, 2, [1.0, 2.0], [1.0, 2.0],
        "x has 2 features, the network takes 3 (x is 1-D: one sample)",
    ),
    "a column": ("identity", 1, 1, np.ones(5), np.ones(5), OF_FIVE),
    "a column of y": (
        "identity", 1, 1, [1.0], np.ones(5), f"y must have shape (1,) or be a number {OF_ONE} (5,)",
    ),
    "a number for two": ("identity", 3, 2, ROW, 1.0, f"y must have shape (2,) {OF_ONE} ()"),
    "one for two": ("identity", 3, 2, ROW, [1.0], f"y must have shape (2,) {OF_ONE} (1,)"),
    "three rows": (
        "identity", 3, 2, ROW, np.ones((3, 2)), f"y must have shape (2,) {OF_ONE} (3, 2)",
    ),
    "two class indices": (
        "softmax", 3, 3, ROW, [1, 2], f"y must have shape (3,) or be a class index {OF_ONE} (2,)",
    ),
    "three class indices": (
        "softmax", 3, 3, ROW, [0, 2, 1],
        "y[1] is 2.0; every value must be in [0, 1] for cross_entropy",
    ),
    "no class": ("softmax", 3, 3, ROW, 3, "y is 3; class indices must be in 0..2"),
    "below the classes": ("softmax", 3, 3, ROW, -1, "y is -1; class indices must be in 0..2"),
    "no distribution": (
        "softmax", 3, 3, ROW, [0.5, 0.5, 0.5],
        "y sums to 1.5; each row of targets for cross_entropy must sum to 1",
    ),
    "a missing feature": (
        "identity", 3, 2, [1.0, np.nan, 2.0], [1.0, 2.0],
        "x[1] is nan; every value must be finite (in float64)",
    ),
    "a missing target": (
        "identity", 3, 2, ROW, [1.0, np.nan],
        "y[1] is nan; every value must be finite (in float64)",
    ),
    "a number that is none": (
        "identity", 3, 1, ROW, np.inf, "y is inf; it must be finite (in float64)",
    ),
    "no probability": (
        "sigmoid", 3, 1, ROW, 2, "y is 2.0; it must be in [0, 1] for binary_cross_entropy",
    ),
    "a number": (
        "identity", 3, 1, 1.0, 1.0,
        "x must be 2-D, (n_samples, 3), or one sample, (3,), but has shape ()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_SAMPLE)
def test_invalid_single_samples_are_refused(name: str) -> None:
    output, n_in, n_out, x, y, message = NO_SAMPLE[name]
    net = network(output, None, n_out, n_in)
    for call in (net.evaluate, net.value_and_grad, net.train_step, net.fit, net.trace, net.verify):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call(x, y)


def test_a_class_index_of_one_sample_is_whole() -> None:
    net = network("softmax", None, 3)
    message = r"y must be a whole number as class index, or have shape \(3,\), not 0\.5"
    with pytest.raises(TypeError, match=message):
        net.evaluate(ROW, 0.5)


def test_a_missing_feature_is_named_as_x_has_it() -> None:
    net = network("identity", None, 2)
    x = np.array([0.0, 1.0, np.inf])
    for call in (net.predict, net.jacobian, net.activations, net.forward_propagation):
        with pytest.raises(ValueError, match=r"x\[2\] is inf; every value must be finite"):
            call(x)


def test_a_batch_of_one_takes_no_target_without_its_axis() -> None:
    net = network("softmax", None, 3)
    with pytest.raises(ValueError, match="y has 3 samples, x has 1"):
        net.evaluate([ROW], [0, 1, 0])
