"""The estimators of `deltarule.sklearn` beside scikit-learn's, with equal settings: time and score.

    python benchmarks/estimators.py [--data DIRECTORY] [--rounds R] [--threads T]

The digits are in the package; the directory may hold mnist10k.npz and uci_*.npz. Each pair starts
from the same random state, so that it takes the same weights and batches; the rounds are
interleaved, the times are medians. Scores are of held-out rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn import neural_network as peers

import deltarule as dr
from deltarule import sklearn as ours


class Case(NamedTuple):
    """Data, cut into training and held-out rows, and the settings of both sides."""

    name: str
    estimator: str
    x: np.ndarray
    y: np.ndarray
    held_out: np.ndarray
    settings: dict[str, Any]


def digits() -> Case:
    """Return the digits, every fifth held out."""
    x, y = dr.load_digits()
    settings = {"hidden_layer_sizes": (32,), "solver": "sgd", "momentum": 0.9, "max_iter": 30}
    settings |= {"learning_rate_init": 0.05, "batch_size": 32}
    return Case("digits 64-32-10", "MLPClassifier", x, y, np.arange(len(x)) % 5 == 0, settings)


def mnist(path: Path) -> Case:
    """Return 10 000 images, the last 2000 held out."""
    with np.load(path) as data:
        x, y = data["images"].reshape(-1, 784).astype(np.float32) / 255, data["labels"]
    settings = {"hidden_layer_sizes": (128,), "solver": "sgd", "momentum": 0.9, "max_iter": 10}
    settings |= {"learning_rate_init": 0.05, "batch_size": 64}
    held_out = np.arange(len(x)) >= 8000
    return Case("mnist10k 784-128-10", "MLPClassifier", x, y.astype(np.int64), held_out, settings)


# Epochs a set, and rows a batch: those of the scikit-learn runs that the README of the data quotes.
UCI = {"concrete": (600, 32), "energy": (1000, 32), "power": (100, 128), "yacht": (1500, 32)}


def uci(path: Path, name: str) -> Case:
    """Return the first split of a set, in the scale of its training rows."""
    with np.load(path) as data:
        x, y, held_out = data["x"], data["y"], data["test_mask"][0]
    deviation = x[~held_out].std(axis=0)
    deviation[deviation == 0] = 1.0
    x = (x - x[~held_out].mean(axis=0)) / deviation
    y = (y - y[~held_out].mean()) / y[~held_out].std()
    epochs, batch = UCI[name]
    settings = {"hidden_layer_sizes": (50,), "solver": "adam", "max_iter": epochs}
    settings |= {"learning_rate_init": 0.005, "batch_size": batch}
    return Case(f"{name} {x.shape[1]}-50-1", "MLPRegressor", x, y, held_out, settings)


def fit(module: Any, case: Case, seed: int) -> tuple[float, float]:
    """Train; return the seconds and the score on the held-out rows."""
    settings = {"alpha": 0.0, "tol": 0.0, "n_iter_no_change": 10_000, "random_state": seed}
    estimator = getattr(module, case.estimator)(**settings, **case.settings)
    x, y = case.x[~case.held_out], case.y[~case.held_out]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        estimator.fit(x, y)
        seconds = time.perf_counter() - start
    return seconds, float(estimator.score(case.x[case.held_out], case.y[case.held_out]))


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    dr.set_num_threads(options.threads)
    dr.show_config()
    print(f"scikit-learn {sklearn.__version__}")
    cases = [digits()]
    if options.data:
        cases.append(mnist(options.data / "mnist10k.npz"))
        cases += [uci(options.data / f"uci_{name}.npz", name) for name in UCI]
    print(f"{'':22}{'deltarule':>12}{'scikit-learn':>14}   ratio (least to most)   scores")
    for case in cases:
        pairs = []
        for seed in range(options.rounds):
            pairs.append((*fit(ours, case, seed), *fit(peers, case, seed)))
            time.sleep(0.2)  # threads that spin after their work come to rest
        mine, score, theirs, their_score = (statistics.median(v) for v in zip(*pairs, strict=True))
        ratios = [pair[2] / pair[0] for pair in pairs]
        print(
            f"{case.name:22}{mine * 1e3:9.0f} ms{theirs * 1e3:11.0f} ms   "
            f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            f"     {score:.4f} and {their_score:.4f}"
        )


if __name__ == "__main__":
    main()
