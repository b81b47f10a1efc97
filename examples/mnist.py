"""10 000 MNIST images, 784-128-10: the first 8000 to train on, the last 2000 held out.

python examples/mnist.py mnist10k.npz [--epochs N]

The file holds `images` (10000, 28, 28) uint8 and `labels` (10000,).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import deltarule as dr


def main(path: Path, epochs: int) -> float:
    with np.load(path) as data:
        x = data["images"].reshape(-1, 784).astype(np.float32) / 255
        labels = data["labels"].astype(np.int64)
    net = dr.MLP([784, 128, 10], output="softmax", seed=0)
    history = net.fit(
        x[:8000],
        labels[:8000],
        epochs=epochs,
        batch_size=64,
        optimizer=dr.SGD(lr=0.05, momentum=0.9),
        validation_data=(x[8000:], labels[8000:]),
    )
    accuracy = float((net.predict(x[8000:]).argmax(axis=1) == labels[8000:]).mean())
    print(f"{epochs} epochs in {sum(history.seconds):.2f} s, held-out accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    main(options.data, options.epochs)
