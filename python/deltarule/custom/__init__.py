"""Custom losses and activations.

`functions` are what the user hands in, `validated` the guard around them, `passes` and `network`
the network in NumPy that has the methods of the core's, `placeholders` what stands for a function
in a file. Of these, importing this package loads the first alone.
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
