"""Reads the pickles of official NATS-Bench archives, and of CIFAR and ImageNet16, without ever running anything.

A pickle is a program for a small stack machine, and Python's own machine imports and calls whatever the program names. This
one knows only the instructions that make plain data and three names that official archives need:

    collections.OrderedDict             -> OrderedDict
    numpy.core.multiarray.scalar        -> float (also under its name since NumPy 2, numpy._core.multiarray.scalar)
    numpy.dtype                         -> only as the type of such a scalar, always a little-endian float64

They are compared as text; nothing is imported. It also takes time and memory linear in the file's size, which a restricted
`pickle.Unpickler` does not: that one allocates whatever memo index a file names and hashes nested tuples forever.

Supported are the pickles that Python 3 writes for such data with protocols 2 to 5. Dictionary keys and set members are str,
int of 32 bits, or a tuple of at most two of these. A name of the three that is only mentioned, not called, stays an inert
`Symbol`.

`load_arrays` reads the image files instead: it admits numpy.ndarray, its _reconstruct and numpy.dtype, none of which archives
may use to make arrays, and the byte strings that Python 2 wrote.
"""

from __future__ import annotations

import bz2
import enum
import os
import struct
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

_Array = np.ndarray[Any, np.dtype[Any]]

SIZE_LIMIT = 8 << 20
"""Unpacked bytes that a file, or one record of a single-file archive, may have: real records have a third of a megabyte."""


class Readable(Protocol):
    """The part of a binary file that is needed."""

    def read(self, size: int, /) -> bytes: ...
    def tell(self) -> int: ...


_TOO_LARGE = f"more than {SIZE_LIMIT >> 20} MiB unpacked; official records have far less"
_CHUNK = 1 << 20  # bytes read and unpacked at a time
_MAX_RUN = 256  # items that are recognised as a run at once


class UnsafePickleError(ValueError):
    """A pickle that asks for more than data. Nothing of it has run."""


class Symbol(enum.Enum):
    """What stands on the stack for a name, or for the only dtype that can be made of one."""

    ORDERED_DICT = "collections.OrderedDict"
    SCALAR = "numpy.core.multiarray.scalar"
    DTYPE = "numpy.dtype"
    FLOAT64 = "numpy.dtype('<f8')"
    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    NDARRAY = "numpy.ndarray"


_GLOBALS = {symbol.value: symbol for symbol in (Symbol.ORDERED_DICT, Symbol.SCALAR, Symbol.DTYPE)}
_GLOBALS["numpy._core.multiarray.scalar"] = Symbol.SCALAR
_FLOAT64_STATE = (3, "<", None, None, None, -1, -1, 0)
_ARRAY_GLOBALS = {symbol.value: symbol for symbol in (Symbol.RECONSTRUCT, Symbol.NDARRAY, Symbol.DTYPE)}
_ARRAY_GLOBALS["numpy._core.multiarray._reconstruct"] = Symbol.RECONSTRUCT
_ARRAY_DTYPES = {name: np.dtype(name).newbyteorder("<") for name in ("u1", "i4", "i8", "f4", "f8")}


def load(path: str | os.PathLike[str]) -> Any:
    """The content of a bz2-compressed pickle file (`.pickle.pbz2`).

    Raises:
        OSError: the file cannot be read.
        UnsafePickleError: the pickle asks for a name or an object that is not on the list above.
        ValueError: the file is truncated, corrupt, too large, or uses more of the format than official archives do; the
            message names the file and the place.
    """
    with open(path, "rb") as file:
        return load_file(file, str(path))


def load_file(file: Readable, name: str) -> Any:
    """The content of an open bz2-compressed pickle; `name` stands for it in messages. Raises as `load` does."""
    return loads(unpack_whole(file, name), name)


def loads(data: bytes, name: str = "pickle") -> Any:
    """The content of a pickle in memory; `name` stands for it in messages. Raises as `load` does."""
    return _Decoder(iter((data,)), name).run()


