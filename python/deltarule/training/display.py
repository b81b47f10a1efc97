"""The display of `MLP.fit`: a progress bar (progress=True), or one line per epoch (verbose=1)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deltarule.errors import require
from deltarule.training.history import EpochRecord


@contextmanager
def progress_bar(epochs: int, done: int = 0) -> Iterator[Callable[[EpochRecord], object] | None]:
    """Yield a callback that shows each epoch on a tqdm bar. Needs the extra `progress`.

    In a terminal on stderr, in a notebook as its own bar; elsewhere, as in a pipe, None.
    """
    require("tqdm", extra="progress")
    from tqdm.auto import tqdm

    notebook = sys.modules.get("tqdm.notebook")  # tqdm.auto imports it where there is one
    is_notebook = notebook is not None and issubclass(tqdm, notebook.tqdm_notebook)
    if not (is_notebook or _is_terminal()):
        yield None
        return
    with tqdm(total=epochs, initial=done, unit="epoch") as bar:

        def show(record: EpochRecord) -> None:
            figures = {"loss": f"{record['loss']:.4g}"}
            if record["validation_loss"] is not None:
                figures["validation"] = f"{record['validation_loss']:.4g}"
            figures["samples/s"] = _rate(record)
            bar.set_postfix(figures, refresh=False)
            bar.update()

        yield show


@contextmanager
def epoch_lines() -> Iterator[Callable[[EpochRecord], object] | None]:
    """Yield a callback that writes one line per epoch on stderr."""

    def write(record: EpochRecord) -> None:
        epochs = record["epochs"]
        parts = [f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"]
        parts.append(f"loss {record['loss']:.4g}")
        if record["validation_loss"] is not None:
            parts.append(f"validation_loss {record['validation_loss']:.4g}")
        parts.extend(f"{name} {value:.4g}" for name, value in record["metrics"].items())
        parts.append(f"{_rate(record)} samples/s")
        print("  ".join(parts), file=sys.stderr, flush=True)

    yield write


def _rate(record: EpochRecord) -> str:
    three_digits = float(f"{record['samples_per_second']:.3g}")
    return f"{three_digits:,.0f}"


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
