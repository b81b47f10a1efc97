"""Divergence says where: epoch, step and the layer where values stop being finite first."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from network_support import Array, fingerprint
from process_support import run_python

# In float32 the product of two of these is infinite, of one and 1 it is not.
HUGE = 1e30
IDENTITY = dr.CustomActivation(lambda z: z, lambda z, a: np.ones_like(z))


def chain(*weights: float, **options: Any) -> dr.MLP:
    """One unit a layer, biases 0: z[l] is the product of x and the first l weights."""
    init = [[[w]] for w in weights], [[0.0] for _ in weights]
    return dr.MLP([1] * (len(weights) + 1), **{"hidden": "identity", "init": init, **options})


def ones_at(step: int, steps: int = 5) -> tuple[Array, Array]:
    """One sample a step, all 0 but that of one step; the chain leaves 0 as it is."""
    x = np.zeros((steps, 1), np.float32)
    x[step - 1] = 1.0
    return x, np.zeros(steps)


Fit = Callable[..., object]
WAYS: dict[str, Fit] = {
    "arrays": lambda net, x, y, **more: net.fit(x, y, batch_size=1, shuffle=False, **more),
    "watched": lambda net, x, y, **more: net.fit(
        x, y, batch_size=1, shuffle=False, callbacks=lambda record: None, **more
    ),
    "stream": lambda net, x, y, **more: net.fit(
        [(x[i : i + 1], y[i : i + 1]) for i in range(len(x))], **more
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hidden", ["identity", IDENTITY], ids=["named", "custom"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_the_first_layer_that_overflows(layer: int, hidden: Any, way: str) -> None:
    weights = [1.0, 1.0, 1.0]
    weights[layer - 1] = HUGE
    net = chain(*weights, hidden=hidden)
    x, y = ones_at(4)
    before = fingerprint(net)
    with pytest.raises(dr.DivergenceError) as caught:
        WAYS[way](net, x * HUGE, y, optimizer=dr.SGD(lr=1e-3, momentum=0.9))
    error = caught.value
    assert (error.epoch, error.step, error.layer) == (1, 4, layer)
    assert f"epoch 1, step 4; layer {layer} is the first where z or a is not finite; " in str(error)
    assert fingerprint(net) == before


def test_z_counts_where_the_activation_hides_it() -> None:
    net = chain(HUGE, HUGE, HUGE, hidden=["tanh", "identity"])  # z[1] is infinite, a[1] is 1
    with pytest.raises(dr.DivergenceError) as caught:
        net.fit([[HUGE]], [0.0])
    assert caught.value.layer == 1


def test_a_counts_where_z_is_finite() -> None:
    net = chain(1.0, output="exp")
    with pytest.raises(dr.DivergenceError) as caught:
        net.fit([[1000.0]], [0.0])
    assert caught.value.layer == 1


@pytest.mark.parametrize("hidden", ["identity", IDENTITY], ids=["named", "custom"])
def test_the_loss_alone_is_no_layers(hidden: Any) -> None:
    net = chain(1.0, 1e200, hidden=hidden, dtype="float64")
    with pytest.raises(dr.DivergenceError, match="z and a of every layer are finite") as caught:
        net.fit([[1.0]], [0.0])
    assert caught.value.layer is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hidden", ["identity", IDENTITY], ids=["named", "custom"])
def test_fit_many_applies_dropout(hidden: Any, way: str) -> None:
    """What dropout keeps of a[1] = 2e38 overflows, which no pass without it does."""
    net = chain(2.0, 1e-38, hidden=hidden, seed=0)
    x, y = np.full((64, 1), 1e38, np.float32), np.full(64, 2.0)
    with pytest.raises(dr.DivergenceError) as caught:
        WAYS[way](net, x, y, dropout=0.5, optimizer=dr.SGD(lr=1e-30))
    assert caught.value.layer == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hidden", ["identity", IDENTITY], ids=["named", "custom"])
def test_an_update_that_overflows_is_no_layers(hidden: Any, way: str) -> None:
    net = chain(1.0, 0.0, hidden=hidden)
    with pytest.raises(dr.DivergenceError) as caught:
        WAYS[way](net, [[1.0]], [1e10], optimizer=dr.SGD(lr=1e30))
    assert (caught.value.epoch, caught.value.step, caught.value.layer) == (1, 1, None)
    assert net.theta.tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("hidden", ["identity", IDENTITY], ids=["named", "custom"])
@pytest.mark.parametrize("call", ["train_step", "value_and_grad"])
def test_single_calls(call: str, hidden: Any) -> None:
    net = chain(1.0, HUGE, hidden=hidden)
    before = fingerprint(net)
    with pytest.raises(dr.DivergenceError, match="layer 2 is the first") as caught:
        getattr(net, call)([[HUGE]], [0.0])
    assert (caught.value.epoch, caught.value.step, caught.value.layer) == (1, 1, 2)
    assert fingerprint(net) == before


def test_rows_of_weight_0_are_not_checked() -> None:
    net = chain(1e200, 1e200, dtype="float64")
    x, y, weight = np.array([[1e200], [1e-100]]), np.zeros(2), np.array([0.0, 1.0])
    with pytest.raises(dr.DivergenceError) as caught:
        net.value_and_grad(x, y, sample_weight=weight)
    assert caught.value.layer is None  # y_hat is 1e300 in the row that counts


@pytest.mark.parametrize("hidden", ["relu", "sigmoid", "tanh", "gelu", "softplus"])
def test_against_the_reference(hidden: str) -> None:
    """The layers of random networks whose values grow by chance, many rows each."""
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        net = dr.MLP([3, 5, 4, 3, 2], hidden=hidden, dtype="float32", seed=0)
        net.theta = rng.normal(size=net.n_parameters) * 10.0 ** rng.uniform(20, 38)
        x = (rng.normal(size=(70, 3)) * 10.0 ** rng.uniform(-10, 15)).astype(np.float32)
        with np.errstate(all="ignore"):
            architecture = reference.Network(hidden=hidden)
            passed = reference.forward_propagation(net.weights, net.biases, x, architecture)
            finite = [
                np.isfinite(z).all() and np.isfinite(a).all()
                for z, a in zip(passed.z, list(passed.a)[1:], strict=True)
            ]
        wanted = 0 if all(finite) else 1 + finite.index(False)
        assert net._core.first_not_finite(x, np.zeros((70, 2), np.float32), None) == wanted
        found.append(wanted)
    assert len(set(found)) > 1


@pytest.mark.parametrize("way", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
@pytest.mark.parametrize("layer", [None, 2])
def test_the_error_can_be_sent(way: Callable[[Any], Any], layer: int | None) -> None:
    error = way(dr.DivergenceError("too far", 3, 7, layer))
    assert (str(error), error.epoch, error.step, error.layer) == ("too far", 3, 7, layer)


def test_a_team_ends_together() -> None:
    """One may have found an infinite loss while another is still leaving the step before."""
    script = """
import numpy as np
import deltarule as dr

x, y = np.ones((1024, 64), np.float32), np.zeros(1024, int)
x[512:] = 3e38
net = dr.MLP([64, 128, 10], output="softmax", seed=0)
theta, diverged = net.theta, 0
for _ in range(600):
    net.theta = theta
    try:
        net.fit(x, y, epochs=1, batch_size=64, shuffle=False, threads=4)
    except dr.DivergenceError as error:
        diverged += error.step == 9
print(diverged)
"""
    # One who never leaves is waited for in vain; four threads on two busy cores take a minute.
    assert run_python(script, timeout=600, PYTHONWARNINGS="ignore") == "600\n"
