"""Which files are written and read: regular ones alone, through links, with mode and owner kept."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deltarule as dr
from network_support import assert_same_bits
from process_support import environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the files of POSIX")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the rights of root")


def network(seed: int = 0) -> dr.MLP:
    return dr.MLP([3, 2], seed=seed)


def fit(path: Any) -> None:
    place = dr.Checkpoint(path, overwrite=True)
    network().fit([[1.0, 2.0, 3.0]], [[1.0, 2.0]], epochs=1, checkpoint=place)


def fit_and_keep(path: Any) -> None:
    network().fit([[1.0, 2.0, 3.0]], [[1.0, 2.0]], epochs=1, checkpoint=path)


def plot(path: Any) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    dr.History(loss=[2.0, 1.0]).plot(path)


WRITERS: dict[str, Callable[[Any], None]] = {
    "save": lambda path: network().save(path),
    "checkpoint": fit,
    "plot": plot,
}
READERS: dict[str, Callable[[Any], object]] = {
    "load": dr.load,
    "resume": lambda path: dr.resume(path, [[1.0, 2.0, 3.0]], [[1.0, 2.0]]),
    "a checkpoint's place": fit_and_keep,
}


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the address of a socket is short
        server.bind(path.name)


IRREGULAR: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "folder": (Path.mkdir, "is a folder, a regular file is needed", errno.EISDIR),
    "FIFO": (os.mkfifo, "is a FIFO, a regular file is needed", errno.EINVAL),
    "socket": (bind, "is a socket, a regular file is needed", errno.EINVAL),
    "link to a device": (
        lambda path: path.symlink_to("/dev/null"),
        "is a character device, a regular file is needed",
        errno.EINVAL,
    ),
    "loop": (
        lambda path: path.symlink_to(path.name),
        "Too many levels of symbolic links",
        errno.ELOOP,
    ),
}


@pytest.mark.parametrize("use", [*WRITERS, *READERS])
@pytest.mark.parametrize("kind", IRREGULAR)
def test_only_regular_files_are_read_and_written(
    kind: str, use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, rule, number = IRREGULAR[kind]
    path = tmp_path / "net.png"
    make(path)
    before = os.lstat(path)
    with pytest.raises(OSError, match=re.escape(rule)) as caught:
        (WRITERS | READERS)[use](path)
    assert caught.value.errno == number
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["net.png"]
    assert os.path.samestat(os.lstat(path), before)


@as_root
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "null.png"
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for use in WRITERS.values():
        with pytest.raises(OSError, match="is a character device"):
            use(path)
    assert stat.S_ISCHR(os.lstat(path).st_mode)


def test_standard_output_is_not_replaced_under_its_name(tmp_path: Path) -> None:
    script = (
        "import deltarule as dr; print('before', flush=True); dr.MLP([3, 2]).save('/dev/stdout')"
    )
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=out, stderr=subprocess.PIPE, text=True,
            env=environment(), timeout=60,
        )  # fmt: skip
    assert "is this process's standard output or error: '/dev/stdout'" in done.stderr
    assert (tmp_path / "out").read_text() == "before\n"


LINKS: dict[str, tuple[dict[str, str], str]] = {
    "relative": ({"net.png": "real/target"}, "real/target"),
    "absolute": ({"net.png": "/{folder}/real/target"}, "real/target"),
    "up": ({"net.png": "real/../real/target"}, "real/target"),
    "chain": ({"net.png": "second", "second": "real/third", "real/third": "target"}, "real/target"),
    "through a folder's link": ({"folder": "real", "net.png": "folder/target"}, "real/target"),
}


@pytest.mark.parametrize("old", [True, False], ids=["target", "dangling"])
@pytest.mark.parametrize("use", WRITERS)
@pytest.mark.parametrize("kind", LINKS)
def test_links_stay_and_their_target_is_written(
    kind: str, use: str, old: bool, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    links, target = LINKS[kind]
    for name, to in links.items():
        (tmp_path / name).symlink_to(to.replace("/{folder}", str(tmp_path)))
    if old:
        (tmp_path / target).write_bytes(b"old")
    WRITERS[use](tmp_path / "net.png")
    assert all((tmp_path / name).is_symlink() for name in links)
    assert not (tmp_path / target).is_symlink()
    assert (tmp_path / target).read_bytes()[:3] != b"old"
    names = {target, "real", *links}
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} <= names | {"folder/target"}
    if use != "plot":
        assert dr.load(tmp_path / "net.png").sizes == (3, 2)


def test_a_link_into_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "net").symlink_to("missing/target")
    with pytest.raises(FileNotFoundError, match="missing"):
        network().save(tmp_path / "net")
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("use", WRITERS)
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755, 0o200])
def test_the_mode_is_kept(mode: int, use: str, tmp_path: Path) -> None:
    path = tmp_path / "net.png"
    path.write_bytes(b"old")
    path.chmod(mode)
    WRITERS[use](path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes()[:3] != b"old"


def test_a_private_file_is_private_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"old")
    path.chmod(0o600)
    modes, chmod = [], os.fchmod

    def watched(descriptor: int, mode: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        chmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", watched)
    network().save(path)
    assert modes == [0o600]


@as_root
def test_owner_and_group_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"old")
    os.chown(path, 12345, 23456)
    path.chmod(0o660)
    network().save(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o660)


@as_root
def test_a_group_that_cannot_be_kept_gets_no_rights_that_others_lack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"old")
    os.chown(path, -1, 23456)
    path.chmod(0o664)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    network().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_write_protected_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root may write everything
    with pytest.raises(PermissionError, match="is write-protected"):
        network().save(path)
    assert path.read_bytes() == b"old"


NAMES = ["a" * 100, "a" * 101, "a" * 230, "a" * 255, "é" * 127, "x\ny", " ", "-", "\udcff", "a\\b"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names(name: str, tmp_path: Path) -> None:
    net, path = network(), tmp_path / name
    net.save(path)
    assert_same_bits(dr.load(path).theta, net.theta)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("length", [100, 101, 255])
def test_what_a_killed_process_left_of_a_long_name_is_removed(length: int, tmp_path: Path) -> None:
    path = tmp_path / ("a" * length)
    script = f"""
