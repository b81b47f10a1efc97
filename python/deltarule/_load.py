"""Loads the C++ core, once, with its threads' waiting policy set and its version checked."""

from __future__ import annotations

import os
from importlib import metadata

# OpenMP's workers would spin for milliseconds after each region and hold the cores that NumPy's
# BLAS needs next. The runtime reads its policy when it is loaded; a user's own choice stands.
_POLICY = "OMP_WAIT_POLICY"
_chosen = os.environ.get(_POLICY)
if _chosen is None:
    os.environ[_POLICY] = "PASSIVE"
try:
    from deltarule import _core
finally:
    if _chosen is None:
        del os.environ[_POLICY]

__version__ = metadata.version("deltarule")
if _core.__version__ != __version__:
    raise ImportError(
        f"deltarule {__version__} found a core of version {_core.__version__}: "
        "the installation is mixed; reinstall with pip install --force-reinstall deltarule"
    )

core = _core
