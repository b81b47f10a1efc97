"""A network on the user's data, C++ beside the reference and beside slopes of the loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from deltarule.arguments import check_flag
from deltarule.backend import MLPLike
from deltarule.config import resolve_threads
from deltarule.errors import DivergenceError
from deltarule.optimizers import Optimizer, check_optimizer
from deltarule.trace.title import title
from deltarule.verification.compare_passes import Passes
from deltarule.verification.compare_slopes import Differences
from deltarule.verification.compare_update import compare_update
from deltarule.verification.comparisons import Comparisons
from deltarule.verification.reference_model import Model
from deltarule.verification.report import Report
from deltarule.verification.sampling import Sampled, Sampling


def verify_network(
    net: MLPLike,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    optimizer: Optimizer | None,
    strict: bool,
    sampling: Sampling,
    threads: int | None,
) -> Report:
    """Return what `MLP.verify` promises."""
    strict, settings = check_flag(strict, "strict"), check_optimizer(optimizer)
    settings._settings_in(net.dtype)
    sampled = sampling.samples(net._architecture, x, y, sample_weight)
    comparisons, model = Comparisons(net.dtype), Model.of(net._architecture)
    if model.has_own:  # NumPy sums in another order, and some passes omit weight 0
        sampled = sampled.of_positive_weight()
    passes = Passes(net, model, sampled.batch, sampled.rows, resolve_threads(threads), comparisons)
    with np.errstate(all="ignore"):
        core, theta = passes.compare()
        differences = Differences(passes, core, theta)
        parameters = differences.compare(sampling.entries(net._architecture))
        try:
            compare_update(passes, settings)
        except DivergenceError:
            if comparisons.ok:  # else the overflow follows from a wrong tensor
                raise
        overall = differences.overall()
    report = make_report(net, comparisons, sampling, sampled, parameters, overall)
    if strict:
        report.raise_if_broken()
    return report


def make_report(
    net: MLPLike,
    comparisons: Comparisons,
    sampling: Sampling,
    sampled: Sampled,
    parameters: int,
    overall: dict[str, float],
) -> Report:
    """Return the report of the comparisons."""
    return Report(
        network=title(net._architecture),
        dtype=net.dtype.name,
        lines=comparisons.lines,
        rows=len(sampled.rows),
        n_samples=sampled.of,
        parameters=parameters,
        n_parameters=net.n_parameters,
        seed=sampling.seed,
        overall=overall,
    )
