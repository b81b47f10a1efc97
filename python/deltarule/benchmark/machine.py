"""Where a benchmark ran: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.config import config


def cpus() -> list[int]:
    """Return the numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def processor() -> str:
    """Return the processor's name as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe(threads: int, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return what decides about speed, by name.

    Parameters
    ----------
    threads : int
        How many the benchmark ran on.
    versions : mapping
        Of the modules of the peers.
    """
    here = config()
    ours = {name: here[name] for name in ("deltarule", "python", "numpy")}
    return {
        "processor": processor(),
        "cpus": len(cpus()),
        "threads": threads,
        "isa": here["isa"],
        "platform": here["platform"],
        "versions": {**ours, **versions},
    }
