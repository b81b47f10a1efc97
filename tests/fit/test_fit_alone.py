"""What a call that fails, or another thread's, leaves of the training of others: nothing."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr


def samples() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((200, 4)).astype(np.float32), rng.integers(0, 3, 200)


def network() -> dr.MLP:
    return dr.MLP([4, 8, 3], output="softmax", seed=0)


def state(net: dr.MLP) -> tuple[Any, ...]:
    memory = [None if part is None else repr(part) for part in net._optimizer_state()]
    return (
        net.theta.tobytes(),
        str(net._rng.bit_generator.state),
        *memory,
        net._epochs,
        net._plateau,
    )


def test_a_refused_fit_of_another_thread_changes_nothing() -> None:
    x, y = samples()

    def train(intrudes: bool) -> tuple[list[float], bytes]:
        net = network()
        refused = []

        def intrude() -> None:
            try:
                net.fit(x[:100], y[:100], epochs=1, validation_split=0.2)
            except RuntimeError as error:
                refused.append(str(error))

        def callback(record: dr.EpochRecord) -> None:
            if intrudes and record["epoch"] == 3:
                thread = threading.Thread(target=intrude)
                thread.start()
                thread.join()

        losses = net.fit(x, y, epochs=8, callbacks=callback).loss
        assert len(refused) == intrudes
        assert net._split_seed is None
        assert net._epochs == 8
        return losses, net.theta.tobytes()

    assert train(True) == train(False)


@pytest.mark.parametrize("validates", [False, True])
def test_a_metric_cannot_write_into_the_targets(validates: bool) -> None:
    x, _ = samples()
    y = np.ones((200, 1), np.float32)

    def writes(y: Any, y_hat: Any) -> float:
        y -= y.mean()
        return 0.0

    net = dr.MLP([4, 1], seed=0)
    with pytest.raises(ValueError, match="read-only"):
        net.fit(x, y, metrics=writes, validation_data=(x, y) if validates else None)
    assert (y == 1).all()


SCHEDULES = [
    dr.schedules.Exponential(0.4, 0.5),
    dr.schedules.Plateau(0.4, patience=0, factor=0.5, min_delta=0.5),
    lambda epoch: 0.4 / (1 + epoch),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["exponential", "plateau", "function"])
@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"]
)
def test_a_copy_made_in_a_callback_goes_on(schedule: Any, way: Callable[[Any], Any]) -> None:
    x, y = samples()
    net, copies = network(), []

    def keep(record: dr.EpochRecord) -> None:
        if record["epoch"] == 3:
            copies.append(way(net))

    history = net.fit(x, y, epochs=6, schedule=schedule, callbacks=keep)
    rest = copies[0].fit(x, y, epochs=3, schedule=schedule)
    assert rest.learning_rate == history.learning_rate[3:]
    assert copies[0].theta.tobytes() == net.theta.tobytes()


def test_a_metric_that_raises_leaves_a_plateau_that_goes_on() -> None:
    x, y = samples()
    plateau = dr.schedules.Plateau(0.1, patience=3, min_delta=10.0)
    net, calls = network(), []

    def third(y: Any, y_hat: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise ZeroDivisionError
        return 0.0

    with pytest.raises(ZeroDivisionError):
        net.fit(x, y, epochs=9, schedule=plateau, metrics={"m": third})
    net.fit(x, y, epochs=6, schedule=plateau)
    whole = network()
    whole.fit(x, y, epochs=9, schedule=plateau)
    assert net.theta.tobytes() == whole.theta.tobytes()


def test_a_stream_that_fails_leaves_the_generator() -> None:
    x, y = samples()

    def breaks() -> Iterator[tuple[Any, Any]]:
        raise ZeroDivisionError
        yield x, y

    for stream, error in (
        (lambda: iter([(x[:, :2], y)]), ValueError),
        (lambda: iter([]), ValueError),
        (breaks, ZeroDivisionError),
    ):
        net = network()
        before = state(net)
        with pytest.raises(error):
            net.fit(stream, dropout=0.3)
        assert state(net) == before


def test_a_schedule_function_is_called_once_per_epoch() -> None:
    x, y = samples()
    net, asked = network(), []

    def schedule(epoch: int) -> float:
        asked.append(epoch)
        return 0.1 / (epoch + 1)

    net.fit(x, y, epochs=4, schedule=schedule)
    net.fit(x, y, epochs=2, schedule=schedule)
    assert asked == [0, 1, 2, 3, 4, 5]
    net.fit(x, y, epochs=1, schedule=lambda epoch: 0.1 / epoch)


def test_fits_in_callbacks_are_counted() -> None:
    x, y = samples()
    net = network()

    def trains(record: dr.EpochRecord) -> None:
        net.fit(x, y, epochs=10)

    net.fit(x, y, epochs=2, callbacks=trains)
    assert net._epochs == 22


def test_a_missing_y_is_named() -> None:
    x, _ = samples()
    with pytest.raises(TypeError, match="y must be given where x is no stream of batches"):
        network().fit(x)


def test_rates_of_dropout_as_an_array() -> None:
    x, y = samples()
    nets = [network(), network()]
    for net, dropout in zip(nets, ([0.25], np.array([0.25])), strict=True):
        net.fit(x, y, epochs=1, dropout=dropout)
    assert nets[0].theta.tobytes() == nets[1].theta.tobytes()
