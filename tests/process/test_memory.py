"""Memory: what many calls leave behind, what is refused where it does not fit, and sizes beyond."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

import deltarule as dr
from network_support import regression
from process_support import WORKLOAD, run_python

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")

# Growth


GROWTH = """
import gc, os, resource, tempfile
import numpy as np
import deltarule as dr

dr.set_num_threads(2)
dr.set_advice(False)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 2))
x32 = x.astype("f4")
net = dr.MLP([4, 8, 2], seed=0)
folder = tempfile.TemporaryDirectory()
path = os.path.join(folder.name, "net.safetensors")
bad = [
    lambda: net.predict(x[:, :3]), lambda: net.predict("no"), lambda: net.predict(x * np.nan),
    lambda: net.predict(x32, out=x32), lambda: net.train_step(x, y[:3]),
    lambda: net.jacobian([[1j] * 4]),
    lambda: net.fit(x, y, epochs=-1), lambda: net.hvp(x, y, [1.0]), lambda: dr.MLP([4, 0]),
    lambda: net.train_step(x32 * 1e30, y * 1e30, optimizer=dr.SGD(lr=1e30)),
    lambda: net.fit(x * 1e30, y, optimizer=dr.SGD(lr=1e30)), lambda: dr.load(path + "none"),
    lambda: setattr(net, "theta", [0.0]), lambda: dr.MLP([2**30, 2**30]),
]

def error(i):
    try:
        bad[i % len(bad)]()
    except (TypeError, ValueError, ArithmeticError, MemoryError, OSError):
        return
    raise SystemExit(f"bad[{i % len(bad)}] was taken")

def save_and_load(i):
    net.save(path)
    dr.load(path)

calls = {
    "predicts": lambda i: net.predict(x32), "predicts of a row": lambda i: net.predict(x32[0]),
    "predicts of doubles": lambda i: net.predict(x),
    "fits": lambda i: dr.MLP([4, 8, 2], seed=0).fit(x, y, epochs=1), "errors": error,
    "saves and loads": save_and_load,
    "jacobians": lambda i: net.jacobian(x, wrt="theta"), "hvps": lambda i: net.hvp(x, y, net.theta),
}

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def run(call, count):
    for i in range(count):
        call(i)
"""


# What is done how often, in full; a hundredth of it else.
COUNTS = {
    "predicts": 10**6,
    "predicts of a row": 10**6,
    "predicts of doubles": 10**5,
    "fits": 10**4,
    "errors": 10**4,
    "saves and loads": 10**4,
    "jacobians": 10**5,
    "hvps": 10**5,
}
MOST = 256 * 1024


def growth(name: str, count: int) -> int:
    """Return the bytes a process grows by over so many calls, after a tenth as many."""
    script = f"""{GROWTH}
