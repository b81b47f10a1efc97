"""Resuming a fit from its checkpoint."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from deltarule.arguments import whole_number
from deltarule.checkpoint.format import SavedRun, decoded
from deltarule.checkpoint.options_json import FUNCTION, arguments_from_json, schedule_to_json
from deltarule.checkpoint.settings import AnnotatedCheckpoint, Checkpoint, CheckpointFiles
from deltarule.checkpoint.writer import PART
from deltarule.custom import CustomLoss
from deltarule.custom.functions import Of2
from deltarule.custom.placeholders import Given
from deltarule.errors import ModelFileError
from deltarule.io.json_fields import Fields
from deltarule.io.model_file import of_file
from deltarule.mlp.load import read_model
from deltarule.mlp.network import MLP, Hidden
from deltarule.training.early_stopping import Monitor
from deltarule.training.fit import fit
from deltarule.training.fit_data import FitData
from deltarule.training.metrics import check_metrics
from deltarule.training.options import FitOptions

if TYPE_CHECKING:
    from deltarule.mlp.fit import Batches, Callback
    from deltarule.schedules import Schedule
    from deltarule.training.history import History
    from deltarule.training.metrics import Metrics

Json = dict[str, Any]


def resume(
    path: str | os.PathLike[str],
    x: ArrayLike | Batches,
    y: ArrayLike | None = None,
    *,
    hidden: Hidden | Sequence[Hidden] | None = None,
    output: Hidden | None = None,
    loss: str | CustomLoss | tuple[Of2, Of2] | None = None,
    sample_weight: ArrayLike | None = None,
    validation_data: tuple[ArrayLike, ...] | None = None,
    epochs: int | None = None,
    schedule: Schedule | None = None,
    metrics: Metrics | None = None,
    callbacks: Callback | Iterable[Callback] | None = None,
    max_seconds: float | None = None,
    verbose: int = 0,
    progress: bool = False,
    threads: int | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
) -> tuple[MLP, History]:
    """Resume a fit from its checkpoint, to the bits of the fit that was never stopped.

    Parameters
    ----------
    path : str or path
        The checkpoint; with ``{epoch}`` in its name, the last written of these files.
    x, y, sample_weight, validation_data
        Those of the fit; their fingerprints are compared. A stream has to give the same batches:
        those of a begun epoch are read again and compared.
    hidden, output, loss
        As for `MLP`, where these are custom functions.
    epochs : int, optional
        Of the whole run, by default as before. A larger number continues a run that had ended with
        its last epoch.
    schedule, metrics, callbacks
        No file holds functions: those of the run have to be given again (`callbacks` may be ``()``
        to continue without). Otherwise they need not be given.
    max_seconds, verbose, progress, threads
        As for `MLP.fit`, of the remaining epochs.
    checkpoint : Checkpoint or path, optional
        For the next checkpoints; by default in the place of this one, as often as before.

    Returns
    -------
    net : MLP
        As `MLP.fit` would have left it, the state of its random generator included.
    history : History
        Of the whole run. All but `seconds` is what it would have been.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or inconsistent. Nothing in it is executed.
    TypeError, ValueError
        If an argument is not that of the run, naming it.
    OSError
        If the file cannot be read.
    DivergenceError, KeyboardInterrupt
        As for `MLP.fit`; the checkpoint then has the state of that moment.

    Notes
    -----
    A run that has ended, by its epochs, early stopping or a callback, is returned at once;
    `max_seconds` ends a call, not a run. If the run was stopped during the validation, metrics or
    callbacks of an epoch, these are repeated. The bits are those of the same versions of deltarule
    and of NumPy, whose generator shuffles.

    Examples
    --------
    See `Checkpoint`.
    """
    file, run = read_newest(path, Given(hidden, output, loss))
    if callbacks is None and run.callbacks:
        raise TypeError(
            f"callbacks must be given again: the run had {run.callbacks}, which no file holds; "
            "() goes on without"
        )
    if (validation_data is not None) != run.has_validation:
        had = "some" if run.has_validation else "none"
        raise ValueError(f"validation_data must be what the run was given, which was {had}")
    arguments = run.arguments | {
        "epochs": _epochs(epochs, run),
        "schedule": _schedule(schedule, run.arguments["schedule"]),
        "metrics": _metrics(metrics, run.arguments["metrics"]),
    }
    options = FitOptions.checked(
        run.network._architecture,
        **arguments,
        callbacks=() if callbacks is None else callbacks,
        max_seconds=max_seconds,
        verbose=verbose,
        progress=progress,
        threads=threads,
        checkpoint=run.place(file, path) if checkpoint is None else checkpoint,
    )
    data = FitData(x, y, sample_weight, validation_data)
    return run.network, fit(run.network, data, options, run.saved)


@dataclass(frozen=True, eq=False)
class Run:
    """The run of a checkpoint, checked as far as that is possible without the data.

    Attributes
    ----------
    network : MLP
    saved : SavedRun
    arguments : dict
        Of `MLP.fit`, as `arguments_from_json` has them.
    callbacks : int
        How many there were.
    has_validation : bool
        Whether validation_data was given.
    keeping : Checkpoint
        Its settings; the path is the name of the file without its folder.
    """

    network: MLP
    saved: SavedRun
    arguments: dict[str, Any]
    callbacks: int
    has_validation: bool
    keeping: AnnotatedCheckpoint

    def place(self, file: Path, given: str | os.PathLike[str]) -> Checkpoint:
        """Return the settings of the next checkpoints: beside the file, as often as before."""
        name, files = os.fspath(self.keeping.path), CheckpointFiles(self.keeping.path)
        if not files.contains(file.name):  # it has been renamed
            name = file.name.replace("{", "{{").replace("}", "}}")
            if Path(os.fspath(given)) != file:
                name = Path(os.fspath(given)).name
            files = CheckpointFiles(name)
        keep = self.keeping.keep if files.are_many else 1
        written = [old for old in self.keeping.written if files.contains(old) and old != file.name]
        return replace(
            self.keeping, path=file.parent / name, keep=keep, written=[*written, file.name]
        )


def read_run(file: Path, given: Given | None = None) -> Run:
    """Read a checkpoint; custom functions are those `given` again.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or inconsistent.
    OSError
        If it cannot be read.
    """
    network, saved, note = read_checkpoint(file, given)
    fields = Fields(saved.run, "checkpoint.run")
    keeping = Fields(saved.keeping, "checkpoint.keeping")
    try:
        arguments = arguments_from_json(fields)
        settings = {
            "path": keeping.text("name"),
            "every": keeping.all().get("every"),
            "keep": keeping.whole("keep"),
            "overwrite": True,
            "note": note,
            "written": keeping.texts("written"),
            "id": keeping.text("id"),
        }
        run = Run(
            network,
            saved,
            arguments,
            fields.whole("callbacks"),
            fields.flag("validation_data"),
            keeping.made(AnnotatedCheckpoint, settings),
        )
        fields.made(_check_arguments, {"run": run})
    except (ModelFileError, RecursionError) as error:
        raise of_file(file, error) from None
    return run


def _check_arguments(run: Run) -> None:
    """Raise TypeError or ValueError where the options of a fit do not go together."""
    schedule, metrics = run.arguments["schedule"], run.arguments["metrics"]
    options = FitOptions.checked(
        run.network._architecture,
        **run.arguments
        | {
            "schedule": None if schedule == FUNCTION else schedule,
            "metrics": {n: len if m == FUNCTION else m for n, m in metrics.items()},
        },
    )
    if options.early_stopping is not None:
        validates = run.has_validation or options.validation_split is not None
        prefix = "validation_" if validates else ""
        losses = ["loss", "validation_loss"] if validates else ["loss"]
        Monitor(options.early_stopping, [*losses, *(prefix + name for name in options.metrics)])


def newest(path: str | os.PathLike[str]) -> Path:
    """Return the file itself, or for a path with {epoch} the last written of its files."""
    file = Path(os.fspath(path))
    if not file.exists() and CheckpointFiles(path).are_many:
        last = CheckpointFiles(path).newest()
        if last is None:
            raise FileNotFoundError(errno.ENOENT, "no such checkpoint", os.fspath(path))
        return last
    return file


def read_newest(path: str | os.PathLike[str], given: Given | None = None) -> tuple[Path, Run]:
    """Return `newest` and its run, also while the earlier files are being removed.

    Raises
    ------
    ModelFileError, OSError
        As `read_run`.
    """
    file = newest(path)
    while True:
        try:
            return file, read_run(file, given)
        except FileNotFoundError:
            before, file = file, newest(path)
            if file == before:
                raise


def _epochs(given: object, run: Run) -> int:
    epochs: int = run.arguments["epochs"]
    if given is None:
        return epochs
    done = run.saved.progress
    least = done.epochs + done.partial.is_begun
    if whole_number(given, "epochs", 0) < least:
        raise ValueError(f"epochs must be {least} or more, as far as the run is, not {given!r}")
    return whole_number(given, "epochs", 0)


def _schedule(given: object, saved: Any) -> Any:
    if saved != FUNCTION:
        if given is None or given == saved:
            return saved
        raise ValueError(f"schedule must be the run's, {saved!r}, or not be given, not {given!r}")
    if given is None or schedule_to_json(given) != FUNCTION:
        raise TypeError(
            f"schedule must be given again: the run's is a function, which no file holds, "
            f"not {given!r}"
        )
    return given


def _metrics(given: Any, saved: dict[str, Any]) -> Any:
    if given is None:
        missing = [name for name, metric in saved.items() if metric == FUNCTION]
        if missing:
            raise TypeError(
                f"metrics must be given again: {missing[0]!r} is a function, which no file holds"
            )
        return saved
    named = check_metrics(given)
    kinds = {name: m if isinstance(m, str) else FUNCTION for name, m in named.items()}
    if list(kinds.items()) != list(saved.items()):
        raise ValueError(f"metrics must be the run's, {list(saved)}, not {list(named)}")
    return named


def read_checkpoint(path: Path, given: Given | None = None) -> tuple[MLP, SavedRun, Json]:
    """Return the network, the run, and the caller's metadata of a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or inconsistent.
    TypeError, ValueError
        If the functions given are not the network's.
    OSError
        If it cannot be read.
    """
    network, tensors, extra = read_model(path, given)
    if PART not in extra:
        raise ModelFileError(f"{path}: a model, but no checkpoint")
    note = {name: value for name, value in extra.items() if name != PART}
    try:
        return network, decoded(network, tensors, Fields(extra[PART], PART), str(path)), note
    except (ModelFileError, RecursionError) as error:
        raise of_file(path, error) from None
