"""A short test of the installed package: it needs nothing but deltarule and what that needs.

    python tools/smoke.py [--bundled]

With --bundled, OpenMP's runtime must be the one that the wheel brings (Linux).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import deltarule as dr

ROOT = Path(__file__).resolve().parents[1]


def trained(threads: int) -> dr.MLP:
    """Return a network that has learned the digits on so many threads."""
    x, y = dr.load_digits()
    net = dr.MLP([64, 128, 10], output="softmax", seed=0)
    net.fit(x, y, epochs=20, batch_size=256, optimizer=dr.Adam(lr=0.01), threads=threads)
    return net


def check_results() -> float:
    """Return the accuracy of a network that two threads and a file leave the same, bit by bit."""
    x, y = dr.load_digits()
    one, two = trained(1), trained(2)
    wanted = one.predict(x, threads=1)
    assert two.theta.tobytes() == one.theta.tobytes(), "two threads trained another network"
    assert two.predict(x, threads=2).tobytes() == wanted.tobytes(), "two threads predict otherwise"
    with tempfile.TemporaryDirectory() as folder:
        one.save(Path(folder) / "net.safetensors")
        loaded = dr.load(Path(folder) / "net.safetensors")
    assert loaded.predict(x).tobytes() == wanted.tobytes(), "the file holds another network"
    accuracy = float((wanted.argmax(axis=1) == y).mean())
    assert accuracy > 0.95, f"an accuracy of {accuracy:.3f} after 20 epochs"
    return accuracy


def check_bundled_runtime() -> str:
    """Return the runtime's file name: one, the wheel's own, whose threads sleep between calls."""
    maps = Path("/proc/self/maps").read_text()
    loaded = {Path(path) for path in re.findall(r"\S*/libgomp\S*", maps)}
    assert len(loaded) == 1, f"runtimes of OpenMP in the process: {sorted(map(str, loaded))}"
    runtime = loaded.pop()
    assert runtime.parent.name == "deltarule.libs", f"the runtime is {runtime}, not the wheel's"
    done = subprocess.run(
        [sys.executable, "-c", "import deltarule"], capture_output=True, text=True, check=True,
        env={n: v for n, v in os.environ.items() if not n.startswith(("OMP_", "GOMP_"))}
        | {"OMP_DISPLAY_ENV": "verbose"},
    )  # fmt: skip
    for setting in ("OMP_WAIT_POLICY = 'PASSIVE'", "GOMP_SPINCOUNT = '700'"):
        assert setting in done.stderr, f"the runtime does not report {setting}: {done.stderr}"
    return runtime.name


def main() -> None:
    """Check the package and print what it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bundled", action="store_true", help="OpenMP's runtime is the wheel's")
    options = parser.parse_args()
    assert ROOT not in Path(str(dr.__file__)).parents, f"{dr.__file__} is the source tree's"
    dr.set_advice(False)
    dr.show_config()
    said = [f"digits {check_results():.3f}", f"numpy {np.__version__}", f"isa {dr.get_isa()}"]
    if options.bundled:
        said.append(check_bundled_runtime())
    print(", ".join(said))


if __name__ == "__main__":
    main()