def load_arrays(data: bytes, name: str = "pickle") -> Any:
    """The content of an image file in memory: plain data and NumPy arrays, as CIFAR-10, CIFAR-100 and ImageNet16 have them.

    Arrays of uint8, int32, int64, float32 and float64, little-endian, are read-only views of their bytes in the pickle. Text
    that Python 2 wrote is bytes as a value and str as a dictionary key.

    Raises:
        as `loads` does.
    """
    return _ArrayDecoder(iter((data,)), name).run()


@dataclass(frozen=True)
class Trace:
    """Where the numbers of a pickle stand in it.

    Attributes:
        content: what `loads` returns, with the number n in the place of the n-th float.
        float_bytes: [n, 8], the positions of the bytes of the n-th float, most significant first.
        ints: value, position and number of bytes of integers,
        texts: and text and position of short texts; those that are keys of floats are left out.
    """

    content: Any
    float_bytes: npt.NDArray[np.intp]
    ints: list[tuple[int, int, int]]
    texts: list[tuple[str, int]]


def trace(data: bytes) -> Trace:
    """Read a pickle for the places of its numbers. Raises as `load` does."""
    decoder = _TracingDecoder(iter((data,)), "pickle")
    content = decoder.run()
    return Trace(content, np.array(decoder.float_bytes, dtype=np.intp).reshape(-1, 8), decoder.ints, decoder.texts)


def load_records(path: str | os.PathLike[str], consume: Callable[[int, Any], None]) -> Any:
    """The content of a single-file archive, whose records are handed over one by one and forgotten.

    Args:
        path: a bz2-compressed pickle of a dict with a dict "arch2infos".
        consume: called with index and record for every item of "arch2infos", in the order of the file.

    Returns:
        The dict, with an empty "arch2infos".

    Raises:
        as `load` does.
    """
    with open(path, "rb") as file:
        return load_records_file(file, str(path), consume)


def load_records_file(file: Readable, name: str, consume: Callable[[int, Any], None]) -> Any:
    """`load_records` of an open file; `name` stands for it in messages."""
    content = _RecordDecoder(unpack(file, name), name, consume).run()
    records = content.get("arch2infos") if isinstance(content, dict) else None
    if isinstance(records, dict):
        for index, record in records.items():
            if record is not None:  # a record without any schedule: nothing was filled in
                consume(index, record)
        content["arch2infos"] = {}
    return content


