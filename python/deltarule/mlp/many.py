"""Many networks that are trained at once, over shared data."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from deltarule._load import core
from deltarule.backend import MLPLike
from deltarule.config import resolve_threads
from deltarule.custom import LossWord
from deltarule.data import validation
from deltarule.data.numeric import numeric
from deltarule.data.samples import Batch
from deltarule.layers import Array
from deltarule.mlp.ensemble import ManyFits
from deltarule.mlp.network import MLP
from deltarule.optimizers import check_optimizer
from deltarule.schedules import Plateau
from deltarule.training.core_call import CoreCall
from deltarule.training.history import History
from deltarule.training.learning_rate import LearningRates
from deltarule.training.options import FitOptions
from deltarule.training.sampling import EpochSampler, generator

# Shared by networks of the same dtype, inputs, outputs and loss.
Data = dict[tuple[str, int, int, LossWord], Batch]

_OF_NETWORK = frozenset(inspect.signature(MLP).parameters)
_OF_FIT = ("epochs", "batch_size", "optimizer", "schedule", "dropout", "shuffle")
# Seconds of one call of the core, and most row numbers drawn ahead (64 MB).
_SLICE_SECONDS = 0.5
_ORDER_LIMIT = 2**23


@dataclass(eq=False)
class _Member:
    """A network of `fit_many` and its training."""

    net: MLP
    batch: Batch
    rows: Array  # of the data that it trains on
    options: FitOptions
    core_call: CoreCall
    history: History = field(default_factory=History)
    lr: Array | None = None  # of the epochs that the core was last given
    before: Any = None  # the generator's state before these epochs were drawn
    diverged: bool = False

    @property
    def sampler(self) -> EpochSampler:
        """Of the network's generator."""
        options = self.options
        return EpochSampler(generator(self.net), options.shuffle, options.dropout is not None)

    @property
    def epochs_left(self) -> int:
        """Epochs still to train."""
        return 0 if self.diverged else self.options.epochs - len(self.history)

    def next_run(self, epochs: int) -> tuple[Any, ...]:
        """Draw the orders of the next epochs, and return the core's arguments for them."""
        sampler, call, n = self.sampler, self.core_call, len(self.rows)
        self.before = sampler.state
        drawn = [sampler.epoch(n) for _ in range(epochs)]
        order = [self.rows if epoch.order is None else self.rows[epoch.order] for epoch in drawn]
        keys = np.array([epoch.key or 0 for epoch in drawn], dtype=np.uint64)
        batch_size = call.samples_per_step(n)
        self.lr = call.rates.of_epochs(epochs, -(-n // batch_size))
        return (
            call.network, *self.batch, np.array(order), epochs, batch_size, call.optimizer, self.lr,
            None if call.dropout is None else (call.dropout, keys),
            core.TrainingResult(),
        )  # fmt: skip

    def record(self, result: core.TrainingResult) -> None:
        """Record the epochs of a call of the core."""
        epochs, self.diverged = len(result.loss), result.diverged
        if self.diverged:
            self.sampler.rewind(self.before, epochs, len(self.rows))
        self.core_call.rates.advance(epochs)
        lr = [self.core_call.lr] * epochs if self.lr is None else self.lr[:, 0].tolist()
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

    Each has the bits of ``MLP(...).fit(...)`` alone. For small networks, which train fastest on one
    thread each: ensembles, cross-validation, searches.

    Parameters
    ----------
    x, y, sample_weight
        As for `MLP.fit`; shared by the networks, not copied.
    configs : sequence of mappings
        One per network: arguments of `MLP` (`sizes`, `hidden`, `output`, `seed`, ...), and of its
        fit `epochs`, `batch_size`, `optimizer`, `schedule` (no Plateau), `dropout`, `shuffle` and
        `rows`: the samples it trains on, as indices or as a mask of bools, all by default; the
        others are its held-out rows.
    threads : int, optional
        At most; by default `get_num_threads`.
    **common
        For every network, unless its own configuration overrides it.

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
    A network whose loss is not finite any more stays at its last finite epoch and is marked
    `diverged` in the table; the others continue.

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
    known = (*_OF_FIT, "rows")
    unknown = [name for name in settings if name not in _OF_NETWORK and name not in known]
    if unknown:
        raise TypeError(f"{unknown[0]!r} is no argument of MLP, and none of {', '.join(known)}")
    of_fit = {name: settings.pop(name) for name in _OF_FIT if name in settings}
    rows_given = settings.pop("rows", None)
    if "sizes" not in settings:
        raise TypeError("sizes must be given")
    net = MLP(**settings)
    key = (net.dtype.name, net.sizes[0], net.sizes[-1], net.loss)
    if key not in data:
        data[key] = validation.checked_batch(net._architecture, x, y, sample_weight)
    batch = data[key]
    rows = _rows(rows_given, len(batch[0]))
    if batch[2] is not None:
        validation.sample_weights(batch[2][rows], len(rows), "sample_weight of rows")
    check_optimizer(of_fit.get("optimizer"))
    if isinstance(of_fit.get("schedule"), Plateau):
        raise TypeError("schedule must be one of the epoch alone, not a Plateau")
    options = FitOptions.checked(net._architecture, **of_fit)
    learning_rates = LearningRates(options.schedule, net, options.epochs)
    learning_rates.of_epochs(
        max(1, options.epochs), 1
    )  # a user's function is checked for all epochs
    core_call = CoreCall.of_fit(cast("MLPLike", net), options, learning_rates)
    return _Member(net, batch, rows, options, core_call)


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
    while active := [m for m in members if m.epochs_left]:
        runs = [m.next_run(min(epochs, m.epochs_left)) for m in active]
        start = time.perf_counter()
        _train_side_by_side(runs, threads)
        seconds = (time.perf_counter() - start) / epochs
        for member, run in zip(active, runs, strict=True):
            member.record(run[-1])
        by_memory = _ORDER_LIMIT // sum(len(m.rows) for m in active)
        epochs = int(max(1, min(_SLICE_SECONDS / max(seconds, 1e-9), by_memory)))


def _train_side_by_side(runs: list[tuple[Any, ...]], threads: int) -> None:
    """Train compiled networks in one team of the core; those with custom functions one by one."""
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
