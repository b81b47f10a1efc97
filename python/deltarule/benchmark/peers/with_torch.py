"""PyTorch, eager: `nn.Sequential`, the functional losses and `optim.SGD`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deltarule.benchmark import cases, inputs
from deltarule.benchmark.peers.model import BaseModel
from deltarule.layers import Array

_HIDDEN = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
_OUTPUT = {"identity": [], "softmax": [nn.Softmax(dim=1)], "sigmoid": [nn.Sigmoid()]}


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


class Model(BaseModel):
    """Tensors that share the memory of the arrays."""

    def __init__(self, case: cases.Case, rate: float) -> None:
        super().__init__(case, rate)
        self._net = network(case)
        self._objective = objective(self._net, case)
        self._predictor = nn.Sequential(*self._net, *_OUTPUT[case.output])
        self._optimizer = torch.optim.SGD(self._net.parameters(), lr=rate)

    def convert(self, x: Array, y: Array) -> tuple[Any, Any]:
        """Return tensors."""
        return torch.from_numpy(x), torch.from_numpy(y)

    def step(self, x: Any, y: Any) -> None:
        """Take one step of gradient descent."""
        self._optimizer.zero_grad(set_to_none=True)
        self._objective(x, y).backward()
        self._optimizer.step()

    def parameters(self) -> inputs.Parameters:
        """Return weights of shape (outputs, inputs) and biases."""
        values = [p.detach().numpy() for p in self._net.parameters()]
        return values[::2], values[1::2]

    def predict(self, x: Array) -> Array:
        """Return the outputs, without a graph of gradients."""
        with torch.inference_mode():
            outputs: Array = self._predictor(torch.from_numpy(x)).numpy()
        return outputs

    def train(self, data: inputs.DataSet) -> None:
        """Train on batches gathered by a random permutation, without the costs of a DataLoader."""
        x, y = self.convert(data.x, data.y)
        for _ in range(self.epochs):
            for batch in torch.randperm(len(x)).split(self.case.rows):
                self.step(x[batch], y[batch])
