"""fit: early stopping and the validation split."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from network_support import Array, assert_same_bits, fingerprint, refused, regression


def network(**options: Any) -> dr.MLP:
    return dr.MLP(**({"sizes": [3, 5, 2], "hidden": "tanh", "seed": 3} | options))


def noisy(n: int = 40) -> tuple[Array, Array, tuple[Array, Array]]:
    """Data on which the validation loss falls and then rises."""
    x, y = regression(n)
    return x, y, regression(20, seed=9)


FAST = dr.SGD(lr=0.1, momentum=0.9)


@pytest.mark.parametrize("patience", [1, 3, 8])
@pytest.mark.parametrize("min_delta", [0.0, 0.05])
def test_training_ends_after_patience(patience: int, min_delta: float) -> None:
    x, y, validation = noisy()
    net = network()
    stopping = dr.EarlyStopping(patience=patience, min_delta=min_delta)
    history = net.fit(
        x, y, epochs=200, optimizer=FAST, validation_data=validation, early_stopping=stopping
    )
    best, best_epoch = history.validation_loss[0], 1
    for epoch, value in enumerate(history.validation_loss, start=1):
        if value < best - min_delta:
            best, best_epoch = value, epoch
        assert (epoch - best_epoch >= patience) == (epoch == len(history))
    assert len(history) < 200
    assert history.best_epoch == best_epoch


OPTIMIZERS = {"plain": dr.SGD(lr=0.1), "momentum": FAST, "adam": dr.Adam(lr=0.05)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_network_is_that_of_the_best_epoch(dtype: str, optimizer: dr.SGD) -> None:
    x, y, validation = noisy()
    net, short = network(dtype=dtype), network(dtype=dtype)
    history = net.fit(
        x,
        y,
        epochs=200,
        optimizer=optimizer,
        validation_data=validation,
        early_stopping=dr.EarlyStopping(patience=4),
    )
    assert history.best_epoch is not None
    assert 1 < history.best_epoch < len(history)
    short.fit(x, y, epochs=history.best_epoch, optimizer=optimizer)
    assert_same_bits(net.theta, short.theta)
    assert net.evaluate(*validation) == min(history.validation_loss)
    for one in (net, short):  # the optimizer state is also that of the best epoch
        one.train_step(x, y, optimizer=optimizer)
    assert_same_bits(net.theta, short.theta)


def test_the_best_epoch_is_left_where_the_fit_ends_before_patience() -> None:
    x, y, validation = noisy()
    net, short = network(), network()
    history = net.fit(
        x,
        y,
        epochs=30,
        optimizer=FAST,
        validation_data=validation,
        early_stopping=dr.EarlyStopping(patience=1000),
    )
    assert len(history) == 30
    best = history.best_epoch
    assert best is not None
    assert best < 30
    short.fit(x, y, epochs=best, optimizer=FAST)
    assert_same_bits(net.theta, short.theta)


def test_the_last_epoch_is_left_where_asked_for() -> None:
    x, y, validation = noisy()
    net, plain = network(), network()
    stopping = dr.EarlyStopping(patience=3, restore_best=False)
    history = net.fit(
        x, y, epochs=200, optimizer=FAST, validation_data=validation, early_stopping=stopping
    )
    plain.fit(x, y, epochs=len(history), optimizer=FAST)
    assert fingerprint(net) == fingerprint(plain)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_velocity_that_was_none_is_zero_again(shuffle: bool) -> None:
    """Epoch 1 is the best: y is what the network gives already."""
    x, _ = regression()
    net = network(dtype="float64")
    y = net.predict(x)
    rising = dr.EarlyStopping(monitor="loss", mode="max", patience=2)
    start = net.theta
    history = net.fit(
        x, y, epochs=9, shuffle=shuffle, optimizer=dr.SGD(lr=1e-3), early_stopping=rising
    )
    assert history.best_epoch == 1
    assert_same_bits(net.theta, start)


@pytest.mark.parametrize(
    ("monitor", "figure", "sign"),
    [
        ("loss", "loss", 1),
        ("validation_loss", "validation_loss", 1),
        ("accuracy", "validation_accuracy", -1),
        ("validation_accuracy", "validation_accuracy", -1),
        ("mae", "validation_mae", 1),
        ("validation_mine", "validation_mine", -1),
    ],
)
def test_the_monitored_quantity(monitor: str, figure: str, sign: int) -> None:
    x, y = regression(60, n_out=1)
    labels = (y > 0).astype(float)
    net = dr.MLP([3, 5, 1], output="sigmoid", seed=0)
    stopping = dr.EarlyStopping(3, monitor=monitor, mode="max" if "mine" in monitor else "auto")
    history = net.fit(
        x[:40],
        labels[:40],
        epochs=100,
        optimizer=dr.SGD(lr=1.0),
        validation_data=(x[40:], labels[40:]),
        metrics={"accuracy": "accuracy", "mae": "mae", "mine": lambda y, p: -np.mean(abs(y - p))},
        early_stopping=stopping,
    )
    values = history.to_dict()[figure]
    assert history.best_epoch == int(np.argmin(sign * np.array(values))) + 1


def test_a_loss_can_be_monitored_without_validation() -> None:
    x, y = regression()
    history = network().fit(
        x, y, epochs=10, early_stopping=dr.EarlyStopping(monitor="loss", min_delta=100, patience=2)
    )
    assert len(history) == 3
    assert history.best_epoch == 1


def test_without_early_stopping_there_is_no_best_epoch() -> None:
    x, y = regression()
    assert network().fit(x, y, epochs=2).best_epoch is None


# The part that is held out


@pytest.mark.parametrize(("n", "fraction", "m"), [(40, 0.25, 10), (41, 0.1, 4), (3, 0.5, 2)])
def test_the_last_rows_of_a_permutation_are_held_out(n: int, fraction: float, m: int) -> None:
    x, y = regression(n)
    w = np.linspace(0.5, 2.0, n)
    rng = np.random.default_rng(11)
    net, other = network(), network()
    net._rng, other._rng = copy.deepcopy(rng), rng
    order = np.random.default_rng(int(rng.integers(2**63))).permutation(n)
    kept, held = np.sort(order[: n - m]), order[n - m :]
    assert len(held) == m
    history = net.fit(
        x, y, epochs=3, batch_size=4, sample_weight=w, validation_split=fraction, shuffle=True
    )
    wanted = other.fit(
        x[kept],
        y[kept],
        epochs=3,
        batch_size=4,
        sample_weight=w[kept],
        validation_data=(x[held], y[held], w[held]),
    )
    assert history.loss == wanted.loss
    assert history.validation_loss == wanted.validation_loss
    assert_same_bits(net.theta, other.theta)


def test_each_fit_holds_out_the_same() -> None:
    x, y = regression()
    net, once = network(), network()
    five = [net.fit(x, y, epochs=5, validation_split=0.25) for _ in range(2)]
    five[1].validation_loss[:0] = five[0].validation_loss
    assert once.fit(x, y, epochs=10, validation_split=0.25).validation_loss == (
        five[1].validation_loss
    )
    twin = copy.deepcopy(net)
    assert twin.fit(x, y, epochs=2, validation_split=0.25).validation_loss == (
        net.fit(x, y, epochs=2, validation_split=0.25).validation_loss
    )


# Bad settings

X, Y = regression(n=5)
ROWS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"patience": 0}, ValueError, "patience must be 1 or more, not 0"),
    ({"patience": 2.0}, TypeError, r"patience must be a whole number, not 2\.0"),
    ({"min_delta": -0.1}, ValueError, r"min_delta must be 0 or more and finite, not -0\.1"),
    ({"min_delta": float("nan")}, ValueError, "min_delta must be 0 or more and finite, not nan"),
    ({"min_delta": "0"}, TypeError, "min_delta must be a number, not '0'"),
    ({"monitor": 3}, TypeError, "monitor must be a name, not 3"),
    ({"mode": "best"}, ValueError, "mode must be one of auto, min, max, not 'best'"),
    ({"restore_best": 1}, TypeError, "restore_best must be True or False, not 1"),
]


@pytest.mark.parametrize(("options", "error", "rule"), ROWS)
def test_bad_early_stopping(options: dict[str, Any], error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=f"^{rule}$"):
        dr.EarlyStopping(**options)


FIT_ROWS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"early_stopping": 10},
        TypeError,
        "early_stopping must be a deltarule.EarlyStopping, not 10",
    ),
    (
        {"early_stopping": dr.EarlyStopping()},
        ValueError,
        "early_stopping must monitor one of loss, not 'validation_loss', which needs "
        "validation_data or validation_split",
    ),
    (
        {"early_stopping": dr.EarlyStopping(monitor="r2"), "metrics": "mae"},
        ValueError,
        "early_stopping must monitor one of loss, mae, not 'r2'",
    ),
    (
        {"early_stopping": dr.EarlyStopping(monitor="f"), "metrics": {"f": lambda y, p: 1.0}},
        ValueError,
        "early_stopping needs mode='min' or mode='max' to monitor 'f': .*",
    ),
    ({"validation_split": 0.0}, ValueError, r"validation_split must be in \(0, 1\), not 0\.0"),
    ({"validation_split": 1}, ValueError, r"validation_split must be in \(0, 1\), not 1"),
    ({"validation_split": True}, TypeError, "validation_split must be a number, not True"),
    ({"validation_split": "0.2"}, TypeError, "validation_split must be a number, not '0.2'"),
    (
        {"validation_split": 0.05},
        ValueError,
        r"validation_split must hold out one sample or more .*, but 0\.05 of 5 samples is 0",
    ),
    ({"validation_split": 0.99}, ValueError, r".*, but 0\.99 of 5 samples is 5"),
    (
        {"validation_split": 0.2, "validation_data": (X, Y)},
        ValueError,
        r"validation_split must be None beside validation_data, not 0\.2",
    ),
    (
        {"validation_split": 0.5, "sample_weight": [0, 0, 0, 0, 1]},
        ValueError,
        "sample_weight of the 3 to train on is 0 for every sample; .*",
    ),
    ({"verbose": 2}, ValueError, r"verbose must be 0 \(silent\) or 1 .*, not 2"),
    ({"verbose": -1}, ValueError, "verbose must be 0 or more, not -1"),
    ({"verbose": "1"}, TypeError, "verbose must be a whole number, not '1'"),
    ({"progress": 1}, TypeError, "progress must be True or False, not 1"),
]


@pytest.mark.parametrize(("options", "error", "rule"), FIT_ROWS)
def test_bad_arguments_of_fit(options: dict[str, Any], error: type[Exception], rule: str) -> None:
    net = network()
    refused(net, lambda: net.fit(X, Y, **options), error, rule)


@pytest.mark.parametrize("early_stopping", [None, dr.EarlyStopping()])
def test_a_part_without_weight_is_named(early_stopping: Any) -> None:
    x, y = np.ones((4, 1)), np.arange(4.0)
    parts = set()
    for i in range(4):
        net, weight = dr.MLP([1, 1], seed=0), np.zeros(4)
        weight[i] = 1.0
        rule = r"sample_weight of the 2 (to train on|held out) is 0 for every sample"
        with pytest.raises(ValueError, match=rule) as caught:
            net.fit(x, y, sample_weight=weight, validation_split=0.5, early_stopping=early_stopping)
        parts.add(str(caught.value))
        assert net.history is None
    assert len(parts) == 2
