"""Every public operation where memory, threads or signals interfere.

An operation ends in its result or in an error that leaves the network as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import deltarule as dr
from operations import OPERATIONS
from process_support import run_python

linux = pytest.mark.skipif(sys.platform != "linux", reason="sets limits as Linux has them")
posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")

# Types, which are arguments or results of the operations.
TYPES = {"Adam", "AdamW", "SGD", "DivergenceError", "EarlyStopping", "EpochRecord", "Gradients"}
TYPES |= {"History", "ManyFits", "ModelFileError", "TrainingAdvice", "VerificationError"}
TYPES |= {"__version__", "schedules"}

SCRIPT = f"""
import copy, os, random, resource, signal, sys, threading, warnings
sys.path.insert(0, {str(Path(__file__).parents[1] / "support")!r})
import numpy as np
import deltarule as dr
import operations
from operations import bits

warnings.simplefilter("ignore")
dr.set_advice(False)
OPERATIONS = operations.available()

def run(name, subject):
    net = copy.deepcopy(subject.net)
    return bits(OPERATIONS[name].run(net, subject))

def wanted_of(subject):
    return {{name: run(name, subject) for name in OPERATIONS}}
"""


def test_every_public_operation_is_in_the_table() -> None:
    named = {name.partition(",")[0] for name in OPERATIONS}
    public = {name for name in dr.__all__ if name not in TYPES}
    for cls in (dr.MLP, dr.MLPEnsemble, dr.History):
        methods = {name for name in vars(cls) if not name.startswith("_")} - {"best_epoch"}
        for base in cls.__mro__:
            if base.__module__.startswith("deltarule"):
                methods |= {
                    name
                    for name, member in vars(base).items()
                    if not name.startswith("_")
                    and (callable(member) or isinstance(member, property))
                }
        public |= {f"{cls.__name__}.{name}" for name in methods}
    pytest.importorskip("sklearn", reason="needs the extra: pip install 'deltarule[sklearn]'")
    import deltarule.sklearn as estimators

    for name in ("MLPClassifier", "MLPRegressor"):
        cls = getattr(estimators, name)
        public |= {
            f"sklearn.{name}.{method}"
            for method in dir(cls)
            if not method.startswith(("_", "get_", "set_"))
        }
    assert public - named == set()


@linux
@pytest.mark.parametrize("threads", [1, 2])
def test_under_a_falling_limit_of_memory(threads: int) -> None:
    """Each ends in its result, or in MemoryError and the network as it was; then it works again."""
    script = f"""{SCRIPT}
def attack():
    dr.set_num_threads({threads})
    subject = operations.subject((300, 300, 90), 2000)
    wanted = wanted_of(subject)
    free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    refused = set()
    for name, operation in OPERATIONS.items():
        if name.startswith(operations.BEYOND_THE_CORE):
            continue
        for more in (1 << 25, 1 << 22, 1 << 20, 1 << 18, 0):
            net, value = copy.deepcopy(subject.net), None
            before = net.theta.tobytes()
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
            try:
                value = bits(operation.run(net, subject))
            except MemoryError:
                pass
            resource.setrlimit(resource.RLIMIT_AS, free)
            if value is None:
                refused.add(name)
            elif value != wanted[name]:
                print("other bits:", name, more)
            if not operation.trains and net.theta.tobytes() != before:
                print("changed:", name, more)
            if not np.isfinite(net.theta).all():
                print("not whole:", name, more)
        if run(name, subject) != wanted[name]:
            print("other bits after:", name)
    print(len(refused) >= 15 or sorted(refused))

# Its stack is there as a whole; the main thread's grows, and where it may not the process is ended.
worker = threading.Thread(target=attack)
worker.start()
worker.join()
"""
    # freed memory goes back to the system, and not to the next call, nor stays in an arena
    malloc = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    assert run_python(script, timeout=300, **malloc) == "True\n"


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, as the limit is not root's")
def test_without_the_right_to_start_a_thread() -> None:
    script = f"""{SCRIPT}
