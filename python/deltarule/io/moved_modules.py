"""The present places of modules that pickles of 0.1.0 name.

A pickle names the module of each class, and an unpickler imports it by that name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "deltarule.history": "deltarule.training.history",
    "deltarule.many": "deltarule.mlp.ensemble",
    "deltarule.network": "deltarule.mlp.network",
    "deltarule.pace": "deltarule.training.learning_rate",
    "deltarule.proof": "deltarule.verification",
    "deltarule.proof.report": "deltarule.verification.report",
    "deltarule.proof.trace": "deltarule.trace.trace",
    "deltarule.stopping": "deltarule.training.early_stopping",
}


class MovedModules:
    """Import finder that loads the present module for a name in `MOVED`."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return a spec for a name in `MOVED`, else None."""
        loader: Any = self
        return ModuleSpec(name, loader) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the module to the import system, which then asks `sys.modules` once more."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the present module under the old name."""
        sys.modules[module.__name__] = import_module(MOVED[module.__name__])


sys.meta_path.append(MovedModules())
