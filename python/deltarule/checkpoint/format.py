"""The format of a checkpoint: a run as tensors and metadata, and the run restored from them.

A checkpoint is a model file of the present network. It has a part "checkpoint" beside the
architecture, and these tensors beside W1.. and b1..: m and v, the optimizer state; other.theta,
other.m and other.v, the network after its best epoch, or after its last one where the run is over
and has restored the best; history.*, one number per epoch; blocks, (k, 2), loss and weight of the
completed blocks of a begun epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule._load import core
from deltarule.backend import MLPLike, State
from deltarule.checkpoint import rng_state
from deltarule.checkpoint.data_digest import compare
from deltarule.checkpoint.options_json import schedule_from_json, schedule_to_json
from deltarule.data.streams import Stream
from deltarule.errors import ModelFileError
from deltarule.io.json_fields import Fields
from deltarule.layers import Array
from deltarule.schedules import Plateau
from deltarule.training.early_stopping import MonitorState
from deltarule.training.history import History
from deltarule.training.learning_rate import PlateauState
from deltarule.training.progress import Partial, Progress

if TYPE_CHECKING:
    from deltarule.data.samples import Samples
    from deltarule.training.epochs import Pass
    from deltarule.training.observers import Observers

Tensors = dict[str, Array]
Json = dict[str, Any]

VERSION = 1

_LISTS = ("loss", "validation_loss", "learning_rate", "seconds")
_ENDS = ("", "early stopping", "callback")


@dataclass(frozen=True)
class SavedRun:
    """A run in a checkpoint.

    Attributes
    ----------
    progress : Progress
        Without a call that runs.
    history : History
        Of the complete epochs.
    generator : dict
        The state of the network's random generator before the next epoch.
    epochs_before : int
        The epochs of the network's earlier fits.
    split_seed : int or None
    is_over : bool
        Whether the run has ended.
    run, data, keeping : dict
        As JSON: the options of the fit, the fingerprints of its data, how checkpoints are kept.
    source : str
        The file, for messages.
    """

    progress: Progress
    history: History
    generator: Json
    epochs_before: int
    split_seed: int | None
    is_over: bool
    run: Json
    data: Json
    keeping: Json
    source: str = ""

    def check_fit(
        self,
        passes: Pass[Any],
        observers: Observers,
        data: Samples | Stream,
        validation: Samples | None,
    ) -> None:
        """Raise unless the run can be continued by that fit on these data.

        Raises
        ------
        ValueError
            If the data are not those of the run.
        ModelFileError
            If the fit cannot be in the state of the run.
        """
        fields = Fields(self.data, "checkpoint.data")
        over = fields.part("over").all()
        if over != passes.metadata:
            raise ValueError(
                f"x must be of the kind that the run was given, {_kind(over)}, "
                f"not {_kind(passes.metadata)}"
            )
        for samples, part, where in (
            (None if isinstance(data, Stream) else data, "training", ""),
            (validation, "validation", "validation_data: "),
        ):
            if (samples is not None) != fields.has(part):
                raise ModelFileError(f"{self.source}: checkpoint.data.{part} makes no sense")
            if samples is not None:
                compare(samples, fields.part(part), where)
        progress, history, monitor = self.progress, self.history, observers.monitor
        is_monitored = monitor is not None and progress.epochs > 0
        keeps_best = is_monitored and monitor is not None and monitor.settings.restore_best
        validated = 0 if validation is None else progress.epochs
        for is_possible, part in (
            (passes.can_begin(progress.partial), "partial"),
            (tuple(history.metrics) == observers.metric_names, "metrics"),
            (len(history.validation_loss) == validated, "history"),
            ((progress.monitor is not None) == is_monitored, "followed"),
            ((progress.best is not None) == keeps_best, "other"),
        ):
            if not is_possible:
                raise ModelFileError(f"{self.source}: checkpoint.{part} makes no sense for the run")

    def encoded(self, now: State) -> tuple[State, Tensors, Json]:
        """Return the network to be written, and the tensors and metadata beside it.

        Parameters
        ----------
        now : State
            The present network.
        """
        progress, partial = self.progress, self.progress.partial
        main, other, role = now, progress.best, "best"
        if self.is_over and progress.best is not None:
            main, other, role = progress.best, now, "last"
        tensors = _optimizer_tensors(main, "")
        if other is not None:
            tensors |= {"other.theta": other.theta, **_optimizer_tensors(other, "other.")}
        for name in _LISTS:
            tensors[f"history.{name}"] = np.array(getattr(self.history, name), np.float64)
        for i, values in enumerate(self.history.metrics.values()):
            tensors[f"history.metrics.{i}"] = np.array(values, np.float64)
        if partial.blocks:
            tensors["blocks"] = np.array(partial.blocks, np.float64)
        metadata = {
            "version": VERSION,
            "is_over": self.is_over,
            "epochs": progress.epochs,
            "epochs_before": self.epochs_before,
            "end": progress.end,
            "memory": _optimizer_json(main),
            "other": None if other is None else {"role": role, **_optimizer_json(other)},
            "partial": {
                "step": partial.step,
                "loss": partial.loss,
                "weight": partial.weight,
                "trained": partial.trained,
                "digest": partial.digest,
                "seconds": partial.seconds,
            },
            "followed": None if progress.monitor is None else progress.monitor._asdict(),
            "watch": _plateau_to_json(progress.plateau),
            "metrics": list(self.history.metrics),
            "generator": self.generator,
            "split_seed": self.split_seed,
            "run": self.run,
            "data": self.data,
            "keeping": self.keeping,
        }
        return main, tensors, metadata


def decoded(
    network: MLPLike, tensors: Mapping[str, Array], fields: Fields, source: str
) -> SavedRun:
    """Return the run of a file, and restore the state of the network.

    Parameters
    ----------
    network : MLPLike
        Of the file.
    tensors, fields
        Beside the network's.
    source : str
        The file, for messages.

    Raises
    ------
    ModelFileError
        If one is missing or invalid.
    """
    version = fields.whole("version")
    if version != VERSION:
        raise ModelFileError(f"checkpoint version {version}; this deltarule reads {VERSION}")
    main = _state(network, fields.part("memory"), tensors, "")
    other, best = None, None
    if fields.has("other"):
        part = fields.part("other")
        theta = _tensor(tensors, "other.theta", (network.n_parameters,), network.dtype)
        other = _state(network, part, tensors, "other.", theta)
        best = main if part.choice("role", ("best", "last")) == "last" else other
    (other if best is main and other is not None else main).restore()
    history = _history(tensors, fields)
    epochs = len(history)
    if fields.whole("epochs") != epochs:
        raise ModelFileError(f"checkpoint.epochs is not {epochs}, the length of the history")
    monitor = _monitor(fields, epochs)
    if best is not None and monitor is None:
        raise ModelFileError("checkpoint.other needs followed, which is missing")
    history.best_epoch = None if monitor is None else monitor.epoch or None
    saved = SavedRun(
        progress=Progress(
            epochs=epochs,
            partial=_partial(tensors, fields.part("partial")),
            plateau=_plateau(fields.part("watch")) if fields.has("watch") else None,
            monitor=monitor,
            best=best,
            end=fields.choice("end", _ENDS),
        ),
        history=history,
        generator=fields.part("generator").all(),
        epochs_before=fields.whole("epochs_before"),
        split_seed=fields.whole("split_seed", 0, 2**63 - 1) if fields.has("split_seed") else None,
        is_over=fields.flag("is_over"),
        run=fields.part("run").all(),
        data=fields.part("data").all(),
        keeping=fields.part("keeping").all(),
        source=source,
    )
    network._rng = rng_state.generator_from_json(fields.part("generator"))
    network._split_seed = saved.split_seed
    network._epochs = saved.epochs_before + epochs
    network._plateau = saved.progress.plateau
    return saved


def _kind(over: Json) -> str:
    """Return `Pass.metadata` as text for messages."""
    if over.get("over") != "blocks":
        return "a stream of batches" if over.get("over") == "stream" else "whole arrays"
    return f"a file or sparse matrix read in blocks of {over.get('rows')} rows"


def _optimizer_tensors(state: State, prefix: str) -> Tensors:
    _, m, v, _ = state.optimizer_state
    return {prefix + name: a for name, a in (("m", m), ("v", v)) if a is not None}


def _optimizer_json(state: State) -> Json:
    kind, _, _, steps = state.optimizer_state
    return {"kind": kind.name, "steps": steps}


def _state(
    network: MLPLike,
    fields: Fields,
    tensors: Mapping[str, Array],
    prefix: str,
    theta: Array | None = None,
) -> State:
    kind = core.OptimizerKind[fields.choice("kind", tuple(core.OptimizerKind.__members__))]
    m, v = (
        _tensor(tensors, prefix + name, (network.n_parameters,), network.dtype)
        if prefix + name in tensors
        else None
        for name in "mv"
    )
    for name, values in (("m", m), ("v", v)):
        if values is not None and np.isnan(values).any():
            raise ModelFileError(f"tensor {prefix}{name} has values that are no numbers")
    if theta is not None and not np.isfinite(theta).all():
        raise ModelFileError(f"tensor {prefix}theta has values that are not finite")
    return State(network._core, theta, (kind, m, v, fields.whole("steps")))


def _tensor(
    tensors: Mapping[str, Array], name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    tensor = tensors.get(name)
    if tensor is None:
        raise ModelFileError(f"tensor {name} is missing")
    if tensor.shape != shape or tensor.dtype != dtype:
        raise ModelFileError(
            f"tensor {name} has shape {tensor.shape} and dtype {tensor.dtype}, "
            f"it must have {shape} and {dtype}"
        )
    return tensor


def _history(tensors: Mapping[str, Array], fields: Fields) -> History:
    names = fields.texts("metrics")
    if len(set(names)) != len(names):
        fields.refuse("metrics", "of names that differ")
    loss = tensors.get("history.loss")
    shape = (0,) if loss is None else loss.shape[:1]
    wanted = {name: shape for name in _LISTS}
    validation = tensors.get("history.validation_loss")
    if validation is not None and validation.shape == (0,):
        wanted["validation_loss"] = (0,)
    wanted |= {f"metrics.{i}": shape for i in range(len(names))}
    lists = {
        name: _tensor(tensors, f"history.{name}", shape, np.dtype(np.float64)).tolist()
        for name, shape in wanted.items()
    }
    metrics = {name: lists[f"metrics.{i}"] for i, name in enumerate(names)}
    return History(**{name: lists[name] for name in _LISTS}, metrics=metrics)


def _partial(tensors: Mapping[str, Array], fields: Fields) -> Partial:
    blocks = tensors.get("blocks", np.empty((0, 2)))
    blocks = _tensor({"blocks": blocks}, "blocks", (*blocks.shape[:1], 2), np.dtype(np.float64))
    if not np.isfinite(blocks).all():
        raise ModelFileError("tensor blocks has values that are not finite")
    return Partial(
        blocks=tuple((loss, weight) for loss, weight in blocks.tolist()),
        step=fields.whole("step"),
        loss=fields.real("loss"),
        weight=fields.real("weight"),
        trained=fields.real("trained") if fields.has("trained") else None,
        digest=fields.text("digest"),
        seconds=fields.real("seconds"),
    )


def _monitor(fields: Fields, epochs: int) -> MonitorState | None:
    if not fields.has("followed"):
        return None
    part = fields.part("followed")
    return MonitorState(
        part.real("best", finite=False),
        part.whole("epoch", min(1, epochs), epochs),
        part.whole("waited", 0, epochs),
    )


def _plateau_to_json(state: PlateauState | None) -> Json | None:
    if state is None:
        return None
    numbers = {"lr": state.lr, "best": state.best, "waited": state.waited}
    return {"schedule": schedule_to_json(state.schedule), **numbers}


def _plateau(fields: Fields) -> PlateauState:
    schedule = schedule_from_json(fields.part("schedule"))
    if not isinstance(schedule, Plateau):
        fields.refuse("schedule", "a Plateau")
    lr = fields.real("lr")
    if lr < 0:
        fields.refuse("lr", "0 or more")
    return PlateauState(schedule, lr, fields.real("best", finite=False), fields.whole("waited"))
