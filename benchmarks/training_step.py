"""Time and rate of one training step, from Python, on some sizes and numbers of threads.

    python benchmarks/training_step.py [--threads 1,2] [--isa avx512,avx2]

2 flop a weight a sample for each of: forward, weight gradient, data gradient (not for layer 1).
Medians over rounds in which the settings take turns: drift of the machine falls on all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

import deltarule as dr

SIZES = {  # sizes, rows
    "2-8-1, 4 rows": ([2, 8, 1], 4),
    "64-32-10, 32 rows": ([64, 32, 10], 32),
    "4-64-64-2, 32 rows": ([4, 64, 64, 2], 32),
    "17-256-256-6, 256 rows": ([17, 256, 256, 6], 256),
    "784-128-10, 128 rows": ([784, 128, 10], 128),
    "32-64x4-3, 16384 rows": ([32, 64, 64, 64, 64, 3], 16384),
    "1024x5, 1024 rows": ([1024] * 5, 1024),
}
ROUNDS, SECONDS = 7, 0.2


def flop(sizes: list[int], rows: int) -> int:
    """Return the floating-point operations of a step."""
    weights = [a * b for a, b in pairwise(sizes)]
    return 2 * rows * (2 * sum(weights) + sum(weights[1:]))


def stepper(sizes: list[int], rows: int, threads: int) -> Callable[[], float]:
    """Return a function that does one step on random data."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
    y = rng.standard_normal((rows, sizes[-1]), dtype=np.float32)
    net, optimizer = dr.MLP(sizes, seed=0), dr.SGD(lr=1e-4)
    return lambda: net.train_step(x, y, optimizer=optimizer, threads=threads)


def seconds_a_step(step: Callable[[], float], count: int) -> float:
    """Return the mean over `count` steps."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def main() -> None:
    """Print a line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", default=f"1,{dr.get_num_threads()}")
    parser.add_argument("--isa", default=dr.get_isa())
    arguments = parser.parse_args()
    settings = [
        (isa, int(threads))
        for isa in arguments.isa.split(",")
        for threads in dict.fromkeys(arguments.threads.split(","))
    ]
    dr.show_config()
    print(f"{'':24s}" + "".join(f"{isa + ', ' + str(n) + ' threads':>26s}" for isa, n in settings))
    for name, (sizes, rows) in SIZES.items():
        times: dict[tuple[str, int], list[float]] = {setting: [] for setting in settings}
        steps = {setting: stepper(sizes, rows, setting[1]) for setting in settings}
        for _ in range(ROUNDS):
            for setting, step in steps.items():
                dr.set_isa(setting[0])
                count = max(1, int(SECONDS / ROUNDS / max(seconds_a_step(step, 2), 1e-7)))
                times[setting].append(seconds_a_step(step, count))
        cells = []
        for setting in settings:
            median = statistics.median(times[setting])
            cells.append(f"{median * 1e6:14.1f} us{flop(sizes, rows) / median / 1e9:5.0f} GF/s")
        print(f"{name:24s}" + "".join(f"{cell:>26s}" for cell in cells))


if __name__ == "__main__":
    main()
