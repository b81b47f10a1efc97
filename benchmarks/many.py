"""32 networks of 64-32-10 over the digits: `fit_many`, a loop over `fit`, joblib over scikit-learn.

    python benchmarks/many.py [--networks K] [--epochs N] [--rounds R] [--threads T]

All take the same SGD, batch size and epochs; the rounds are interleaved and the medians are of
their times. joblib's processes are started before the first round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import joblib
import sklearn
from sklearn.neural_network import MLPClassifier

import deltarule as dr

LR, BATCH = 0.1, 32


def scikit_learn(seed: int, epochs: int) -> float:
    """Train one network of scikit-learn's."""
    import warnings

    x, y = dr.load_digits()
    net = MLPClassifier(
        (32,),
        solver="sgd",
        alpha=0.0,
        batch_size=BATCH,
        learning_rate_init=LR,
        momentum=0.0,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(net.fit(x, y).score(x, y))


def main() -> None:
    """Print the medians and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    dr.set_num_threads(options.threads)
    dr.show_config()
    print(
        f"joblib {joblib.__version__}, scikit-learn {sklearn.__version__}, "
        f"{options.threads} workers"
    )
    x, y = dr.load_digits()
    seeds, epochs, optimizer = range(options.networks), options.epochs, dr.SGD(lr=LR)
    pool = joblib.Parallel(n_jobs=options.threads)

    def many() -> None:
        dr.fit_many(
            x, y, [{"seed": s} for s in seeds], sizes=[64, 32, 10], output="softmax",
            epochs=epochs, batch_size=BATCH, optimizer=optimizer,
        )  # fmt: skip

    def loop() -> None:
        for seed in seeds:
            net = dr.MLP([64, 32, 10], output="softmax", seed=seed)
            net.fit(x, y, epochs=epochs, batch_size=BATCH, optimizer=optimizer)

    def peer() -> None:
        pool(joblib.delayed(scikit_learn)(seed, epochs) for seed in seeds)

    ways: dict[str, Callable[[], None]] = {
        "fit_many": many, "loop over fit": loop, "joblib over scikit-learn": peer,
    }  # fmt: skip
    pool(joblib.delayed(scikit_learn)(seed, 1) for seed in range(options.threads))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
            time.sleep(0.2)  # threads that spin after their work come to rest
    for name, taken in times.items():
        ratios = [t / ours for t, ours in zip(taken, times["fit_many"], strict=True)]
        print(
            f"{name:25} {statistics.median(taken) * 1e3:9.1f} ms   "
            f"{statistics.median(ratios):6.2f} times fit_many "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
