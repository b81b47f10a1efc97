"""The files of checkpoints: what they are named, which are kept, and writing that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr
from checkpoint_support import RUNS, left, stopped, whole
from deltarule.mlp.resume import read_newest

pytestmark = pytest.mark.usefixtures("without_waiting_for_the_disk")


# The files


def test_a_checkpoint_is_a_model_file(tmp_path: Path) -> None:
    run = RUNS["a best epoch that is not the last"]
    net, path = run.new(), tmp_path / "run"
    seen: list[bytes] = []

    def look(record: dr.EpochRecord) -> None:
        seen.append(dr.load(path).theta.tobytes() if path.exists() else b"")
        seen.append(net.theta.tobytes())

    history = run.fit(net, checkpoint=dr.Checkpoint(path, every=1), callbacks=look)
    assert seen[2::2] == seen[1:-1:2]  # after each epoch that of the epoch before
    assert history.best_epoch != len(history)
    assert dr.load(path).theta.tobytes() == net.theta.tobytes()


@pytest.mark.parametrize(
    ("keep", "every", "names"),
    [(1, 1, ["4"]), (2, 1, ["3", "4"]), (9, 1, ["0", "1", "2", "3", "4"]), (9, 3, ["0", "3", "4"])],
)
@pytest.mark.parametrize("name", ["run-{epoch}.st", "run-{epoch:03d}.st"])
def test_the_last_files_are_kept(
    name: str, keep: int, every: int, names: list[str], tmp_path: Path
) -> None:
    run, net = RUNS["plain"], RUNS["plain"].new()
    (tmp_path / "run-x.st").write_bytes(b"another's")
    (tmp_path / "run-77.txt").write_bytes(b"another's")
    run.fit(net, checkpoint=dr.Checkpoint(tmp_path / name, every=every, keep=keep))
    wanted = {name.format(epoch=int(number)) for number in names}
    assert set(os.listdir(tmp_path)) == wanted | {"run-x.st", "run-77.txt"}
    other, _ = run.resume(tmp_path / name)
    assert other.theta.tobytes() == net.theta.tobytes()


def test_a_run_with_many_files_goes_on_beside_them(tmp_path: Path) -> None:
    run, name = RUNS["many epochs a call"], "run-{epoch}.st"
    stopped(run, tmp_path / name, 4, every=1, keep=3)
    assert set(os.listdir(tmp_path)) == {f"run-{i}.st" for i in (1, 2, 3)}
    net, history = run.resume(tmp_path / "run-3.st")
    assert left(net, history) == whole(run)
    assert set(os.listdir(tmp_path)) == {f"run-{i}.st" for i in (7, 8, 9)}


def test_files_of_other_runs_are_left(tmp_path: Path) -> None:
    """A file of this run's name, and one that the checkpoint names, are not this run's."""
    run, name = RUNS["many epochs a call"], "run-{epoch}.st"
    run.fit(run.new(), checkpoint=dr.Checkpoint(tmp_path / name, every=1, keep=2))
    other = (tmp_path / "run-9.st").read_bytes()
    for path in tmp_path.iterdir():
        path.unlink()
    stopped(run, tmp_path / name, 4, every=1, keep=2)
    for i in (2, 3):
        (tmp_path / f"copy-{i}.st").write_bytes((tmp_path / f"run-{i}.st").read_bytes())
    (tmp_path / "run-2.st").write_bytes(other)
    net, history = run.resume(tmp_path / "run-3.st")
    assert left(net, history) == whole(run)
    assert (tmp_path / "run-2.st").read_bytes() == other
    assert {f"run-{i}.st" for i in (2, 8, 9)} | {"copy-2.st", "copy-3.st"} == set(
        os.listdir(tmp_path)
    )


def test_a_file_that_was_renamed_goes_on_where_it_is(tmp_path: Path) -> None:
    run = RUNS["plain"]
    stopped(run, tmp_path / "run-{epoch}", 2, every=1)
    (tmp_path / "run-1").rename(tmp_path / "mine{1}")
    assert left(*run.resume(tmp_path / "mine{1}")) == whole(run)
    assert os.listdir(tmp_path) == ["mine{1}"]


def test_a_run_resumes_in_another_process(tmp_path: Path) -> None:
    run = RUNS["plain"]
    stopped(run, tmp_path / "run", 2)
    before = (tmp_path / "run").read_bytes()
    run.resume(tmp_path / "run", checkpoint=tmp_path / "other")
    assert (tmp_path / "run").read_bytes() == before
    assert left(*run.resume(tmp_path / "other")) == whole(run)


def test_an_existing_file_is_replaced_only_if_asked(tmp_path: Path) -> None:
    run, path = RUNS["plain"], tmp_path / "run"
    path.write_bytes(b"a,b\n1,2\n")
    net = run.new()
    before = left(net, dr.History())
    with pytest.raises(FileExistsError, match="is no checkpoint, and overwrite is False"):
        run.fit(net, checkpoint=path)
    assert path.read_bytes() == b"a,b\n1,2\n"
    run.fit(run.new(), checkpoint=dr.Checkpoint(path, overwrite=True))
    run.fit(run.new(), checkpoint=path)  # that run was over
    stopped(run, path, 2)
    with pytest.raises(FileExistsError, match="holds a run that is not over"):
        run.fit(net, checkpoint=path)
    assert left(net, dr.History()) == before
    run.fit(net, checkpoint=dr.Checkpoint(path, overwrite=True))
    assert len(run.resume(path)[1]) == 4


# Writing that fails


@pytest.mark.parametrize("name", ["plain", "held out"])
def test_a_first_checkpoint_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    run, net = RUNS[name], RUNS[name].new()
    before = left(net, dr.History())
    with pytest.raises(OSError):
        run.fit(net, checkpoint=tmp_path / "missing" / "run")
    assert left(net, dr.History()) == before
    assert net.history is None


def test_a_failed_later_checkpoint_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, net, path = RUNS["plain"], RUNS["plain"].new(), tmp_path / "run"
    replace = os.replace

    def full_after_epoch_2(record: dr.EpochRecord) -> None:
        def full(*names: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full if record["epoch"] == 3 else replace)

    with pytest.warns(
        RuntimeWarning, match="could not be written, the one before it is left: .*No"
    ):
        history = run.fit(
            net, checkpoint=dr.Checkpoint(path, every=1), callbacks=full_after_epoch_2
        )
    assert left(net, history) == whole(run)
    assert os.listdir(tmp_path) == ["run"]


def test_a_failed_final_checkpoint_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, net, path = RUNS["a best epoch that is not the last"], None, tmp_path / "run"
    net = run.new()

    def full(*names: Any) -> None:
        raise OSError(28, "No space left on device")

    def look(record: dr.EpochRecord) -> None:
        if record["epoch"] == 5:
            monkeypatch.setattr(os, "replace", full)

    with pytest.warns(RuntimeWarning, match="could not be written"):
        history = run.fit(net, checkpoint=path, callbacks=look)
    assert left(net, history) == whole(run)
    monkeypatch.undo()
    assert left(*run.resume(path)) == whole(run)


def test_a_failed_last_checkpoint_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = RUNS["plain"], tmp_path / "run"

    def stop(record: dr.EpochRecord) -> None:
        monkeypatch.setattr(os, "replace", lambda *names: 1 / 0)
        raise LookupError("stop")

    with pytest.raises(LookupError, match="stop") as caught:
        run.fit(run.new(), checkpoint=path, callbacks=stop)
    assert caught.value.__notes__ == ["The last checkpoint could not be written: division by zero"]
    monkeypatch.undo()
    assert left(*run.resume(path)) == whole(run)


def test_the_newest_is_read_beside_a_writer_that_keeps_one(tmp_path: Path) -> None:
    """Files vanish between their listing, their times and their reading."""
    path = str(tmp_path / "{epoch}.safetensors")
    script = f"""
import numpy as np
import deltarule as dr

x = np.zeros((4, 2))
net = dr.MLP([2, 1], seed=0)
net.fit(x, x[:, 0], epochs=400, checkpoint=dr.Checkpoint({path!r}, every=1, keep=1))
"""
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        epochs = []
        while writer.poll() is None:
            try:
                _, run = read_newest(path)
            except FileNotFoundError as error:
                assert not epochs, error  # none was written yet
            else:
                epochs.append(run.saved.progress.epochs)
    assert writer.returncode == 0
    assert epochs == sorted(epochs) and len(set(epochs)) > 3
