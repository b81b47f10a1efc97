"""Threads and processes beside each other: whole states or an error, no hang, the same bits."""

from __future__ import annotations

import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule._load import core
from network_support import Array, assert_same_bits
from process_support import run_python

free_threaded = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded Python"
)
BUSY = "in use by another thread"


@pytest.fixture
def threads() -> Iterator[Callable[..., list[threading.Thread]]]:
    """Start threads, whose exceptions are raised in the end."""
    started: list[threading.Thread] = []
    errors: list[BaseException] = []

    def start(*calls: Callable[[], object]) -> list[threading.Thread]:
        def guarded(call: Callable[[], object]) -> None:
            try:
                call()
            except BaseException as error:
                errors.append(error)

        new = [threading.Thread(target=guarded, args=(call,)) for call in calls]
        started.extend(new)
        for thread in new:
            thread.start()
        return new

    yield start
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()
    for error in errors:
        raise error


def images(n: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 64), dtype=np.float32), rng.integers(0, 10, n)


def network(**options: Any) -> dr.MLP:
    return dr.MLP([64, 128, 10], **{"output": "softmax", "seed": 0, **options})


# Predictions

COUNTS = [60, pytest.param(2000, marks=pytest.mark.full)]
FORMS: dict[str, Callable[[dr.MLP, Array], Array]] = {
    "straight": lambda net, x: net.predict(x),
    "one row": lambda net, x: net.predict(x[0]),
    "out": lambda net, x: net.predict(x, out=np.empty((len(x), 10), np.float32)),
    "checked": lambda net, x: net.predict(x, threads=3),
    "doubles": lambda net, x: net.predict(x.astype(float)),
}


@pytest.mark.parametrize("count", COUNTS)
def test_eight_threads_predict_what_one_does(
    count: int, threads: Any, record_property: pytest.RecordProperty
) -> None:
    net, start = network(), threading.Barrier(8)
    rounds: list[int] = []

    def predict(i: int) -> None:
        x = images(1 + 150 * i, seed=i)[0]
        wanted = {name: call(net, x).tobytes() for name, call in FORMS.items()}
        start.wait()
        for k in range(count):
            name = list(FORMS)[(i + k) % len(FORMS)]
            assert FORMS[name](net, x).tobytes() == wanted[name]
        rounds.append(count)

    for thread in threads(*[lambda i=i: predict(i) for i in range(8)]):
        thread.join(120)
    assert rounds == [count] * 8
    record_property("predictions", sum(rounds))


def test_settings_change_beside_predictions(keep_isa: None, threads: Any) -> None:
    net, x = network(), images(500)[0]
    wanted, over = net.predict(x).tobytes(), threading.Event()

    def change() -> None:
        k = 0
        while not over.is_set():
            dr.set_num_threads([1, 2, 3, None][k % 4])
            dr.set_isa(core.isas()[k % len(core.isas())])
            k += 1

    threads(change)
    try:
        for _ in range(100):
            assert net.predict(x).tobytes() == wanted
    finally:
        over.set()
        dr.set_num_threads(None)


# Reading beside changes


def states(steps: int, call: Callable[[dr.MLP], Any], net: dr.MLP, step: Any) -> set[bytes]:
    """What the call gives at the beginning and after each step."""
    seen = {_bytes(call(net))}
    for _ in range(steps):
        step(net)
        seen.add(_bytes(call(net)))
    return seen


def _bytes(result: Any) -> bytes:
    parts = result if isinstance(result, tuple) else (result,)
    return b"".join(np.asarray(part).tobytes() for part in parts)


