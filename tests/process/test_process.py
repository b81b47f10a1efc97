"""The package in a process: environment, numbers of threads, forks, other threads of Python."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import deltarule as dr
from deltarule._load import core
from network_support import MOMENTUM, Array, assert_same_bits
from process_support import WORKLOAD, fails_with, run_python

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")

# Numbers of threads

THREADS_OF: list[tuple[dict[str, str], str, int]] = [
    ({"OMP_NUM_THREADS": "1"}, "", 1),
    ({"DELTARULE_NUM_THREADS": "7"}, "", 7),
    ({"DELTARULE_NUM_THREADS": " 7 "}, "", 7),
    ({"DELTARULE_NUM_THREADS": "7", "OMP_NUM_THREADS": "1"}, "", 7),
    ({"DELTARULE_NUM_THREADS": "", "OMP_NUM_THREADS": "1"}, "", 1),
    ({"DELTARULE_NUM_THREADS": "7", "OMP_NUM_THREADS": "1"}, "dr.set_num_threads(5)", 5),
    ({"OMP_NUM_THREADS": "1"}, "dr.set_num_threads(5)", 5),
    ({"DELTARULE_NUM_THREADS": "7"}, "dr.set_num_threads(5); dr.set_num_threads(None)", 7),
    ({"OMP_NUM_THREADS": "1000"}, "dr.set_num_threads(3); dr.set_num_threads(3)", 3),
]


@pytest.mark.parametrize(("variables", "calls", "threads"), THREADS_OF)
def test_where_the_number_of_threads_comes_from(
    variables: dict[str, str], calls: str, threads: int
) -> None:
    script = f"import deltarule as dr\n{calls}\nprint(dr.get_num_threads())"
    assert run_python(script, **variables) == f"{threads}\n"


def test_by_default_no_more_threads_than_processors() -> None:
    script = "import deltarule as dr; print(dr.get_num_threads())"
    assert 1 <= int(run_python(script)) <= core.available_cpus()
    assert 1 <= int(run_python(script, OMP_NUM_THREADS="1000")) <= core.available_cpus()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity masks")
def test_the_affinity_mask_counts() -> None:
    script = """
    import os
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import deltarule as dr
    print(dr.get_num_threads())
    """
    assert run_python(script) == "1\n"


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "2,4"])
def test_a_bad_number_in_the_environment(value: str) -> None:
    script = "import deltarule as dr; dr.MLP([3, 2]).predict([1.0, 2.0, 3.0])"
    wanted = f"DELTARULE_NUM_THREADS must be a whole number of 1 or more, not {value!r}"
    assert fails_with(script, DELTARULE_NUM_THREADS=value) == f"ValueError: {wanted}"


@linux
@pytest.mark.parametrize(
    ("variables", "calls", "more"),
    [
        ({}, "net.predict(x, threads=1)", 0),
        ({}, "net.predict(x, threads=3)", 2),
        ({}, "net.predict(x[0], threads=3)", 0),  # not worth a second thread
        ({}, "net.evaluate(x, y, threads=3)", 2),
        ({}, "net.value_and_grad(x, y, threads=3)", 2),
        ({}, "net.train_step(x, y, threads=3)", 2),
        ({}, "net.fit(x, y, epochs=1, batch_size=500, threads=3)", 2),
        ({}, "dr.set_num_threads(3); net.predict(x)", 2),
        ({}, "dr.set_num_threads(3); net.predict(x, threads=1)", 0),
        ({"DELTARULE_NUM_THREADS": "3"}, "net.predict(x)", 2),
        ({"OMP_NUM_THREADS": "1"}, "net.predict(x)", 0),
        ({"OMP_NUM_THREADS": "1"}, "net.predict(x, threads=3)", 2),
    ],
)
def test_the_number_of_working_threads(variables: dict[str, str], calls: str, more: int) -> None:
    script = f"""{WORKLOAD}
