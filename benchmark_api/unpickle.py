"""Restricted unpickling: reads the plain data of archives and image files, and runs nothing that a file names.

Python's unpickler imports and calls whatever a pickle names. Here a name is looked up in a short table, and what it stands for
is a function of this module that checks its arguments: no class and no NumPy constructor is ever called with a file's values.

    collections.OrderedDict             -> dict
    numpy.core.multiarray.scalar        -> float, of a little-endian float64 only
    numpy.core.multiarray._reconstruct  -> array, made here of a checked dtype, shape and bytes; in image files only
    numpy.core.numeric._frombuffer      -> the same, as protocol 5 has it
    _codecs.encode                      -> bytes of Latin-1 text, as Python 3 writes them in protocol 2; in image files only
    numpy.dtype, numpy.ndarray          -> arguments of these

Since NumPy 2, numpy.core is called numpy._core.

A file may be made to exhaust memory, so memory is limited while a pickle is read (on Linux; other systems do not enforce
RLIMIT_AS). Time is not limited here: `importers.official` reads in processes that end after some seconds without a result.
"""

from __future__ import annotations

import bz2
import io
import os
import pickle
import resource
import struct
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, ClassVar, Literal, NoReturn, Protocol, TypeVar

import numpy as np

from benchmark_api.jobs.files import regular
from benchmark_api.kind_of_file import HEAD, kind_of
from benchmark_api.types import AnyArray

ResultT = TypeVar("ResultT")

SIZE_LIMIT = 8 << 20
"""Unpacked bytes of one file, or of one record of a single-file archive; official records have a third of a megabyte."""

MEMORY_LIMIT = 1 << 30
"""Bytes by which reading one pickle, or one record of a single-file archive, may enlarge the process."""

TOO_LARGE = f"more than {SIZE_LIMIT >> 20} MiB unpacked; official records have far less"
_CHUNK = 1 << 20  # bytes read and unpacked at a time


class UnsafePickleError(ValueError):
    """A pickle that asks for more than data. Nothing of it has run."""


class Readable(Protocol):
    """The part of a binary file that is needed."""

    def read(self, size: int, /) -> bytes: ...
    def tell(self) -> int: ...


class Named:
    """A function that a pickle may call by a name. It raises a TypeError for arguments that known files do not have."""

    __slots__ = ("_function", "_name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._function(*arguments)
        except TypeError:
            raise UnsafePickleError(f"a call of {self._name} with other arguments than known files have") from None

    def __setstate__(self, state: object) -> None:
        _refuse_state(self._name)


def _refuse_state(name: str) -> NoReturn:
    raise UnsafePickleError(f"a state of {name} that known files do not have")


class Dtype:
    """A little-endian NumPy dtype in a pickle: made by a call, then given a state that must describe what it is already."""

    __slots__ = ("dtype",)
    KINDS: ClassVar = ("u1", "i4", "i8", "f4", "f8")

    def __init__(self, code: object, align: object, copy: object) -> None:
        match _text(code), align, copy:
            case str(kind), int(0), int(1) if kind in self.KINDS:
                self.dtype = np.dtype(kind).newbyteorder("<")
            case _:
                raise TypeError

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(3), order, None, None, None, int(-1), int(-1), int(0)) if _text(order) == (
                "|" if self.dtype.itemsize == 1 else "<"
            ):
                return
        _refuse_state("numpy.dtype")


class _Array:
    """A NumPy array in a pickle: made empty by a call, then given its content as a state."""

    __slots__ = ("array",)

    def __init__(self, kind: object, shape: object, code: object) -> None:
        if kind is not _NDARRAY or shape != (0,) or _text(code) != "b":
            raise TypeError
        self.array: AnyArray | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(1), tuple() as shape, Dtype() as kind, int(0 | 1) as by_column, bytes() as content) if self.array is None:
                self.array = _shaped(content, kind, shape, "F" if by_column else "C")
                return
        _refuse_state("numpy.ndarray")


def _shaped(content: bytes | bytearray, kind: Dtype, shape: tuple[Any, ...], order: Literal["C", "F"]) -> AnyArray:
    """Return a read-only array of bytes that have exactly its size; raise ValueError otherwise."""
    plain = len(shape) <= 4 and all(type(size) is int and 0 < size <= len(content) for size in shape)
    if not plain or prod(shape) * kind.dtype.itemsize != len(content):
        raise ValueError(f"the sizes of an array do not fit its {len(content)} bytes of {kind.dtype}")
    return np.frombuffer(memoryview(content).toreadonly(), kind.dtype).reshape(shape, order=order)


def _from_buffer(content: object, kind: object, shape: object, order: object) -> _Array:
    """Return an array with its content, as pickles of protocol 5 have it."""
    match content, kind, shape, order:
        case bytes() | bytearray(), Dtype(), tuple(), "C" | "F":
            made = _Array(_NDARRAY, (0,), "b")
            made.array = _shaped(content, kind, shape, order)
            return made
    raise TypeError


