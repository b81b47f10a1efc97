"""Memory of training from a file larger than one wants in memory: a mapped array, block by block.

    python benchmarks/memmap.py --gib 1

Writes x (rows, 1024) of random numbers to a temporary file, as float32 and as float64, and fits a
float32 network to it for an epoch, shuffled and in order. Each figure comes from a process of its
own: the most memory that was resident, pages of the file included, beyond what the process held
before. The seconds are for a file that the system has in its cache, or not, as it may be.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

from memory import peak, resident

SIZES, BATCH = [1024, 64, 1], 256


def write(path: Path, rows: int, dtype: str) -> None:
    """Write x (rows, n_0), some rows at a time."""
    import numpy as np

    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for first in range(0, rows, 4096):
            block = rng.standard_normal((min(4096, rows - first), SIZES[0]), dtype=np.float32)
            file.write(block.astype(dtype).tobytes())


def one_fit(path: str, rows: int, dtype: str, shuffle: bool) -> tuple[int, float, float]:
    """Return the peak of a fit beyond what was held before, its seconds, and its epoch's."""
    import numpy as np

    import deltarule as dr

    dr.set_advice(False)
    x = np.memmap(path, dtype, "r", shape=(rows, SIZES[0]))
    y = np.zeros((rows, SIZES[-1]), np.float32)
    net = dr.MLP(SIZES, seed=0)
    net.train_step(np.zeros((BATCH, SIZES[0])), np.zeros(BATCH))
    before, start = resident(), time.perf_counter()
    history = net.fit(x, y, epochs=1, batch_size=BATCH, shuffle=shuffle, optimizer=dr.SGD(1e-4))
    seconds = time.perf_counter() - start
    return max(peak(), resident()) - before, seconds, history.seconds[0]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gib", type=float, default=1.0, help="size of the file in float32")
    parser.add_argument("--folder", help="where to write it (default: the system's)")
    arguments = parser.parse_args()
    rows = int(arguments.gib * 2**30 / (4 * SIZES[0]))
    import deltarule as dr

    dr.show_config()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        for dtype in ("float32", "float64"):
            path = Path(folder) / dtype
            write(path, rows, dtype)
            size = path.stat().st_size
            print(f"{rows} rows of {dtype}, {size / 2**30:.2f} GiB, {SIZES}, batches of {BATCH}:")
            for shuffle in (False, True):
                most, seconds, epoch = pool.apply(one_fit, (str(path), rows, dtype, shuffle))
                order = "shuffled" if shuffle else "in order"
                print(
                    f"  {order}: peak {most / 2**20:.0f} MiB beyond the process, "
                    f"{most / size:.1%} of the file; fit {seconds:.2f} s, "
                    f"of it the epoch {epoch:.2f}"
                )
            path.unlink()


if __name__ == "__main__":
    main()