tasks = lambda: len(os.listdir("/proc/self/task"))
net, before = network(), tasks()
{calls}
print(tasks() - before)
"""
    cpus = len(os.sched_getaffinity(0))  # which no team exceeds
    assert run_python(script, **variables) == f"{min(more, cpus - 1)}\n"


def test_the_same_bits_in_every_process_on_any_number_of_threads() -> None:
    digests = {
        run_python(f"{WORKLOAD}\nprint(work(network(), {threads}))", PYTHONHASHSEED=str(threads))
        for threads in (1, 2, 3)
    }
    assert len(digests) == 1


# The environment


@pytest.mark.skipif(os.name != "posix", reason="needs getenv of the C library")
@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
@pytest.mark.parametrize("chosen", [None, "ACTIVE", "PASSIVE", "1000", ""])
def test_the_import_leaves_how_openmp_waits(name: str, chosen: str | None) -> None:
    script = f"""
    import ctypes, os
    import deltarule
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        print(name == {name!r}, os.environ.get(name), getenv(name.encode()))
    """
    wanted = "None None" if chosen is None else f"{chosen} {chosen.encode()!r}"
    lines = run_python(script, **({} if chosen is None else {name: chosen})).splitlines()
    assert sorted(lines) == ["False None None", f"True {wanted}"]


@pytest.mark.parametrize("isa", core.isas())
def test_an_instruction_set_can_be_forced(isa: str) -> None:
    script = "import deltarule as dr; print(dr.get_isa()); dr.show_config()"
    first, *lines = run_python(script, DELTARULE_ISA=isa).splitlines()
    assert first == isa
    assert f"isa        {isa}" in lines


@pytest.mark.parametrize("isa", ["", " "])
def test_no_instruction_set_is_the_best_one(isa: str) -> None:
    script = "import deltarule as dr; print(dr.get_isa())"
    assert run_python(script, DELTARULE_ISA=isa) == run_python(script) == f"{core.isas()[0]}\n"


def test_an_unknown_instruction_set_is_refused() -> None:
    line = fails_with("import deltarule", DELTARULE_ISA="mmx")
    assert line.startswith(
        "ValueError: DELTARULE_ISA: isa must be one that this processor and build have ("
    )
    assert line.endswith(", not 'mmx'")


# Memory


@linux
@pytest.mark.parametrize(
    "call",
    [
        "net.fit(x, x, epochs=2, optimizer=momentum)",  # velocity, and the last finite state
        "net.fit(x, x, epochs=2)",
        "net.value_and_grad(x, x)",
        "dr.MLP([3000, 3000])",
        "copy.deepcopy(net)",
        "net.predict(np.ones((9000, 3000), 'f4'))",
    ],
)
def test_too_little_memory_changes_nothing(call: str) -> None:
    script = f"""{WORKLOAD}
import resource

seed = np.random.default_rng(0)
net = dr.MLP([3000, 3000], init=([np.ones((3000, 3000), "f4")], [np.ones(3000)]), seed=seed)
x, momentum = np.ones((4, 3000), "f4"), dr.SGD(lr=1e-9, momentum=0.9)
dr.set_num_threads(1)
net.evaluate(x, x)
before, state = hashlib.sha256(net.weights[0].tobytes()).digest(), seed.bit_generator.state
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, resource.RLIM_INFINITY))
try:
    {call}
except MemoryError:
    print("refused", end=" ")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(hashlib.sha256(net.weights[0].tobytes()).digest() == before, end=" ")
