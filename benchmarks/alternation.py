"""predict in turns with NumPy's matrix product: two pools of threads that share the cores.

    python benchmarks/alternation.py [--threads N] [--rounds N]

A pool whose threads spin after their work holds the cores that the other's need. Prints the median
of a round of both over the sum of the medians of each alone, and ends with status 1 above 1.5.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import deltarule as dr
from deltarule.benchmark.machine import describe

LARGEST = 1.5


def median_seconds(calls: list[Callable[[], object]], rounds: int) -> float:
    """Return the median time of the calls one after the other."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        for call in calls:
            call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def ratio(threads: int, rounds: int) -> float:
    """Return the time of predict and a product of matrices in turns, over the sum of the parts."""
    rng = np.random.default_rng(0)
    net = dr.MLP([128, 128, 128], seed=0)
    x = rng.standard_normal((256, 128), dtype=np.float32)
    b = rng.standard_normal((256, 256))

    def predict() -> object:
        return net.predict(x, threads=threads)

    def product() -> object:
        return b @ b

    both, parts = [], []
    for _ in range(9):  # in turns, as the machine is shared
        parts.append(median_seconds([predict], rounds) + median_seconds([product], rounds))
        both.append(median_seconds([predict, product], rounds))
    return statistics.median(b / p for b, p in zip(both, parts, strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=dr.get_num_threads())
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    machine = describe(options.threads, {})
    print(f"{machine['processor']}, {machine['cpus']} CPUs, numpy {np.__version__}")
    found = ratio(options.threads, options.rounds)
    print(f"{options.threads} threads: in turns {found:.2f} times the sum of the parts")
    return int(found > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
