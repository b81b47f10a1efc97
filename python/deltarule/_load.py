"""Loads the C++ core, once, with its threads' waiting policy set and its version checked."""

from __future__ import annotations

import os

from deltarule._version import __version__

# OpenMP's workers would spin for milliseconds after each region and hold the cores that NumPy's
# BLAS needs next; asleep, they take some 50 us to wake. GNU's runtime spins for so many pauses,
# 12 to 35 us: a loop of calls finds them awake. The runtimes read this when they are loaded; a
# user's own choice stands.
_CHOICE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "700"}
_set_here = {} if _CHOICE.keys() & os.environ.keys() else _CHOICE
os.environ.update(_set_here)
try:
    from deltarule import _core
finally:
    for _name in _set_here:
        del os.environ[_name]

if _core.__version__ != __version__:
    raise ImportError(
        f"deltarule {__version__} found a core of version {_core.__version__}: "
        "the installation is mixed; reinstall with pip install --force-reinstall deltarule"
    )

core = _core
