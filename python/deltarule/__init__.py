"""Multilayer perceptrons on the CPU: forward pass, backward pass and update in C++.

The network is `MLP`, its reference in plain NumPy is `deltarule.reference`.

>>> import deltarule as dr
>>> x, y = dr.load_digits()
>>> net = dr.MLP([64, 32, 10], output="softmax", seed=0)
>>> history = net.fit(x, y, epochs=5, optimizer=dr.SGD(lr=0.1))
>>> history.loss[-1] < history.loss[0]
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deltarule import _start as _start  # first: the others take long
from deltarule._version import __version__
from deltarule.config import (
    get_isa,
    get_num_threads,
    set_isa,
    set_num_threads,
    show_config,
)
from deltarule.custom import CustomActivation, CustomLoss
from deltarule.errors import DivergenceError, ModelFileError
from deltarule.io import moved_modules as moved_modules
from deltarule.mlp.gradients import Gradients
from deltarule.mlp.network import MLP

if TYPE_CHECKING:
    from deltarule import reference, schedules
    from deltarule.checkpoint.settings import Checkpoint
    from deltarule.data.digits import load_digits
    from deltarule.mlp.ensemble import ManyFits, MLPEnsemble
    from deltarule.mlp.load import load
    from deltarule.mlp.many import fit_many
    from deltarule.mlp.resume import resume
    from deltarule.optimizers import SGD, Adam, AdamW
    from deltarule.second_order import LBFGS, LevenbergMarquardt
    from deltarule.training.advice import TrainingAdvice, set_advice
    from deltarule.training.early_stopping import EarlyStopping
    from deltarule.training.history import EpochRecord, History
    from deltarule.verification.gradcheck import check_gradients
    from deltarule.verification.report import VerificationError

# Names imported at first use, and their modules: a script that predicts waits for
# none of it.
_LATER = {
    "training.advice": ("TrainingAdvice", "set_advice"),
    "checkpoint": ("Checkpoint",),
    "data.digits": ("load_digits",),
    "training.history": ("EpochRecord", "History"),
    "mlp.load": ("load",),
    "mlp.resume": ("resume",),
    "mlp.ensemble": ("MLPEnsemble", "ManyFits"),
    "mlp.many": ("fit_many",),
    "optimizers": ("SGD", "Adam", "AdamW"),
    "verification.gradcheck": ("check_gradients",),
    "verification.report": ("VerificationError",),
    "second_order": ("LBFGS", "LevenbergMarquardt"),
    "training.early_stopping": ("EarlyStopping",),
}


def __getattr__(name: str) -> object:
    if name in ("reference", "schedules"):
        return importlib.import_module(f"deltarule.{name}")
    for module, names in _LATER.items():
        if name in names:
            value = getattr(importlib.import_module(f"deltarule.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'deltarule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "LBFGS",
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "CustomActivation",
    "CustomLoss",
    "DivergenceError",
    "EarlyStopping",
    "EpochRecord",
    "Gradients",
    "History",
    "LevenbergMarquardt",
    "MLPEnsemble",
    "ManyFits",
    "ModelFileError",
    "TrainingAdvice",
    "VerificationError",
    "__version__",
    "check_gradients",
    "fit_many",
    "get_isa",
    "get_num_threads",
    "load",
    "load_digits",
    "reference",
    "resume",
    "schedules",
    "set_advice",
    "set_isa",
    "set_num_threads",
    "show_config",
]
