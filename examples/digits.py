"""Handwritten digits, 8 x 8 pixels: held-out accuracy over five stratified splits.

python examples/digits.py [--epochs N]
"""

from __future__ import annotations

import argparse

import numpy as np

import deltarule as dr

FOLDS = 5


def stratified_folds(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each sample, every class spread evenly over the folds."""
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        samples = rng.permutation(np.flatnonzero(labels == label))
        fold[samples] = np.arange(len(samples)) % FOLDS
    return fold


def main(epochs: int) -> float:
    x, labels = dr.load_digits()
    fold = stratified_folds(labels, np.random.default_rng(0))
    fits = dr.fit_many(
        x,
        labels,
        [{"seed": k, "rows": fold != k} for k in range(FOLDS)],
        sizes=[64, 128, 10],
        output="softmax",
        epochs=epochs,
        batch_size=32,
        optimizer=dr.Adam(),
        schedule=dr.schedules.Cosine(0.004, epochs),
    )
    scores = [
        float((net.predict(x[fold == k]).argmax(axis=1) == labels[fold == k]).mean())
        for k, net in enumerate(fits.networks)
    ]
    print("held-out accuracy by split:", *(f"{score:.4f}" for score in scores))
    print(f"mean {np.mean(scores):.4f}")
    return float(np.mean(scores))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    main(parser.parse_args().epochs)
