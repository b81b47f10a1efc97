"""Advice after a fit: what keeps the network from learning well, the number behind it, a remedy.

Given after fits of `LEAST_SECONDS` and more, from the course of the loss and from at most
`MOST_ROWS` samples: a hundredth of those trained on, which bounds the cost to about a hundredth of
the fit's time.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.arguments import check_flag
from deltarule.backend import MLPLike, make_compiled
from deltarule.config import resolve_threads
from deltarule.layers import Array

if TYPE_CHECKING:
    from deltarule.training.epochs import Pass
    from deltarule.training.history import History


LEAST_SECONDS = 0.05
MOST_ROWS = 1000

_LEAST_ROWS = 100  # to tell anything of units from
_WIDE, _NARROW = 10.0, 0.05  # root mean square of an input
_DEAD, _SATURATED = 0.4, 0.5  # shares of a layer
_JUMPY = 0.1  # mean rise from epoch to epoch, of the span of the loss
_STILL_FALLING = 0.1  # share of the whole fall in the last fifth of the epochs


class TrainingAdvice(UserWarning):
    """Says what keeps a network from learning well; see `set_advice`."""


_enabled = True


def set_advice(enabled: bool) -> None:
    """Turn the advice that `MLP.fit` gives as warnings on (as it is at first) or off.

    A fit that took 50 ms or more warns, in the category `TrainingAdvice`, of

    - inputs far from unit scale: a column's root mean square above 10, or all below 0.05;
    - dead units: more than 40 % of a layer of relu 0 on every examined sample;
    - saturated units: more than half of a layer's tanh or sigmoid in the outer 1 % of its range;
    - a loss that still falls: a tenth of its fall, or more, in the last fifth of the epochs;
    - a learning rate too high: a loss that ends above its start, or that jumps from epoch to epoch.

    At most 1000 samples are examined, evenly spread, and at most one in a hundred trained on.
    Python's filters work as for any warning: ``warnings.simplefilter("ignore",
    dr.TrainingAdvice)``.

    Parameters
    ----------
    enabled : bool

    Raises
    ------
    TypeError
        If it is neither True nor False.

    Examples
    --------
    >>> import deltarule as dr
    >>> dr.set_advice(False)
    >>> dr.set_advice(True)
    """
    global _enabled
    _enabled = check_flag(enabled, "enabled")


def after_fit(
    network: MLPLike,
    history: History,
    data: Pass[Any],
    epochs: int,
    stacklevel: int,
) -> None:
    """Warn of problems that the last fit shows.

    Parameters
    ----------
    network : MLPLike
    history : History
        Of the fit.
    data : Pass
        Over the data of the fit.
    epochs : int
        How many the fit was to have.
    stacklevel : int
        Of the caller of `MLP.fit`, for `warnings.warn` called from here.
    """
    if not _enabled or sum(history.seconds) < LEAST_SECONDS:
        return
    found: list[str] = []
    lr = history.learning_rate[-1]
    try:
        found += of_the_loss(history, lr, epochs)
        rows = min(MOST_ROWS, data.samples * len(history) // 100)
        if rows >= _LEAST_ROWS:
            x = data.some_rows(rows)
            found += [*of_the_inputs(x), *of_the_units(network, x, lr)]
    except Exception:  # MemoryError, another thread that trains, an error in a custom function
        pass  # the fit itself has succeeded
    for text in found:
        warnings.warn(text, TrainingAdvice, stacklevel=stacklevel)


def of_the_inputs(x: Array) -> Iterator[str]:
    """Yield advice on inputs (n, n_0) that are far from unit scale."""
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        constant = x.min(axis=0) == x.max(axis=0)
        mean = np.where(constant, x[0], x.mean(axis=0))
        deviation = np.where(constant, 0.0, x.std(axis=0))  # of equal values, it may be rounding
        scale = np.hypot(mean, deviation)
    worst = int(scale.argmax())
    if _NARROW <= scale[worst] <= _WIDE or scale[worst] == 0:
        return
    what = "large" if scale[worst] > _WIDE else "small, as are all others"
    drop = " (drop a column that is constant)" if deviation[worst] == 0 else ""
    yield (
        f"the inputs are {what}: column {worst} of x has mean {mean[worst]:.3g} and standard "
        f"deviation {deviation[worst]:.3g} over {len(x)} rows, where about 0 and 1 train best. "
        "Subtract each column's mean and divide by its standard deviation, both of the training "
        f"data, before fit and predict{drop}"
    )


def of_the_units(network: MLPLike, x: Array, lr: float) -> Iterator[str]:
    """Yield advice on hidden layers whose units are dead or saturated on x (n, n_0)."""
    if not {"relu", "tanh", "sigmoid"} & set(network.hidden):
        return
    for layer, (g, a) in enumerate(zip(network.hidden, _activations(network, x), strict=True), 1):
        if g == "relu":
            dead = int((a == 0).all(axis=0).sum())
            if dead > _DEAD * a.shape[1]:
                yield (
                    f"{dead} of the {a.shape[1]} units of hidden layer {layer} are dead: their "
                    f"relu is 0 on all of {len(x)} rows, so they learn no more. Lower the learning "
                    f"rate (it is {lr:g}), scale the inputs, or use hidden='leaky_relu'"
                )
        elif g in ("tanh", "sigmoid"):
            outer = np.abs(a) if g == "tanh" else np.abs(2 * a - 1)
            share = float(np.mean(outer > 0.99))
            if share > _SATURATED:
                yield (
                    f"{share:.0%} of the {g} activations of hidden layer {layer} are saturated, in "
                    f"the outer 1 % of their range on {len(x)} rows, where the gradient is almost "
                    f"0. Scale the inputs, lower the learning rate (it is {lr:g}), or use "
                    "hidden='relu'"
                )


def of_the_loss(history: History, lr: float, epochs: int) -> Iterator[str]:
    """Yield advice on a loss that rises, jumps, or was still falling at the end."""
    loss = np.array(history.loss)
    n = len(loss)
    if n < 5 or not np.isfinite(loss).all():
        return
    steps = np.diff(loss)
    ups = steps[steps > 0]
    span, end = float(loss.max() - loss.min()), float(loss[-max(1, n // 5) :].mean())
    jumps = ups.sum() > _JUMPY * (n - 1) * span
    if span > 0.2 * abs(float(loss.mean())) and (jumps or end > loss[0]):
        yield (
            f"the loss rose in {len(ups)} of {n - 1} epochs, by {ups.sum():.3g} in all: from "
            f"{loss[0]:.3g} it came to {loss.min():.3g} at best and {loss[-1]:.3g} at the end. "
            f"Lower the learning rate: it is {lr:g}, try {lr / 10:g}"
        )
        return
    if n == epochs and history.best_epoch in (None, n):
        yield from _still_falling(history.validation_loss or history.loss, lr)


def _still_falling(losses: Sequence[float], lr: float) -> Iterator[str]:
    loss = np.array(losses)
    n = len(loss)
    last = max(2, n // 5)
    if n < 2 * last + 1 or not np.isfinite(loss).all():
        return
    earlier, before, end = (
        float(part.mean()) for part in (loss[: -2 * last], loss[-2 * last : -last], loss[-last:])
    )
    whole, fell = float(loss[0]) - end, before - end
    if earlier > before and fell > _STILL_FALLING * whole > 0.002 * abs(float(loss[0])):
        yield (
            f"the loss was still falling: from {before:.3g} to {end:.3g}, {fell / whole:.0%} of "
            f"its whole fall, over the last {last} of {n} epochs. Train for more epochs (fit goes "
            f"on where it ended), or raise the learning rate: it is {lr:g}"
        )


def _activations(network: MLPLike, x: Array) -> list[Array]:
    """Return a[1] .. a[L-1] of x, the functions by the reference, each z by a core of one layer.

    NumPy's products would leave the threads of its BLAS awake for 100 ms: in the next fit's way.
    """
    from deltarule.custom.validated import in_reference
    from deltarule.reference.network import activations_of

    functions = activations_of(in_reference(network._architecture), len(network.hidden))
    activations: list[Array] = []
    for W, b, g in zip(network.weights, network.biases, functions, strict=False):
        alone = replace(
            network._architecture, sizes=W.shape[::-1], hidden=(), output="identity",
            loss="squared_error",
        )  # fmt: skip
        layer = make_compiled(alone)
        layer.set_theta(np.concatenate([W.ravel(), b]))
        z = np.empty((len(x), len(b)), network.dtype)
        layer.predict(x, z, resolve_threads(None))
        with np.errstate(all="ignore"):
            x = np.ascontiguousarray(g.value(z), network.dtype)
        activations.append(x)
    return activations