def unpack(file: Readable, name: str) -> Iterator[bytes]:
    """The content of a bz2 file in pieces of at most a megabyte.

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
    """The content of a bz2 file of at most `SIZE_LIMIT` bytes. Raises ValueError as `unpack` does, or if there are more."""
    data = b""
    for chunk in unpack(file, name):
        data += chunk
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"{name}: {_TOO_LARGE}")
    return data


class _Decoder:
    """One run of the stack machine over a pickle that arrives in chunks."""

    _kind = "official archives"
    _globals: Mapping[str, Symbol] = _GLOBALS
    _more_handlers: Mapping[int, str] = {}

    def __init__(self, chunks: Iterator[bytes], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self._data = b""  # the part of the pickle at hand,
        self._base = 0  # where it begins in the pickle,
        self._at = 0  # and the next byte in it
        self._limit = SIZE_LIMIT  # where the pickle must have ended
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below the marks
        self._memo: list[Any] = []

    def run(self) -> Any:
        """The object that the pickle describes."""
        handlers = {opcode: getattr(self, name) for opcode, name in {**_HANDLERS, **self._more_handlers}.items()}
        try:
            header = self._take(2)
            if header[0] != _PROTO or not 2 <= header[1] <= 5:
                self._fail(f"not a pickle of protocol 2 to 5 (it begins with {header!r})")
            while True:
                if self._at == len(self._data):
                    self._fetch(1)
                opcode = self._data[self._at]
                self._at += 1
                if opcode == _STOP:
                    return self._finish()
                handler = handlers.get(opcode)
                if handler is None:
                    self._refuse_opcode(opcode)
                handler()
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            self._fail(str(error), error)

    def _finish(self) -> Any:
        if len(self._stack) != 1 or self._outer:
            self._fail(f"the pickle stops with {len(self._stack)} objects and {len(self._outer)} open marks, expected one object")
        if self._at < len(self._data) or any(self._chunks):
            self._fail("bytes follow the end of the pickle")
        return self._stack[0]

    def _fail(self, what: str, cause: BaseException | None = None) -> NoReturn:
        raise ValueError(f"{self._name}: damaged at byte {self._base + self._at} of the pickle: {what}") from cause

    def _refuse(self, what: str) -> NoReturn:
        raise UnsafePickleError(
            f"{self._name}: refused at byte {self._base + self._at} of the pickle: it asks for {what}; {self._kind} need "
            f"only {', '.join(list(self._globals)[:3])}. Nothing of it was run."
        )

    def _refuse_opcode(self, opcode: int) -> NoReturn:
        if opcode in _OBJECT_OPCODES:
            self._refuse(f"an object of a class ({_OBJECT_OPCODES[opcode]})")
        self._fail(f"unknown instruction {opcode:#04x}")

    # -- bytes -------------------------------------------------------------------------------------------------------

    def _fetch(self, size: int) -> None:
        """Make sure that `size` more bytes are at hand."""
        rest = [self._data[self._at :]]
        self._base += self._at
        self._at = 0
        available = len(rest[0])
        while available < size:
            if self._base + available > self._limit:
                self._data = b"".join(rest)
                self._fail(_TOO_LARGE)
            chunk = next(self._chunks, None)
            if chunk is None:
                self._data = b"".join(rest)
                self._fail(f"truncated: {size - available} more bytes expected")
            rest.append(chunk)
            available += len(chunk)
        self._data = b"".join(rest)

    def _take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self._at + size
        if end > len(self._data):
            self._fetch(size)
            end = size
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _line(self) -> str:
        length = 0
        while (end := self._data.find(b"\n", self._at + length)) < 0:
            length = len(self._data) - self._at
            self._fetch(length + 1)
        line = self._data[self._at : end].decode()
        self._at = end + 1
        return line

    def _run_length(self, stride: int, columns: Iterable[tuple[int, bytes]]) -> int:
        """How many items of `stride` bytes, from the current instruction on, have the given bytes in the given columns."""
        start = self._at - 1
        rows = min((len(self._data) - start) // stride, _MAX_RUN)
        for offset, value in columns:
            column = self._data[start + offset : start + rows * stride : stride]
            rows = len(column) - len(column.lstrip(value))
        return rows

    def _take_run(self, dtype: np.dtype[Any], rows: int) -> np.ndarray[Any, Any]:
        """The fields of so many items, from the current instruction on."""
        items: np.ndarray[Any, Any] = np.frombuffer(self._data, dtype, rows, self._at - 1)
        self._at += rows * dtype.itemsize - 1
        return items

    def _push_run(self, keys: Iterable[Any], values: np.ndarray[Any, Any]) -> None:
        pairs: list[Any] = [None] * (2 * len(values))
        pairs[::2] = keys
        pairs[1::2] = values.tolist()
        self._stack += pairs

    # -- scalars -----------------------------------------------------------------------------------------------------

    def _frame(self) -> None:
        self._take(8)  # the frame's length: a hint for readers that fetch frame by frame

    def _none(self) -> None:
        self._stack.append(None)

    def _true(self) -> None:
        self._stack.append(True)

    def _false(self) -> None:
        self._stack.append(False)

    def _int1(self) -> None:
        if self._data[self._at + 1 : self._at + 2] == b"G":  # {epoch: figure}
            rows = self._run_length(11, _INT_FLOAT_COLUMNS)
            if rows:
                items = self._take_run(_KEY1_FLOAT, rows)
                self._push_run(items["key"].tolist(), items["value"])
                return
        self._stack.append(self._unsigned(1))

    def _int2(self) -> None:
        self._stack.append(self._unsigned(2))

    def _int4(self) -> None:
        self._stack.append(int.from_bytes(self._take(4), "little", signed=True))

    def _long1(self) -> None:
        self._stack.append(int.from_bytes(self._take(self._unsigned(1)), "little", signed=True))

    def _float(self) -> None:
        self._stack.append(struct.unpack(">d", self._take(8))[0])

    def _short_text(self) -> None:
        size = self._data[self._at] if self._at < len(self._data) else 0
        after = self._at + 1 + size
        if size and self._data[after : after + 2] == b"\x94G":  # {"split@epoch": figure}
            rows = self._run_length(size + 12, ((0, b"\x8c"), (1, bytes((size,))), (size + 2, b"\x94"), (size + 3, b"G")))
            if rows:
                items = self._take_run(_text_float(size), rows)
                texts = _split_texts(items["text"].tobytes(), size)
                self._memo += texts
                self._push_run(texts, items["value"])
                return
        self._stack.append(self._take(self._unsigned(1)).decode())

    def _text(self) -> None:
        self._stack.append(self._take(self._unsigned(4)).decode())

    def _short_bytes(self) -> None:
        self._stack.append(self._take(self._unsigned(1)))

    def _bytes(self) -> None:
        self._stack.append(self._take(self._unsigned(4)))

    # -- containers --------------------------------------------------------------------------------------------------

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _above_mark(self) -> list[Any]:
        items = self._stack
        if not self._outer:
            self._fail("no mark on the stack")
        self._stack = self._outer.pop()
        return items

    def _pop(self, count: int) -> tuple[Any, ...]:
        if len(self._stack) < count:
            self._fail(f"the stack holds {len(self._stack)} objects where {count} are needed")
        items = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        return items

    def _tuple(self) -> None:
        items = tuple(self._above_mark())
        self._stack.append(items)

    def _tuple0(self) -> None:
        self._stack.append(())

    def _tuple1(self) -> None:
        self._stack.append(self._pop(1))

    def _tuple2(self) -> None:
        self._stack.append(self._pop(2))

    def _tuple3(self) -> None:
        self._stack.append(self._pop(3))

    def _empty_list(self) -> None:
        self._stack.append([])

    def _append(self) -> None:
        self._extend_list(self._pop(1))

    def _appends(self) -> None:
        self._extend_list(self._above_mark())

    def _extend_list(self, items: Iterable[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            self._fail(f"items for a {type(target).__name__}, expected a list")
        target.extend(items)

    def _empty_dict(self) -> None:
        self._stack.append({})

    def _setitem(self) -> None:
        key, value = self._pop(2)
        self._update_dict([key], [value])

    def _setitems(self) -> None:
        items = self._above_mark()
        if len(items) % 2:
            self._fail("a key without a value")
        self._update_dict(items[::2], items[1::2])

    def _update_dict(self, keys: list[Any], values: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            self._fail(f"keys for a {type(target).__name__}, expected a dict")
        self._check_keys(keys)
        target.update(zip(keys, values, strict=True))

    def _empty_set(self) -> None:
        self._stack.append(set())

    def _additems(self) -> None:
        items = self._above_mark()
        target = self._stack[-1]
        if not isinstance(target, set):
            self._fail(f"members for a {type(target).__name__}, expected a set")
        self._check_keys(items)
        target.update(items)

    def _check_keys(self, keys: list[Any]) -> None:
        """Admit only keys whose hashes cannot be made to collide, or to take long."""
        kinds = set(map(type, keys))
        if kinds <= {str} or (kinds == {int} and _is_scalar_key(min(keys)) and _is_scalar_key(max(keys))):
            return
        for key in keys:
            parts = key if type(key) is tuple and len(key) <= 2 else (key,)
            if not all(map(_is_scalar_key, parts)):
                self._fail(f"a {type(key).__name__} as a key, expected str, int of 32 bits, or a pair of these")

    # -- the memo ----------------------------------------------------------------------------------------------------

    def _memoize(self) -> None:
        self._memo.append(self._stack[-1])

    def _put(self, index: int) -> None:
        if not 0 <= index <= len(self._memo):  # Python numbers them one after another
            self._fail(f"memo index {index}, expected at most {len(self._memo)}")
        self._memo[index : index + 1] = [self._stack[-1]]

    def _put1(self) -> None:
        self._put(self._unsigned(1))

    def _put4(self) -> None:
        self._put(self._unsigned(4))

    def _get(self, index: int) -> Any:
        return self._memo[index]

    def _get1(self) -> None:
        if self._data[self._at + 1 : self._at + 2] == b"G":
            rows = self._run_length(11, _GET1_FLOAT_COLUMNS)
            if rows:
                items = self._take_run(_KEY1_FLOAT, rows)
                self._push_run(map(self._get, items["key"].tolist()), items["value"])
                return
        self._stack.append(self._get(self._unsigned(1)))

    def _get4(self) -> None:
        if self._data[self._at + 4 : self._at + 5] == b"G":
            rows = self._run_length(14, _GET4_FLOAT_COLUMNS)
            if rows:
                items = self._take_run(_KEY4_FLOAT, rows)
                self._push_run(map(self._get, items["key"].tolist()), items["value"])
                return
        self._stack.append(self._get(self._unsigned(4)))

    # -- the three names ---------------------------------------------------------------------------------------------

    def _global(self) -> None:
        self._push_global(self._line(), self._line())

    def _stack_global(self) -> None:
        module, name = self._pop(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            self._fail("a global whose name is not text")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        found = self._globals.get(full)
        if found is None:
            self._refuse(f"the global {full[:100] if full.isprintable() else ascii(full[:100])}")
        self._stack.append(found)

    def _reduce(self) -> None:
        function, arguments = self._pop(2)
        match function, arguments:
            case Symbol.ORDERED_DICT, ():
                self._stack.append(OrderedDict())
            case Symbol.DTYPE, ("f8", 0, 1):
                self._stack.append(Symbol.FLOAT64)
            case Symbol.SCALAR, (Symbol.FLOAT64, bytes(payload)) if len(payload) == 8:
                self._stack.append(self._scalar(payload))
            case _:
                called = function.value if isinstance(function, Symbol) else f"a {type(function).__name__}"
                self._refuse(f"a call of {called} with other arguments than {self._kind} use")

    def _scalar(self, payload: bytes) -> float:
        (value,) = struct.unpack("<d", payload)
        return float(value)

    def _build(self) -> None:
        (state,) = self._pop(1)
        if self._stack[-1] is not Symbol.FLOAT64 or state != _FLOAT64_STATE:
            self._refuse(f"a state of type {type(state).__name__} for a {type(self._stack[-1]).__name__}")


class _PlacedBytes(bytes):
    """Bytes that know where in the pickle they begin."""

    at: int


class _TracingDecoder(_Decoder):
    """Numbers the floats in the order in which they appear, and notes where they stand."""

    def __init__(self, chunks: Iterator[bytes], name: str) -> None:
        super().__init__(chunks, name)
        self.float_bytes: list[range] = []
        self.ints: list[tuple[int, int, int]] = []
        self.texts: list[tuple[str, int]] = []

    def _number(self, places: Iterable[range]) -> list[float]:
        first = len(self.float_bytes)
        self.float_bytes += places
        return [float(number) for number in range(first, len(self.float_bytes))]

    def _float(self) -> None:
        self._take(8)
        end = self._base + self._at
        self._stack += self._number([range(end - 8, end)])

    def _push_run(self, keys: Iterable[Any], values: np.ndarray[Any, Any]) -> None:
        end, stride = self._base + self._at, values.strides[0]  # a float ends each item of a run
        ends = range(end - stride * (len(values) - 1), end + 1, stride)
        super()._push_run(keys, np.array(self._number(range(stop - 8, stop) for stop in ends)))

    def _scalar(self, payload: bytes) -> float:
        assert isinstance(payload, _PlacedBytes)
        (number,) = self._number([range(payload.at + 7, payload.at - 1, -1)])
        return number

    def _place(self) -> None:
        """Replace the bytes on the stack by bytes that know their place."""
        placed = _PlacedBytes(self._stack[-1])
        placed.at = self._base + self._at - len(placed)
        self._stack[-1] = placed

    def _short_bytes(self) -> None:
        super()._short_bytes()
        self._place()

    def _bytes(self) -> None:
        super()._bytes()
        self._place()

    def _short_text(self) -> None:
        super()._short_text()
        text = self._stack[-1]
        if type(text) is str:  # a float, if it was a run
            self.texts.append((text, self._base + self._at - len(text.encode())))

    def _note_int(self, size: int) -> None:
        if type(self._stack[-1]) is int:  # a float, if it was a run
            self.ints.append((self._stack[-1], self._base + self._at - size, size))

    def _int1(self) -> None:
        super()._int1()
        self._note_int(1)

    def _int2(self) -> None:
        super()._int2()
        self._note_int(2)

    def _int4(self) -> None:
        super()._int4()
        self._note_int(4)


class _RecordDecoder(_Decoder):
    """Hands over each item of "arch2infos" as soon as it is complete, and keeps nothing of it but memoized text.

    Later records may refer to any text of earlier ones. A full archive has more than a hundred million memo entries but few
    different texts, so each entry of a finished record is kept as the number of its text.
    """

    def __init__(self, chunks: Iterator[bytes], name: str, consume: Callable[[int, Any], None]) -> None:
        super().__init__(chunks, name)
        self._consume = consume
        self._frozen = array("I")  # numbers of the memo entries of finished records
        self._kept: list[Any] = [None]  # what the numbers stand for: texts and symbols, None for all other objects
        self._number_of: dict[Any, int] = {}

    def _update_dict(self, keys: list[Any], values: list[Any]) -> None:
        super()._update_dict(keys, values)
        if len(self._outer) == 2:  # one of several items, above a mark
            owner = self._outer[1]
        elif len(self._outer) == 1:  # a single item
            owner = self._stack[:-2]
        else:
            return
        if owner[-2:-1] == ["arch2infos"] and type(self._stack[-2]) is int:
            self._consume(*self._stack[-2:])
            self._stack[-1] = None
            self._freeze()
            self._limit = self._base + self._at + SIZE_LIMIT

    def _freeze(self) -> None:
        """Replace the memo entries of the record by numbers."""
        for value in self._memo:
            number = 0
            if type(value) is str or isinstance(value, Symbol):
                number = self._number_of.setdefault(value, len(self._kept))
                if number == len(self._kept):
                    self._kept.append(value)
            self._frozen.append(number)
        self._memo.clear()

    def _put(self, index: int) -> None:
        super()._put(index - len(self._frozen))

    def _get(self, index: int) -> Any:
        if index >= len(self._frozen):
            return self._memo[index - len(self._frozen)]
        value = self._kept[self._frozen[index]]
        if value is None:
            self._fail("a reference from one record to an object of another")
        return value


class _Blank:
    """An array between its two instructions: made empty by the first, given its content by the second."""

    array: _Array | None = None


class _ArrayDecoder(_Decoder):
    """Knows arrays instead of scalars, and the strings of Python 2."""

    _kind = "image files"
    _globals = _ARRAY_GLOBALS

    _more_handlers: Mapping[int, str] = {ord("U"): "_short_bytes", ord("T"): "_bytes"}

    def _put(self, index: int) -> None:
        if index == 1 and not self._memo:  # Python 2 counts from 1
            self._memo.append(None)
        super()._put(index)

    def _get(self, index: int) -> Any:
        value = super()._get(index)
        return value.array if isinstance(value, _Blank) and value.array is not None else value

    def _update_dict(self, keys: list[Any], values: list[Any]) -> None:
        super()._update_dict([key.decode() if type(key) is bytes else key for key in keys], values)

    def _reduce(self) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Symbol):
            self._refuse(f"a call of a {type(function).__name__}")
        match arguments:  # int(0) and the like: an array compared with 0 has no truth value
            case (str() | bytes() as code, int(0), int(1)) if function is Symbol.DTYPE and _text(code) in _ARRAY_DTYPES:
                self._stack.append(_ARRAY_DTYPES[_text(code)])
            case (Symbol() as kind, (int(0),), str() | bytes() as code) if (
                function is Symbol.RECONSTRUCT and kind is Symbol.NDARRAY and _text(code) == "b"
            ):
                self._stack.append(_Blank())
            case _:
                self._refuse(f"a call of {function.value} with other arguments than {self._kind} use")

    def _build(self) -> None:
        (state,) = self._pop(1)
        target = self._stack[-1]
        match target, state:
            case np.dtype(), (int(3), str() | bytes() as order, None, None, None, int(-1), int(-1), int(0)) if _text(order) == (
                "|" if target.itemsize == 1 else "<"
            ):
                pass  # what it is already
            case _Blank(array=None), (int(1), tuple() as shape, np.dtype() as dtype, int(0 | 1) as by_column, bytes() as content):
                sizes = len(shape) <= 4 and all(type(size) is int and size > 0 for size in shape)
                if not sizes or prod(shape) * dtype.itemsize != len(content):
                    self._fail(f"an array of {len(shape)} dimensions whose sizes do not fit its {len(content)} bytes of {dtype}")
                target.array = np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")
                self._stack[-1] = target.array
            case _:
                self._refuse(f"a state of type {type(state).__name__} for a {type(target).__name__}")


def _text(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _is_scalar_key(key: object) -> bool:
    return type(key) is str or (type(key) is int and -(1 << 31) <= key < 1 << 31)


@lru_cache(maxsize=256)
def _text_float(size: int) -> np.dtype[Any]:
    """A short text of `size` bytes, MEMOIZE, a float."""
    return np.dtype([("opcodes", "V2"), ("text", f"V{size}"), ("opcode", "V2"), ("value", ">f8")])


@lru_cache(maxsize=1024)
def _split_texts(texts: bytes, size: int) -> tuple[str, ...]:
    """Texts of `size` bytes each. All records use the same few hundred runs of keys: this makes each of them once."""
    return tuple(texts[start : start + size].decode() for start in range(0, len(texts), size))


_PROTO, _STOP = 0x80, ord(".")
_KEY1_FLOAT = np.dtype([("opcode", "V1"), ("key", "u1"), ("float", "V1"), ("value", ">f8")])
_KEY4_FLOAT = np.dtype([("opcode", "V1"), ("key", "<u4"), ("float", "V1"), ("value", ">f8")])
_INT_FLOAT_COLUMNS = ((0, b"K"), (2, b"G"))
_GET1_FLOAT_COLUMNS = ((0, b"h"), (2, b"G"))
_GET4_FLOAT_COLUMNS = ((0, b"j"), (5, b"G"))

_HANDLERS = {
    0x95: "_frame",
    ord("N"): "_none",
    0x88: "_true",
    0x89: "_false",
    ord("K"): "_int1",
    ord("M"): "_int2",
    ord("J"): "_int4",
    0x8A: "_long1",
    ord("G"): "_float",
    0x8C: "_short_text",
    ord("X"): "_text",
    ord("C"): "_short_bytes",
    ord("B"): "_bytes",
    ord("("): "_mark",
    ord("t"): "_tuple",
    ord(")"): "_tuple0",
    0x85: "_tuple1",
    0x86: "_tuple2",
    0x87: "_tuple3",
    ord("]"): "_empty_list",
    ord("a"): "_append",
    ord("e"): "_appends",
    ord("}"): "_empty_dict",
    ord("s"): "_setitem",
    ord("u"): "_setitems",
    0x8F: "_empty_set",
    0x90: "_additems",
    0x94: "_memoize",
    ord("q"): "_put1",
    ord("r"): "_put4",
    ord("h"): "_get1",
    ord("j"): "_get4",
    ord("c"): "_global",
    0x93: "_stack_global",
    ord("R"): "_reduce",
    ord("b"): "_build",
}
_OBJECT_OPCODES = {
    ord("i"): "INST",
    ord("o"): "OBJ",
    ord("P"): "PERSID",
    ord("Q"): "BINPERSID",
    0x81: "NEWOBJ",
    0x82: "EXT1",
    0x83: "EXT2",
    0x84: "EXT4",
    0x92: "NEWOBJ_EX",
}
