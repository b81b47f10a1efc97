"""Threads, instruction sets, and what this installation runs on."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress

import numpy as np

from deltarule._load import core
from deltarule._version import __version__
from deltarule.arguments import whole_number

_MOST_THREADS = 1024  # a larger number is taken as this one

# Where a control group has its quota and period, in version 2 and in version 1.
_QUOTA_FILES = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def set_num_threads(n: int | None) -> None:
    """Set how many threads a call may use; None goes back to the default.

    The number changes speed only: every result has the same bits for any of them.

    Parameters
    ----------
    n : int or None
        1 or more. Small work runs on fewer.

    Raises
    ------
    TypeError, ValueError
        If n is not a whole number of at least 1.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.set_num_threads(2)
    >>> dr.get_num_threads()
    2
    >>> dr.set_num_threads(None)
    """
    limit = 0 if n is None else min(whole_number(n, "n", 1), _MOST_THREADS)
    core.set_thread_limits(limit, _quota)


def get_num_threads() -> int:
    """Return how many threads a call may use.

    In this order: `set_num_threads`, the environment's DELTARULE_NUM_THREADS, what OpenMP would
    use (OMP_NUM_THREADS, or a threadpoolctl limit), and never more, unless set by the first two,
    than the CPUs of the affinity mask and of the control group's quota.

    Returns
    -------
    int
    """
    if chosen := core.chosen_threads():
        return chosen
    environment = os.environ.get("DELTARULE_NUM_THREADS", "").strip()
    if environment:
        if not environment.isdecimal() or int(environment) < 1:
            raise ValueError(
                f"DELTARULE_NUM_THREADS must be a whole number of 1 or more, not {environment!r}"
            )
        return min(int(environment), _MOST_THREADS)
    return int(max(1, min(core.openmp_max_threads(), core.available_cpus(), _quota)))


def resolve_threads(threads: int | None) -> int:
    """Return how many threads one call may use, from its `threads` argument."""
    if threads is None:
        return get_num_threads()
    return min(whole_number(threads, "threads", 1), _MOST_THREADS)


def _cgroup_quota(root: str | os.PathLike[str] = "/sys/fs/cgroup") -> int:
    """Return the CPUs that the control group allows, rounded up; a large number without a quota."""
    for names in _QUOTA_FILES:
        text = ""
        with suppress(OSError, ValueError):  # absent, or no text
            for name in names:
                with open(os.path.join(root, name), encoding="utf-8") as file:
                    text += f"{file.read()} "
        match text.split():
            case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period) > 0:
                return max(1, -(-int(quota) // int(period)))
            case [_, _]:  # no quota: "max", or -1
                break
    return sys.maxsize


_quota = min(_cgroup_quota(), _MOST_THREADS)
core.set_thread_limits(0, _quota)


def get_isa() -> str:
    """Return the instruction set in use, one of `show_config`'s list."""
    return core.isa()


def set_isa(name: str) -> None:
    """Use the kernels of one instruction set; all give the same bits.

    Parameters
    ----------
    name : str
        "oracle" runs anywhere, others where the processor has them. The environment's
        DELTARULE_ISA does the same at import.

    Raises
    ------
    ValueError
        If the processor or this build lacks it.

    Examples
    --------
    >>> import deltarule as dr
    >>> before = dr.get_isa()
    >>> dr.set_isa("oracle")
    >>> dr.get_isa()
    'oracle'
    >>> dr.set_isa(before)
    """
    if name not in core.isas():
        raise ValueError(
            f"isa must be one that this processor and build have ({', '.join(core.isas())}), "
            f"not {name!r}"
        )
    core.set_isa(name)


_environment_isa = os.environ.get("DELTARULE_ISA", "").strip()
if _environment_isa:
    try:
        set_isa(_environment_isa)
    except ValueError as error:
        raise ValueError(f"DELTARULE_ISA: {error}") from None


def config() -> dict[str, str | int | list[str]]:
    """Return what `show_config` prints, by name."""
    return {
        "deltarule": __version__,
        "isa": core.isa(),
        "isas": core.isas(),
        "threads": get_num_threads(),
        "cpus": core.available_cpus(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
    }


def show_config() -> None:
    """Print versions, the instruction set in use and those there are, and the number of threads.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.show_config()  # doctest: +ELLIPSIS
    deltarule  ...
    isa        ...
    """
    for name, value in config().items():
        text = ", ".join(value) if isinstance(value, list) else value
        print(f"{name:<10s} {text}")
