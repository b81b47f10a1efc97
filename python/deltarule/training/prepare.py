"""The data that a fit is given -> the samples that it trains on, and those that it validates on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.architecture import Architecture
from deltarule.arguments import check_fraction
from deltarule.backend import MLPLike
from deltarule.data import validation
from deltarule.data.rows import Rows
from deltarule.data.samples import Batch, Samples
from deltarule.data.streams import Stream, is_stream
from deltarule.data.targets import ClassWeights, check_smoothing, smoothing
from deltarule.training.early_stopping import EarlyStopping, Followed, Follower
from deltarule.training.metrics import Kind, Measure, check_metrics
from deltarule.training.sampling import generator

_SEEDS = 2**63

Array = NDArray[Any]


@dataclass(eq=False, repr=False)
class Given:
    """The arguments of `MLP.fit` that are data or say what becomes of them."""

    x: Any
    y: Any
    sample_weight: Any
    validation_data: Any
    validation_split: Any
    class_weight: Any
    label_smoothing: Any

    def prepared(
        self, network: Architecture, epochs: int, split_seed: Callable[[], int]
    ) -> tuple[Samples | Stream, Samples | None]:
        """Return what to train on and what to validate on.

        Parameters
        ----------
        network : Architecture
        epochs : int
            Of the fit.
        split_seed : callable
            Returns the seed of the permutation that `validation_split` cuts.

        Raises
        ------
        TypeError, ValueError
            Naming the argument that does not fit.
        """
        smooth = smoothing(
            check_smoothing(self.label_smoothing, network.loss),
            network.sizes[-1],
            network.dtype,
            network.loss,
        )
        weights = None
        if self.class_weight is not None:
            weights = ClassWeights(self.class_weight, network.sizes[-1], network.loss)
        fraction = None
        if self.validation_split is not None:
            fraction = check_fraction(self.validation_split, "validation_split")
            if self.validation_data is not None:
                raise ValueError(
                    f"validation_split must be None beside validation_data, not {fraction}"
                )
        if self.y is None and is_stream(self.x):
            return self._stream(network, epochs, weights, smooth), self._validation(network)
        if self.y is None:
            raise TypeError("y must be given where x is no stream of batches, not None")
        samples = validation.checked_samples(network, self.x, self.y, self.sample_weight)
        classes = None if weights is None else _classes(weights, samples)
        held_out = self._validation(network)
        if fraction is not None:
            kept, held = _split(len(samples), fraction, split_seed)
            samples, held_out = samples.subset(kept), samples.subset(held)
            classes = None if classes is None else classes[kept]
            for part, what in ((samples, "to train on"), (held_out, "held out")):
                name = f"sample_weight of the {len(part)} {what}"
                validation.sample_weights(part.weight, len(part), name)
        if weights is not None and classes is not None:
            samples = _weighted(samples, weights.of(classes))
        return replace(samples, y_to_learn=smooth) if smooth else samples, held_out

    def _validation(self, network: Architecture) -> Samples | None:
        data = self.validation_data
        if data is None:
            return None
        if not isinstance(data, Sequence) or len(data) not in (2, 3):
            raise TypeError(
                "validation_data must be (x, y) or (x, y, sample_weight), "
                f"not {type(data).__name__}"
            )
        try:
            return validation.checked_samples(
                network, data[0], data[1], data[2] if len(data) == 3 else None
            )
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    def _stream(
        self,
        network: Architecture,
        epochs: int,
        weights: ClassWeights | None,
        smooth: Callable[[Array], Array] | None,
    ) -> Stream:
        for name, value in (
            ("sample_weight", self.sample_weight),
            ("validation_split", self.validation_split),
            ("class_weight", "balanced" if weights is not None and weights.is_balanced else None),
        ):
            if value is not None:
                raise ValueError(
                    f"{name} must not be given with a stream of batches, but is {value!r}"
                )
        return Stream(self.x, partial(_batch, network, weights, smooth), epochs)


def _batch(
    network: Architecture,
    weights: ClassWeights | None,
    smooth: Callable[[Array], Array] | None,
    x: Any,
    y: Any,
    sample_weight: Any,
) -> Batch:
    """Return a batch of a stream, weighted and smoothed."""
    rows, targets, weight = validation.checked_batch(network, x, y, sample_weight)
    if weights is not None:
        of_class = weights.of(weights.classes(targets))
        weight = of_class if weight is None else weight * of_class
    return rows, targets if smooth is None else smooth(targets), weight


def _classes(weights: ClassWeights, samples: Samples) -> NDArray[np.int64]:
    if not isinstance(samples.y, Rows):
        return weights.classes(samples.y)
    blocks = samples.y.blocks()
    return np.concatenate([weights.classes(block, part.start) for part, block in blocks])


def _split(
    n: int, fraction: float, seed: Callable[[], int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the rows that are kept, ascending, and of those that are held out."""
    m = round(fraction * n)
    if not 0 < m < n:
        raise ValueError(
            "validation_split must hold out one sample or more and leave one or more, "
            f"but {fraction} of {n} samples is {m}"
        )
    order = np.random.default_rng(seed()).permutation(n)
    return np.sort(order[: n - m]), order[n - m :]


def _weighted(samples: Samples, of_class: NDArray[np.float64]) -> Samples:
    with np.errstate(all="ignore"):
        weight = of_class if samples.weight is None else samples.weight * of_class
    name = "class_weight" if samples.weight is None else "sample_weight times class_weight"
    return replace(samples, weight=validation.sample_weights(weight, len(samples), name))


class SplitSeed:
    """The seed of `validation_split`: one for all fits of a network, drawn where it is needed.

    Parameters
    ----------
    network : MLPLike
    """

    def __init__(self, network: MLPLike) -> None:
        self._network = network
        self._is_new = False
        self._before: dict[str, Any] = {}

    def seed(self) -> int:
        """Return it, the network's generator left as it is."""
        kept = self._network._split_seed
        if kept is not None:
            return kept
        self._is_new = True
        return int(copy.deepcopy(generator(self._network)).integers(_SEEDS))

    def keep(self) -> None:
        """Draw it, if it was needed, and keep it with the network."""
        if self._is_new:
            self._before = dict(self._network._rng.bit_generator.state)
            self._network._split_seed = int(generator(self._network).integers(_SEEDS))

    def take_back(self) -> None:
        """Let the network be as it was before."""
        if self._is_new:
            self._network._rng.bit_generator.state = self._before
            self._network._split_seed = None


def check_measure(
    network: MLPLike, metrics: object, data: Samples | Stream, validation: Samples | None
) -> tuple[Measure | None, Samples | None]:
    """Return what evaluates the metrics, and what they are of."""
    named = check_metrics(metrics)
    if not named:
        return None, None
    measured = validation or data
    if isinstance(measured, Stream):
        raise ValueError(
            f"metrics need validation_data where x is a stream of batches, not {list(named)}"
        )
    has_class_indices = len(measured.y.shape) == 1
    kind = Kind(network.output, network.loss, network.sizes[-1], has_class_indices)
    return Measure(named, kind, "" if validation is None else "validation_"), measured


def check_follower(
    early_stopping: object,
    measure: Measure | None,
    validation: Samples | None,
    seen: Followed | None = None,
) -> Follower | None:
    if early_stopping is None:
        return None
    if not isinstance(early_stopping, EarlyStopping):
        raise TypeError(f"early_stopping must be a deltarule.EarlyStopping, not {early_stopping!r}")
    losses = ["loss"] if validation is None else ["loss", "validation_loss"]
    recorded = [*losses, *(() if measure is None else measure.names)]
    return Follower(early_stopping, recorded, seen)
