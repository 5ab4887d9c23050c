"""Restricted unpickling: reads the plain data of archives and image files, and runs nothing that a file names.

Python's unpickler imports and calls whatever a pickle names. Here a name is looked up in a short table, and what it stands for
is a function of this module that checks its arguments: no class and no NumPy constructor is ever called with a file's values.

    collections.OrderedDict             -> dict
    numpy.core.multiarray.scalar        -> float, of a little-endian float64 only
    numpy.core.multiarray._reconstruct  -> array, made here of a checked dtype, shape and bytes; in image files only
    numpy.dtype, numpy.ndarray          -> arguments of these

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
from array import array
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

import numpy as np

from benchmark_api.types import AnyArray

ResultT = TypeVar("ResultT")
_PythonUnpickler: Any = pickle._Unpickler

SIZE_LIMIT = 8 << 20
"""Unpacked bytes of one file, or of one record of a single-file archive; official records have a third of a megabyte."""

MEMORY_LIMIT = 1 << 30
"""Bytes by which reading one pickle may enlarge the process."""

STREAM_MEMORY_LIMIT = 2 << 30
"""The same for a single-file archive, whose memo takes 4 bytes for each of its hundred million entries."""

_TOO_LARGE = f"more than {SIZE_LIMIT >> 20} MiB unpacked; official records have far less"
_CHUNK = 1 << 20  # bytes read and unpacked at a time


class UnsafePickleError(ValueError):
    """A pickle that asks for more than data. Nothing of it has run."""


class Readable(Protocol):
    """The part of a binary file that is needed."""

    def read(self, size: int, /) -> bytes: ...
    def tell(self) -> int: ...


# -- what names stand for ------------------------------------------------------------------------------------------------


class _Named:
    """A function that a pickle may call by a name; its attributes cannot be set by the pickle.

    Args:
        name: the name in the pickle.
        function: raises TypeError for arguments other than those of known files.
    """

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


class _Dtype:
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
            case (int(1), tuple() as shape, _Dtype() as kind, int(0 | 1) as by_column, bytes() as content) if self.array is None:
                plain = len(shape) <= 4 and all(type(size) is int and 0 < size <= len(content) for size in shape)
                if not plain or prod(shape) * kind.dtype.itemsize != len(content):
                    raise ValueError(f"the sizes of an array do not fit its {len(content)} bytes of {kind.dtype}")
                self.array = np.frombuffer(content, kind.dtype).reshape(shape, order="F" if by_column else "C")
                return
        _refuse_state("numpy.ndarray")


def _no_items() -> dict[Any, Any]:
    """Return the empty dict that an OrderedDict begins as."""
    return {}


def _scalar(kind: object, payload: object) -> float:
    if not (isinstance(kind, _Dtype) and kind.dtype == np.float64 and type(payload) is bytes and len(payload) == 8):
        raise TypeError
    value: float = struct.unpack("<d", payload)[0]
    return value


def _text(text: object) -> object:
    return text.decode("latin-1") if isinstance(text, bytes) else text


_NDARRAY = _Named("numpy.ndarray", lambda: _refuse_state("numpy.ndarray"))
_DTYPE = _Named("numpy.dtype", _Dtype)
_SCALAR = _Named("numpy.core.multiarray.scalar", _scalar)
_RECONSTRUCT = _Named("numpy.core.multiarray._reconstruct", _Array)
_ARCHIVE_NAMES = {
    "collections.OrderedDict": _Named("collections.OrderedDict", _no_items),
    "numpy.core.multiarray.scalar": _SCALAR,
    "numpy.dtype": _DTYPE,
    "numpy._core.multiarray.scalar": _SCALAR,  # since NumPy 2
}
_IMAGE_NAMES = {
    "numpy.core.multiarray._reconstruct": _RECONSTRUCT,
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": _DTYPE,
    "numpy._core.multiarray._reconstruct": _RECONSTRUCT,
}


# -- reading pickles -----------------------------------------------------------------------------------------------------


class _Restricted:
    """Looks names up in a table instead of importing them."""

    names: ClassVar[Mapping[str, object]] = _ARCHIVE_NAMES
    kind: ClassVar[str] = "official archives"

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Return what a name stands for."""
        full = f"{module_name}.{global_name}"
        if full not in self.names:
            raise UnsafePickleError(
                f"the global {_one_line(full[:100])}; {self.kind} need only {', '.join(list(self.names)[:3])}"
            )
        return self.names[full]


