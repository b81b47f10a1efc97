"""The options of a fit as JSON, and back: numbers and names, no functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from deltarule.io.json_fields import Fields
from deltarule.optimizers import OPTIMIZERS
from deltarule.schedules import Plateau
from deltarule.training.early_stopping import EarlyStopping
from deltarule.training.learning_rate import SCHEDULES

if TYPE_CHECKING:
    from deltarule.training.options import FitOptions

Json = dict[str, Any]

# In place of a function, which the caller has to give again.
FUNCTION = "function"

_OPTIMIZERS: dict[str, Any] = {kind.__name__: kind for kind in OPTIMIZERS}
_SCHEDULES: dict[str, Any] = {kind.__name__: kind for kind in (*SCHEDULES, Plateau)}


def options_to_json(options: FitOptions, has_validation_data: bool) -> Json:
    """Return the options of a fit.

    Raises
    ------
    TypeError
        For one that JSON cannot hold.
    """
    weights, stopping = options.class_weight, options.early_stopping
    if isinstance(weights, Mapping):
        weights = [[int(k), float(weight)] for k, weight in weights.items()]  # type: ignore[assignment]
    return {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "optimizer": _optimizer_to_json(options.optimizer),
        "schedule": schedule_to_json(options.schedule),
        "dropout": None if options.dropout is None else options.dropout.tolist(),
        "validation_data": has_validation_data,
        "validation_split": options.validation_split,
        "class_weight": weights,
        "label_smoothing": options.label_smoothing,
        "shuffle": options.shuffle,
        "early_stopping": None if stopping is None else _numbers(stopping),
        "metrics": [[n, m if isinstance(m, str) else None] for n, m in options.metrics.items()],
        "callbacks": len(options.callbacks),
    }


def arguments_from_json(run: Fields) -> dict[str, Any]:
    """Return the arguments of `MLP.fit` that are no data and no functions.

    The schedule, and a metric, is `FUNCTION` where the caller has to give it again.

    Raises
    ------
    ModelFileError
        For one of another type or out of its range.
    """
    schedule: Any = None
    if run.has("schedule"):
        is_function = run.all()["schedule"] == FUNCTION
        schedule = FUNCTION if is_function else schedule_from_json(run.part("schedule"))
    stopping = run.part("early_stopping") if run.has("early_stopping") else None
    return {
        "epochs": run.whole("epochs"),
        "batch_size": run.whole("batch_size", 1) if run.has("batch_size") else None,
        "optimizer": _of_kind(run.part("optimizer"), _OPTIMIZERS),
        "schedule": schedule,
        "dropout": run.items("dropout") if run.has("dropout") else 0.0,
        "validation_split": run.real("validation_split") if run.has("validation_split") else None,
        "class_weight": _class_weight(run) if run.has("class_weight") else None,
        "label_smoothing": run.real("label_smoothing"),
        "shuffle": run.flag("shuffle"),
        "early_stopping": None
        if stopping is None
        else stopping.made(EarlyStopping, stopping.all()),
        "metrics": {
            name: FUNCTION if known is None else known
            for name, known in _pairs(run, "metrics", str, (str, type(None)))
        },
    }


def schedule_to_json(schedule: object) -> Json | str | None:
    """Return a schedule's numbers, or `FUNCTION` where a part of it is a function.

    Raises
    ------
    TypeError
        For a number of another type than int and float, which would round to another rate.
    """
    kind = type(schedule)
    if schedule is None or _SCHEDULES.get(kind.__name__) is not kind:
        return None if schedule is None else FUNCTION
    numbers: Json = {"kind": kind.__name__}
    for name, value in _fields(schedule).items():
        if callable(value):
            numbers[name] = schedule_to_json(value)
            if numbers[name] == FUNCTION:
                return FUNCTION
        elif isinstance(value, float | int):
            numbers[name] = _plain(value)
        else:
            raise TypeError(
                f"schedule must be of plain numbers to go into a checkpoint, but its {name} is "
                f"{value!r}, a {type(value).__name__}"
            )
    return numbers


def schedule_from_json(numbers: Fields) -> Any:
    """Return the schedule; ModelFileError where the numbers are those of none."""
    inner = {"then": schedule_from_json(numbers.part("then"))} if numbers.has("then") else {}
    return _of_kind(numbers, _SCHEDULES, **inner)


def _optimizer_to_json(optimizer: object) -> Json:
    kind = type(optimizer)
    if _OPTIMIZERS.get(kind.__name__) is not kind:
        raise TypeError(f"checkpoint needs an optimizer of deltarule's, not {optimizer!r}")
    return {"kind": kind.__name__, **_numbers(optimizer)}


def _class_weight(run: Fields) -> Any:
    if run.all()["class_weight"] == "balanced":
        return "balanced"
    return dict(_pairs(run, "class_weight", int, (int, float)))


def _pairs(run: Fields, name: str, first: type, second: tuple[type, ...]) -> list[Any]:
    pairs = run.items(name)
    for pair in pairs:
        is_pair = isinstance(pair, list) and len(pair) == 2
        if not (is_pair and type(pair[0]) is first and type(pair[1]) in second):
            run.refuse(name, "a list of pairs")
    return pairs


def _fields(settings: Any) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _numbers(settings: Any) -> Json:
    return {name: _plain(value) for name, value in _fields(settings).items()}


def _plain(value: Any) -> Any:
    """Return a number of any library as Python's own; a name, a bool and None as they are."""
    if value is None or isinstance(value, bool | str):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _of_kind(settings: Fields, kinds: Mapping[str, Callable[..., Any]], **more: Any) -> Any:
    kind = settings.choice("kind", tuple(kinds))
    given = {name: value for name, value in (settings.all() | more).items() if name != "kind"}
    return settings.made(kinds[kind], given)
