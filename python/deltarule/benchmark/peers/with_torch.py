"""PyTorch, eager: `nn.Sequential`, the functional losses and `optim.SGD`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deltarule.benchmark import cases, inputs

_HIDDEN = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def network(case: cases.Case) -> Any:
    """Return the network up to z of the last layer."""
    layers: list[Any] = []
    for w, b in zip(*inputs.parameters(case), strict=True):
        linear = nn.Linear(w.shape[1], w.shape[0])
        linear.weight.data, linear.bias.data = torch.from_numpy(w), torch.from_numpy(b)
        layers += [linear, _HIDDEN[case.hidden]()]
    return nn.Sequential(*layers[:-1])


def objective(net: Any, case: cases.Case) -> Any:
    """Return the function (x, y) -> the mean over the rows of the output's loss."""
    functional = nn.functional
    if case.output == "softmax":
        return lambda x, y: functional.cross_entropy(net(x), y)
    if case.output == "sigmoid":
        loss = functional.binary_cross_entropy_with_logits
        return lambda x, y: loss(net(x), y, reduction="sum") / len(x)
    return lambda x, y: functional.mse_loss(net(x), y, reduction="sum") * (0.5 / len(x))


class TrainingStep:
    """A step on tensors that are ready."""

    def __init__(self, case: cases.TrainingStep) -> None:
        self._x, self._y = map(torch.from_numpy, inputs.batch(case))
        self._net = network(case)
        self._objective = objective(self._net, case)
        self._optimizer = torch.optim.SGD(self._net.parameters(), lr=inputs.STEP_RATE)

    def run(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        self._objective(self._x, self._y).backward()
        self._optimizer.step()

    def parameters(self) -> inputs.Parameters:
        values = [p.detach().numpy() for p in self._net.parameters()]
        return values[::2], values[1::2]


class Prediction:
    """From a NumPy array to a NumPy array, without a graph of gradients."""

    def __init__(self, case: cases.Prediction) -> None:
        self._x, _ = inputs.batch(case)
        self._net = network(case)
        if case.output == "softmax":
            self._net.append(nn.Softmax(dim=1))
        elif case.output == "sigmoid":
            self._net.append(nn.Sigmoid())

    def run(self) -> inputs.Array:
        with torch.inference_mode():
            outputs: inputs.Array = self._net(torch.from_numpy(self._x)).numpy()
        return outputs


class Training:
    """Epochs of mini-batches gathered by a random permutation, without a DataLoader's costs."""

    def __init__(self, case: cases.Training) -> None:
        self._case = case
        self._data = inputs.data_set(case)

    def run(self) -> None:
        x, y = torch.from_numpy(self._data.x), torch.from_numpy(self._data.y)
        self._net = network(self._case)
        loss = objective(self._net, self._case)
        optimizer = torch.optim.SGD(self._net.parameters(), lr=inputs.TRAINING_RATE)
        for _ in range(self._case.epochs):
            for batch in torch.randperm(len(x)).split(self._case.rows):
                optimizer.zero_grad(set_to_none=True)
                loss(x[batch], y[batch]).backward()
                optimizer.step()

    def classes(self, x: inputs.Array) -> Any:
        with torch.inference_mode():
            return self._net(torch.from_numpy(x)).argmax(dim=1).numpy()