class _ArchiveUnpickler(_Restricted, pickle.Unpickler):
    pass


class _ImageUnpickler(_Restricted, pickle.Unpickler):
    names = _IMAGE_NAMES
    kind = "image files"


def load(path: str | os.PathLike[str]) -> Any:
    """Return the content of a bz2-compressed pickle file (`.pickle.pbz2`) of at most `SIZE_LIMIT` unpacked bytes.

    Raises:
        OSError: the file cannot be read.
        UnsafePickleError: the pickle asks for a name that is not in the table above, or calls one in another way.
        ValueError: the file is truncated, corrupt, too large, or takes too much memory; the message names the file.
    """
    with open(path, "rb") as file:
        return loads(unpack_whole(file, str(path)), str(path))


def loads(data: bytes, name: str = "pickle") -> Any:
    """Return the content of a pickle in memory; `name` stands for it in messages. Raises as `load` does."""
    return _whole(_ArchiveUnpickler, data, name)


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
    if not (data[:1] == pickle.PROTO and len(data) > 1 and 2 <= data[1] <= 5):
        what = f"not a pickle of protocol 2 to 5 (it begins with {data[:2]!r})" if data else "truncated: it is empty"
        raise ValueError(f"{name}: damaged: {what}")
    file = io.BufferedReader(io.BytesIO(data), 1 << 17)

    def read() -> Any:
        content = unpickler(file, encoding="bytes").load()
        if file.read(1):
            raise ValueError("bytes follow the end of the pickle")
        return content

    return _guarded(read, name, MEMORY_LIMIT)


def _guarded(read: Callable[[], ResultT], name: str, memory: int) -> ResultT:
    """Read under a limit of memory, and name the file in errors, of whatever type the unpickler raised them."""
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    _limit_memory(memory, unlimited)
    try:
        return read()
    except MemoryError:
        pass  # what was read is freed when this block ends; the message is made with memory at hand
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{name}: refused: it asks for {error}. Nothing of it was run.") from None
    except Exception as error:  # the unpickler raises a dozen types
        if isinstance(error, ValueError) and str(error).startswith(f"{name}: "):
            raise
        raise ValueError(f"{name}: damaged: {_one_line(str(error)) or type(error).__name__}") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
    raise ValueError(f"{name}: refused: reading it takes more than {memory >> 20} MiB of memory; official files take far less")


def _one_line(text: str) -> str:
    """Return a short text that may be printed, of one that anybody may have made."""
    line = " ".join(text.split())[:300]
    return line if line.isprintable() else ascii(line)


def _limit_memory(memory: int, unlimited: tuple[int, int]) -> None:
    """Let the process grow by `memory` bytes at most, where the system says how large it is."""
    try:
        with open("/proc/self/statm", "rb") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    soft, hard = unlimited
    if soft == resource.RLIM_INFINITY or size + memory < soft:
        resource.setrlimit(resource.RLIMIT_AS, (size + memory, hard))


# -- single-file archives ------------------------------------------------------------------------------------------------


def load_records(file: Readable, name: str, consume: Callable[[int, Any], None]) -> Any:
    """Return the content of a single-file archive, whose records are handed over one by one and forgotten.

    Args:
        file: a bz2-compressed pickle of a dict with a dict "arch2infos".
        name: stands for the file in messages.
        consume: called with index and record for every item of "arch2infos", in the order of the file.

    Returns:
        The dict, with an empty "arch2infos".

    Raises:
        ValueError: as `load` does, or as `consume` does.
    """
    content = _guarded(_RecordUnpickler(_Stream(unpack(file, name)), consume).load, name, STREAM_MEMORY_LIMIT)
    records = content.get("arch2infos") if isinstance(content, dict) else None
    if isinstance(records, dict):
        for index, record in records.items():
            if record is not None:  # a record without any schedule: nothing was filled in
                consume(index, record)
        content["arch2infos"] = {}
    return content


