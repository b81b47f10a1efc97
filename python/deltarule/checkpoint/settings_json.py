"""The settings of a fit as JSON can hold them, and back: numbers and names, no functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from numpy.typing import NDArray

from deltarule.io.json_fields import Fields
from deltarule.optimizers import SGD, Adam, AdamW, Optimizer
from deltarule.schedules import Plateau
from deltarule.training.early_stopping import EarlyStopping
from deltarule.training.learning_rate import OURS

Array = NDArray[Any]
Words = dict[str, Any]

# In place of a function, which is to be given again.
FUNCTION = "function"

_OPTIMIZERS: dict[str, type[Optimizer]] = {kind.__name__: kind for kind in (SGD, Adam, AdamW)}
_SCHEDULES: dict[str, type] = {kind.__name__: kind for kind in (*OURS, Plateau)}


def optimizer_words(optimizer: Optimizer) -> Words:
    """Return an optimizer's settings; TypeError for a class of somebody else's."""
    kind = type(optimizer)
    if _OPTIMIZERS.get(kind.__name__) is not kind:
        raise TypeError(f"checkpoint needs an optimizer of deltarule's, not {optimizer!r}")
    numbers = {name: _plain(value) for name, value in _fields(optimizer).items()}
    return {"kind": kind.__name__, **numbers}


def optimizer_of(words: Fields) -> Optimizer:
    """Return the optimizer of such words; ModelFileError where they make no sense."""
    optimizer: Optimizer = _made(words, _OPTIMIZERS)
    return optimizer


def schedule_words(schedule: object) -> Words | str | None:
    """Return a schedule's settings, `FUNCTION` where a part of it is a function, None for None.

    Raises
    ------
    TypeError
        For a number of another type than int and float: what it rounds to would be another rate.
    """
    kind = type(schedule)
    if schedule is None or _SCHEDULES.get(kind.__name__) is not kind:
        return None if schedule is None else FUNCTION
    words: Words = {"kind": kind.__name__}
    for name, value in _fields(schedule).items():
        if callable(value):
            inner = schedule_words(value)
            if inner == FUNCTION:
                return FUNCTION
            words[name] = inner
        elif isinstance(value, float | int):
            words[name] = _plain(value)
        else:
            raise TypeError(
                f"schedule must be of plain numbers to go into a checkpoint, but its {name} is "
                f"{value!r}, a {type(value).__name__}"
            )
    return words


def schedule_of(words: Fields) -> Any:
    """Return the schedule of such words; ModelFileError where they make no sense."""
    inner = words.part("then") if words.has("then") else None
    return _made(words, _SCHEDULES, {} if inner is None else {"then": schedule_of(inner)})


def stopping_words(stopping: EarlyStopping | None) -> Words | None:
    """Return the settings of early stopping."""
    if stopping is None:
        return None
    return {name: _plain(value) for name, value in _fields(stopping).items()}


def stopping_of(words: Fields) -> EarlyStopping:
    """Return the early stopping of such words; ModelFileError where they make no sense."""
    return words.made(EarlyStopping, words.all())


def run_words(
    *,
    epochs: int,
    batch_size: int | None,
    optimizer: Optimizer,
    schedule: object,
    dropout: Array | None,
    validation_data: object,
    validation_split: Any,
    class_weight: Any,
    label_smoothing: Any,
    shuffle: Any,
    early_stopping: Any,
    metrics: Mapping[str, object],
    callbacks: Sequence[object],
) -> Words:
    """Return the settings of a fit, all of them checked.

    Raises
    ------
    TypeError
        For one that cannot be written down.
    """
    if isinstance(class_weight, Mapping):
        class_weight = [[int(k), float(weight)] for k, weight in class_weight.items()]
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer_words(optimizer),
        "schedule": schedule_words(schedule),
        "dropout": None if dropout is None else dropout.tolist(),
        "validation_data": validation_data is not None,
        "validation_split": None if validation_split is None else float(validation_split),
        "class_weight": class_weight,
        "label_smoothing": float(label_smoothing),
        "shuffle": bool(shuffle),
        "early_stopping": stopping_words(early_stopping),
        "metrics": [[name, m if isinstance(m, str) else None] for name, m in metrics.items()],
        "callbacks": len(callbacks),
    }


def run_settings(words: Fields) -> dict[str, Any]:
    """Return the arguments of a fit that such words say: all but functions and data.

    The schedule is `FUNCTION` where it is to be given again, as is a metric.
    """
    schedule: Any = None
    if words.has("schedule"):
        is_function = words.all()["schedule"] == FUNCTION
        schedule = FUNCTION if is_function else schedule_of(words.part("schedule"))
    split = words.real("validation_split") if words.has("validation_split") else None
    stopping = stopping_of(words.part("early_stopping")) if words.has("early_stopping") else None
    return {
        "epochs": words.whole("epochs"),
        "batch_size": words.whole("batch_size", 1) if words.has("batch_size") else None,
        "optimizer": optimizer_of(words.part("optimizer")),
        "schedule": schedule,
        "dropout": words.items("dropout") if words.has("dropout") else 0.0,
        "validation_split": split,
        "class_weight": _class_weight(words) if words.has("class_weight") else None,
        "label_smoothing": words.real("label_smoothing"),
        "shuffle": words.flag("shuffle"),
        "early_stopping": stopping,
        "metrics": {
            name: FUNCTION if known is None else known
            for name, known in _pairs(words, "metrics", str, (str, type(None)))
        },
    }


def _class_weight(words: Fields) -> Any:
    if words.all()["class_weight"] == "balanced":
        return "balanced"
    return dict(_pairs(words, "class_weight", int, (int, float)))


def _pairs(words: Fields, name: str, first: type, second: tuple[type, ...]) -> list[Any]:
    pairs = words.items(name)
    for pair in pairs:
        good = isinstance(pair, list) and len(pair) == 2
        if not (good and type(pair[0]) is first and type(pair[1]) in second):
            words.refuse(name, "a list of pairs")
    return pairs


def _fields(settings: Any) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _plain(value: Any) -> Any:
    """Return the same number as a plain one, a word as it is."""
    if value is None or isinstance(value, bool | str):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _made(
    words: Fields, kinds: Mapping[str, Callable[..., Any]], more: Mapping[str, Any] | None = None
) -> Any:
    kind = words.choice("kind", tuple(kinds))
    given = {name: value for name, value in words.all().items() if name != "kind"}
    return words.made(kinds[kind], given | dict(more or {}))
