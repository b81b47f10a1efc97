"""fit: batches, epochs, weights, seeds and history, against the reference and against itself."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import reference
from network_support import (
    MOMENTUM,
    Array,
    assert_same_bits,
    classification,
    fingerprint,
    regression,
)

# Four epochs of at most 40 float64 updates of parameters near 1: a few hundred roundings.
RTOL = 1e-11
ATOL = 1e-12


def network(**options: Any) -> dr.MLP:
    return dr.MLP(**({"sizes": [3, 5, 2], "hidden": "tanh", "seed": 3} | options))


# Batches and epochs


@pytest.mark.parametrize("batch_size", [None, 1, 7, 8, 39, 40, 41])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_fit_follows_the_reference(
    batch_size: int | None, reduction: str, weighted: bool, shuffle: bool
) -> None:
    x, y = regression()
    w = np.linspace(0.1, 2.0, 40) if weighted else None
    rng = np.random.default_rng(3)
    weights, biases = reference.initialize([3, 5, 2], rng, hidden="tanh")
    settings: dict[str, Any] = {"lr": 0.003, "momentum": 0.5, "weight_decay": 0.01}
    wanted = reference.stochastic_gradient_descent(
        weights,
        biases,
        x,
        y,
        reference.Network("tanh", reduction=reduction),
        epochs=4,
        batch_size=batch_size,
        rng=rng if shuffle else None,
        sample_weight=w,
        **settings,
    )
    net = network(dtype="float64", reduction=reduction)
    history = net.fit(
        x,
        y,
        epochs=4,
        batch_size=batch_size,
        shuffle=shuffle,
        sample_weight=w,
        optimizer=dr.SGD(**settings),
    )
    theta = reference.theta(wanted.weights, wanted.biases)
    np.testing.assert_allclose(net.theta, theta, rtol=RTOL, atol=ATOL)
    np.testing.assert_allclose(history.loss, wanted.losses, rtol=RTOL)


@pytest.mark.parametrize("batch_size", [41, 2**31, 2**63 - 1, 2**63, 10**30])
def test_a_batch_larger_than_the_data_is_the_data(batch_size: int) -> None:
    x, y = regression()
    whole, larger = network(), network()
    whole.fit(x, y, epochs=2, batch_size=None)
    larger.fit(x, y, epochs=2, batch_size=batch_size)
    assert_same_bits(larger.theta, whole.theta)


def test_the_defaults() -> None:
    x, y = regression(n=70)
    plain, spelled = network(), network()
    history = plain.fit(x, y)
    spelled.fit(
        x,
        y,
        epochs=10,
        batch_size=32,
        optimizer=dr.SGD(lr=0.01),
        validation_data=None,
        validation_split=None,
        sample_weight=None,
        class_weight=None,
        label_smoothing=0.0,
        shuffle=True,
        early_stopping=None,
        metrics=(),
        callbacks=(),
        max_seconds=None,
        verbose=0,
        progress=False,
        threads=None,
    )
    assert len(history) == 10
    assert_same_bits(plain.theta, spelled.theta)


def test_a_full_batch_is_train_step() -> None:
    x, y = regression()
    fitted, stepped = network(), network()
    history = fitted.fit(x, y, epochs=5, batch_size=None, shuffle=False, optimizer=MOMENTUM)
    losses = [stepped.train_step(x, y, optimizer=MOMENTUM) for _ in range(5)]
    assert history.loss == losses
    assert fingerprint(fitted) == fingerprint(stepped)


def test_unshuffled_batches_are_train_steps() -> None:
    x, y = regression(n=10)
    fitted, stepped = network(), network()
    history = fitted.fit(x, y, epochs=1, batch_size=4, shuffle=False, optimizer=MOMENTUM)
    losses = [
        stepped.train_step(x[i], y[i], optimizer=MOMENTUM) for i in np.split(np.arange(10), [4, 8])
    ]
    assert fingerprint(fitted) == fingerprint(stepped)
    assert history.loss[0] == pytest.approx(np.dot(losses, [4, 4, 2]) / 10, rel=1e-6)


def test_shuffled_batches_are_train_steps_in_the_generators_order() -> None:
    x, y = regression(n=10)
    rng = np.random.default_rng(3)
    reference.initialize([3, 5, 2], rng)
    fitted, stepped = network(), network()
    fitted.fit(x, y, epochs=3, batch_size=4, optimizer=MOMENTUM)
    for _ in range(3):
        order = reference.shuffle(rng, 10)
        for first in (0, 4, 8):
            rows = order[first : first + 4]
            stepped.train_step(x[rows], y[rows], optimizer=MOMENTUM)
    assert_same_bits(fitted.theta, stepped.theta)


def test_no_epochs_change_nothing() -> None:
    x, y = regression()
    net = network()
    before = fingerprint(net)
    history = net.fit(x, y, epochs=0, validation_data=(x, y))
    assert len(history) == 0
    assert history.to_dict() == {
        "loss": [],
        "validation_loss": [],
        "learning_rate": [],
        "seconds": [],
    }
    assert fingerprint(net) == before


def test_without_shuffling_the_generator_stays() -> None:
    x, y = regression()
    rng = np.random.default_rng(0)
    net = network(seed=rng)
    state = rng.bit_generator.state
    net.fit(x, y, epochs=3, shuffle=False)
    assert rng.bit_generator.state == state
    net.fit(x, y, epochs=3)
    expected = np.random.default_rng()
    expected.bit_generator.state = state
    for _ in range(3):
        reference.shuffle(expected, 40)
    assert rng.bit_generator.state == expected.bit_generator.state


# Seeds and continuation


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_seed_fixes_every_byte(shuffle: bool) -> None:
    x, y = regression()

    def run(seed: int) -> tuple[bytes, list[float]]:
        net = network(seed=seed)
        history = net.fit(x, y, epochs=4, batch_size=9, shuffle=shuffle, optimizer=MOMENTUM)
        return net.theta.tobytes(), history.loss

    assert run(1) == run(1)
    assert run(1)[0] != run(2)[0]


def test_shuffling_makes_a_difference() -> None:
    x, y = regression()
    thetas = set()
    for shuffle in (False, True):
        net = network()
        net.fit(x, y, epochs=1, batch_size=9, shuffle=shuffle)
        thetas.add(net.theta.tobytes())
    assert len(thetas) == 2


def nothing(record: object) -> None:
    """A callback that has fit return to Python after each epoch."""


@pytest.mark.parametrize("callbacks", [(), nothing], ids=["one call", "epoch by epoch"])
@pytest.mark.parametrize("batch_size", [None, 7, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_five_epochs_twice_are_ten(dtype: str, batch_size: int | None, callbacks: Any) -> None:
    x, y = regression()
    options = {"batch_size": batch_size, "optimizer": MOMENTUM, "validation_data": (x[:9], y[:9])}
    once, twice = network(dtype=dtype), network(dtype=dtype)
    ten = once.fit(x, y, epochs=10, **options)
    five = [twice.fit(x, y, epochs=5, callbacks=callbacks, **options) for _ in range(2)]
    assert five[0].loss + five[1].loss == ten.loss
    assert five[0].validation_loss + five[1].validation_loss == ten.validation_loss
    assert fingerprint(twice) == fingerprint(once)


def test_the_velocity_is_kept_through_steps_without_momentum() -> None:
    x, y = regression()
    net = network(dtype="float64")
    net.fit(x, y, epochs=2, optimizer=MOMENTUM)
    fresh = network(dtype="float64")
    fresh.set_parameters(net.weights, net.biases)
    for one in (net, fresh):
        one.train_step(x, y, optimizer=MOMENTUM)
    assert net.theta.tobytes() != fresh.theta.tobytes()


# Weights of samples


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_weight_of_k_is_k_copies(reduction: str) -> None:
    x, y = regression(n=6)
    k = np.array([1, 3, 0, 2, 1, 5])
    net = network(dtype="float64", reduction=reduction)
    value, grads = net.value_and_grad(x, y, sample_weight=k)
    copies = np.repeat(np.arange(6), k)
    wanted, expected = net.value_and_grad(x[copies], y[copies])
    assert value == pytest.approx(wanted, rel=1e-14)
    np.testing.assert_allclose(grads.theta, expected.theta, rtol=1e-12, atol=1e-14)
    assert net.evaluate(x, y, sample_weight=k) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize(("reduction", "factor"), [("mean", 1.0), ("sum", 4.0)])
def test_the_scale_of_the_weights(reduction: str, factor: float) -> None:
    x, y = regression()
    w = np.linspace(0.5, 2.0, 40)
    net = network(dtype="float64", reduction=reduction)
    value, grads = net.value_and_grad(x, y, sample_weight=w)
    scaled, four_times = net.value_and_grad(x, y, sample_weight=4 * w)
    assert scaled == pytest.approx(factor * value, rel=1e-14)
    np.testing.assert_allclose(four_times.theta, factor * grads.theta, rtol=1e-12, atol=1e-14)


def test_weights_of_one_are_no_weights() -> None:
    x, y = regression()
    plain, weighted = network(), network()
    wanted = plain.fit(x, y, epochs=3, batch_size=9)
    found = weighted.fit(x, y, epochs=3, batch_size=9, sample_weight=np.ones(40))
    assert_same_bits(weighted.theta, plain.theta)
    assert found.loss == wanted.loss


def test_a_batch_without_weight_moves_nothing() -> None:
    x, y = regression(n=8)
    net, other = network(), network()
    w = np.array([1.0, 2, 1, 1, 0, 0, 0, 0])
    history = net.fit(x, y, epochs=1, batch_size=4, shuffle=False, sample_weight=w)
    loss = other.train_step(x[:4], y[:4], sample_weight=w[:4])
    assert_same_bits(net.theta, other.theta)
    assert history.loss == [pytest.approx(loss, rel=1e-15)]


# Validation and history


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_validation_loss_is_taken_after_each_epoch(reduction: str, weighted: bool) -> None:
    x, y = regression()
    xv, yv = regression(n=11, seed=1)
    wv = np.arange(11.0)
    data = (xv, yv, wv) if weighted else (xv, yv)
    net = network(reduction=reduction)
    after = []

    def look(record: dict[str, Any]) -> None:
        after.append(net.evaluate(xv, yv, sample_weight=wv if weighted else None))

    history = net.fit(
        x, y, epochs=3, optimizer=dr.SGD(lr=0.001), validation_data=data, callbacks=look
    )
    assert history.validation_loss == after
    assert len(set(after)) == 3


@pytest.mark.parametrize("form", [list, tuple, lambda data: (*data, None)])
def test_validation_changes_nothing_and_comes_in_any_sequence(form: Any) -> None:
    x, y = classification()
    plain, watched = (dr.MLP([3, 3], output="softmax", seed=0) for _ in range(2))
    assert plain.fit(x, y, epochs=2).validation_loss == []
    history = watched.fit(x, y, epochs=2, validation_data=form((x[:5], y[:5])))
    assert history.validation_loss[-1] == watched.evaluate(x[:5], y[:5])
    assert fingerprint(watched) == fingerprint(plain)


def test_history() -> None:
    x, y = regression()
    start = time.perf_counter()
    history = network().fit(
        x, y, epochs=6, validation_data=(x, y), optimizer=dr.SGD(lr=0.125, momentum=0.5)
    )
    elapsed = time.perf_counter() - start
    lists = history.to_dict()
    assert list(lists) == ["loss", "validation_loss", "learning_rate", "seconds"]
    assert [len(values) for values in lists.values()] == [6] * 4
    assert len(history) == 6
    assert all(type(value) is float for values in lists.values() for value in values)
    assert history.learning_rate == [0.125] * 6
    assert 0 < min(history.seconds) <= sum(history.seconds) <= elapsed
    lists["loss"].clear()
    assert len(history) == 6
    assert repr(history).startswith(f"History(epochs=6, loss={history.loss[-1]:.6g}")


def test_the_curves_are_drawn_and_saved(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'deltarule[plot]'")
    history = dr.History([3.0, 2.0, 1.5], [3.5, 2.5, 2.0], [0.1] * 3, [0.01] * 3)
    axes = history.plot(tmp_path / "curves.png")
    training, validation = axes.get_lines()
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == history.loss
    assert list(validation.get_ydata()) == history.validation_loss
    assert [training.get_label(), validation.get_label()] == ["training", "validation"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert dr.History([2.0, 1.0]).plot(ax=axes) is axes
    assert len(axes.get_lines()) == 3


def test_a_network_learns() -> None:
    x = np.linspace(-1, 1, 64)[:, np.newaxis]
    net = dr.MLP([1, 16, 1], hidden="tanh", seed=0)
    history = net.fit(x, x**2, epochs=300, optimizer=dr.SGD(lr=0.1, momentum=0.9))
    assert history.loss[-1] < 1e-3 < 0.02 < history.loss[0]
    assert net.evaluate(x, x**2) < 1e-3


# The caller's arrays


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", [False, True])
def test_the_callers_arrays_are_only_read(labels: bool, dtype: str) -> None:
    x, y = classification() if labels else regression(n_out=3)
    data: list[Array] = [x.astype(dtype), y if labels else y.astype(dtype), np.linspace(1, 2, 40)]
    before = [a.tobytes() for a in data]
    for a in data:
        a.flags.writeable = False
    x, y, w = data
    net = dr.MLP([3, 4, 3], output="softmax" if labels else "identity", dtype=dtype, seed=0)
    net.fit(x, y, sample_weight=w, validation_data=(x, y, w), epochs=3, batch_size=7)
    net.train_step(x, y, sample_weight=w)
    net.value_and_grad(x, y, sample_weight=w)
    net.evaluate(x, y, sample_weight=w)
    net.predict(x)
    assert [a.tobytes() for a in data] == before
    other = dr.MLP([3, 4, 3], output="softmax" if labels else "identity", dtype=dtype, seed=0)
    free = [a.copy() for a in data]
    other.fit(*free[:2], sample_weight=free[2], epochs=3, batch_size=7)
    assert [a.tobytes() for a in free] == before
