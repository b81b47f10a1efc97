"""The optimizers at the ends of the numbers: a step is right, or refused as a whole.

A step is refused where a new parameter, or the new optimizer state, would not be finite; the
network is then as it was, to the byte.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="needs the extra: pip install 'deltarule[test]'")

from hypothesis import given, settings
from hypothesis import strategies as st

import deltarule as dr
from deltarule import reference
from extremes_support import DTYPES, is_finite
from network_support import Array, fingerprint

OPTIMIZERS = {
    "plain": dr.SGD(lr=0.1),
    "large rate": dr.SGD(lr=1e20),
    "momentum": dr.SGD(lr=0.1, momentum=0.9),
    "nesterov": dr.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "clipped": dr.SGD(lr=0.1, max_norm=1.0),
    "adam": dr.Adam(lr=0.1),
    "steep adam": dr.Adam(lr=0.1, beta1=0.999, beta2=0.9),
    "adamw": dr.AdamW(lr=0.1, weight_decay=0.1, l1=0.01),
}
OVERFLOWS = r"the update overflows.*nothing was updated"
# As x of a unit whose weight is its reciprocal: y_hat is 1.
LARGE = {"float32": (1e15, 1e25, 3e37), "float64": (1e100, 1e200, 1e307)}


def state_of(net: dr.MLP) -> tuple[Any, ...]:
    kind, m, v, steps = net._optimizer_state()
    return (kind, steps, *(None if a is None else a.tobytes() for a in (net.theta, m, v)))


def of_reference(net: dr.MLP, x: Array, y: Array, optimizer: Any) -> list[Array]:
    """theta after a first step, and Adam's v, in the network's dtype."""
    W, b = [w.copy() for w in net.weights], [v.copy() for v in net.biases]
    _, grads = reference.value_and_grad(W, b, x, y, reference.Network())
    named = {name: getattr(optimizer, name) for name in ("lr", "weight_decay", "l1", "max_norm")}
    if isinstance(optimizer, dr.SGD):
        named |= {"momentum": optimizer.momentum, "nesterov": optimizer.nesterov}
        W, b, _ = reference.sgd_update(W, b, grads, None, **named)
        return [reference.theta(W, b)]
    named |= {"beta1": optimizer.beta1, "beta2": optimizer.beta2, "epsilon": optimizer.epsilon}
    named["decoupled"] = isinstance(optimizer, dr.AdamW)
    W, b, moments = reference.adam_update(W, b, grads, None, **named)
    return [reference.theta(W, b), *moments.v]


@pytest.mark.parametrize("size", [0, 1, 2], ids=["large", "larger", "largest"])
@pytest.mark.parametrize("way", ["array", "list"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_gradient_as_large_as_x(optimizer: Any, dtype: str, way: str, size: int) -> None:
    """The loss is 1/2, the gradient x: a step of the reference, or none."""
    large = LARGE[dtype][size]
    net = dr.MLP([1, 1], dtype=dtype, init=([[[1.0 / large]]], [[0.0]]))
    x, y = np.full((1, 1), large, dtype), np.full((1, 1), 2.0, dtype)
    given_x, given_y = (x, y) if way == "array" else (x.tolist(), y.tolist())
    before = state_of(net)
    with np.errstate(all="ignore"):
        wanted = of_reference(net, x, y, optimizer)
    if all(np.isfinite(p).all() for p in wanted):
        assert net.train_step(given_x, given_y, optimizer=optimizer) == pytest.approx(0.5)
        smallest = np.finfo(dtype).tiny  # what is less is 0
        np.testing.assert_allclose(net.theta, wanted[0], rtol=1e-5, atol=smallest)
        assert is_finite(net)
        return
    with pytest.raises(dr.DivergenceError, match=OVERFLOWS):
        net.train_step(given_x, given_y, optimizer=optimizer)
    _, steps, theta, *memory = state_of(net)
    assert theta == before[2] and steps == 0
    assert all(m is None or not np.frombuffer(m, dtype).any() for m in memory)
    net.train_step(np.full((1, 1), 0.5, dtype), y, optimizer=dr.SGD(lr=0.1))  # it still works


# The ways of a step through the core: rows, columns (few rows, several threads), super-blocks.
SHAPES = {"rows": ([3, 5, 2], 40), "columns": ([3, 512, 512, 2], 2), "blocks": ([3, 4, 2], 2500)}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "optimizer", [dr.Adam(), dr.SGD(lr=0.1, momentum=0.9)], ids=["adam", "sgd"]
)
def test_nothing_is_updated_in_any_way_of_a_step(optimizer: Any, shape: str, threads: int) -> None:
    sizes, n = SHAPES[shape]
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    net = dr.MLP(sizes, hidden="tanh", reduction="sum", seed=0)
    slow: dict[str, Any] = {"optimizer": optimizer, "sample_weight": np.full(n, 1e-3)}
    for _ in range(2):
        net.train_step(x, y, threads=threads, **slow)
    before, twin = state_of(net), copy.deepcopy(net)
    many: dict[str, Any] = {"optimizer": optimizer, "sample_weight": np.full(n, 3e37)}
    with pytest.raises(dr.DivergenceError, match=OVERFLOWS):
        net.train_step(x, y * 1e4, threads=threads, **many)
    assert state_of(net) == before
    for one, of in ((net, threads), (twin, 1)):  # goes on as one that met no such batch
        one.train_step(x, y, threads=of, **slow)
    assert fingerprint(net) == fingerprint(twin)


exponents = st.integers(-30, 37)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(OPTIMIZERS)), exponents, exponents), min_size=1, max_size=6
    ),
    st.tuples(exponents, exponents, exponents),
    st.sampled_from(["identity", "relu", "tanh"]),
)
def test_a_step_is_whole_or_none(
    steps: list[tuple[str, int, int]], sizes: tuple[int, int, int], hidden: str
) -> None:
    """Whatever the magnitudes of x, y and the weights, and the optimizers one after the other."""
    w1, w2, b = (10.0**k for k in sizes)
    net = dr.MLP([1, 2, 1], hidden=hidden, init=([[[w1], [-w1]], [[w2, w2]]], [[b, -b], [b]]))
    for name, x, y in steps:
        before = state_of(net)
        try:
            net.train_step([[10.0**x]], [[10.0**y]], optimizer=OPTIMIZERS[name])
        except dr.DivergenceError:
            kind, _, theta, *memory = state_of(net)
            assert theta == before[2]
            if kind == before[0] and before[3] is not None:  # else room was made, all 0
                assert memory[0] == before[3]
        assert is_finite(net)


@pytest.mark.parametrize("scale", [1.0, 1e150, 1e160, 1e200, 1e300])
def test_a_gradient_is_clipped_whose_square_is_out_of_range(scale: float) -> None:
    made: dict[str, Any] = {"dtype": "float64", "loss": "absolute_error"}
    net, fitted = (dr.MLP([2, 1], init=([[[0.0, 0.0]]], [[1.0]]), **made) for _ in range(2))
    x, clipped = [[3.0 * scale, 4.0 * scale]], dr.SGD(lr=0.1, max_norm=5.0)
    W, b = [w.copy() for w in net.weights], [v.copy() for v in net.biases]
    _, grads = reference.value_and_grad(W, b, x, [0.0], reference.Network(loss="absolute_error"))
    wanted = reference.sgd_update(W, b, grads, None, lr=0.1, max_norm=5.0)
    net.train_step(x, [0.0], optimizer=clipped)
    np.testing.assert_allclose(net.theta, reference.theta(*wanted[:2]), rtol=1e-14)
    if scale > 1.0:
        np.testing.assert_allclose(net.weights[0], [[-0.3, -0.4]], rtol=1e-14)
    fitted.fit(x, [0.0], epochs=1, optimizer=clipped)
    assert fitted.theta.tobytes() == net.theta.tobytes()


@pytest.mark.parametrize(
    ("dtype", "epsilon", "least"),
    [
        ("float32", 3.4e-18, "3.43e-18"),
        ("float32", 1e-60, "3.43e-18"),
        ("float64", 1e-160, "e-153"),
    ],
)
def test_an_epsilon_below_the_roots_of_v(dtype: str, epsilon: float, least: str) -> None:
    """Where g^2 is 0 in v, m / (sqrt(v) + epsilon) would be far above 1, or 0 / 0."""
    net = dr.MLP([1, 1], seed=0, dtype=dtype)
    before, one = net.theta, np.ones((1, 1), dtype)
    for call in (net.train_step, net.fit):
        with pytest.raises(ValueError, match=rf"epsilon must be at least sqrt.*{least} in {dtype}"):
            call(one, one, optimizer=dr.Adam(epsilon=epsilon))
    assert net.theta.tobytes() == before.tobytes()


@pytest.mark.parametrize("gradient", [0.0, 1e-30, 1e-19, 3e-18, 1e-17, 1e-12, 1.0])
@pytest.mark.parametrize("hat", [False, True], ids=["epsilon", "epsilon_hat"])
def test_the_least_epsilon_gives_adams_steps(gradient: float, hat: bool) -> None:
    """At most some twice as long as in exact arithmetic, also where g^2 is 0 in float32."""
    adam = dr.Adam(lr=0.1, epsilon=3.44e-18, epsilon_hat=hat)
    net = dr.MLP([1, 1], loss="absolute_error", reduction="sum", init=([[[0.0]]], [[1.0]]))
    x, y = np.zeros((1, 1), np.float32), np.full((1, 1), 0.0 if gradient else 1.0, np.float32)
    weight = np.array([gradient or 1.0])  # the gradient is its weight's, or 0 at y
    b, m, v = 1.0, 0.0, 0.0
    for step in range(1, 4):
        net.train_step(x, y, optimizer=adam, sample_weight=weight)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        root = np.sqrt(v) + adam.epsilon if hat else np.sqrt(v / (1 - 0.999**step)) + adam.epsilon
        move = 0.1 * m / (1 - 0.9**step) / root * (np.sqrt(1 - 0.999**step) if hat else 1.0)
        assert 0.0 <= b - float(net.biases[0][0]) <= 2.1 * move + 1e-6, step
        b = float(net.biases[0][0])


@pytest.mark.parametrize(
    "optimizer", [dr.SGD(lr=1e-3, momentum=0.9), dr.AdamW()], ids=["sgd", "adamw"]
)
def test_a_long_step_in_two_stages_has_the_bits_of_one(optimizer: Any) -> None:
    """On one thread the gradient of so many parameters comes first; on three it is one stage."""
    rng = np.random.default_rng(5)
    x, y = (rng.normal(size=(1024, n)).astype(np.float32) for n in (2100, 5))
    states = set()
    for threads in (1, 3):
        net = dr.MLP([2100, 2400, 5], seed=0)
        for _ in range(2):
            net.train_step(x, y, optimizer=optimizer, threads=threads)
        states.add(state_of(net))
    assert len(states) == 1
