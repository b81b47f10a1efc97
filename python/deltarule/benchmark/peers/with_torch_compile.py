"""PyTorch with the network and its loss compiled by `torch.compile`."""

from __future__ import annotations

import torch

from deltarule.benchmark import cases
from deltarule.benchmark.peers import with_torch


class TrainingStep(with_torch.TrainingStep):
    """As eager, forward and backward compiled."""

    def __init__(self, case: cases.TrainingStep) -> None:
        super().__init__(case)
        self._objective = torch.compile(self._objective)


class Prediction(with_torch.Prediction):
    """As eager, forward compiled."""

    def __init__(self, case: cases.Prediction) -> None:
        super().__init__(case)
        self._net = torch.compile(self._net)
