"""Many networks that are trained at once, over shared data."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deltarule._load import core
from deltarule.arguments import (
    check_batch_size,
    check_dropout,
    check_flag,
    whole_number,
)
from deltarule.config import resolve_threads
from deltarule.custom import LossWord
from deltarule.data import validation
from deltarule.data.numeric import numeric
from deltarule.data.samples import Batch
from deltarule.mlp.ensemble import ManyFits
from deltarule.mlp.network import MLP
from deltarule.optimizers import Optimizer, check_optimizer
from deltarule.schedules import Plateau
from deltarule.training.history import History
from deltarule.training.learning_rate import check_schedule, is_vector, rates
from deltarule.training.sampling import Draws, generator

Array = NDArray[Any]
# What networks of the same dtype, inputs, outputs and loss share.
Data = dict[tuple[str, int, int, LossWord], Batch]

_NETWORK = frozenset(inspect.signature(MLP).parameters)
_FIT = {
    "epochs": 10,
    "batch_size": "auto",
    "optimizer": None,
    "schedule": None,
    "dropout": 0.0,
    "shuffle": True,
    "rows": None,
}
# Seconds of a call of the core, and row numbers drawn ahead at most (64 MB).
_SLICE_SECONDS = 0.5
_ORDER_LIMIT = 2**23


@dataclass
class _Member:
    """A network of `fit_many` and its training."""

    net: MLP
    batch: Batch
    rows: Array  # of the data that it trains on
    epochs: int
    batch_size: int
    optimizer: Optimizer
    schedule: Any
    dropout: Array | None
    shuffle: bool
    history: History = field(default_factory=History)
    rates: Array | None = None  # of the epochs that the core was last given
    before: Any = None  # the generator's state before these epochs were drawn
    diverged: bool = False

    @property
    def draws(self) -> Draws:
        return Draws(generator(self.net), self.shuffle, self.dropout is not None)

    @property
    def left(self) -> int:
        return 0 if self.diverged else self.epochs - len(self.history)

    def run(self, epochs: int) -> tuple[Any, ...]:
        """Return the arguments of the core for the next epochs; draws their orders."""
        draws = self.draws
        self.before = draws.state
        order = np.empty((epochs, len(self.rows)), dtype=np.int64)
        keys = np.zeros(epochs, dtype=np.uint64)
        for epoch in range(epochs):
            drawn = draws.epoch(len(self.rows))
            order[epoch] = self.rows if drawn.order is None else self.rows[drawn.order]
            keys[epoch] = drawn.key or 0
        settings = self.optimizer._settings_in(self.net.dtype)
        first = len(self.history)
        if isinstance(self.schedule, np.ndarray):
            self.rates = self.schedule[first : first + epochs]
        elif self.schedule is not None:
            steps = -(-len(self.rows) // self.batch_size)
            self.rates = rates(self.schedule, first, epochs, steps)
        return (
            self.net._core, *self.batch, order, epochs, self.batch_size, settings, self.rates,
            None if self.dropout is None else (self.dropout, keys),
            core.TrainingResult(),
        )  # fmt: skip

    def take(self, result: core.TrainingResult) -> None:
        """Enter what a call of the core did."""
        self.diverged = result.diverged
        if self.diverged:
            self.draws.go_back(self.before, len(result.loss), len(self.rows))
        self.net._epochs += len(result.loss)
        constant = [float(self.optimizer.lr)] * len(result.loss)
        lr = constant if self.rates is None else self.rates[:, 0].tolist()
        self.history._extend(result.loss, [], result.seconds, lr)


def fit_many(
    x: ArrayLike,
    y: ArrayLike,
    configs: Sequence[Mapping[str, Any]],
    *,
    sample_weight: ArrayLike | None = None,
    threads: int | None = None,
    **common: Any,
) -> ManyFits:
    """Train many networks over the same data, each on one thread, several at a time.

    Each comes out with the bits that ``MLP(...).fit(...)`` would give it alone. For small networks,
    which one thread each trains fastest: ensembles, cross-validation, searches.

    Parameters
    ----------
    x, y, sample_weight
        As for `MLP.fit`; shared, not copied for a network.
    configs : sequence of mappings
        One a network: arguments of `MLP` (`sizes`, `hidden`, `output`, `seed`, ...), and of its
        fit `epochs`, `batch_size`, `optimizer`, `schedule` (no Plateau), `dropout`, `shuffle` and
        `rows`: the samples it trains on, as indices or as a mask of bools, all by default; the
        others are its held-out rows.
    threads : int, optional
        At most; by default `get_num_threads`.
    **common
        The same for every network, where its own configuration does not say otherwise.

    Returns
    -------
    ManyFits
        `networks`, `histories`, `table`.

    Raises
    ------
    TypeError, ValueError
        Naming the configuration by its position, before anything is trained.

    Notes
    -----
    A network whose loss is not finite any more is left at its last finite epoch and marked
    `diverged` in the table; the others go on.

    Examples
    --------
    >>> import deltarule as dr
    >>> x, y = dr.load_digits()
    >>> fits = dr.fit_many(
    ...     x, y, [{"seed": s} for s in range(4)], sizes=[64, 16, 10], output="softmax", epochs=3,
    ...     optimizer=dr.SGD(lr=0.1),
    ... )
    >>> len(fits.networks), fits.table[2]["seed"]
    (4, 2)
    >>> mean, std = dr.MLPEnsemble(fits.networks).predict(x[:5], return_std=True)
    >>> mean.shape, std.shape
    ((5, 10), (5, 10))
    """
    limit = resolve_threads(threads)
    if isinstance(configs, Mapping | str) or not isinstance(configs, Sequence) or not configs:
        raise TypeError(f"configs must be a sequence of mappings, not {configs!r}")
    data: Data = {}
    members = []
    for i, config in enumerate(configs):
        try:
            members.append(_member(x, y, sample_weight, config, common, data))
        except (TypeError, ValueError) as error:
            raise type(error)(f"configs[{i}]: {error}") from None
    owners: dict[int, int] = {}
    for i, member in enumerate(members):
        first = owners.setdefault(id(member.net._rng), i)
        if first != i:
            raise ValueError(f"configs[{i}]: seed is the generator of configs[{first}]")
    _train(members, limit)
    table = [
        _row(config, common, member, limit) for config, member in zip(configs, members, strict=True)
    ]
    return ManyFits([m.net for m in members], [m.history for m in members], table)


def _member(
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    config: Mapping[str, Any],
    common: Mapping[str, Any],
    data: Data,
) -> _Member:
    if not isinstance(config, Mapping):
        raise TypeError(f"must be a mapping, not {config!r}")
    settings = {**common, **config}
    unknown = [name for name in settings if name not in _NETWORK and name not in _FIT]
    if unknown:
        raise TypeError(f"{unknown[0]!r} is no argument of MLP, and none of {', '.join(_FIT)}")
    fit = {name: settings.pop(name, default) for name, default in _FIT.items()}
    if "sizes" not in settings:
        raise TypeError("sizes must be given")
    net = MLP(**settings)
    key = (net.dtype.name, net.sizes[0], net.sizes[-1], net.loss)
    if key not in data:
        data[key] = validation.checked_batch(net._architecture, x, y, sample_weight)
    batch = data[key]
    rows = _rows(fit["rows"], len(batch[0]))
    if batch[2] is not None:
        validation.sample_weights(batch[2][rows], len(rows), "sample_weight of rows")
    size = check_batch_size(fit["batch_size"])
    return _Member(
        net=net,
        batch=batch,
        rows=rows,
        epochs=whole_number(fit["epochs"], "epochs", 0),
        batch_size=len(rows) if size is None else min(len(rows), size),
        optimizer=_fitting_optimizer(fit["optimizer"], net),
        schedule=_schedule(fit["schedule"], whole_number(fit["epochs"], "epochs", 0)),
        dropout=check_dropout(fit["dropout"], len(net.hidden)),
        shuffle=check_flag(fit["shuffle"], "shuffle"),
    )


def _schedule(schedule: object, epochs: int) -> Any:
    """Return the schedule, or, of a user's function, the rates of all epochs, all of them good."""
    checked = check_schedule(schedule)
    if isinstance(checked, Plateau):
        raise TypeError("schedule must be one of the epoch alone, not a Plateau")
    if checked is None:
        return None
    table = rates(checked, 0, epochs, 1)
    return checked if is_vector(checked) else table