class _Stream:
    """Unpacked bytes as a file for an unpickler; at most `SIZE_LIMIT` of them from one call of `allow_more` to the next."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self.allow_more()

    def allow_more(self) -> None:
        self._left = SIZE_LIMIT

    def _fetch(self, size: int) -> None:
        """Make `size` bytes available, or all that there are."""
        pieces = [self._data[self._at :]]
        missing = size - len(pieces[0])
        while missing > 0 and (chunk := next(self._chunks, None)) is not None:
            pieces.append(chunk)
            missing -= len(chunk)
        self._data, self._at = b"".join(pieces), 0

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ValueError(_TOO_LARGE)
        if self._at + size > len(self._data):
            self._fetch(size)
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def readline(self) -> bytes:
        length = 1
        while (end := self._data.find(b"\n", self._at)) < 0 and length <= SIZE_LIMIT:
            length += _CHUNK
            self._fetch(length)
        return self.read(end + 1 - self._at if end >= 0 else SIZE_LIMIT)


class _Memo:
    """The memo of a pickle of many records.

    Later records may refer to any text of earlier ones. A full archive has more than a hundred million entries but few
    different texts, so each entry of a finished record is kept as the number of its text.
    """

    def __init__(self) -> None:
        self._recent: list[Any] = []
        self._frozen = array("I")  # numbers of the entries of finished records
        self._kept: list[Any] = [None]  # what the numbers stand for: texts, names and dtypes, None for all other objects
        self._number_of: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._frozen) + len(self._recent)

    def __setitem__(self, index: int, value: Any) -> None:
        position = index - len(self._frozen)
        if not 0 <= position <= len(self._recent):  # Python numbers them one after another
            raise ValueError(f"memo index {index}, expected {len(self)}")
        self._recent[position : position + 1] = [value]

    def __getitem__(self, index: int) -> Any:
        if index >= len(self._frozen):
            return self._recent[index - len(self._frozen)]
        value = self._kept[self._frozen[index]]
        if value is None:
            raise ValueError("a reference from one record to an object of another")
        return value

    def freeze(self) -> None:
        """Replace the entries since the last call by numbers."""
        for value in self._recent:
            number = 0
            if type(value) in (str, _Named, _Dtype):
                number = self._number_of.setdefault(value, len(self._kept))
                if number == len(self._kept):
                    self._kept.append(value)
            self._frozen.append(number)
        self._recent.clear()


class _RecordUnpickler(_Restricted, _PythonUnpickler):  # type: ignore[misc]
    """Hands over each item of "arch2infos" as soon as it is complete, and keeps nothing of it but memoized text.

    Only the pure-Python twin of `pickle.Unpickler` has its stack within reach. It takes about three times as long.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: _Stream, consume: Callable[[int, Any], None]) -> None:
        super().__init__(stream, encoding="bytes")
        self.memo = _Memo()
        self._stream = stream
        self._consume = consume

    def load(self) -> Any:
        content = super().load()
        if self.read(1) or self._stream.read(1):
            raise ValueError("bytes follow the end of the pickle")
        return content

    def _hand_over(self) -> None:
        """Hand over the dictionary that was just filled if it is a whole record."""
        if len(self.metastack) == 2:  # one of several items, above a mark
            owner = self.metastack[1]
        elif len(self.metastack) == 1:  # a single item
            owner = self.stack[:-2]
        else:
            return
        if owner[-2:-1] == ["arch2infos"] and len(self.stack) > 1 and type(self.stack[-2]) is int:
            self._consume(*self.stack[-2:])
            self.stack[-1] = None
            self.memo.freeze()
            self._stream.allow_more()

    def _load_setitem(self) -> None:
        self.load_setitem()
        self._hand_over()

    def _load_setitems(self) -> None:
        self.load_setitems()
        self._hand_over()

    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems


# -- bz2 -----------------------------------------------------------------------------------------------------------------


def unpack(file: Readable, name: str) -> Iterator[bytes]:
    """Yield the content of a bz2 file in pieces of at most a megabyte.

    Raises:
        ValueError: it is not bz2, is truncated, or goes on after its end.
    """
    decompressor = bz2.BZ2Decompressor()
    while not decompressor.eof:
        packed = file.read(_CHUNK) if decompressor.needs_input else b""
        if decompressor.needs_input and not packed:
            raise ValueError(f"{name}: truncated: the bz2 data ends at byte {file.tell()} before their end mark")
        try:
            yield decompressor.decompress(packed, _CHUNK)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name}: corrupt bz2 data before byte {file.tell()}: {error}") from error
    rest = len(decompressor.unused_data) + len(file.read(1))
    if rest:
        raise ValueError(f"{name}: corrupt: bytes follow the end of the bz2 data, at byte {file.tell() - rest}")


def unpack_whole(file: Readable, name: str) -> bytes:
    """Return the content of a bz2 file of at most `SIZE_LIMIT` bytes. Raises ValueError as `unpack` does, or if it has more."""
    data = b""
    for chunk in unpack(file, name):
        data += chunk
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"{name}: {_TOO_LARGE}")
    return data