dr.set_num_threads(1)
subject = operations.subject((64, 128, 3), 2000)
wanted = wanted_of(subject)
os.chmod(subject.place, 0o666)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
os.setresuid(54321, 54321, 0)
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no threads")
dr.set_num_threads(2)
for name in OPERATIONS.keys() - {{"load_digits"}}:  # a file of the package, which may be root's
    if run(name, subject) != wanted[name]:
        print("other bits:", name)
os.setresuid(0, 0, 0)  # who removes the files
"""
    assert run_python(script, timeout=300) == "no threads\n"


@posix
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("forks", [1, pytest.param(40, marks=pytest.mark.full)])
def test_in_a_forked_child(threads: int, forks: int) -> None:
    """On so many threads of the child, each at other operations; the parent has used two."""
    script = f"""{SCRIPT}
dr.set_num_threads(2)
subject = operations.subject((64, 128, 3), 500)
wanted = wanted_of(subject)

def works(first, wrong):
    names = list(OPERATIONS)
    for name in names[first:] + names[:first]:
        try:
            if run(name, subject) != wanted[name]:
                wrong.append("other bits: " + name)
        except BaseException as error:
            wrong.append(f"{{name}}: {{error!r}}")

for _ in range({forks}):
    pid = os.fork()
    if pid == 0:
        signal.alarm(200)  # ends a child that hangs
        wrong = []
        workers = [threading.Thread(target=works, args=(7 * i, wrong)) for i in range({threads})]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        os.write(1, "\\n".join(wrong).encode())
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if status:
        print("a child ended with", status)
"""
    assert run_python(script, timeout=300 + 20 * forks, PYTHONWARNINGS="ignore") == ""


@posix
@pytest.mark.parametrize("rounds", [2, pytest.param(200, marks=pytest.mark.full)])
def test_with_signals_at_random_times(rounds: int, record_property: pytest.RecordProperty) -> None:
    """Each ends in its result, or in what the handler raised with the network as it was."""
    script = f"""{SCRIPT}
import time

class Alarm(Exception):
    pass

def ring(number, frame):
    raise Alarm

def comes_of_alarm(error):
    # whether it is the handler's own, or what a library has made of that
    return isinstance(error, Alarm) or (error is not None and comes_of_alarm(error.__context__))

def seconds(operation, net):
    started = time.perf_counter()
    bits(operation.run(net, subject))
    return time.perf_counter() - started

subject = operations.subject((64, 128, 3), 500)
wanted, rung = wanted_of(subject), 0
signal.signal(signal.SIGALRM, ring)
random.seed(0)
for name, operation in OPERATIONS.items():
    takes = min(seconds(operation, copy.deepcopy(subject.net)) for _ in range(3))
    for _ in range({rounds}):
        net, value = copy.deepcopy(subject.net), None
        before = net.theta.tobytes()
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 1.2 * takes))
            value = bits(operation.run(net, subject))
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            time.sleep(0)  # one that came at the end is raised here
        except Exception as error:
            if not comes_of_alarm(error):
                raise
            rung += 1
        if value is not None and value != wanted[name]:
            print("other bits:", name, file=sys.__stdout__)
        if not operation.trains and net.theta.tobytes() != before:
            print("changed:", name, file=sys.__stdout__)
        if not np.isfinite(net.predict(subject.x)).all():
            print("not whole:", name, file=sys.__stdout__)
        if run(name, subject) != wanted[name]:
            print("other bits after:", name, file=sys.__stdout__)
print(rung, len(OPERATIONS), file=sys.__stdout__)
"""
    rung, operations = map(int, run_python(script, timeout=100 + 100 * rounds).split())
    assert rung >= operations * rounds // 4  # the shortest are over before a signal comes
    record_property("signals", rung)
