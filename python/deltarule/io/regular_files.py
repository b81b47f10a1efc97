"""Reading of regular files only, and their atomic replacement."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from functools import partial
from typing import BinaryIO

# The longest file name, in bytes, that the temporary file's name repeats: it adds 33, and some file
# systems limit names to 143.
_LONGEST_REPEATED = 100

# Bytes per write, between which Ctrl-C is handled.
_WRITE_BYTES = 2**24

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}

# Errors of folders that cannot be opened or synced, after the file has its name.
_NOT_SYNCED = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)

# The names of the temporary files that this process is writing.
_being_written: set[str] = set()


def text_of(path: str | os.PathLike[str]) -> str:
    """Return a path as it was given: of a Path, the parts would be interned every time.

    Raises
    ------
    TypeError, ValueError
        If it is no text, or has a null character.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"path must be a str or a path, not {path!r}")
    if "\0" in text:
        raise ValueError(f"path must have no null character, not {text!r}")
    return text


def check_regular(path: str | os.PathLike[str]) -> os.stat_result:
    """Return the status of a regular file, symbolic links followed.

    Raises
    ------
    OSError
        If the path does not exist, or is a folder, a FIFO, a socket or a device.
    """
    text = text_of(path)
    status = os.stat(text)
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
        raise OSError(number, f"is {kind}, a regular file is needed", text)
    return status


def destination(path: str | os.PathLike[str]) -> tuple[str, os.stat_result | None]:
    """Return the file that is to be written, symbolic links followed, and its status if it exists.

    Raises
    ------
    OSError
        If the path names no file, or one that must not be replaced: it is not regular, it is
        write-protected, or standard output or error goes there; if symbolic links form a loop.
    """
    text = text_of(path)
    try:
        status = check_regular(text)
    except FileNotFoundError:  # a new file, or the target of a dangling link
        status = None
    if status is not None and not os.access(text, os.W_OK):
        raise PermissionError(errno.EACCES, "is write-protected", text)
    if status is not None and _is_standard_stream(status):  # as /dev/stdout is with > file
        raise OSError(errno.EINVAL, "is this process's standard output or error", text)
    final = os.path.realpath(text) if os.path.islink(text) else text
    if not os.path.basename(final):
        raise IsADirectoryError(errno.EISDIR, "names no file", text)
    return final, status


def _is_standard_stream(status: os.stat_result) -> bool:
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(os.fstat(descriptor), status):
                return True
    return False


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that, after a crash at any moment, the old one or the new one is there.

    A symbolic link stays, and its target is written. The permissions of the old file are kept, and
    its owner and group where the process may set them.

    Raises
    ------
    OSError
        As `destination`, and where the file cannot be written.
    """
    final, old = destination(path)
    folder, base = os.path.split(final)
    folder = folder or os.curdir
    stem = _stem(base)
    _remove_stale(folder, base, stem)
    name = f".{stem}.{os.getpid()}-{os.urandom(8).hex()}.tmp"
    temporary = os.path.join(folder, name)
    # The opener has no Python code, between whose instructions Ctrl-C could lose the descriptor.
    opener = partial(os.open, mode=0o666 if old is None else 0o600)
    _being_written.add(name)
    file: BinaryIO | None = None
    try:
        file = open(temporary, "xb", opener=opener)  # no with: Ctrl-C may come at its very end
        if old is not None and os.name == "posix":
            _give(file.fileno(), old)
        for start in range(0, len(data), _WRITE_BYTES):  # Ctrl-C comes between two
            file.write(memoryview(data)[start : start + _WRITE_BYTES])
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(temporary, final)
    except BaseException as error:
        if file is not None:
            with suppress(OSError):  # its buffer cannot be written now either
                file.close()
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, final) from None
        raise
    finally:
        _being_written.discard(name)
    _sync_folder(folder)


def _stem(base: str) -> str:
    """Return the beginning of the names of a file's temporary files."""
    encoded = os.fsencode(base)
    if len(encoded) <= _LONGEST_REPEATED:
        return base
    import hashlib  # here: few names need it

    return hashlib.sha256(encoded).hexdigest()[:32]


def _give(descriptor: int, old: os.stat_result) -> None:
    """Give a new file the owner, group and permissions of the old one.

    If the group cannot be kept, the new group gets at most the permissions of others.
    """
    mode = stat.S_IMODE(old.st_mode) & 0o777
    new = os.fstat(descriptor)
    if new.st_gid != old.st_gid:
        try:
            os.fchown(descriptor, -1, old.st_gid)
        except OSError:
            mode &= ~0o070 | (mode & 0o007) << 3
    if new.st_uid != old.st_uid:
        with suppress(OSError):
            os.fchown(descriptor, old.st_uid, -1)
    os.fchmod(descriptor, mode)


def _remove_stale(folder: str, base: str, stem: str) -> None:
    """Remove the temporary files of this file whose processes have ended."""
    pattern = re.compile(rf"\.(?:{re.escape(base)}|{re.escape(stem)})\.(\d+)-\w+\.tmp")
    try:
        names = os.listdir(folder)
    except PermissionError:  # a folder may be writable and not readable
        return
    for name in names:
        match = pattern.fullmatch(name)
        if match is not None and name not in _being_written and not _is_anothers(int(match[1])):
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))


def _is_anothers(process: int) -> bool:
    """Return whether a process is alive and not this one, as containers may repeat its number."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or no number of a process
        return True
    return True


def _sync_folder(folder: str) -> None:
    """Make the renaming itself durable, where folders can be synced."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            raise
