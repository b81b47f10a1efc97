"""What the tests with processes of their own share: running a script in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]

# What may be set where the tests run, and would decide what is tested.
_DECIDING = re.compile("OMP_(?!TOOL)|GOMP_|DELTARULE_|OPENBLAS_")

# Work for several threads: 38 MFLOP a forward pass, and 6 MFLOP a training step of 64 rows.
WORKLOAD = """
import copy, hashlib, os, signal, sys, time
import numpy as np
import deltarule as dr

rng = np.random.default_rng(0)
x = rng.normal(size=(2000, 64)).astype(np.float32)
y = rng.integers(0, 10, 2000)

def network():
    return dr.MLP([64, 128, 10], output="softmax", seed=0)

def work(net, threads):
    \"\"\"Return the digest of predictions, history and parameters.\"\"\"
    seen = [net.predict(x, threads=threads).tobytes()]
    optimizer = dr.SGD(lr=0.01, momentum=0.9)
    history = net.fit(x, y, epochs=2, batch_size=64, optimizer=optimizer, threads=threads)
    seen += [np.array(history.loss).tobytes(), net.theta.tobytes()]
    return hashlib.sha256(b"".join(seen)).hexdigest()
"""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment without what decides about threads, and with the variables."""
    kept = {name: v for name, v in os.environ.items() if not _DECIDING.match(name)}
    return kept | {"OPENBLAS_NUM_THREADS": "1"} | variables


def run_python(script: str, *, timeout: float = 60, **variables: str) -> str:
    """Run a script, which must succeed silently on stderr, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails_with(script: str, **variables: str) -> str:
    """Run a script, which must fail with an exception, and return the last line of stderr."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


def run(*command: object, timeout: float = 600) -> str:
    """Run a command, which must succeed, in a clean environment; return what it prints."""
    done = subprocess.run(
        [str(c) for c in command], env=environment(), cwd=ROOT, capture_output=True, text=True,
        timeout=timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
