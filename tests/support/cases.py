"""The one list of networks, shapes and tolerances that drives the tests of the core."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import deltarule as dr
from deltarule import names, reference
from deltarule.optimizers import OPTIMIZERS as OPTIMIZER_CLASSES

Array = NDArray[Any]

HIDDEN = names.ACTIVATIONS
PAIRS = [
    (output, loss)
    for output, loss in itertools.product(names.OUTPUTS, names.LOSSES)
    if names.is_defined(output, loss)
]
# The functions of the first release, which golden/bits.json and the stub of the core list.
FIRST = set(
    "identity sigmoid tanh relu leaky_relu elu softplus gelu silu softmax exp squared_error "
    "sum_squared_error mean_squared_error binary_cross_entropy cross_entropy absolute_error huber "
    "poisson".split()
)
NEW = {*names.ACTIVATIONS, *names.OUTPUTS, *names.LOSSES} - FIRST
# Each optimizer with its defaults.
OPTIMIZERS = [kind() for kind in OPTIMIZER_CLASSES]
PLAIN_OUTPUTS = ("identity", "sigmoid", "tanh", "softmax", "exp")
DTYPES = ("float64", "float32")
THREADS = (1, 2, 3)
MANY_THREADS = (1, 2, 3, 4, 7, 8)
ISAS = tuple(dr._load.core.isas())

# Widths around the lanes (16 float32, 8 float64) and a prime; batches around the 64-row chains.
WIDTHS = (1, 7, 8, 9, 15, 16, 17, 31, 33, 101)
BATCHES = (1, 2, 3, 15, 16, 17, 63, 64, 65, 127, 130)


@dataclass(frozen=True)
class Case:
    """One network and one batch."""

    sizes: tuple[int, ...]
    hidden: str
    output: str
    loss: str
    dtype: str
    batch: int
    reduction: str = "mean"
    weighted: bool = False
    class_indices: bool = False

    def __str__(self) -> str:
        """Return the test's identifier."""
        sizes = "-".join(map(str, self.sizes))
        return f"{sizes}x{self.batch}-{self.hidden}-{self.output}-{self.loss}-{self.dtype}"

    @property
    def is_new(self) -> bool:
        """Whether golden/bits.json has no case of one of the functions."""
        return bool({self.hidden, self.output, self.loss} & NEW)

    @property
    def seed(self) -> list[int]:
        return [*self.sizes, self.batch, len(self.loss), len(self.hidden)]

    def network(self) -> dr.MLP:
        """Return the network, its biases not 0."""
        net = dr.MLP(
            self.sizes,
            hidden=self.hidden,
            output=self.output,
            loss=self.loss,
            reduction=self.reduction,
            dtype=self.dtype,
            init="torch",
            seed=np.random.default_rng(self.seed),
        )
        return net

    def data(self) -> tuple[Array, Array, Array | None]:
        """Return x, y and weights (or None)."""
        rng = np.random.default_rng(self.seed)
        n_in, n_out = self.sizes[0], self.sizes[-1]
        x = rng.standard_normal((self.batch, n_in)).astype(self.dtype)
        y: Array
        if self.loss == "cross_entropy" and self.class_indices:
            y = rng.integers(0, n_out, self.batch)
        else:
            y = rng.random((self.batch, n_out))
            if self.loss == "cross_entropy":
                y /= y.sum(axis=1, keepdims=True)
            y = y.astype(self.dtype)
        weight = rng.random(self.batch) + 0.5 if self.weighted else None
        return x, y, weight

    def reference(self) -> reference.Network:
        """Return the same network of the reference."""
        return reference.Network(
            hidden=self.hidden, output=self.output, loss=self.loss, reduction=self.reduction
        )

    @property
    def tolerance(self) -> float:
        """c K eps: the error of a tensor relative to the magnitude of its terms.

        A path from an input to a gradient is rounded K = sum of fan-ins + fan-outs + rows times,
        each by at most eps / 2 of the sum of the magnitudes so far. c = 8 covers the functions' own
        few ulps a layer, and the updates of five steps.
        """
        path = 2 * sum(self.sizes) + self.batch
        bound = 8 * path * float(np.finfo(self.dtype).eps)
        return bound if self.dtype == "float32" else min(bound, 1e-12)


