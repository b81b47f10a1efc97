"""The derivation that a trace is of, equation by equation, before it is text or Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule import reference
from deltarule.reference.formulas import Formula
from deltarule.trace import equations
from deltarule.trace.title import title

if TYPE_CHECKING:
    from deltarule.trace.quantities import Quantities


@dataclass(frozen=True, eq=False)
class Line:
    """An equation and its value; without a value, the definition of a function in it."""

    formula: Formula
    value: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class Section:
    """One of the four parts."""

    title: str
    lines: tuple[Line, ...]


def derivation(trace: Quantities) -> tuple[Section, ...]:
    """Return forward pass, loss, backward pass and gradient, each in the order of the notes."""
    return (
        Section("Forward", tuple(_forward(trace))),
        Section("Loss", tuple(_loss(trace))),
        Section("Backward", tuple(_backward(trace))),
        Section("Gradient", tuple(_gradient(trace))),
    )


def heading(trace: Quantities) -> tuple[str, str]:
    """Return two sentences: the network, and how to read what follows."""
    n = len(trace.y)
    samples = "1 sample" if n == 1 else f"{n} samples"
    return (
        title(trace.network),
        f"n = {samples}, K = {trace.network.sizes[-1]}. Row i of an array is sample i; "
        "an equation's vectors are one sample's.",
    )


def _forward(trace: Quantities) -> Iterator[Line]:
    network, defined = trace.network, set[Formula]()
    functions = [*map(equations.activation_of, network.hidden), equations.output_of(network.output)]
    yield Line(equations.INPUT, trace.a[0])
    for layer, g in enumerate(functions, start=1):
        is_last = layer == network.n_layers
        name = equations.PREDICTION_IS if is_last else equations.ACTIVATION_IS
        activation = (name + g.value).at(layer, leaky_slope=network.leaky_slope)
        yield Line(equations.WEIGHTS.at(layer), trace.W[layer])
        yield Line(equations.BIASES.at(layer), trace.b[layer])
        yield Line(equations.PRE_ACTIVATION.at(layer), trace.z[layer])
        yield Line(activation, trace.a[layer])
        if g.where is not None and g.where not in defined:
            defined.add(g.where)
            yield Line(g.where)


def _loss(trace: Quantities) -> Iterator[Line]:
    network, loss = trace.network, equations.loss_of(trace.network.loss)
    yield Line(equations.LABELS if trace.of_labels else equations.TARGETS, trace.y)
    yield Line(equations.SAMPLE_LOSS_IS + loss.value, trace.losses)
    if loss.where is not None:
        yield Line(loss.where.at(network.n_layers, huber_delta=network.huber_delta))
    if trace.sample_weight is not None:
        yield Line(equations.SAMPLE_WEIGHTS, trace.sample_weight)
    yield Line(equations.LOSS_IS + _reduction(trace).value, np.array(trace.loss))


def _backward(trace: Quantities) -> Iterator[Line]:
    network, last, factor = trace.network, trace.network.n_layers, _reduction(trace).factor
    loss, output = equations.loss_of(network.loss), equations.output_of(network.output)
    yield Line(equations.DELTA_MEANS)
    gradient = equations.OUTPUT_GRADIENT_IS + factor + loss.derivative
    yield Line(gradient.at(last, huber_delta=network.huber_delta), trace.dL_dy_hat)
    delta = equations.DELTA_IS + output.chain
    if _is_error(network.output, network.loss):
        delta += equations.EQUALS + factor + equations.ERROR
    yield Line(delta.at(last), trace.delta[last])
    yield Line(output.derivative.at(last, leaky_slope=network.leaky_slope))
    for layer in range(last - 1, 0, -1):
        g = equations.activation_of(network.hidden[layer - 1])
        yield Line(equations.FROM_ABOVE.at(layer), trace.dL_da[layer])
        yield Line((equations.DELTA_IS + equations.HIDDEN_CHAIN).at(layer), trace.delta[layer])
        yield Line(g.derivative.at(layer, leaky_slope=network.leaky_slope))
    yield Line(equations.FROM_ABOVE.at(0), trace.dL_da[0])


def _gradient(trace: Quantities) -> Iterator[Line]:
    for layer in range(trace.network.n_layers, 0, -1):
        yield Line(equations.WEIGHT_GRADIENT.at(layer), trace.dL_dW[layer])
        yield Line(equations.BIAS_GRADIENT.at(layer), trace.dL_db[layer])


def _is_error(output: object, loss: object) -> bool:
    """Whether delta[L] is y_hat - y, times the factor of the reduction."""
    pair = reference.PAIRS.get((str(output), str(loss)))
    is_canonical = pair is not None and pair.gauss_newton is None
    return is_canonical or (output, loss) == ("identity", "squared_error")


def _reduction(trace: Quantities) -> equations.Reduction:
    return equations.REDUCTIONS[trace.network.reduction, trace.sample_weight is not None]
