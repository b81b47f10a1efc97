"""Losses and activations of the user's own.

`functions` are what the user hands in, `checked` the guard around them, `passes` and `network` the
network in NumPy that has the methods of the core's. Of these, importing this package loads the
first alone.
"""

from __future__ import annotations

from deltarule.custom.functions import (
    ActivationWord,
    Custom,
    CustomActivation,
    CustomLoss,
    LossWord,
)

__all__ = [
    "ActivationWord",
    "Custom",
    "CustomActivation",
    "CustomLoss",
    "LossWord",
]
