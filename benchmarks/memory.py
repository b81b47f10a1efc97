"""Memory of training: the peak of one step on a large batch, and the growth over many steps.

    python benchmarks/memory.py

Each figure comes from a process of its own. "Activations" is one float a unit a row, every layer
but the input: what a plain implementation keeps for the backward pass.
"""

from __future__ import annotations

import multiprocessing
import resource

SIZES, ROWS = [32, 64, 64, 64, 64, 3], 65_536
STEPS = 2_000


def resident() -> int:
    """Return the bytes resident now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def peak() -> int:
    """Return the most bytes that were resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_step(_: int) -> tuple[int, int]:
    """Return the peak of one step beyond what the process held before, and after the step."""
    import numpy as np

    import deltarule as dr

    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, SIZES[0]), dtype=np.float32)
    y = rng.standard_normal((ROWS, SIZES[-1]), dtype=np.float32)
    net = dr.MLP(SIZES, seed=0)
    net.train_step(x[:8], y[:8])
    before = resident()
    net.train_step(x, y)
    return max(peak(), resident()) - before, resident() - before


def many_steps(rows: int) -> int:
    """Return what the process grew by over many steps after the first."""
    import numpy as np

    import deltarule as dr

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, SIZES[0]), dtype=np.float32)
    y = rng.standard_normal((rows, SIZES[-1]), dtype=np.float32)
    net = dr.MLP(SIZES, seed=0)
    optimizer = dr.SGD(lr=1e-4, momentum=0.9)
    for _ in range(10):
        net.train_step(x, y, optimizer=optimizer)
    before = resident()
    for _ in range(STEPS):
        net.train_step(x, y, optimizer=optimizer)
    return resident() - before


def main() -> None:
    """Print the figures."""
    import deltarule as dr

    dr.show_config()
    mebi = 2**20
    activations = 4 * ROWS * sum(SIZES[1:])
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        highest, after = pool.apply(one_step, (0,))
        print(f"one step of {SIZES} on {ROWS} rows, activations {activations / mebi:.1f} MiB:")
        print(
            f"  peak {highest / mebi:.1f} MiB beyond the data: {highest / activations:.2f} of them"
        )
        print(f"  kept {after / mebi:.1f} MiB")
        for rows in (1, 32, 2048):
            growth = pool.apply(many_steps, (rows,))
            print(f"growth over {STEPS} steps of {rows} rows: {growth / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
