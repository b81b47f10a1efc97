"""Four UCI regression sets, one hidden layer of 50, over 20 random splits of 90 % and 10 %.

python examples/uci.py DIRECTORY [--share S]

The directory holds uci_concrete.npz, uci_energy.npz, uci_power.npz and uci_yacht.npz with `x`, `y`
and `test_mask` (20, n). With --share 0.1, a tenth of the epochs is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import deltarule as dr


class Settings(NamedTuple):
    """How a set is trained, the same for all of its splits."""

    hidden: str
    epochs: int
    batch_size: int
    weight_decay: float = 0.0


SETS = {
    "concrete": Settings("relu", epochs=1000, batch_size=32, weight_decay=1e-4),
    "energy": Settings("relu", epochs=1000, batch_size=32),
    "power": Settings("relu", epochs=200, batch_size=128),
    "yacht": Settings("tanh", epochs=1500, batch_size=32),
}


class Split(NamedTuple):
    """A split in the scale of its training rows: mean 0, deviation 1."""

    x: np.ndarray
    y: np.ndarray
    test: np.ndarray
    scale: float  # of the target

    @classmethod
    def scaled(cls, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> Split:
        train = ~test
        deviation = x[train].std(axis=0)
        deviation[deviation == 0] = 1.0
        scale = float(y[train].std())
        return cls(
            (x - x[train].mean(axis=0)) / deviation, (y - y[train].mean()) / scale, test, scale
        )


def held_out_errors(path: Path, settings: Settings, share: float) -> np.ndarray:
    """Return the root mean squared error of each split, in the units of the target."""
    with np.load(path) as data:
        splits = [Split.scaled(data["x"], data["y"], test) for test in data["test_mask"]]
    # All splits lie below each other, and each network trains on the rows of its own.
    x = np.concatenate([s.x for s in splits]).astype(np.float32)
    y = np.concatenate([s.y for s in splits]).astype(np.float32)
    n, epochs = len(splits[0].y), max(1, round(share * settings.epochs))
    fits = dr.fit_many(
        x,
        y,
        [{"seed": k, "rows": k * n + np.flatnonzero(~s.test)} for k, s in enumerate(splits)],
        sizes=[x.shape[1], 50, 1],
        hidden=settings.hidden,
        epochs=epochs,
        batch_size=settings.batch_size,
        optimizer=dr.Adam(weight_decay=settings.weight_decay),
        schedule=dr.schedules.Cosine(0.01, epochs),
    )
    return np.array(
        [
            s.scale * np.sqrt(np.mean((net.predict(s.x[s.test])[:, 0] - s.y[s.test]) ** 2))
            for net, s in zip(fits.networks, splits, strict=True)
        ]
    )


def main(directory: Path, share: float) -> dict[str, float]:
    print("set        mean RMSE   standard error")
    means = {}
    for name, settings in SETS.items():
        errors = held_out_errors(directory / f"uci_{name}.npz", settings, share)
        means[name] = float(errors.mean())
        print(f"{name:10} {errors.mean():9.3f}   {errors.std() / np.sqrt(len(errors)):9.3f}")
    return means


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    main(options.directory, options.share)
