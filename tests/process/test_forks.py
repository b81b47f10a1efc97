"""Forks and pools of a process that has used threads: no hang, the same bits."""

from __future__ import annotations

import os

import pytest

from process_support import WORKLOAD, run_python

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@posix
@pytest.mark.parametrize("before", [1, 2, 3])
@pytest.mark.parametrize("after", [1, 2])
def test_a_forked_child_computes_the_same_bits(before: int, after: int) -> None:
    """Children of a process that has used threads, and their children: no hang, the same bits."""
    script = f"""{WORKLOAD}
net = network()
work(net, {before})

def in_child(function):
    inlet, outlet = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # ends a child that hangs
        try:
            os.write(outlet, function().encode())
        finally:
            os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet) as file:
        answer = file.read()
    return answer if os.waitpid(pid, 0)[1] == 0 else "killed"

child = [in_child(lambda: work(net, {after})) for _ in range(3)]
grandchild = in_child(lambda: in_child(lambda: work(net, {after})))
print(len({{*child, grandchild, work(net, {after})}}), *child)
"""
    count, *digests = run_python(script, PYTHONWARNINGS="ignore").split()
    assert count == "1"
    assert all(len(digest) == 64 for digest in digests)


@posix
@pytest.mark.parametrize("forks", [20, pytest.param(500, marks=pytest.mark.full)])
def test_forks_while_other_threads_predict(
    forks: int, record_property: pytest.RecordProperty
) -> None:
    script = f"""{WORKLOAD}
import threading
from collections import Counter

net, over = network(), threading.Event()
wanted = net.predict(x, threads=1).tobytes()
trained = work(network(), 1)

def predict():
    while not over.is_set():
        net.predict(x, threads=2)

threads = [threading.Thread(target=predict) for _ in range(3)]
for thread in threads:
    thread.start()
ends = Counter()
for k in range({forks}):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)  # ends a child that hangs
        same = net.predict(x, threads=2).tobytes() == wanted
        net.train_step(x, y)
        os._exit(0 if same and (k % 10 or work(network(), 2) == trained) else 1)
    ends[os.waitpid(pid, 0)[1]] += 1  # 14: hung
over.set()
for thread in threads:
    thread.join()
print(dict(ends))
"""
    assert run_python(script, timeout=600, PYTHONWARNINGS="ignore") == f"{{0: {forks}}}\n"
    record_property("forks", forks)


@posix
@pytest.mark.parametrize("forks", [20, pytest.param(400, marks=pytest.mark.full)])
@pytest.mark.parametrize("threads", [2, 8])
def test_threads_of_a_child_are_the_first_to_use_a_network(threads: int, forks: int) -> None:
    """As in a server that forks its workers: all of them at once, and none is refused."""
    script = f"""{WORKLOAD}
import threading
from collections import Counter

nets = [network() for _ in range(20)]
wanted = [net.predict(x[:500], threads=1).tobytes() for net in nets]
ends = Counter()
for _ in range({forks}):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        start, right = threading.Barrier({threads}), []

        def predict():
            for net, bytes_of in zip(nets, wanted):
                start.wait()  # the GIL is released within
                right.append(net.predict(x[:500]).tobytes() == bytes_of)

        workers = [threading.Thread(target=predict) for _ in range({threads})]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for net in nets:
            net.train_step(x[:5], y[:5])  # alone again
        os._exit(0 if len(right) == 20 * {threads} and all(right) else 1)
    ends[os.waitpid(pid, 0)[1]] += 1
print(dict(ends))
"""
    assert run_python(script, timeout=600, PYTHONWARNINGS="ignore") == f"{{0: {forks}}}\n"


@posix
def test_a_child_forked_in_a_callback_trains_on() -> None:
    """The thread that forks goes on in both processes, to the same bytes."""
    script = f"""{WORKLOAD}
import hashlib, threading

def fit(callback):
    net = network()
    net.fit(x, y, epochs=4, batch_size=50, callbacks=callback)
    return net.theta.tobytes()

children = []
def forks(record):
    if record["epoch"] == 2:
        children.append(os.fork())

alone = fit(lambda record: None)
signal.alarm(60)
same = fit(forks) == alone
if children[0] == 0:
    os._exit(0 if same else 1)
print(same, os.waitpid(children[0], 0)[1])
"""
    assert run_python(script, timeout=100, PYTHONWARNINGS="ignore") == "True 0\n"


@posix
def test_a_childs_generator_is_its_own() -> None:
    """Another thread of the parent held the generator's lock when the process was forked."""
    script = f"""{WORKLOAD}
import threading

def shuffled(net):
    net.fit(x, y, epochs=2, dropout=0.1)
    return net.theta.tobytes()

net, held, over = network(), threading.Event(), threading.Event()
wanted = shuffled(copy.deepcopy(net))

def draws():
    with net._rng.bit_generator.lock:
        held.set()
        over.wait(60)

threading.Thread(target=draws).start()
held.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(30)  # ends a child that hangs
    os._exit(0 if shuffled(net) == wanted else 1)
status = os.waitpid(pid, 0)[1]
over.set()
print(status, shuffled(net) == wanted)
"""
    assert run_python(script, PYTHONWARNINGS="ignore") == "0 True\n"


POOLS = {
    "multiprocessing, fork": """
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    parts = pool.map_async(net.predict, np.split(x, 8)).get(timeout=30)
""",
    "multiprocessing, spawn": """
import multiprocessing
with multiprocessing.get_context("spawn").Pool(2) as pool:
    parts = pool.map_async(net.predict, np.split(x, 4)).get(timeout=100)
""",
    "joblib, loky": """
from joblib import Parallel, delayed
parts = Parallel(2, backend="loky")(delayed(net.predict)(part) for part in np.split(x, 4))
""",
    "joblib, threading": """
from joblib import Parallel, delayed
parts = Parallel(4, backend="threading")(delayed(net.predict)(part) for part in np.split(x, 8))
""",
    "joblib, multiprocessing": """
from joblib import Parallel, delayed
parts = Parallel(2, backend="multiprocessing")(delayed(net.predict)(p) for p in np.split(x, 4))
""",
    "threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    parts = list(pool.map(net.predict, np.split(x, 8)))
""",
}


@pytest.mark.parametrize("pool", POOLS)
def test_pools(pool: str) -> None:
    """Of networks that have used threads, sent to workers where these are processes."""
    if pool.endswith("fork") and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    if pool.startswith("joblib"):
        pytest.importorskip("joblib", reason="needs the extra: pip install 'deltarule[sklearn]'")
    script = f"""{WORKLOAD}
if __name__ == "__main__":
    net = network()
    work(net, 2)
    {POOLS[pool].replace(chr(10), chr(10) + "    ")}
    print(np.concatenate(parts).tobytes() == net.predict(x).tobytes())
"""
    assert run_python(script, timeout=120, PYTHONWARNINGS="ignore") == "True\n"