run(calls[{name!r}], {max(count // 10, 200)})
before = resident()
run(calls[{name!r}], {count})
print(resident() - before)
"""
    return int(run_python(script, timeout=600))


@linux
@pytest.mark.parametrize("name", COUNTS)
def test_calls_leak_no_memory(name: str) -> None:
    assert growth(name, COUNTS[name] // 100) <= MOST


@linux
@pytest.mark.full
@pytest.mark.parametrize("name", COUNTS)
def test_very_many_calls_leak_no_memory(name: str, record_property: pytest.RecordProperty) -> None:
    bytes_more = growth(name, COUNTS[name])
    record_property(f"{COUNTS[name]} {name}", f"{bytes_more / 1024:.0f} KiB")
    assert bytes_more <= MOST


# Too little


# Whether they take so much that they are refused.
CALLS = {
    "net.predict(x)": True,
    "net.evaluate(x, y)": False,
    "net.value_and_grad(x, y)": True,
    "net.train_step(x, y, optimizer=momentum)": False,
    "net.fit(x, y, epochs=1, optimizer=momentum)": True,
    "net.fit(x, y, epochs=1, batch_size=None)": True,
    "net.activations(x)": True,
    "net.jacobian(x)": True,
    "net.jacobian(x[:9], wrt='theta')": True,
    "net.per_sample_gradients(x[:9], y[:9])": True,
    "net.input_gradient(x, y)": False,
    "net.jvp(x, x)": True,
    "net.vjp(x, y)": False,
    "net.hvp(x, y, theta)": True,
    "net.gauss_newton_vp(x, y, theta)": False,
    "net.trace(x, y)": True,
    "copy.deepcopy(net)": True,
    "net.save(place)": True,
    "dr.load(place)": True,
    "dr.MLP([2000, 900, 10])": True,
    "dr.MLP([30_000, 30_000])": True,
}


@linux
@pytest.mark.parametrize("threads", [1, 2])
def test_too_little_memory_changes_nothing(threads: int) -> None:
    """Every call under less and less of an address space: it works or MemoryError is raised."""
    script = f"""{WORKLOAD}
import contextlib, resource, tempfile

place = os.path.join(tempfile.mkdtemp(), "net.safetensors")
dr.set_num_threads({threads})
dr.set_advice(False)
net = dr.MLP([300, 300, 900], hidden="tanh", seed=0)
x, y = rng.normal(size=(2500, 300)).astype("f4"), rng.normal(size=(2500, 900)).astype("f4")
net.train_step(x[:500], y[:500])  # both threads are there
net.fit(x[:9], y[:9], epochs=1), net.trace(x[:9], y[:9])  # what they import is there
net.save(place), dr.load(place)
theta, momentum = net.theta, dr.SGD(lr=1e-9, momentum=0.9)
before = theta.tobytes()

@contextlib.contextmanager
def at_most(more):
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

calls = {list(CALLS)!r}
for call in calls:
    code, refused = compile(call, call, "eval"), 0
    for more in (0, 1 << 18, 1 << 22):
        with at_most(more):
            try:
                eval(code)
            except MemoryError:
                refused += 1
        if "fit(" in call or "train_step(" in call:
            assert np.isfinite(net.theta).all(), call
            net.theta = theta
            net.train_step(x[:9], y[:9], optimizer=momentum)
            net.theta = theta
        assert net.theta.tobytes() == before, call
    print(refused)
"""
    # freed memory goes back to the system, and not to the next call
    printed = run_python(script, timeout=120, MALLOC_MMAP_THRESHOLD_="65536")
    refusals = [int(line) for line in printed.split()]
    assert len(refusals) == len(CALLS)
    for call, count in zip(CALLS, refusals, strict=True):
        assert count or not CALLS[call], call


# Sizes beyond any memory

X, Y = regression(n=5)
TALL = np.broadcast_to(np.float32(1.0), (2**45, 3))  # of one number; a copy fits no address space
WIDE = np.broadcast_to(np.float32(1.0), (3, 2**45))
Row = tuple[Callable[[dr.MLP], object], type[Exception], str]
BEYOND: dict[str, Row] = {
    "x": (lambda net: net.predict(TALL), MemoryError, "Unable to allocate"),
    "features": (lambda net: net.predict(WIDE), ValueError, r"x has \d+ features, .* takes 3"),
    "one row": (lambda net: net.predict(WIDE[0]), ValueError, r"x has \d+ features, .* takes 3"),
    "y": (lambda net: net.evaluate(X, TALL), ValueError, r"y must have shape .*"),
    "labels": (
        lambda net: dr.MLP([3, 2], output="softmax").evaluate(X, np.broadcast_to(1, 2**50)),
        ValueError,
        r"y has \d+ samples, x has 5",
    ),
    "weights": (
        lambda net: net.evaluate(X, Y, sample_weight=WIDE[0]),
        ValueError,
        r"sample_weight must have shape \(5,\)",
    ),
    "v": (lambda net: net.hvp(X, Y, WIDE[0]), ValueError, r"v must have shape .*"),
    "theta": (lambda net: setattr(net, "theta", WIDE[0]), ValueError, r"theta must have .*"),
    "out": (lambda net: net.predict(X, out=TALL), ValueError, r"out must have shape \(5, 2\)"),
    "jacobian": (lambda net: net.jacobian(TALL), MemoryError, "Unable to allocate"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_sizes_beyond_any_memory(name: str) -> None:
    call, error, rule = BEYOND[name]
    net = dr.MLP([3, 4, 2], seed=0)
    before = net.theta.tobytes()
    with pytest.raises(error, match=rule):
        call(net)
    assert net.theta.tobytes() == before


@pytest.mark.parametrize(
    "sizes",
    [
        [2**31 - 1, 2**31 - 1],
        [2**31 - 1] * 50,
        [1, 2**31 - 1, 1, 2**31 - 1, 2**31 - 1],
        [2**20, 2**20, 2**20],
        [2**31 - 1, 1, 2**31 - 1, 3 * 2**29],
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_beyond_any_memory(sizes: list[int], dtype: str) -> None:
    with pytest.raises(MemoryError, match=r"sizes \[.*\] make \d+ parameters: [\d.]+ GiB in"):
        dr.MLP(sizes, dtype=dtype)


@pytest.mark.parametrize("width", [2**31, 2**63, 2**64 + 1, 10**30, -(2**63)])
def test_widths_beyond_any_number(width: int) -> None:
    with pytest.raises(ValueError, match=r"sizes\[1\] must be 1 or more \(and below 2\*\*31\)"):
        dr.MLP([3, width, 2])


@pytest.mark.parametrize("batch_size", [2**31, 2**62, 2**63 - 1, 2**63, 2**64, 10**30])
def test_batches_beyond_any_data(batch_size: int) -> None:
    """A mini-batch has at most all samples."""
    net, other = (dr.MLP([3, 4, 2], seed=0) for _ in range(2))
    net.fit(X, Y, epochs=2, batch_size=batch_size)
    other.fit(X, Y, epochs=2, batch_size=None)
    assert net.theta.tobytes() == other.theta.tobytes()
    dr.fit_many(X, Y, [{"batch_size": batch_size, "epochs": 2}], sizes=[3, 4, 2])


@pytest.mark.parametrize("epochs", [2**63 - 1, 2**63, 10**30])
def test_epochs_beyond_any_time(epochs: int) -> None:
    net = dr.MLP([3, 4, 2], seed=0)
    history = net.fit(X, Y, epochs=epochs, max_seconds=0.01)
    assert 1 <= len(history) < 10**6
    net.fit(X, Y, epochs=epochs, callbacks=lambda record: True)


@pytest.mark.parametrize("rows", [2**20, 2**21, 2**22])
def test_a_jacobian_beyond_any_memory(rows: int) -> None:
    """Of 2^20 outputs by 2^21 parameters: of 2^21 samples it is 2^64 bytes."""
    net = dr.MLP([1, 2**20], seed=0)
    assert net.n_parameters == 2**21
    with pytest.raises(MemoryError):
        net.jacobian(np.ones((rows, 1), np.float32), wrt="theta")
