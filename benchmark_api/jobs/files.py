"""Files: only regular ones are read; a file or folder appears under its name when it is complete, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, TypeVar

PathT = TypeVar("PathT", bound="str | os.PathLike[str]")


class WriteError(OSError):
    """A folder cannot be written. The message names it and says what to do."""


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""System error numbers that only a write can cause."""


@contextmanager
def writing_in(folder: Path, *errors: int) -> Iterator[None]:
    """Turn system errors of some numbers, or all, into errors that name the folder.

    Raises:
        WriteError: in place of the system error.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.errno is None or (errors and error.errno not in errors):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room there" if full else "make it writable or name another one"
        raise WriteError(f"cannot write in {folder}: {error.strerror}; {remedy}, then run the same command again") from error


_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def regular(path: PathT) -> PathT:
    """Return the path of a file to read, or of a link to one: to open a FIFO may wait forever, a device may never end.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file.
    """
    if not stat.S_ISREG(mode := os.stat(path).st_mode):
        raise ValueError(f"{path} is {_kind(mode)}; expected a file")
    return path


def check_replaceable(path: Path) -> None:
    """Check that a file may be written under a name: nothing is there, or a regular file. What a link names is not replaced.

    Raises:
        WriteError: something else is there.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(mode := os.lstat(path).st_mode):
            raise WriteError(f"{path} is {_kind(mode)}, which is not replaced; expected the name of a file")


def _kind(mode: int) -> str:
    return next((text for is_kind, text in _KINDS if is_kind(mode)), "no file")


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name when all of it is on the disk, or not at all.

    Until then it has a temporary name that ends in ".part". Such files of killed writers are removed from the folder.

    Raises:
        WriteError: the folder cannot be written, the disk is full, or something else than a file has the name.
    """
    check_replaceable(path)
    with writing_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        discard_parts(path.parent)
        part = _locked_part(path)
    try:
        with writing_in(path.parent, *DISK_ERRORS), part:
            yield part
            part.flush()
            os.fsync(part.fileno())
            os.fchmod(part.fileno(), 0o644)
            os.replace(part.name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part.name)
        raise


def _locked_part(path: Path) -> IO[bytes]:
    """Return a new temporary file, locked while it is open; `discard_parts` keeps locked files."""
    while True:
        part = tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".part", dir=path.parent, delete=False)  # noqa: SIM115
        with suppress(OSError):  # a file system without locks
            fcntl.flock(part, fcntl.LOCK_EX)
        if os.fstat(part.fileno()).st_nlink:  # not removed by `discard_parts` before it was locked
            return part
        part.close()


@contextmanager
def scratch_folder(home: Path, name: str, suffix: Literal[".part", ".spool"]) -> Iterator[Path]:
    """Make a folder with a temporary name in another one, locked while it is used and removed at the end.

    Those of killed processes are removed first.
    """
    discard_parts(home)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=suffix, dir=home))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # not removed by `discard_parts` before it was locked
            break
        os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


_SCRATCH = re.compile(r"\..+\.[a-z0-9_]{8}\.(part|spool)")  # names of folders


def discard_parts(folder: Path) -> None:
    """Remove the temporary files and folders of killed writers from a folder; keep all where the file system has no locks."""
    for part in (*folder.glob(".*.part"), *folder.glob(".*.spool")):
        with suppress(OSError):  # it may be locked, or gone
            mode = os.lstat(part).st_mode
            if not (stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and _SCRATCH.fullmatch(part.name))):
                continue
            lock = os.open(part, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(part) if stat.S_ISDIR(mode) else part.unlink()
            finally:
                os.close(lock)