print(seed.bit_generator.state == state, len(net.fit(x, x, epochs=1, optimizer=momentum)))
"""
    assert run_python(script) == "refused True True 1\n"


# Other threads of Python


@pytest.fixture
def cleanup() -> Iterator[list[threading.Thread]]:
    """Threads to wait for, whatever a test found."""
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def images(n: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 64)).astype(np.float32), rng.integers(0, 10, n)


@pytest.mark.parametrize("threads", [1, 3])
def test_four_threads_predict_on_one_network(threads: int, cleanup: list[threading.Thread]) -> None:
    net = dr.MLP([64, 128, 10], output="softmax", seed=0)
    parts = [images(100 + 150 * i)[0] for i in range(4)]
    wanted = [net.predict(part, threads=1).tobytes() for part in parts]
    wrong: list[int] = []
    rounds: list[int] = []
    start = threading.Barrier(4)

    def predict(i: int) -> None:
        out = np.empty((len(parts[i]), 10), np.float32)
        start.wait()
        for _ in range(25):
            net.predict(parts[i], out=out, threads=threads)
            rounds.append(i)
            if out.tobytes() != wanted[i]:
                wrong.append(i)

    cleanup.extend(threading.Thread(target=predict, args=(i,)) for i in range(4))
    for thread in cleanup:
        thread.start()
    for thread in cleanup:
        thread.join(30)
    assert len(rounds) == 100
    assert wrong == []


def pause(record: object) -> None:
    """A callback during which other threads run."""
    time.sleep(2e-4)


each_way = pytest.mark.parametrize("callbacks", [(), pause], ids=["one call", "epoch by epoch"])


class FitInThread(threading.Thread):
    """A fit, and what came of it."""

    def __init__(self, net: dr.MLP, x: Array, y: Array, **options: Any) -> None:
        super().__init__()
        self._call = lambda: net.fit(x, y, **options)
        self.outcome: list[float] | BaseException | None = None

    def run(self) -> None:
        try:
            self.outcome = self._call().loss
        except BaseException as error:
            self.outcome = error


SECOND: dict[str, Callable[[dr.MLP, Array, Array], object]] = {
    "fit": lambda net, x, y: net.fit(x, y, epochs=1, optimizer=MOMENTUM),
    "train_step": lambda net, x, y: net.train_step(x, y, optimizer=MOMENTUM),
    "theta": lambda net, x, y: setattr(net, "theta", np.zeros(net.n_parameters)),
}


@pytest.mark.parametrize("second", SECOND)
@each_way
def test_a_second_trainer_is_refused_or_waits(
    callbacks: Any, second: str, cleanup: list[threading.Thread]
) -> None:
    """The first one's training is, epoch by epoch, what it is alone."""
    x, y = images(256)
    alone, net = (dr.MLP([64, 32, 10], output="softmax", seed=0) for _ in range(2))
    # Long enough for a fit without observers to return to Python, where it can be interrupted.
    wanted = alone.fit(x, y, epochs=10**6, callbacks=callbacks, max_seconds=0.5)
    first = FitInThread(net, x, y, epochs=len(wanted), callbacks=callbacks)
    cleanup.append(first)
    first.start()
    time.sleep(0.02)
    refusals = 0
    while first.is_alive():
        try:
            SECOND[second](net, x, y)
        except RuntimeError as error:
            assert "in use by another thread" in str(error)
            refusals += 1
        time.sleep(5e-5)
    assert first.outcome == wanted.loss
    net.train_step(x, y)


@each_way
def test_predicting_meanwhile_is_refused_or_sees_a_whole_step(
    callbacks: Any, cleanup: list[threading.Thread]
) -> None:
    x, y = images(512)
    alone, net = (dr.MLP([64, 32, 10], output="softmax", seed=0) for _ in range(2))
    states = {alone.predict(x).tobytes()}
    losses = []
    for _ in range(200):
        losses.append(alone.train_step(x, y))
        states.add(alone.predict(x).tobytes())
    fit = FitInThread(net, x, y, epochs=200, batch_size=None, shuffle=False, callbacks=callbacks)
    cleanup.append(fit)
    fit.start()
    while fit.is_alive():
        try:
            assert net.predict(x).tobytes() in states
        except RuntimeError as error:
            assert "in use by another thread" in str(error)
    assert fit.outcome == losses
    assert_same_bits(net.theta, alone.theta)


def test_networks_train_side_by_side(cleanup: list[threading.Thread]) -> None:
    x, y = images(512)
    nets = [dr.MLP([64, 32, 10], output="softmax", seed=0) for _ in range(4)]
    nets[0].fit(x, y, epochs=3, batch_size=128)
    cleanup.extend(
        threading.Thread(
            target=net.fit, args=(x, y), kwargs={"epochs": 3, "batch_size": 128, "threads": 2}
        )
        for net in nets[1:]
    )
    for thread in cleanup:
        thread.start()
    for thread in cleanup:
        thread.join(30)
    for net in nets[1:]:
        assert_same_bits(net.theta, nets[0].theta)
