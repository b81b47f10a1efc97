"""First parameters: the bits of the reference, limits and spreads, the order of the draws."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from network_support import assert_same_bits

HIDDEN = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu")
RELU_KIN = ("relu", "leaky_relu", "elu", "softplus", "gelu", "silu")
# The limit of a uniform distribution, or the standard deviation of a normal one.
UNIFORM = {
    "glorot_uniform": lambda n_in, n_out: math.sqrt(6 / (n_in + n_out)),
    "he_uniform": lambda n_in, n_out: math.sqrt(6 / n_in),
    "lecun_uniform": lambda n_in, n_out: math.sqrt(3 / n_in),
    "torch": lambda n_in, n_out: 1 / math.sqrt(n_in),
}
NORMAL = {
    "glorot_normal": lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
    "he_normal": lambda n_in, n_out: math.sqrt(2 / n_in),
    "lecun_normal": lambda n_in, n_out: math.sqrt(1 / n_in),
    "notes": lambda n_in, n_out: math.sqrt(1 / n_in),
}
NAMES = ("auto", *UNIFORM, *NORMAL)
SIZES = [(3, 2), (1, 1), (7, 5, 3), (64, 33, 10), (2, 13, 101, 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("init", NAMES)
def test_the_references_bits(init: str, sizes: tuple[int, ...], dtype: str) -> None:
    net = dr.MLP(sizes, init=init, hidden="tanh", dtype=dtype, seed=11)
    weights, biases = reference.initialize(
        sizes, np.random.default_rng(11), init=init, hidden="tanh", dtype=dtype
    )
    assert_same_bits(net.theta, reference.theta(weights, biases))
    for found, wanted in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        assert_same_bits(found, wanted)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_auto_is_he_for_relu_and_its_variants_and_glorot_otherwise(hidden: str) -> None:
    rng = np.random.default_rng(5)
    net = dr.MLP([40, 30, 20], hidden=hidden, dtype="float64", seed=5)
    if hidden in RELU_KIN:
        first = rng.normal(0.0, math.sqrt(2 / 40), (30, 40))
    else:
        limit = math.sqrt(6 / 70)
        first = rng.uniform(-limit, limit, (30, 40))
    limit = math.sqrt(6 / 50)  # the output layer
    assert_same_bits(net.weights[0], first)
    assert_same_bits(net.weights[1], rng.uniform(-limit, limit, (20, 30)))


def test_auto_is_the_default_and_goes_layer_by_layer() -> None:
    hidden = ("tanh", "relu", "sigmoid", "gelu")
    sizes = [6, 5, 4, 3, 2, 1]
    net = dr.MLP(sizes, hidden=hidden, dtype="float64", seed=1)
    rng = np.random.default_rng(1)
    for W, g, (n_in, n_out) in zip(net.weights, (*hidden, ""), pairwise(sizes), strict=True):
        if g in RELU_KIN:
            wanted = rng.normal(0.0, math.sqrt(2 / n_in), (n_out, n_in))
        else:
            limit = math.sqrt(6 / (n_in + n_out))
            wanted = rng.uniform(-limit, limit, (n_out, n_in))
        assert_same_bits(W, wanted)


@pytest.mark.parametrize("init", UNIFORM)
def test_uniform_limits(init: str) -> None:
    net = dr.MLP([150, 100, 60], init=init, dtype="float64", seed=0)
    for W, (n_in, n_out) in zip(net.weights, pairwise(net.sizes), strict=True):
        limit = UNIFORM[init](n_in, n_out)
        # Of 6000 draws the largest misses the limit by more than 1 % with probability 1e-26.
        assert 0.99 * limit < W.max() < limit
        assert -limit <= W.min() < -0.99 * limit
        # The mean's own deviation is limit / sqrt(3 n) = 0.0075 limit.
        assert abs(W.mean()) < 0.03 * limit


@pytest.mark.parametrize("init", NORMAL)
def test_normal_spreads(init: str) -> None:
    net = dr.MLP([150, 100, 60], init=init, dtype="float64", seed=0)
    for W, (n_in, n_out) in zip(net.weights, pairwise(net.sizes), strict=True):
        std = NORMAL[init](n_in, n_out)
        # Deviations of the estimates for n = 6000: std / sqrt(n) = 0.013 and 0.009 std.
        assert abs(W.mean()) < 0.05 * std
        assert W.std() == pytest.approx(std, rel=0.04)
        # Not cut off: 2 of 6000 normal draws lie beyond 3.5 deviations, none of uniform ones.
        assert 3.2 * std < np.abs(W).max() < 6 * std


@pytest.mark.parametrize("init", NAMES)
def test_biases_are_zero_but_for_torch(init: str) -> None:
    net = dr.MLP([9, 50, 4], init=init, seed=0)
    for b, n_in in zip(net.biases, (9, 50), strict=True):
        if init == "torch":
            assert b.all()
            assert np.abs(b).max() < 1 / math.sqrt(n_in)
        else:
            assert not b.any()


def test_torch_draws_each_layers_weights_then_its_biases() -> None:
    rng = np.random.default_rng(8)
    net = dr.MLP([4, 3, 2], init="torch", dtype="float64", seed=8)
    for layer, (n_in, n_out) in enumerate(pairwise(net.sizes)):
        limit = 1 / math.sqrt(n_in)
        assert_same_bits(net.weights[layer], rng.uniform(-limit, limit, (n_out, n_in)))
        assert_same_bits(net.biases[layer], rng.uniform(-limit, limit, n_out))


@pytest.mark.parametrize("init", NAMES)
def test_float32_is_the_rounded_float64(init: str) -> None:
    wide = dr.MLP([9, 50, 4], init=init, dtype="float64", seed=2)
    narrow = dr.MLP([9, 50, 4], init=init, dtype="float32", seed=2)
    assert_same_bits(narrow.theta, wide.theta.astype(np.float32))


@pytest.mark.parametrize("form", [tuple, list])
def test_arrays(form: Any) -> None:
    weights = [[[1, 2], [3, 4], [5, 6]], np.array([[7, 8, 9]], ">f8")]
    biases = [np.array([1, 0, -1], np.int8), (2.5,)]
    net = dr.MLP([2, 3, 1], init=form([weights, biases]), dtype="float64", seed=0)
    assert_same_bits(net.theta, np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 0, -1, 2.5]))


def test_arrays_draw_nothing() -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    dr.MLP([1, 1], init=([[[1.0]]], [[0.0]]), seed=rng)
    assert rng.bit_generator.state == state


def test_another_networks_parameters_are_copied() -> None:
    first = dr.MLP([3, 4, 2], seed=0)
    second = dr.MLP([3, 4, 2], init=(first.weights, first.biases))
    before = first.theta
    assert_same_bits(second.theta, before)
    second.train_step(np.ones((2, 3)), np.ones((2, 2)))
    assert second.theta.tobytes() != before.tobytes()
    assert_same_bits(first.theta, before)


@pytest.mark.parametrize("init", ["he_normal", "glorot_uniform"])
def test_large_matrices_are_drawn_in_parts_as_at_once(init: str) -> None:
    sizes = (1100, 1000)  # more than one part
    net = dr.MLP(sizes, init=init, dtype="float64", seed=3)
    rng = np.random.default_rng(3)
    if init == "he_normal":
        wanted = rng.normal(0.0, np.sqrt(2 / sizes[0]), (sizes[1], sizes[0]))
    else:
        limit = np.sqrt(6 / sum(sizes))
        wanted = rng.uniform(-limit, limit, (sizes[1], sizes[0]))
    assert net.weights[0].tobytes() == wanted.tobytes()