def _latin_1(text: object, encoding: object) -> bytes:
    """Return the bytes that Python 3 writes as text in protocol 2; raise ValueError for other text."""
    if not (type(text) is str and encoding == "latin1"):
        raise TypeError
    return text.encode("latin-1")


def _no_items() -> dict[Any, Any]:
    """Return the empty dict that an OrderedDict begins as; `dict` would take arguments."""
    return {}


def _scalar(kind: object, payload: object) -> float:
    if not (isinstance(kind, Dtype) and kind.dtype == np.float64 and type(payload) is bytes and len(payload) == 8):
        raise TypeError
    value: float = struct.unpack("<d", payload)[0]
    return value


def _text(text: object) -> object:
    return text.decode("latin-1") if isinstance(text, bytes) else text


_NDARRAY = Named("numpy.ndarray", lambda: _refuse_state("numpy.ndarray"))
_DTYPE = Named("numpy.dtype", Dtype)
_SCALAR = Named("numpy.core.multiarray.scalar", _scalar)
_RECONSTRUCT = Named("numpy.core.multiarray._reconstruct", _Array)
_FROM_BUFFER = Named("numpy.core.numeric._frombuffer", _from_buffer)
_ARCHIVE_NAMES = {
    "collections.OrderedDict": Named("collections.OrderedDict", _no_items),
    "numpy.core.multiarray.scalar": _SCALAR,
    "numpy.dtype": _DTYPE,
    "numpy._core.multiarray.scalar": _SCALAR,  # since NumPy 2
}
_IMAGE_NAMES = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": _DTYPE,
    "numpy.core.numeric._frombuffer": _FROM_BUFFER,
    "_codecs.encode": Named("_codecs.encode", _latin_1),
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,  # since NumPy 2
    "numpy._core.numeric._frombuffer": _FROM_BUFFER,
}


