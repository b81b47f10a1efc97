"""The progress bar of `MLP.fit(progress=True)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deltarule.extras import require
from deltarule.fitting import EpochRecord


@contextmanager
def progress_bar(epochs: int) -> Iterator[Callable[[EpochRecord], object]]:
    """Yield a callback that shows each epoch on a tqdm bar (stderr). Needs the extra `progress`."""
    require("tqdm", extra="progress")
    from tqdm.auto import tqdm

    with tqdm(total=epochs, unit="epoch") as bar:

        def show(record: EpochRecord) -> None:
            losses = {"loss": f"{record['loss']:.4g}"}
            if record["validation_loss"] is not None:
                losses["validation"] = f"{record['validation_loss']:.4g}"
            bar.set_postfix(losses, refresh=False)
            bar.update()

        yield show
