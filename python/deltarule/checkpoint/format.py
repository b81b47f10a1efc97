"""What a checkpoint holds: tensors and words of a run, and the run that they make again.

A checkpoint is a model file, of the network as it is, with a part "checkpoint" beside the
architecture and these tensors beside W1.. and b1..: m and v, what the optimizer remembers;
other.theta, other.m and other.v, the network after its best epoch, or after its last one where the
run is over and the best is what it left; history.*, a number an epoch; blocks, (k, 2), loss and
weight of what is done of an epoch over rows in blocks or a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deltarule._load import core
from deltarule.backend import MLPLike, State
from deltarule.checkpoint import rng_state
from deltarule.checkpoint.data_digest import compare
from deltarule.checkpoint.settings_json import schedule_of, schedule_words
from deltarule.data.streams import Stream
from deltarule.errors import ModelFileError
from deltarule.io.json_fields import Fields
from deltarule.schedules import Plateau
from deltarule.training.early_stopping import Followed
from deltarule.training.history import History
from deltarule.training.learning_rate import Watch
from deltarule.training.progress import Course, Partial

if TYPE_CHECKING:
    from deltarule.data.samples import Samples
    from deltarule.training.early_stopping import Follower
    from deltarule.training.epochs import Pass
    from deltarule.training.metrics import Measure

Array = NDArray[Any]
Tensors = dict[str, Array]
Words = dict[str, Any]

VERSION = 1

_LISTS = ("loss", "validation_loss", "learning_rate", "seconds")
_ENDS = ("", "early stopping", "callback")


@dataclass(frozen=True)
class Saved:
    """A run that stands still.

    Attributes
    ----------
    course : Course
        Where it is; no call is under way.
    history : History
        Of the whole epochs.
    generator : dict
        The state of the network's random generator before the next epoch.
    epochs_before : int
        Of the network's fits before this one.
    split_seed : int or None
    is_over : bool
        Whether no epoch is to come.
    source : str
        The file, for messages.
    run, data, keeping : Fields or dict
        The settings of the fit, the fingerprints of its data, how checkpoints are kept: as words.
    """

    course: Course
    history: History
    generator: Words
    epochs_before: int
    split_seed: int | None
    is_over: bool
    run: Words
    data: Words
    keeping: Words
    source: str = ""

    def check_fit(
        self,
        passes: Pass[Any],
        measure: Measure | None,
        follower: Follower | None,
        data: Samples | Stream,
        validation: Samples | None,
    ) -> None:
        """Raise unless the run can go on as that fit, on those data.

        Raises
        ------
        ValueError
            If the data are not those of the run.
        ModelFileError
            If where the run was is nowhere that the fit can be.
        """
        words = Fields(self.data, "checkpoint.data")
        over = words.part("over").all()
        if over != passes.words:
            raise ValueError(
                f"x must be of the kind that the run was given, {_kind(over)}, "
                f"not {_kind(passes.words)}"
            )
        for samples, part, where in (
            (None if isinstance(data, Stream) else data, "training", ""),
            (validation, "validation", "validation_data: "),
        ):
            if (samples is not None) != words.has(part):
                raise ModelFileError(f"{self.source}: checkpoint.data.{part} makes no sense")
            if samples is not None:
                compare(samples, words.part(part), where)
        history, names = self.history, () if measure is None else measure.names
        validated = 0 if validation is None else self.course.epochs
        follows = follower is not None and self.course.epochs > 0
        keeps = follows and follower is not None and follower.settings.restore_best
        for is_good, part in (
            (passes.can_begin(self.course.partial), "partial"),
            (tuple(history.metrics) == names, "metrics"),
            (len(history.validation_loss) == validated, "history"),
            ((self.course.followed is not None) == follows, "followed"),
            ((self.course.best is not None) == keeps, "other"),
        ):
            if not is_good:
                raise ModelFileError(f"{self.source}: checkpoint.{part} makes no sense for the run")

    def encoded(self, now: State) -> tuple[State, Tensors, Words]:
        """Return the network to be written, and the tensors and words beside it.

        Parameters
        ----------
        now : State
            The network as it is.
        """
        course, partial = self.course, self.course.partial
        main, other, role = now, course.best, "best"
        if self.is_over and course.best is not None:
            main, other, role = course.best, now, "last"
        tensors = _memory_tensors(main, "")
        if other is not None:
            tensors |= {"other.theta": other.theta, **_memory_tensors(other, "other.")}
        for name in _LISTS:
            tensors[f"history.{name}"] = np.array(getattr(self.history, name), np.float64)
        for i, values in enumerate(self.history.metrics.values()):
            tensors[f"history.metrics.{i}"] = np.array(values, np.float64)
        if partial.blocks:
            tensors["blocks"] = np.array(partial.blocks, np.float64)
        words = {
            "version": VERSION,
            "is_over": self.is_over,
            "epochs": course.epochs,
            "epochs_before": self.epochs_before,
            "end": course.end,
            "memory": _memory_words(main),
            "other": None if other is None else {"role": role, **_memory_words(other)},
            "partial": {
                "step": partial.step,
                "loss": partial.loss,
                "weight": partial.weight,
                "trained": partial.trained,
                "digest": partial.digest,
                "seconds": partial.seconds,
            },
            "followed": _followed_words(course.followed),
            "watch": _watch_words(course.watch),
            "metrics": list(self.history.metrics),
            "generator": self.generator,
            "split_seed": self.split_seed,
            "run": self.run,
            "data": self.data,
            "keeping": self.keeping,
        }
        return main, tensors, words


def decoded(network: MLPLike, tensors: Mapping[str, Array], words: Fields, source: str) -> Saved:
    """Return the run of a file, and make the network what it was.

    Parameters
    ----------
    network : MLPLike
        Of the file.
    tensors, words
        Those beside it.
    source : str
        The file, for messages.

    Raises
    ------
    ModelFileError
        If one is missing or makes no sense.
    """
    version = words.whole("version")
    if version != VERSION:
        raise ModelFileError(f"checkpoint version {version}; this deltarule reads {VERSION}")
    main = _state(network, words.part("memory"), tensors, "")
    other, best = None, None
    if words.has("other"):
        part = words.part("other")
        theta = _tensor(tensors, "other.theta", (network.n_parameters,), network.dtype)
        other = _state(network, part, tensors, "other.", theta)
        best = main if part.choice("role", ("best", "last")) == "last" else other
    (other if best is main and other is not None else main).restore()
    history = _history(tensors, words)
    epochs = len(history)
    if words.whole("epochs") != epochs:
        raise ModelFileError(f"checkpoint.epochs is not {epochs}, the length of the history")
    followed = _followed(words, epochs)
    if best is not None and followed is None:
        raise ModelFileError("checkpoint.other needs followed, which is missing")
    history.best_epoch = followed.epoch or None if followed is not None else None
    saved = Saved(
        course=Course(
            epochs=epochs,
            partial=_partial(tensors, words.part("partial")),
            watch=_watch(words.part("watch")) if words.has("watch") else None,
            followed=followed,
            best=best,
            end=words.choice("end", _ENDS),
        ),
        history=history,
        generator=words.part("generator").all(),
        epochs_before=words.whole("epochs_before"),
        split_seed=words.whole("split_seed", 0, 2**63 - 1) if words.has("split_seed") else None,
        is_over=words.flag("is_over"),
        run=words.part("run").all(),
        data=words.part("data").all(),
        keeping=words.part("keeping").all(),
        source=source,
    )
    network._rng = rng_state.generator_of(words.part("generator"))
    network._split_seed = saved.split_seed
    network._epochs = saved.epochs_before + epochs
    network._watch = saved.course.watch
    return saved


def _kind(over: Words) -> str:
    """Return what `Pass.words` says, for people."""
    if over.get("over") != "blocks":
        return "a stream of batches" if over.get("over") == "stream" else "whole arrays"
    return f"a file or sparse matrix read in blocks of {over.get('rows')} rows"


def _memory_tensors(state: State, prefix: str) -> Tensors:
    _, m, v, _ = state.memory
    return {prefix + name: a for name, a in (("m", m), ("v", v)) if a is not None}


def _memory_words(state: State) -> Words:
    kind, _, _, steps = state.memory
    return {"kind": kind.name, "steps": steps}


def _state(
    network: MLPLike,
    words: Fields,
    tensors: Mapping[str, Array],
    prefix: str,
    theta: Array | None = None,
) -> State:
    kind = core.OptimizerKind[words.choice("kind", tuple(core.OptimizerKind.__members__))]
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
    return State(network._core, theta, (kind, m, v, words.whole("steps")))


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


def _history(tensors: Mapping[str, Array], words: Fields) -> History:
    names = words.texts("metrics")
    if len(set(names)) != len(names):
        words.refuse("metrics", "of names that differ")
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


def _partial(tensors: Mapping[str, Array], words: Fields) -> Partial:
    blocks = tensors.get("blocks", np.empty((0, 2)))
    blocks = _tensor({"blocks": blocks}, "blocks", (*blocks.shape[:1], 2), np.dtype(np.float64))
    if not np.isfinite(blocks).all():
        raise ModelFileError("tensor blocks has values that are not finite")
    return Partial(
        blocks=tuple((loss, weight) for loss, weight in blocks.tolist()),
        step=words.whole("step"),
        loss=words.real("loss"),
        weight=words.real("weight"),
        trained=words.real("trained") if words.has("trained") else None,
        digest=words.text("digest"),
        seconds=words.real("seconds"),
    )


def _followed_words(followed: Followed | None) -> Words | None:
    return None if followed is None else followed._asdict()


def _followed(words: Fields, epochs: int) -> Followed | None:
    if not words.has("followed"):
        return None
    part = words.part("followed")
    return Followed(
        part.real("best", finite=False),
        part.whole("epoch", min(1, epochs), epochs),
        part.whole("waited", 0, epochs),
    )


def _watch_words(watch: Watch | None) -> Words | None:
    if watch is None:
        return None
    return {
        "schedule": schedule_words(watch.schedule),
        "lr": watch.lr,
        "best": watch.best,
        "waited": watch.waited,
    }


def _watch(words: Fields) -> Watch:
    schedule = schedule_of(words.part("schedule"))
    if not isinstance(schedule, Plateau):
        words.refuse("schedule", "a Plateau")
    lr = words.real("lr")
    if lr < 0:
        words.refuse("lr", "0 or more")
    return Watch(schedule, lr, words.real("best", finite=False), words.whole("waited"))
