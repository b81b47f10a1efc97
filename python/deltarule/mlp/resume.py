"""Going on with a run from its checkpoint."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from deltarule.arguments import check_dropout, check_fraction, whole_number
from deltarule.checkpoint.format import Saved, decoded
from deltarule.checkpoint.settings import Checkpoint, Names, NotedCheckpoint
from deltarule.checkpoint.settings_json import FUNCTION, run_settings, schedule_words
from deltarule.checkpoint.writer import PART
from deltarule.custom import CustomLoss
from deltarule.custom.functions import Of2
from deltarule.custom.placeholders import Given
from deltarule.data.targets import ClassWeights, check_smoothing
from deltarule.errors import ModelFileError
from deltarule.io.json_fields import Fields
from deltarule.io.model_file import of_file
from deltarule.mlp.load import read_model
from deltarule.mlp.network import MLP, Hidden
from deltarule.training.early_stopping import Follower
from deltarule.training.fit import fit_network
from deltarule.training.metrics import check_metrics

if TYPE_CHECKING:
    from deltarule.mlp.fit import Batches, Callback
    from deltarule.schedules import Schedule
    from deltarule.training.history import History
    from deltarule.training.metrics import Metrics

Words = dict[str, Any]


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
    """Go on with a fit from its checkpoint, to the bits of the fit that was never stopped.

    Parameters
    ----------
    path : str or path
        The checkpoint; with ``{epoch}`` in its name, the one of these files that was written last.
    x, y, sample_weight, validation_data
        As the fit was given; their fingerprints are compared. A stream has to give the batches that
        it gave: those of a begun epoch are passed over, and compared.
    hidden, output, loss
        As for `MLP`, where these are functions of your own.
    epochs : int, optional
        Of the whole run, by default as it was. More than it had let a run go on that had ended
        with its last epoch.
    schedule, metrics, callbacks
        Functions are in no file: a run that had some is to be given them again (`callbacks` may be
        ``()`` to go on without). Otherwise they need not be given.
    max_seconds, verbose, progress, threads
        As for `MLP.fit`, of what is to come.
    checkpoint : Checkpoint or path, optional
        Where the next checkpoints go; by default where this one is, as often as the fit's.

    Returns
    -------
    net : MLP
        As `MLP.fit` would have left it, the state of its random generator included.
    history : History
        Of the whole run. All but `seconds` is what it would have been.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense. Nothing in it is executed.
    TypeError, ValueError
        If what is given is not what the run was given, naming the argument.
    OSError
        If the file cannot be read.
    DivergenceError, KeyboardInterrupt
        As for `MLP.fit`; the checkpoint is as far as the run came.

    Notes
    -----
    A run that is over, by its epochs, early stopping or a callback, comes back at once;
    `max_seconds` ends a call, not a run. The callbacks, metrics and validation of an epoch that
    were not all done when the run was stopped are done again. The bits are those of the same
    versions of deltarule and NumPy, whose generator shuffles.

    Examples
    --------
    See `Checkpoint`.
    """
    file, run = read_newest(path, Given(hidden, output, loss))
    settings, network = run.settings, run.network
    settings["epochs"] = _epochs(epochs, run)
    settings["schedule"] = _schedule(schedule, settings["schedule"])
    settings["metrics"] = _metrics(metrics, settings["metrics"])
    if callbacks is None and run.callbacks:
        raise TypeError(
            f"callbacks must be given again: the run had {run.callbacks}, which no file holds; "
            "() goes on without"
        )
    if (validation_data is not None) != run.has_validation:
        had = "some" if run.has_validation else "none"
        raise ValueError(f"validation_data must be what the run was given, which was {had}")
    history = fit_network(
        network,
        x,
        y,
        sample_weight=sample_weight,
        validation_data=validation_data,
        callbacks=() if callbacks is None else callbacks,
        max_seconds=max_seconds,
        verbose=verbose,
        progress=progress,
        threads=threads,
        checkpoint=run.place(file, path) if checkpoint is None else checkpoint,
        saved=run.saved,
        **settings,
    )
    return network, history


@dataclass(frozen=True, eq=False)
class Run:
    """What a checkpoint says, all of it checked that can be without the data.

    Attributes
    ----------
    network : MLP
    saved : Saved
    settings : dict
        Arguments of `MLP.fit`.
    callbacks : int
        How many there were.
    has_validation : bool
        Whether validation_data was given.
    keeping : Checkpoint
        How checkpoints were kept, its path being their name alone.
    """

    network: MLP
    saved: Saved
    settings: dict[str, Any]
    callbacks: int
    has_validation: bool
    keeping: NotedCheckpoint

    def place(self, file: Path, given: str | os.PathLike[str]) -> Checkpoint:
        """Return where the next checkpoints go: beside the file, as often as before."""
        name, names = os.fspath(self.keeping.path), Names(self.keeping.path)
        if not names.are(file.name):  # it was given another name
            name = file.name.replace("{", "{{").replace("}", "}}")
            if Path(os.fspath(given)) != file:
                name = Path(os.fspath(given)).name
            names = Names(name)
        keep = self.keeping.keep if names.are_many else 1
        written = [old for old in self.keeping.written if names.are(old) and old != file.name]
        return replace(
            self.keeping, path=file.parent / name, keep=keep, written=[*written, file.name]
        )


def read_run(file: Path, given: Given | None = None) -> Run:
    """Read a checkpoint; functions of the user's own are those given again.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense.
    OSError
        If it cannot be read.
    """
    network, saved, note = read_checkpoint(file, given)
    words = Fields(saved.run, "checkpoint.run")
    keeping = Fields(saved.keeping, "checkpoint.keeping")
    try:
        settings = run_settings(words)
        run = Run(
            network,
            saved,
            settings,
            words.whole("callbacks"),
            words.flag("validation_data"),
            keeping.made(
                NotedCheckpoint,
                {
                    "path": keeping.text("name"),
                    "every": keeping.all().get("every"),
                    "keep": keeping.whole("keep"),
                    "overwrite": True,
                    "note": note,
                    "written": keeping.texts("written"),
                    "id": keeping.text("id"),
                },
            ),
        )
        words.made(_check_settings, {"run": run})
    except (ModelFileError, RecursionError) as error:
        raise of_file(file, error) from None
    return run


def _check_settings(run: Run) -> None:
    """Raise TypeError or ValueError where the settings of a fit do not go together."""
    settings, network = run.settings, run.network
    n_outputs, loss = network.sizes[-1], network.loss
    settings["optimizer"]._settings_in(network.dtype)
    check_dropout(settings["dropout"], len(network.hidden))
    check_smoothing(settings["label_smoothing"], loss)
    if settings["class_weight"] is not None:
        ClassWeights(settings["class_weight"], n_outputs, loss)
    prefix, losses = "", ["loss"]
    if settings["validation_split"] is not None:
        check_fraction(settings["validation_split"], "validation_split")
    if run.has_validation or settings["validation_split"] is not None:
        prefix, losses = "validation_", ["loss", "validation_loss"]
    known = {n: len if m == FUNCTION else m for n, m in settings["metrics"].items()}
    recorded = [prefix + name for name in check_metrics(known)]
    if settings["early_stopping"] is not None:
        Follower(settings["early_stopping"], [*losses, *recorded])


def newest(path: str | os.PathLike[str]) -> Path:
    """Return the file itself, or the last one written of those that a path with {epoch} names."""
    file = Path(os.fspath(path))
    if not file.exists() and Names(path).are_many:
        newest = Names(path).newest()
        if newest is None:
            raise FileNotFoundError(errno.ENOENT, "no such checkpoint", os.fspath(path))
        return newest
    return file


def read_newest(path: str | os.PathLike[str], given: Given | None = None) -> tuple[Path, Run]:
    """Return `newest` and its run, also while a writer of these files removes the earlier ones.

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
    epochs: int = run.settings["epochs"]
    if given is None:
        return epochs
    course = run.saved.course
    least = course.epochs + course.partial.is_begun
    if whole_number(given, "epochs", 0) < least:
        raise ValueError(f"epochs must be {least} or more, as far as the run is, not {given!r}")
    return whole_number(given, "epochs", 0)


def _schedule(given: object, saved: Any) -> Any:
    if saved != FUNCTION:
        if given is None or given == saved:
            return saved
        raise ValueError(f"schedule must be the run's, {saved!r}, or not be given, not {given!r}")
    if given is None or schedule_words(given) != FUNCTION:
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


def read_checkpoint(path: Path, given: Given | None = None) -> tuple[MLP, Saved, Words]:
    """Return the network, the run, and the caller's own words of a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or makes no sense.
    TypeError, ValueError
        If the functions given are not the network's.
    OSError
        If it cannot be read.
    """
    network, tensors, extra = read_model(path, given)
    if PART not in extra:
        raise ModelFileError(f"{path}: a model, but no checkpoint")
    note = {name: words for name, words in extra.items() if name != PART}
    try:
        return network, decoded(network, tensors, Fields(extra[PART], PART), str(path)), note
    except (ModelFileError, RecursionError) as error:
        raise of_file(path, error) from None
