"""Single calls of predict and train_step from a loop of Python: a team beside one thread.

    python benchmarks/single_calls.py [--threads N] [--rounds N] [--busy]

Blocks of calls on one thread and on N are timed in turns. Prints the time of a call and how many
times faster the team is: of the blocks' median, and of the fastest tenth, which other programs
have disturbed least. With --busy another process keeps a core at work all the time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

import deltarule as dr
from deltarule.benchmark.machine import describe

BLOCK = 0.01  # seconds
CASES = [
    ([10, 64, 64, 10], 128), ([10, 128, 128, 10], 64), ([10, 128, 128, 10], 128),
    ([10, 256, 256, 10], 128), ([10, 512, 512, 10], 128), ([784, 128, 10], 128),
    ([512, 512, 512], 1),
]  # fmt: skip


def calls(sizes: list[int], rows: int) -> Iterator[tuple[str, Callable[[int], object]]]:
    """Return predict and train_step as functions of the number of threads."""
    rng = np.random.default_rng(0)
    net = dr.MLP(sizes, seed=0)
    x = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
    y = rng.standard_normal((rows, sizes[-1]), dtype=np.float32)
    optimizer = dr.SGD(lr=1e-6)
    yield "predict", lambda threads: net.predict(x, threads=threads)
    yield (
        "train_step",
        lambda threads: net.train_step(x, y, optimizer=optimizer, threads=threads),
    )


def block(call: Callable[[int], object], threads: int) -> float:
    """Return the time of a call, seconds, in a block of them; the first ones wake the team."""
    for _ in range(5):
        call(threads)
    n, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < BLOCK or n < 3:
        call(threads)
        n += 1
    return taken / n


@contextmanager
def busy_core(busy: bool) -> Iterator[None]:
    """Keep one core at work meanwhile."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    machine = describe(options.threads, {})
    print(f"{machine['processor']}, {machine['cpus']} CPUs, numpy {np.__version__}")
    print(f"{options.threads} threads{', one core busy' * options.busy}; us per call, alone / team")
    with busy_core(options.busy):
        for sizes, rows in CASES:
            for name, call in calls(sizes, rows):
                times = np.array(
                    [[block(call, 1), block(call, options.threads)] for _ in range(options.rounds)]
                )
                alone, team = np.quantile(times, [0.1, 0.5], axis=0).T * 1e6
                network = "-".join(map(str, sizes))
                print(
                    f"{network:16} x {rows:<4} {name:10} median {alone[1]:7.1f} / {team[1]:7.1f} "
                    f"x{alone[1] / team[1]:.2f}   fastest {alone[0]:7.1f} / {team[0]:7.1f} "
                    f"x{alone[0] / team[0]:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