class Restricted:
    """Base class of unpicklers that look names up in a table instead of importing them."""

    names: ClassVar[Mapping[str, object]] = _ARCHIVE_NAMES
    kind: ClassVar[str] = "official archives"

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return what a name stands for."""
        full = f"{module_name}.{global_name}"
        if full not in self.names:
            raise UnsafePickleError(f"the global {_one_line(full[:100])}; {self._needed(module_name)}")
        return self.names[full]

    def _needed(self, refused: str) -> str:
        """Return what is needed instead of a file that names a module."""
        if refused.partition(".")[0] == "torch" and self.names is _ARCHIVE_NAMES:
            return "archives that end in -full hold weights; take the one that ends in -simple, which does not"
        return f"{self.kind} need only {', '.join(list(self.names)[:3])}"


class _ArchiveUnpickler(Restricted, pickle.Unpickler):
    pass


class _PlainUnpickler(Restricted, pickle.Unpickler):
    kind = "files of plain data"


class _ImageUnpickler(Restricted, pickle.Unpickler):
    names = _IMAGE_NAMES
    kind = "image files"


def load(path: str | os.PathLike[str]) -> Any:
    """Return the content of a bz2-compressed pickle file (`.pickle.pbz2`) of at most `SIZE_LIMIT` unpacked bytes.

    Raises:
        OSError: the file cannot be read.
        UnsafePickleError: the pickle asks for a name that is not in the table above, or calls one in another way.
        ValueError: the file is truncated, corrupt, too large, or takes too much memory; the message names the file.
    """
    with open(regular(path), "rb") as file:
        return loads(unpack_whole(file, str(path)), str(path))


def loads(data: bytes, name: str = "pickle") -> Any:
    """Return the content of a pickle in memory; `name` stands for it in messages. Raises as `load` does."""
    return _whole(_ArchiveUnpickler, data, name)


def load_stream(path: str | os.PathLike[str], size_limit: int) -> Iterator[Any]:
    """Yield the content of every pickle in an uncompressed file: one, or a stream of several.

    Raises:
        OSError: the file cannot be read.
        UnsafePickleError: as `load` does.
        ValueError: as `load` does, or the file has more than `size_limit` bytes.
    """
    name = os.fspath(path)
    with open(regular(path), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > size_limit:
            raise ValueError(f"{name}: {size:,} bytes of pickles, expected at most {size_limit:,}")
        while True:
            _check_start(file.peek(2)[:2], name)
            yield guarded(lambda _: _PlainUnpickler(file).load(), name)
            if not file.peek(1):
                return


def load_images(data: bytes, name: str = "pickle") -> dict[str, Any]:
    """Return the dictionary of an image file in memory: plain data and arrays, as CIFAR-10, CIFAR-100 and ImageNet16 have.

    Arrays are values of the dictionary: read-only views of their bytes in the pickle, of uint8, int32, int64, float32 or
    float64. Text that Python 2 wrote is bytes as a value and str as a key.

    Raises:
        ValueError: as `load` does, or the pickle is something else than a dictionary.
    """
    content = _whole(_ImageUnpickler, data, name)
    if not isinstance(content, dict):
        raise ValueError(f"{name}: a {type(content).__name__}, expected a dictionary")
    return {str(_text(key)): value.array if isinstance(value, _Array) else value for key, value in content.items()}


def _whole(unpickler: type[pickle.Unpickler], data: bytes, name: str) -> Any:
    _check_start(data[:2], name)
    file = io.BufferedReader(io.BytesIO(data), 1 << 17)

    def read(_: MemoryLimit) -> Any:
        content = unpickler(file, encoding="bytes").load()
        if file.read(1):
            raise ValueError("bytes follow the end of the pickle")
        return content

    return guarded(read, name)


def _check_start(start: bytes, name: str) -> None:
    """Raise a ValueError if the first two bytes are not those of a pickle of protocol 2 to 5."""
    if not (start[:1] == pickle.PROTO and len(start) > 1 and 2 <= start[1] <= 5):
        what = f"not a pickle of protocol 2 to 5 (it begins with {start!r})" if start else "truncated: it is empty"
        raise ValueError(f"{name}: damaged: {what}")


class MemoryLimit:
    """Limit of the process's memory, relative to its size; lifted to what it was before.

    Args:
        growth: bytes by which the process may grow; by default `MEMORY_LIMIT`.
    """

    def __init__(self, growth: int | None = None) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_AS)
        self._growth = MEMORY_LIMIT if growth is None else growth
        self.renew()

    def renew(self) -> None:
        """Let the process grow by the limit from now on, where the system says how large it is."""
        try:
            with open("/proc/self/statm", "rb") as file:
                limit = int(file.read().split()[0]) * resource.getpagesize() + self._growth
        except OSError:
            return
        soft, hard = self._before
        if soft == resource.RLIM_INFINITY or limit < soft:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))

    def lift(self) -> None:
        """Restore the limit that was there before."""
        resource.setrlimit(resource.RLIMIT_AS, self._before)


def guarded(read: Callable[[MemoryLimit], ResultT], name: str) -> ResultT:
    """Read under a limit of memory; raise ValueErrors that name the file for whatever type of error the unpickler raises."""
    limit = MemoryLimit()
    try:
        return read(limit)
    except MemoryError:
        pass  # what was read is freed when this block ends; the message is made with memory at hand
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{name}: refused: it asks for {error}. Nothing of it was run.") from None
    except Exception as error:  # the unpickler raises a dozen types
        if isinstance(error, ValueError) and str(error).startswith(f"{name}: "):
            raise
        raise ValueError(f"{name}: damaged: {_one_line(str(error)) or type(error).__name__}") from error
    finally:
        limit.lift()
    raise ValueError(f"{name}: refused: reading it takes more than {MEMORY_LIMIT >> 20} MiB of memory; official files take less")


def _one_line(text: str) -> str:
    """Return a short text that may be printed, of one that anybody may have made."""
    line = " ".join(text.split())[:300]
    return line if line.isprintable() else ascii(line)


def unpack(file: Readable, name: str) -> Iterator[bytes]:
    """Yield the content of a bz2 file in pieces of at most a megabyte.

    Raises:
        ValueError: it is not bz2 (the message says what it is, if that is known), is truncated, or goes on after its end.
    """
    decompressor = bz2.BZ2Decompressor()
    packed = file.read(_CHUNK)
    if not packed.startswith(b"BZh") and (kind := kind_of(packed[:HEAD], os.path.basename(name))):
        raise ValueError(f"{name}: not a bz2 file but {kind}")
    while not decompressor.eof:
        if decompressor.needs_input and not packed:
            raise ValueError(f"{name}: truncated: the bz2 data ends at byte {file.tell()} before their end mark")
        try:
            yield decompressor.decompress(packed, _CHUNK)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name}: corrupt bz2 data before byte {file.tell()}: {error}") from error
        packed = file.read(_CHUNK) if decompressor.needs_input else b""
    rest = len(decompressor.unused_data) + len(file.read(1))
    if rest:
        raise ValueError(f"{name}: corrupt: bytes follow the end of the bz2 data, at byte {file.tell() - rest}")


def unpack_whole(file: Readable, name: str) -> bytes:
    """Return the content of a bz2 file of at most `SIZE_LIMIT` bytes. Raises ValueError as `unpack` does, or if it has more."""
    data = b""
    for chunk in unpack(file, name):
        data += chunk
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"{name}: {TOO_LARGE}")
    return data