import os
import deltarule as dr
os.replace = lambda *names: os._exit(9)
dr.MLP([3, 2]).save({str(path)!r})
"""
    done = subprocess.run([sys.executable, "-c", script], env=environment(), timeout=60)
    assert done.returncode == 9
    assert len(os.listdir(tmp_path)) == 1
    network().save(tmp_path / ("b" * length))
    assert len(os.listdir(tmp_path)) == 2  # another file's temporary stays
    network().save(path)
    assert sorted(os.listdir(tmp_path)) == ["a" * length, "b" * length]


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        network().save(tmp_path / ("a" * 256))
    assert caught.value.errno == errno.ENAMETOOLONG
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "error", "rule"),
    [
        (b"net", TypeError, "path must be a str or a path, not b'net'"),
        (3, TypeError, "path must be a str or a path, not 3"),
        (None, TypeError, "path must be a str or a path, not None"),
        ("a\0b", ValueError, r"path must have no null character, not 'a\\x00b'"),
    ],
)
def test_invalid_paths_are_refused(path: Any, error: type[Exception], rule: str) -> None:
    for use in (network().save, dr.load):
        with pytest.raises(error, match=rule):
            use(path)


@pytest.mark.parametrize("name", ["", "new/", ".", ".."])
def test_missing_files_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError):
        network().save(name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("function", ["replace", "fsync", "open"])
def test_an_error_names_the_file_and_not_its_temporary(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError) as caught:
            network().save(tmp_path / "net")
    assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path / 'net'}'"


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the mode 0300 takes files, and is neither listed nor synced."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    real = os.open

    def no_folders(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "open", no_folders)
    network().save(tmp_path / "net")
    assert dr.load(tmp_path / "net").sizes == (3, 2)
