"""OpenMP made safe: where the number of threads comes from, and who else may be in the process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deltarule.config import _cgroup_quota
from process_support import WORKLOAD, run_python

UNLIMITED = 2**31


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),  # rounded up
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, UNLIMITED),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, UNLIMITED),
        ({"cpu.max": "nonsense"}, UNLIMITED),
        ({}, UNLIMITED),
    ],
)
def test_the_quota_of_a_control_group(tmp_path: Path, files: dict[str, str], cpus: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    quota = _cgroup_quota(tmp_path)
    assert quota == cpus if cpus < UNLIMITED else quota >= UNLIMITED


def test_a_limit_of_threadpoolctl() -> None:
    pytest.importorskip("threadpoolctl")
    script = f"""{WORKLOAD}
from threadpoolctl import threadpool_limits

net, tasks = network(), lambda: len(os.listdir("/proc/self/task"))
before = tasks()
with threadpool_limits(1, user_api="openmp"):
    net.predict(x)
    print(dr.get_num_threads(), tasks() - before)
"""
    assert run_python(script) == "1 0\n"


FOREIGN_REGION = """
#include <omp.h>
extern "C" void in_region(int threads, void (*f)(int)) {
#pragma omp parallel num_threads(threads)
  f(omp_get_thread_num());
}
"""


def test_inside_a_parallel_region_of_another_library(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    (tmp_path / "region.cpp").write_text(FOREIGN_REGION)
    library = tmp_path / "region.so"
    subprocess.run(
        [compiler, "-fopenmp", "-shared", "-fPIC", tmp_path / "region.cpp", "-o", library],
        check=True,
    )
    script = f"""{WORKLOAD}
import ctypes

net = network()
wanted, got = net.predict(x, threads=3).tobytes(), {{}}

@ctypes.CFUNCTYPE(None, ctypes.c_int)
def member(rank):
    got[rank] = net.predict(x, threads=3).tobytes()

ctypes.CDLL({str(library)!r}).in_region(2, member)
print(len(got), set(got.values()) == {{wanted}})
net.train_step(x, y, threads=3)
"""
    assert run_python(script) == "2 True\n"


@pytest.mark.parametrize("others", [("torch",), ("sklearn",), ("torch", "sklearn")])
@pytest.mark.parametrize("first", [True, False], ids=["deltarule first", "deltarule last"])
def test_beside_other_runtimes(others: tuple[str, ...], first: bool) -> None:
    """Predictions and training are the same bits, and the others work on."""
    for name in others:
        pytest.importorskip(name, reason=f"{name} is not installed")
    imports = [f"import {name}" for name in others]
    script = "\n".join([WORKLOAD, *imports] if first else [*imports, WORKLOAD])
    use = {
        "torch": "torch.set_num_threads(2); w = torch.ones(500, 500); s = float((w @ w).sum())",
        "sklearn": "from sklearn.ensemble import HistGradientBoostingClassifier as H; "
        "H(max_iter=2).fit(x[:200], y[:200])",
    }
    script += f"""
digests = {{work(network(), 1)}}
for _ in range(3):
    {"; ".join(use[name] for name in others)}
    digests.add(work(network(), 2))
print(len(digests))
"""
    assert run_python(script, timeout=120) == "1\n"
