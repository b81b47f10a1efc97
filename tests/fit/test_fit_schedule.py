"""Learning-rate schedules and dropout in fit, on every kind of data, over fits that continue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule import data, reference

SCHEDULES = {
    "cosine": dr.schedules.Cosine(0.2, epochs=6),
    "warm-up": dr.schedules.WarmUp(2, dr.schedules.Step(0.2, every=3)),
    "a function": lambda epoch: 0.2 / (1 + epoch),
    "plateau": dr.schedules.Plateau(0.2, factor=0.5, patience=0, min_delta=0.2),
    "none": None,
}


def samples(rows: int = 90) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, 6)).astype(np.float32), rng.integers(0, 4, rows)


def network(dtype: str = "float32") -> dr.MLP:
    return dr.MLP([6, 12, 9, 4], output="softmax", dtype=dtype, seed=0)


@pytest.mark.parametrize("dropout", [0.0, 0.3, [0.5, 0.0]], ids=str)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_two_fits_continue_each_other(name: str, dropout: Any, shuffle: bool) -> None:
    x, y = samples()
    settings: dict[str, Any] = {
        "batch_size": 20, "schedule": SCHEDULES[name], "dropout": dropout, "shuffle": shuffle,
        "optimizer": dr.Adam(lr=0.01),
    }  # fmt: skip
    once, twice = network(), network()
    want = once.fit(x, y, epochs=6, **settings)
    first, second = (twice.fit(x, y, epochs=3, **settings) for _ in range(2))
    assert first.loss + second.loss == want.loss
    assert first.learning_rate + second.learning_rate == want.learning_rate
    assert once.theta.tobytes() == twice.theta.tobytes()


@pytest.mark.parametrize("name", SCHEDULES)
def test_observers_do_not_change_the_result(name: str) -> None:
    x, y = samples()
    seen, unseen = network(), network()
    settings: dict[str, Any] = {"epochs": 6, "schedule": SCHEDULES[name], "dropout": 0.2}
    records: list[Any] = []
    history = seen.fit(x, y, callbacks=[lambda record: records.append(record)], **settings)
    unseen.fit(x, y, **settings)
    assert seen.theta.tobytes() == unseen.theta.tobytes()
    assert [record["learning_rate"] for record in records] == history.learning_rate


def test_steps_of_the_schedule_are_the_references() -> None:
    x, y = samples()
    net = network("float64")
    weights, biases = reference.unflatten(net.theta, net.sizes)
    architecture = reference.Network(("relu", "relu"), "softmax", "cross_entropy")
    cosine = dr.schedules.Cosine(0.2, epochs=3)
    for epoch in range(2):
        for step, first in enumerate(range(0, 90, 20)):
            batch = slice(first, first + 20)
            _, grads = reference.value_and_grad(
                weights, biases, x[batch].astype(np.float64), y[batch], architecture
            )
            lr = cosine(epoch + step / 5)
            weights, biases, _ = reference.sgd_update(weights, biases, grads, None, lr=lr)
    history = net.fit(x, y, epochs=2, batch_size=20, schedule=cosine, shuffle=False)
    assert history.learning_rate == [cosine(0), cosine(1)]
    np.testing.assert_allclose(net.theta, reference.theta(weights, biases), rtol=1e-11, atol=1e-13)


def test_a_plateau_follows_the_validation_loss() -> None:
    x, y = samples()
    plateau = dr.schedules.Plateau(0.5, factor=0.5, patience=0, min_delta=10.0)
    history = network().fit(x, y, epochs=4, schedule=plateau, validation_data=(x, y))
    assert history.learning_rate == [0.5, 0.5, 0.25, 0.125]
    falling = dr.schedules.Plateau(0.01, patience=0, min_delta=0.0)
    net = network()
    history = net.fit(x, y, epochs=4, schedule=falling, validation_data=(x, y))
    assert history.validation_loss == sorted(history.validation_loss, reverse=True)
    assert history.learning_rate == [0.01] * 4


@pytest.mark.parametrize("name", SCHEDULES)
def test_blocks_of_rows_are_whole_arrays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = samples(400)
    settings: dict[str, Any] = {
        "epochs": 3, "batch_size": 7, "schedule": SCHEDULES[name], "dropout": 0.3,
    }  # fmt: skip
    whole, blocks = network(), network()
    history = whole.fit(x, y, **settings)
    scipy_sparse = pytest.importorskip("scipy.sparse")
    monkeypatch.setattr(data.rows, "BLOCK_BYTES", 4096)
    monkeypatch.setattr(data.rows, "WHOLE_BYTES", 4096)
    history_of_blocks = blocks.fit(scipy_sparse.csr_array(x), y, **settings)
    assert whole.theta.tobytes() == blocks.theta.tobytes()
    assert history.learning_rate == history_of_blocks.learning_rate


def test_a_stream_with_a_rate_per_epoch_and_dropout() -> None:
    x, y = samples()

    def batches() -> Iterator[tuple[Any, Any]]:
        for first in range(0, 90, 20):
            yield x[first : first + 20], y[first : first + 20]

    settings: dict[str, Any] = {
        "epochs": 3, "schedule": SCHEDULES["a function"], "dropout": 0.3,
    }  # fmt: skip
    streamed, whole = network(), network()
    streamed.fit(batches, **settings)
    whole.fit(x, y, batch_size=20, shuffle=False, **settings)
    assert streamed.theta.tobytes() == whole.theta.tobytes()


def test_dropout_is_for_training_alone() -> None:
    x, y = samples()
    net = network()
    history = net.fit(x, y, epochs=3, dropout=0.5, validation_data=(x, y))
    assert history.validation_loss[-1] == net.evaluate(x, y)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"schedule": dr.schedules.Cosine}, TypeError, "schedule must be one of deltarule.sched"),
        ({"schedule": 0.1}, TypeError, "schedule must be one of deltarule.schedules or a callable"),
        ({"schedule": lambda e: "x"}, TypeError, r"schedule\(0\) must be a number, not 'x'"),
        ({"schedule": lambda e: -0.1}, ValueError, "schedule gives the rate -0.1 in epoch 0"),
        (
            {"schedule": dr.schedules.Exponential(1.0, factor=2.0), "epochs": 2000},
            ValueError,
            "schedule gives the rate inf in epoch 1999; a rate must be 0 or more and finite",
        ),
        ({"dropout": 1.0}, ValueError, r"dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": -0.1}, ValueError, r"dropout must be in \[0, 1\), not -0.1"),
        ({"dropout": "half"}, TypeError, "dropout must be a number, not 'half'"),
        ({"dropout": None}, TypeError, "dropout must be a number, not None"),
        ({"dropout": [0.5]}, ValueError, r"dropout must be a number, or one a hidden layer \(2"),
        ({"dropout": [0.5, 2]}, ValueError, r"dropout\[1\] must be in \[0, 1\), not 2"),
    ],
)
def test_bad_settings_change_nothing(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    x, y = samples()
    net = network()
    before, state = net.theta, str(net._rng.bit_generator.state)
    with pytest.raises(error, match=message):
        net.fit(x, y, **settings)
    assert net.theta.tobytes() == before.tobytes()
    assert str(net._rng.bit_generator.state) == state


def test_dropout_without_hidden_layers() -> None:
    x, y = samples()
    net = dr.MLP([6, 4], output="softmax")
    with pytest.raises(ValueError, match="dropout must be 0 for a network without hidden layers"):
        net.fit(x, y, dropout=0.5)
