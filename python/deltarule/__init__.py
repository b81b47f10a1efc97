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

from deltarule import schedules
from deltarule._version import __version__
from deltarule.advice import TrainingAdvice, set_advice
from deltarule.checkpoint import Checkpoint, resume
from deltarule.config import (
    get_isa,
    get_num_threads,
    set_isa,
    set_num_threads,
    show_config,
)
from deltarule.custom import CustomActivation, CustomLoss
from deltarule.datasets import load_digits
from deltarule.errors import DivergenceError, ModelFileError, VerificationError
from deltarule.files import load
from deltarule.history import EpochRecord, History
from deltarule.many import ManyFits, MLPEnsemble, fit_many
from deltarule.network import MLP, Gradients
from deltarule.optimizers import SGD, Adam, AdamW
from deltarule.second_order import LBFGS, LevenbergMarquardt
from deltarule.stopping import EarlyStopping

if TYPE_CHECKING:
    from types import ModuleType

    from deltarule.proof.check import check_gradients

    reference: ModuleType


def __getattr__(name: str) -> object:
    # imported when they are first asked for
    if name == "reference":
        return importlib.import_module("deltarule.reference")
    if name == "check_gradients":
        return importlib.import_module("deltarule.proof.check").check_gradients
    raise AttributeError(f"module 'deltarule' has no attribute {name!r}")


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
