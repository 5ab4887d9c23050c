"""Atomic writes: a file appears under its name when it is complete, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


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


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name when all of it is on the disk, or not at all.

    Until then it has a temporary name that ends in ".part". Such files of killed writers are removed from the folder.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
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


def discard_parts(folder: Path) -> None:
    """Remove the temporary files of killed writers from a folder; keep all where the file system has no locks."""
    for part in folder.glob(".*.part"):
        with suppress(OSError), open(part, "r+b") as file:  # it may be locked, or gone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
