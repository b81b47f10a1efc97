"""The data of a fit: the user's arrays -> the samples to train on and those to validate on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.architecture import Architecture
from deltarule.backend import MLPLike
from deltarule.data import validation
from deltarule.data.rows import Rows
from deltarule.data.samples import Batch, Samples
from deltarule.data.streams import Stream, is_stream
from deltarule.data.targets import ClassWeights, smoothing
from deltarule.layers import Array
from deltarule.training.options import FitOptions
from deltarule.training.sampling import generator

_SEEDS = 2**63  # of validation_split: below this number


@dataclass(frozen=True, eq=False, repr=False)
class FitData:
    """The arguments of `MLP.fit` that are data."""

    x: Any
    y: Any
    sample_weight: Any = None
    validation_data: Any = None

    def samples(
        self, network: Architecture, options: FitOptions, epochs: int, split_seed: SplitSeed
    ) -> tuple[Samples | Stream, Samples | None]:
        """Return what to train on and what to validate on.

        Parameters
        ----------
        network : Architecture
        options : FitOptions
        epochs : int
            How many the fit has still to do.
        split_seed : SplitSeed
            Of the permutation that `validation_split` cuts.

        Raises
        ------
        TypeError, ValueError
            Naming the argument that does not fit.
        """
        n_outputs, loss, fraction = network.sizes[-1], network.loss, options.validation_split
        smooth = smoothing(options.label_smoothing, n_outputs, network.dtype, loss)
        weights = None
        if options.class_weight is not None:
            weights = ClassWeights(options.class_weight, n_outputs, loss)
        if fraction is not None and self.validation_data is not None:
            raise ValueError(
                f"validation_split must be None beside validation_data, not {fraction}"
            )
        if self.y is None and is_stream(self.x):
            self._check_stream(fraction, weights)
            batch = partial(_batch, network, weights, smooth)
            return Stream(self.x, batch, epochs), self._validation(network)
        if self.y is None:
            raise TypeError("y must be given where x is no stream of batches, not None")
        samples = validation.checked_samples(network, self.x, self.y, self.sample_weight)
        classes = None if weights is None else _classes(weights, samples)
        held_out = self._validation(network)
        if fraction is not None:
            kept, held = _split(len(samples), fraction, split_seed.seed)
            samples, held_out = samples.subset(kept), samples.subset(held)
            classes = None if classes is None else classes[kept]
            for part, use in ((samples, "to train on"), (held_out, "held out")):
                name = f"sample_weight of the {len(part)} {use}"
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
            return validation.checked_samples(network, *data, *[None] * (3 - len(data)))
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None

    def _check_stream(self, fraction: float | None, weights: ClassWeights | None) -> None:
        for name, value in (
            ("sample_weight", self.sample_weight),
            ("validation_split", fraction),
            ("class_weight", "balanced" if weights is not None and weights.is_balanced else None),
        ):
            if value is not None:
                raise ValueError(
                    f"{name} must not be given with a stream of batches, but is {value!r}"
                )


def _batch(
    network: Architecture,
    weights: ClassWeights | None,
    smooth: Callable[[Array], Array] | None,
    x: Any,
    y: Any,
    sample_weight: Any,
) -> Batch:
    """Return a batch of a stream with class weights and label smoothing applied."""
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
    """The seed of `validation_split`: one for all fits of a network, drawn when first needed.

    Parameters
    ----------
    network : MLPLike
    """

    def __init__(self, network: MLPLike) -> None:
        self._network = network
        self._is_new = False
        self._before: dict[str, Any] = {}

    def seed(self) -> int:
        """Return the seed without advancing the network's generator."""
        known = self._network._split_seed
        if known is not None:
            return known
        self._is_new = True
        return int(copy.deepcopy(generator(self._network)).integers(_SEEDS))

    def commit(self) -> None:
        """Draw the seed, if it was needed, and store it in the network."""
        if self._is_new:
            self._before = dict(self._network._rng.bit_generator.state)
            self._network._split_seed = int(generator(self._network).integers(_SEEDS))

    def roll_back(self) -> None:
        """Undo `commit`."""
        if self._is_new:
            self._network._rng.bit_generator.state = self._before
            self._network._split_seed = None
