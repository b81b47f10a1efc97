"""Per-sample gradients and Hessian-vector products beside torch.func's.

    python benchmarks/derivatives.py [--rounds R] [--seconds S] [--threads T] [--dtype D]

torch: vmap(grad) and jvp of grad, each on the same parameters, data and threads. A round gives each
way its turn; the medians are of a turn's mean time, the ratios of turns of the same round. What
they compute is compared before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.func import grad, jvp, vmap

import deltarule as dr

CASES = [([17, 256, 256, 6], 256), ([64, 32, 10], 1000)]
Work = Callable[[], Any]


def torch_loss(sizes: list[int]) -> Callable[..., torch.Tensor]:
    """Return the loss of (theta, x, y): 1/2 |y_hat - y|^2 of tanh layers, mean over the rows."""

    def loss(parameters: dict[str, Any], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a = x
        for i in range(1, len(sizes)):
            z = torch.nn.functional.linear(a, parameters[f"W{i}"], parameters[f"b{i}"])
            a = torch.tanh(z) if i < len(sizes) - 1 else z
        return 0.5 * ((a - y) ** 2).sum(-1).mean()

    return loss


def named(net: dr.MLP, theta: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the tensors of a vector like theta, by name."""
    grads = net._gradients(np.array(theta, dtype=net.dtype))
    tensors = {f"W{i}": torch.tensor(W) for i, W in enumerate(grads.weights, 1)}
    return tensors | {f"b{i}": torch.tensor(b) for i, b in enumerate(grads.biases, 1)}


def flat(tensors: dict[str, torch.Tensor], rows: int | None = None) -> np.ndarray:
    """Return such tensors as one vector, or one a row."""
    parts = [t.reshape(-1) if rows is None else t.reshape(rows, -1) for t in tensors.values()]
    return torch.cat(parts, dim=-1).detach().numpy()


def ways(sizes: list[int], rows: int, dtype: str) -> dict[str, dict[str, tuple[Work, Work]]]:
    """Return by quantity and package what is timed, and the same as an array."""
    rng = np.random.default_rng(0)
    net = dr.MLP(sizes, hidden="tanh", dtype=dtype, seed=0)
    x, y = (rng.standard_normal((rows, n)).astype(dtype) for n in (sizes[0], sizes[-1]))
    v = rng.standard_normal(net.n_parameters).astype(dtype)
    loss, theta, along = torch_loss(sizes), named(net, net.theta), named(net, v)
    X, Y = torch.tensor(x), torch.tensor(y)
    samples = vmap(grad(loss), in_dims=(None, 0, 0))

    def product() -> dict[str, torch.Tensor]:
        return jvp(lambda t: grad(loss)(t, X, Y), (theta,), (along,))[1]

    return {
        "per-sample gradients": {
            "deltarule": (w := lambda: net.per_sample_gradients(x, y), w),
            "torch.func": (lambda: samples(theta, X, Y), lambda: flat(samples(theta, X, Y), rows)),
        },
        "hvp": {
            "deltarule": (w := lambda: net.hvp(x, y, v), w),
            "torch.func": (product, lambda: flat(product())),
        },
    }


def turn(work: Work, seconds: float) -> float:
    """Return the mean time of calls over some seconds."""
    calls, start = 0, time.perf_counter()
    while (taken := time.perf_counter() - start) < seconds or not calls:
        work()
        calls += 1
    return taken / calls


def main() -> None:
    """Compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32,float64")
    options = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)
    dr.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    dr.show_config()
    print(f"torch {torch.__version__}, {options.threads} threads")
    for sizes, rows in CASES:
        for dtype in options.dtype.split(","):
            for quantity, packages in ways(sizes, rows, dtype).items():
                ours, theirs = (check() for _, check in packages.values())
                error = np.abs(ours - theirs).max() / np.abs(theirs).max()
                times: dict[str, list[float]] = {name: [] for name in packages}
                for _ in range(options.rounds):
                    for name, (work, _) in packages.items():
                        work()
                        times[name].append(turn(work, options.seconds))
                        time.sleep(0.2)  # threads that spin after their work come to rest
                a, b = times.values()
                ratio = statistics.median(t / o for o, t in zip(a, b, strict=True))
                shape = "-".join(map(str, sizes))
                print(
                    f"{shape:14} x {rows:4}  {dtype}  {quantity:20}  deltarule "
                    f"{statistics.median(a) * 1e3:8.3f} ms, torch.func "
                    f"{statistics.median(b) * 1e3:8.3f} ms: {ratio:5.2f} x  (error {error:.0e})"
                )


if __name__ == "__main__":
    main()