def _grid() -> list[Case]:
    """Every output x loss x dtype, walking through shapes, batches and options.

    With every hidden activation where the output is none of the hidden ones' own (relu .. silu),
    and there with two of them in turn: the layers below know of the output its delta alone. The
    networks of functions that came after golden/bits.json come last, so that no other case changes.
    """
    shapes = itertools.cycle(
        [
            (a, b, c)
            for a, b, c in zip(
                WIDTHS, WIDTHS[3:] + WIDTHS[:3], WIDTHS[5:] + WIDTHS[:5], strict=True
            )
        ]
        + [(33, 10), (64, 9, 31, 4), (101, 1), (8, 101, 2), (300, 33, 7)]
    )
    batches = itertools.cycle(BATCHES)
    options = itertools.cycle(itertools.product(("mean", "sum"), (False, True), (True, False)))
    cases = []
    recorded = [pair for pair in PAIRS if not {*pair} & NEW]
    old, new = [g for g in HIDDEN if g not in NEW], [g for g in HIDDEN if g in NEW]
    turns = itertools.cycle(old)
    networks = [
        (pair, hidden)
        for pair in recorded
        for hidden in (old if pair[0] in PLAIN_OUTPUTS else (next(turns), next(turns)))
    ]
    networks += [
        (pair, hidden) for pair in recorded for hidden in (new if pair[0] in PLAIN_OUTPUTS else ())
    ]
    networks += [(pair, next(turns)) for pair in PAIRS if {*pair} & NEW]
    for ((output, loss), hidden), dtype in itertools.product(networks, DTYPES):
        reduction, weighted, indices = next(options)
        words_of_it = (hidden, output, loss, dtype)
        sizes = next(shapes)
        if (output, loss) == ("softmax", "binary_cross_entropy") and sizes[-1] == 1:
            sizes = (*sizes[:-1], 2)  # a softmax of one output is 1, whose complement has no log
        cases.append(Case(sizes, *words_of_it, next(batches), reduction, weighted, indices))
    return cases


def _shapes() -> list[Case]:
    """Every width as input, hidden layer and output, with every batch, on two kinds of network."""
    cases = []
    for i, (width, batch) in enumerate(itertools.product(WIDTHS, BATCHES)):
        other = WIDTHS[i % len(WIDTHS)]
        sizes = [(width, other), (other, width, 3), (5, other, width)][i % 3]
        dtype = DTYPES[i % 2]
        cases.append(Case(sizes, "tanh", "identity", "squared_error", dtype, batch))
        cases.append(Case(sizes, "relu", "softmax", "cross_entropy", dtype, batch))
    return cases


# Beyond one block of fan-in (256), one super-block of rows (1024) and one chunk of rows.
LARGE = [
    Case((513, 40, 3), "relu", "softmax", "cross_entropy", "float32", 1100),
    Case((20, 600, 300, 2), "tanh", "identity", "squared_error", "float64", 65),
    Case((3, 9, 2), "sigmoid", "sigmoid", "binary_cross_entropy", "float32", 2500),
    Case((12, 1100, 5), "relu", "identity", "huber", "float32", 2100),
]
GRID = _grid()
SHAPES = _shapes()
ALL = sorted([*GRID, *SHAPES, *LARGE], key=lambda case: case.is_new)


def parameters64(net: dr.MLP) -> tuple[list[Array], list[Array]]:
    """Return the network's weights and biases in float64, for the reference."""
    return [w.astype(np.float64) for w in net.weights], [b.astype(np.float64) for b in net.biases]


def magnitudes(
    case: Case, weights: list[Array], forward: reference.Forward, backward: reference.Backward
) -> tuple[list[Array], list[Array]]:
    """Return, for a[0] .. a[L] and delta[1] .. delta[L], the magnitudes that make up each entry.

    Rounding is relative to the terms of a sum, not to the sum: where the terms of z or of delta
    cancel, their own magnitudes count.
    """
    a, delta = [np.abs(v) for v in forward.a], [np.abs(v) for v in backward.delta]
    per_sample = 1.0 if case.reduction == "sum" else 2.0 / case.batch  # weights are in [0.5, 1.5]
    delta[-1] = delta[-1] + per_sample * (1 + np.abs(forward.y_hat))
    for i, w in reversed(list(enumerate(weights[1:]))):
        delta[i] = delta[i] + delta[i + 1] @ np.abs(w)
        a[i + 1] = a[i + 1] + a[i] @ np.abs(weights[i]).T
    return a, delta


def gradient_magnitudes(
    case: Case, weights: list[Array], forward: reference.Forward, backward: reference.Backward
) -> list[float]:
    """Return, a layer, the largest sum over the samples of the magnitudes that make up dL/dW.

    See `magnitudes`. float64 needs none of this to stay within 1e-12.
    """
    if case.dtype == "float64":
        return [float(np.abs(g).max(initial=0.0)) for g in backward.weights]
    a, delta = magnitudes(case, weights, forward, backward)
    return [float((d.T @ m).max()) for d, m in zip(delta, a, strict=False)]


def assert_close(
    got: Array, want: Array, tolerance: float, name: str, scale: float | None = None
) -> None:
    """Fail, naming the tensor, where an entry is off by more than tolerance x scale.

    scale is the largest entry where none is given.
    """
    assert got.shape == want.shape, name
    assert np.isfinite(got).all(), f"{name} is not finite"
    scale = float(np.abs(want).max(initial=0.0)) if scale is None else scale
    error = float(np.abs(got.astype(np.float64) - want).max(initial=0.0))
    assert error <= tolerance * scale, f"{name}: error {error:.3g}, scale {scale:.3g}"
