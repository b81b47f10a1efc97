"""Threads, instruction sets, and what this installation runs on."""

from __future__ import annotations

import operator
import os
import platform
import sys

import numpy as np

from deltarule._load import core
from deltarule._version import __version__


def _positive(name: str, value: object) -> int:
    try:
        n = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if isinstance(value, bool) or n < 1:
        raise ValueError(f"{name} must be 1 or more, not {value!r}")
    return min(n, 1024)


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
    core.set_thread_limits(0 if n is None else _positive("n", n), _quota)


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
        return min(int(environment), 1024)
    return int(max(1, min(core.openmp_max_threads(), core.available_cpus(), _quota)))


def resolve_threads(threads: int | None) -> int:
    """Return the team's limit for one call, from its `threads` argument."""
    return get_num_threads() if threads is None else _positive("threads", threads)


def _cgroup_quota(root: str | os.PathLike[str] = "/sys/fs/cgroup") -> int:
    """Return the CPUs that the control group allows, rounded up; a large number without a quota."""
    try:
        quota, period = _text(root, "cpu.max").split()
    except (OSError, ValueError):
        try:
            quota = _text(root, "cpu", "cpu.cfs_quota_us").strip()
            period = _text(root, "cpu", "cpu.cfs_period_us").strip()
        except OSError:
            return sys.maxsize
    if not (quota.isdecimal() and period.isdecimal() and int(period) > 0):
        return sys.maxsize
    return max(1, -(-int(quota) // int(period)))


def _text(*path: str | os.PathLike[str]) -> str:
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


_quota = min(_cgroup_quota(), 1024)
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