X, Y = images(200)
V = np.ones(network().n_parameters, np.float32)
READERS: dict[str, Callable[[dr.MLP], Any]] = {
    "predict": lambda net: net.predict(X, threads=2),
    "evaluate": lambda net: net.evaluate(X, Y),
    "theta": lambda net: net.theta,
    "activations": lambda net: tuple(net.activations(X)),
    "jacobian": lambda net: net.jacobian(X[:50]),
    "input_gradient": lambda net: net.input_gradient(X, Y),
    "per_sample_gradients": lambda net: net.per_sample_gradients(X[:9], Y[:9]),
    "jvp": lambda net: net.jvp(X, V, wrt="theta"),
    "vjp": lambda net: net.vjp(X, X[:, :10], wrt="theta"),
    "hvp": lambda net: net.hvp(X, Y, V),
    "gauss_newton_vp": lambda net: net.gauss_newton_vp(X, Y, V),
    "value_and_grad": lambda net: net.value_and_grad(X, Y)[1].theta,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("changing", ["fit", "steps"])
def test_a_whole_state_or_a_clear_error(changing: str, reader: str, threads: Any) -> None:
    steps, call = 60, READERS[reader]
    optimizer = dr.SGD(lr=0.05, momentum=0.9)

    def step(net: dr.MLP) -> None:
        while True:
            try:
                net.train_step(X, Y, optimizer=optimizer)
                return
            except RuntimeError as error:  # the derivatives of second order keep the network, too
                assert BUSY in str(error)

    def fit(net: dr.MLP) -> None:
        while True:
            try:
                net.fit(X, Y, epochs=steps, batch_size=None, shuffle=False, optimizer=optimizer,
                        callbacks=lambda record: time.sleep(1e-4))  # fmt: skip
                return
            except RuntimeError as error:
                assert BUSY in str(error)

    seen = threading.Event()

    def many_steps(net: dr.MLP) -> None:
        for k in range(steps):
            step(net)
            if k == steps // 2:  # between two steps everybody may read
                assert seen.wait(60)

    wanted = states(steps, call, network(), step)
    net = network()
    (worker,) = threads(lambda: {"fit": fit, "steps": many_steps}[changing](net))
    while worker.is_alive():
        try:
            assert _bytes(call(net)) in wanted
            seen.set()
        except RuntimeError as error:
            assert BUSY in str(error)
    assert _bytes(call(net)) in wanted


def _sets_parameters(net: dr.MLP) -> None:
    net.set_parameters([w.copy() for w in net.weights], [b.copy() for b in net.biases])


BESIDE: dict[str, Callable[[dr.MLP], Any]] = {
    **READERS,
    "trace": lambda net: net.trace(X[:20], Y[:20]),
    "set_parameters": _sets_parameters,
    "train_step": lambda net: net.train_step(X, Y, optimizer=dr.SGD(lr=1e-9)),
}


@pytest.mark.parametrize("beside", BESIDE)
def test_short_calls_wait_for_each_other(beside: str, threads: Any) -> None:
    """Readers do not exclude readers, and wait for one change; a fit alone refuses them."""
    net, call, over = network(), BESIDE[beside], threading.Event()
    turns = [0, 0]

    def repeat(k: int, function: Callable[[dr.MLP], Any]) -> None:
        while not over.is_set():
            function(net)
            turns[k] += 1

    threads(lambda: repeat(0, call), lambda: repeat(1, READERS["value_and_grad"]))
    try:
        for _ in range(60):
            net.predict(X, threads=2)
            net.value_and_grad(X, Y)
        deadline = time.monotonic() + 60
        while min(turns) < 3 and time.monotonic() < deadline:
            time.sleep(1e-3)
    finally:
        over.set()
    assert min(turns) >= 3


PARAMETERS: dict[str, Callable[[dr.MLP], Any]] = {
    "theta": lambda net: net.theta,
    "weights": lambda net: net.weights,
    "biases": lambda net: net.biases,
    "pickle": lambda net: net.__getstate__(),
}


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_parameters_are_refused_beside_a_fit(parameters: str, threads: Any) -> None:
    """Views of them stay live: those that were taken before are what the fit makes of them."""
    net, seen, over = network(), threading.Event(), threading.Event()

    def waits(record: dr.EpochRecord) -> None:
        PARAMETERS[parameters](net)  # the thread that fits reads them
        seen.set()
        assert over.wait(60)

    threads(lambda: net.fit(X, Y, epochs=1, callbacks=waits))
    try:
        assert seen.wait(60)
        with pytest.raises(RuntimeError, match=BUSY):
            PARAMETERS[parameters](net)
    finally:
        over.set()


def test_blocks_of_a_file_are_of_one_state(tmp_path: Path, threads: Any) -> None:
    """A prediction in blocks of rows: no step falls between them."""
    path = tmp_path / "x.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (2**18 + 1, 65))
    rows[:] = 1.0
    rows.flush()
    x = np.load(path, mmap_mode="r")
    net = dr.MLP([65, 1], seed=0)
    (stepping, over) = threading.Event(), threading.Event()

    def steps() -> None:
        while not over.is_set():
            try:
                net.train_step(np.ones((1, 65), np.float32), [[0.0]], optimizer=dr.SGD(lr=1e-3))
            except RuntimeError as error:
                assert BUSY in str(error)
            stepping.set()

    threads(steps)
    stepping.wait()
    try:
        for _ in range(3):
            try:
                y_hat = net.predict(x)
                assert (y_hat == y_hat[0]).all()
            except RuntimeError as error:
                assert BUSY in str(error)
    finally:
        over.set()


def test_a_fit_begins_beside_predictions_without_end(threads: Any) -> None:
    """Readers are refused once a thread waits to train, so that the wait ends."""
    net, x = network(), images(3000)[0]
    over = threading.Event()
    counts = [0, 0]

    def predict() -> None:
        while not over.is_set():
            try:
                net.predict(x, threads=1)
                counts[0] += 1
            except RuntimeError as error:
                assert BUSY in str(error)
                counts[1] += 1

    threads(*[predict] * 4)
    try:
        for _ in range(5):
            net.fit(X, Y, epochs=1)
            net.train_step(X, Y)
            net.theta = net.theta
    finally:
        over.set()


def test_copies_are_of_one_state(threads: Any) -> None:
    """Parameters and momentum of a copy are of one moment, while another thread trains."""
    import copy

    optimizer, over = dr.SGD(lr=0.01, momentum=0.5), threading.Event()
    x, y = np.ones((1, 2), np.float32), np.zeros((1, 1), np.float32)
    net = dr.MLP([2, 1], init=([[[1.0, 1.0]]], [[0.0]]))
    net.train_step(x, y, optimizer=optimizer)
    wanted, after = set(), copy.deepcopy(net)
    for _ in range(2000):
        wanted.add((after.theta.tobytes(), after._core.get_optimizer_state()[1].tobytes()))
        after.train_step(x, y, optimizer=optimizer)

    def steps() -> None:
        for _ in range(1500):
            while not over.is_set():
                try:
                    net.train_step(x, y, optimizer=optimizer)
                    break
                except RuntimeError as error:
                    assert BUSY in str(error)

    (worker,) = threads(steps)
    try:
        while worker.is_alive():
            try:
                twin = copy.deepcopy(net)
            except RuntimeError as error:
                assert BUSY in str(error)
                continue
            assert (twin.theta.tobytes(), twin._core.get_optimizer_state()[1].tobytes()) in wanted
    finally:
        over.set()


@free_threaded
def test_the_gil_stays_off() -> None:
    script = "import sys, deltarule; print(sys._is_gil_enabled())"
    assert run_python(script) == "False\n"
    assert not sys._is_gil_enabled()  # type: ignore[attr-defined]


def test_a_second_fit_is_refused(threads: Any) -> None:
    net, other = network(), network()
    begun = threading.Event()
    optimizer = dr.SGD(lr=0.01)
    (first,) = threads(
        lambda: net.fit(X, Y, epochs=40, optimizer=optimizer, callbacks=lambda record: begun.set())
    )
    begun.wait()
    refusals = 0
    while first.is_alive() and not refusals:
        try:
            net.fit(X, Y, epochs=0)
        except RuntimeError as error:
            assert BUSY in str(error)
            refusals += 1
    first.join()
    other.fit(X, Y, epochs=40, optimizer=optimizer)
    assert refusals
    assert_same_bits(net.theta, other.theta)
