"""Two UCI regression sets, one hidden layer of 50: training loss by optimizer, from the same start.

python examples/second_order.py DIRECTORY

The directory holds uci_yacht.npz and uci_energy.npz with `x` and `y`. All rows are trained on, in
the scale of mean 0 and deviation 1.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import deltarule as dr

ADAM_EPOCHS = 2000
FITS: dict[str, dict[str, Any]] = {
    "Levenberg-Marquardt": {"optimizer": dr.LevenbergMarquardt(), "epochs": 50},
    "L-BFGS": {"optimizer": dr.LBFGS(), "epochs": 500},
    "Adam": {
        "optimizer": dr.Adam(),
        "epochs": ADAM_EPOCHS,
        "batch_size": 32,
        "schedule": dr.schedules.Cosine(0.01, ADAM_EPOCHS),
    },
}


def scaled(values: np.ndarray) -> np.ndarray:
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation == 0, 1.0, deviation)


def training_losses(path: Path) -> dict[str, float]:
    """Return the training loss, 1/2 of the mean squared error, that each optimizer comes to."""
    with np.load(path) as data:
        x, y = scaled(data["x"]), scaled(data["y"])
    losses = {}
    for name, fit in FITS.items():
        net = dr.MLP([x.shape[1], 50, 1], hidden="tanh", dtype="float64", seed=0)
        began = time.perf_counter()
        net.fit(x, y, **fit)
        losses[name] = net.evaluate(x, y)
        seconds = time.perf_counter() - began
        print(f"{path.stem:12} {name:20} {fit['epochs']:6}   {losses[name]:.2e}   {seconds:6.2f} s")
    return losses


def main(directory: Path) -> dict[str, dict[str, float]]:
    print("set          optimizer            epochs   loss         time")
    return {name: training_losses(directory / f"uci_{name}.npz") for name in ("yacht", "energy")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    main(parser.parse_args().directory)
