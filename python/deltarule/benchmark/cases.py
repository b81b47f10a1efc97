"""The cases that are measured, each a network and a kind of work, and their lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

DIGITS = "digits"


@dataclass(frozen=True)
class Case:
    """A job on a network.

    Attributes
    ----------
    sizes : tuple of int
        Units of the layers, the inputs first.
    rows : int
        Samples of a call, or of a mini-batch.
    hidden : str
        ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
    output : str
        ``"softmax"`` with the cross-entropy, ``"sigmoid"`` with the binary cross-entropy, or
        ``"identity"`` with half the squared error.
    dtype : str
        ``"float32"`` or ``"float64"``.
    """

    work: ClassVar[str]

    sizes: tuple[int, ...]
    rows: int
    hidden: str = "relu"
    output: str = "identity"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """The case as a name: ``step-784-128-10-b128``."""
        sizes = "-".join(map(str, self.sizes))
        ending = "-f64" if self.dtype == "float64" else ""
        return f"{self.work}-{sizes}-b{self.rows}{ending}"

    @property
    def label(self) -> str:
        """The case for a table: ``784-128-10, 128 rows``."""
        sizes = "-".join(map(str, self.sizes))
        ending = ", float64" if self.dtype == "float64" else ""
        return f"{sizes}, {self.rows} row{'s' if self.rows > 1 else ''}{ending}"

    @property
    def weights(self) -> list[int]:
        """How many weights each layer has."""
        return [n_in * n_out for n_in, n_out in pairwise(self.sizes)]

    @property
    def flop(self) -> int:
        """Floating-point operations of the dense products: 2 per weight, sample and product."""
        raise NotImplementedError


@dataclass(frozen=True)
class TrainingStep(Case):
    """Forward, backward and one update by plain SGD, on one mini-batch."""

    work: ClassVar[str] = "step"

    @property
    def flop(self) -> int:
        """Forward, weight gradient, and data gradient, which the first layer does not need."""
        return 2 * self.rows * (2 * sum(self.weights) + sum(self.weights[1:]))


@dataclass(frozen=True)
class Prediction(Case):
    """The outputs for some rows, from a NumPy array to a NumPy array."""

    work: ClassVar[str] = "predict"

    @property
    def flop(self) -> int:
        """Forward alone."""
        return 2 * self.rows * sum(self.weights)


@dataclass(frozen=True)
class Training(Case):
    """A classifier trained for some epochs, from NumPy arrays and initial weights to the end.

    Shuffling, slicing and updates are inside; start-up and compilation are outside.

    Attributes
    ----------
    epochs : int
    samples : int
        The first so many are trained on, the others held out.
    data : str
        ``"digits"``, the images in the package, or an npz file with `images` and `labels`.
    """

    work: ClassVar[str] = "train"

    epochs: int = 1
    samples: int = 1500
    data: str = DIGITS

    @property
    def label(self) -> str:
        """The case for a table: ``digits, 64-32-10, 32 rows, 30 epochs``."""
        return f"{Path(self.data).stem}, {super().label}, {self.epochs} epochs"

    @property
    def flop(self) -> int:
        """Of the training steps."""
        steps = TrainingStep(self.sizes, self.samples)
        return self.epochs * steps.flop


WORKS = {kind.work: kind for kind in (TrainingStep, Prediction, Training)}
TITLES = {"step": "training step", "predict": "prediction", "train": "whole training"}

STEPS = (
    TrainingStep((2, 8, 1), 4, "sigmoid", "sigmoid"),
    TrainingStep((13, 50, 1), 1),
    TrainingStep((4, 64, 64, 2), 1, "tanh"),
    TrainingStep((4, 64, 64, 2), 32, "tanh"),
    TrainingStep((17, 256, 256, 6), 256, "tanh"),
    TrainingStep((64, 32, 10), 32, output="softmax"),
    TrainingStep((784, 30, 10), 10, "sigmoid", "softmax"),
    TrainingStep((784, 128, 10), 128, output="softmax"),
    TrainingStep((784, 512, 512, 10), 128, output="softmax"),
    TrainingStep((784, 1024, 1024, 10), 1024, output="softmax"),
    TrainingStep((100, 256, 256, 1), 256),
    TrainingStep((32, 64, 64, 64, 64, 3), 16384),
    TrainingStep((1024, 1024, 1024, 1024, 1024), 1024),
    TrainingStep((2048, 4096, 1000), 256, output="softmax"),
    TrainingStep((784, 128, 10), 128, output="softmax", dtype="float64"),
    TrainingStep((784, 1024, 1024, 10), 1024, output="softmax", dtype="float64"),
)

PREDICTIONS = (
    Prediction((4, 64, 64, 2), 1, "tanh"),
    Prediction((17, 256, 256, 6), 1, "tanh"),
    Prediction((784, 128, 10), 1, output="softmax"),
    Prediction((784, 512, 512, 10), 1, output="softmax"),
    Prediction((4, 64, 64, 2), 1024, "tanh"),
    Prediction((784, 128, 10), 1024, output="softmax"),
    Prediction((32, 64, 64, 64, 64, 3), 65536),
    Prediction((784, 1024, 1024, 10), 1024, output="softmax"),
)

TRAININGS = (
    Training((64, 32, 10), 32, output="softmax", epochs=30),
    Training((64, 32, 10), 1500, output="softmax", epochs=300),
)

SHORT = (
    TrainingStep((4, 64, 64, 2), 1, "tanh"),
    TrainingStep((784, 128, 10), 128, output="softmax"),
    TrainingStep((512, 512, 512), 512),
    Prediction((784, 128, 10), 1, output="softmax"),
    Prediction((784, 128, 10), 1024, output="softmax"),
    Training((64, 32, 10), 32, output="softmax", epochs=5),
)


def mnist(path: str) -> tuple[Training, ...]:
    """Return trainings on an npz file of 10 000 MNIST images, 8000 of them to train on."""
    return (
        Training((784, 128, 10), 128, output="softmax", epochs=10, samples=8000, data=path),
        Training((784, 30, 10), 10, output="softmax", epochs=3, samples=8000, data=path),
    )


def small(widths: Iterable[int], batches: Iterable[int]) -> tuple[TrainingStep, ...]:
    """Return training steps of networks of two square layers, for each batch and width."""
    return tuple(TrainingStep((w, w, w), rows) for rows in batches for w in widths)


def select(cases: Sequence[Case], names: Sequence[str] | None) -> list[Case]:
    """Return the cases of these names; all for None.

    Raises
    ------
    ValueError
        If there is no case of a name.
    """
    by_name = {case.name: case for case in cases}
    for name in names or ():
        if name not in by_name:
            raise ValueError(f"cases must be of {', '.join(by_name)}; not {name!r}")
    return [by_name[name] for name in (by_name if names is None else names)]


README = select(
    (*STEPS, *PREDICTIONS, *TRAININGS),
    [
        "step-2-8-1-b4",
        "step-4-64-64-2-b32",
        "step-17-256-256-6-b256",
        "step-784-128-10-b128",
        "step-784-1024-1024-10-b1024",
        "step-32-64-64-64-64-3-b16384",
        "step-1024-1024-1024-1024-1024-b1024",
        "step-784-128-10-b128-f64",
        "step-784-1024-1024-10-b1024-f64",
        "predict-4-64-64-2-b1",
        "predict-784-128-10-b1",
        "predict-784-128-10-b1024",
        "predict-32-64-64-64-64-3-b65536",
        "train-64-32-10-b32",
        "train-64-32-10-b1500",
    ],
)
