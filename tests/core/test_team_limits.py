"""Teams where threads are short: too many asked for, no memory or no right to start them."""

from __future__ import annotations

import os
import sys

import pytest

from process_support import WORKLOAD, run_python

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("how", ["dr.set_num_threads(1024)", "threads = 1024"])
def test_a_team_is_no_larger_than_the_cpus_that_run_it(how: str) -> None:
    script = f"""{WORKLOAD}
threads = None
def tasks():
    return len(os.listdir("/proc/self/task"))

net = network()
before = tasks()
wanted = work(net, 1)
{how}
same = work(network(), threads) == wanted
print(same, tasks() - before <= len(os.sched_getaffinity(0)) - 1)
"""
    assert run_python(script) == "True True\n"


# Megabytes of address space that are left; a thread's stack takes 8.
@linux
@pytest.mark.parametrize("left", [1, 4, 7, 9, 12, 20, 40])
def test_a_call_works_on_the_threads_that_can_be_started(left: int) -> None:
    """Or memory is short for the call itself; OpenMP ended the process where a thread was."""
    script = f"""{WORKLOAD}
import resource

def calls(threads):
    nets = [network() for _ in range(4)]
    yield lambda: nets[0].predict(x, threads=threads).tobytes()
    yield lambda: (nets[1].train_step(x[:64], y[:64], threads=threads), nets[1].theta.tobytes())
    yield lambda: (nets[2].fit(x, y, epochs=1, threads=threads).loss, nets[2].theta.tobytes())
    yield lambda: nets[3].jacobian(x[:40], threads=threads).tobytes()

wanted = [call() for call in calls(1)]
team = list(calls(2))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * os.sysconf("SC_PAGESIZE") + {left} * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for call, value in zip(team, wanted):
    try:
        print("right" if call() == value else "wrong")
    except MemoryError:
        print("memory")
"""
    ends = run_python(script).split()
    assert len(ends) == 4 and set(ends) <= {"right", "memory"}
    assert left < 40 or ends == ["right"] * 4


@pytest.mark.parametrize("variable", ["OMP_STACKSIZE", "GOMP_STACKSIZE"])
@pytest.mark.parametrize("size", ["100G", "100000000", "1 G", "64K", "nonsense"])
def test_a_thread_stack_too_large_for_the_system(variable: str, size: str) -> None:
    script = f"""{WORKLOAD}
print(work(network(), 2) == work(network(), 1))
"""
    done = run_python(script + "os.close(2)", **{variable: size})
    assert done == "True\n"


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, as the limit is not root's")
def test_no_right_to_start_a_thread() -> None:
    script = f"""{WORKLOAD}
import resource

net, wanted = network(), work(network(), 1)
os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
print(work(net, 2) == wanted)
"""
    assert run_python(script) == "True\n"
