"""Files that are written whole or not at all, and the safetensors format: named arrays after a JSON header, no code in it.

The safetensors package copies every tensor it hands to NumPy, and writes only what is in memory as a whole. A table is opened
by every worker and must not be copied, so reading and laying out are here; the tests read what is written with the package.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "U16": "<u2", "U8": "|u1"}
_DTYPE_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}


class FormatError(ValueError):
    """A file that is not a safetensors file, or a damaged one; the message tells what is wrong, not which file."""


class WriteError(OSError):
    """A folder that cannot be written; the message names it, and says what to do."""


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What the system answers to writing alone, whatever else is done besides."""


@contextmanager
def writing_in(folder: Path, *errors: int) -> Iterator[None]:
    """Make errors of writing in a folder say so.

    Args:
        folder: the folder.
        *errors: the system's numbers of those errors; none for all.

    Raises:
        WriteError: instead of the system's error.
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
    """A file to write that appears under its name when all of it is on the disk, or not at all.

    Until then it has a temporary name, which ends in ".part". What killed writers left in the folder is removed.

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
    """A new temporary file, locked as long as it is open: that tells `discard_parts` that its writer lives."""
    while True:
        part = tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".part", dir=path.parent, delete=False)  # noqa: SIM115
        with suppress(OSError):  # a file system without locks
            fcntl.flock(part, fcntl.LOCK_EX)
        if os.fstat(part.fileno()).st_nlink:  # nobody took it for a dead writer's before it was locked
            return part
        part.close()


def discard_parts(folder: Path) -> None:
    """Remove what writers left in a folder that were killed; where the file system has no locks, leave it."""
    for part in folder.glob(".*.part"):
        with suppress(OSError), open(part, "r+b") as file:  # it may be locked, or gone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


class Layout:
    """Where arrays lie in a safetensors file.

    Args:
        tensors: dtype and shape of every array by name.
        metadata: strings to keep in the header.

    Attributes:
        head: the first bytes of the file, up to the first array.
        places: dtype, shape and first byte of every array by name, in the order of the file.
    """

    def __init__(self, tensors: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]], metadata: Mapping[str, str]) -> None:
        entries: dict[str, Any] = {"__metadata__": dict(metadata)}
        sizes: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
        offset = 0
        # Largest items first, so that every array is aligned to its item size.
        for name, (given, shape) in sorted(tensors.items(), key=lambda item: (-np.dtype(item[1][0]).itemsize, item[0])):
            dtype = np.dtype(given).newbyteorder("<")
            size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
            entries[name] = {"dtype": _DTYPE_NAMES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
            sizes[name] = (dtype, tuple(shape), offset)
            offset += size
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % 8)
        self.head = len(header).to_bytes(8, "little") + header
        self.places = {name: (dtype, shape, len(self.head) + start) for name, (dtype, shape, start) in sizes.items()}


def map_safetensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """All arrays of a safetensors file as read-only views of one memory map, and its metadata.

    Raises:
        FileNotFoundError: no such file.
        FormatError: not a well-formed safetensors file.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 8:
                raise FormatError(f"{size} bytes, shorter than any safetensors file")
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, 100_000_000):
                raise FormatError(f"no safetensors header (expected its length in the first 8 bytes, got {length})")
            header = json.loads(file.read(length))
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise FormatError("its header is not a JSON object")
    tensors = {}
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        try:
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(map(int, entry["shape"]))
            begin, end = map(int, entry["data_offsets"])
            count = int(np.prod(shape, dtype=object)) if shape else 1
            if (
                not 0 <= min(shape, default=0) <= max(shape, default=0) <= size
                or begin < 0
                or end - begin != count * dtype.itemsize
            ):
                raise ValueError(f"offsets {begin} to {end} do not hold {shape} of {dtype}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"damaged header entry for {name!r}: {error!r}") from error
        if 8 + length + end > size:
            raise FormatError(f"truncated: {name} ends at byte {8 + length + end}, the file has {size}")
        tensors[name] = np.frombuffer(buffer, dtype, count, 8 + length + begin).reshape(shape)
    return tensors, metadata


def fingerprint(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 over names, dtypes, shapes and contents of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
