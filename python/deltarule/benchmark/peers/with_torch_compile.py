"""PyTorch with the network and its loss compiled by `torch.compile`."""

from __future__ import annotations

import torch

from deltarule.benchmark import cases
from deltarule.benchmark.peers import with_torch

WORKS = ("step", "predict")


class Model(with_torch.Model):
    """As eager, forward and backward compiled."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        self._objective = torch.compile(self._objective)
        self._predictor = torch.compile(self._predictor)
