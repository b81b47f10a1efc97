"""A network on the user's data, C++ beside the reference and beside slopes of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule import checks
from deltarule.architecture import Architecture
from deltarule.arguments import check_flag, check_optimizer, whole_number
from deltarule.config import resolve_threads
from deltarule.data.samples import Batch
from deltarule.optimizers import Optimizer
from deltarule.proof.differences import Differences
from deltarule.proof.ledger import Ledger
from deltarule.proof.model import Model
from deltarule.proof.passes import Passes
from deltarule.proof.report import Report
from deltarule.proof.update import compare_update

if TYPE_CHECKING:
    from deltarule.network import MLP

Array = NDArray[Any]


def verify_network(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    optimizer: Optimizer | None,
    strict: bool,
    seed: int,
    max_rows: int | None,
    max_entries: int | None,
    threads: int | None,
) -> Report:
    """Return what `MLP.verify` promises."""
    optimizer, strict = check_optimizer(optimizer), check_flag(strict, "strict")
    optimizer._settings_in(net.dtype)
    seed, most_rows, most_entries = check_sampling(seed, max_rows, max_entries)
    model, generator = Model.of(net._architecture), np.random.default_rng(seed)
    batch, rows, n_samples = chosen_rows(
        net._architecture, x, y, sample_weight, most_rows, generator
    )
    passes = Passes(net, model, batch, rows, resolve_threads(threads), Ledger(net.dtype))
    with np.errstate(all="ignore"):
        core, theta = passes.compare()
        differences = Differences(passes, core, theta)
        parameters = differences.compare(most_entries, generator)
        compare_update(passes, optimizer)
        overall = differences.overall()
    report = Report(
        network=title(net._architecture),
        dtype=net.dtype.name,
        lines=passes.ledger.lines,
        rows=len(rows),
        n_samples=n_samples,
        parameters=parameters,
        n_parameters=net.n_parameters,
        seed=seed,
        overall=overall,
    )
    if strict:
        report.raise_if_broken()
    return report


def check_sampling(
    seed: object, max_rows: object, max_entries: object
) -> tuple[int, int | None, int | None]:
    """Return seed and limits as they are used, None for no limit."""
    return (
        whole_number(seed, "seed", 0),
        None if max_rows is None else whole_number(max_rows, "max_rows", 1),
        None if max_entries is None else whole_number(max_entries, "max_entries", 1),
    )


def chosen_rows(
    network: Architecture,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    most: int | None,
    generator: np.random.Generator,
) -> tuple[Batch, Array, int]:
    """Return some samples in their order, which they are, and of how many.

    One of them has a weight above 0.
    """
    samples = checks.checked_samples(network, x, y, sample_weight)
    n, weight = len(samples), samples.weight
    rows = np.arange(n)
    if most is not None and n > most:
        rows = generator.choice(n, most, replace=False)
        if weight is not None and not weight[rows].any():
            rows[0] = weight.argmax()
        rows.sort()
    return samples.take(rows), rows, n


def title(network: Architecture) -> str:
    """Return what a network is, in a line."""
    words = network.hidden[:1] if len(set(network.hidden)) == 1 else network.hidden
    hidden = f"hidden {', '.join(map(str, words))}; " if words else ""
    return (
        f"MLP {'-'.join(map(str, network.sizes))}, {network.dtype.name}: {hidden}"
        f"output {network.output}; loss {network.loss} ({network.reduction})"
    )