def _fitting_optimizer(optimizer: object, net: MLP) -> Optimizer:
    checked = check_optimizer(optimizer)
    checked._settings_in(net.dtype)
    return checked


def _rows(rows: object, n: int) -> Array:
    """Return row numbers: a private copy, all in 0..n-1."""
    if rows is None:
        return np.arange(n)
    array = np.array(numeric(rows, "rows"))
    if array.ndim != 1:
        raise ValueError(f"rows must be 1-D, but has shape {array.shape}")
    if not len(array):
        raise ValueError("rows must name at least one sample")
    if np.asarray(rows).dtype == bool:
        if len(array) != n:
            raise ValueError(f"rows must be a mask of {n}, one a sample, but has {len(array)}")
        array = np.flatnonzero(array)
        if not len(array):
            raise ValueError("rows must name at least one sample, but is False throughout")
    elif array.dtype.kind not in "iu":
        raise TypeError(f"rows must be indices or a mask of bools, not {array.dtype.name}")
    if array.min() < 0 or array.max() >= n:
        bad = array[(array < 0) | (array >= n)][0]
        raise ValueError(f"rows must be in 0..{n - 1}, not {bad}")
    return array.astype(np.int64)


def _train(members: list[_Member], threads: int) -> None:
    epochs = 1
    while any(m.left for m in members):
        at_work = [m for m in members if m.left]
        runs = [m.run(min(epochs, m.left)) for m in at_work]
        start = time.perf_counter()
        _train_side_by_side(runs, threads)
        seconds = (time.perf_counter() - start) / epochs
        for member, run in zip(at_work, runs, strict=True):
            member.take(run[-1])
        by_memory = _ORDER_LIMIT // sum(len(m.rows) for m in at_work)
        epochs = int(max(1, min(_SLICE_SECONDS / max(seconds, 1e-9), by_memory)))


def _train_side_by_side(runs: list[tuple[Any, ...]], threads: int) -> None:
    """Train each in the core's team; those with functions of the user's own one by one."""
    compiled: list[tuple[Any, ...]] = []
    others: list[tuple[Any, ...]] = []
    for run in runs:
        is_compiled = isinstance(run[0], core.NetworkF32 | core.NetworkF64)
        (compiled if is_compiled else others).append(run)
    if compiled:
        core.train_many(compiled, min(threads, len(compiled)))
    for network, *arguments, result in others:
        network.train(*arguments, None, 1, math.inf, result)


def _row(
    config: Mapping[str, Any], common: Mapping[str, Any], member: _Member, threads: int
) -> dict[str, Any]:
    x, y, weight = member.batch
    out = np.setdiff1d(np.arange(len(x)), member.rows)
    held_out = None
    some = None if weight is None else weight[out]
    if len(out) and (some is None or some.any()):
        held_out = member.net._core.evaluate(x[out], y[out], some, threads)
    return {
        **common,
        **config,
        "epochs": len(member.history),
        "loss": member.history.loss[-1] if member.history.loss else None,
        "held_out_loss": held_out,
        "diverged": member.diverged,
    }
