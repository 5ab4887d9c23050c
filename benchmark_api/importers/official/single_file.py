"""Single-file archives, unpickled record by record: all records at once would take 28 GB."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from benchmark_api import unpickle

_PythonUnpickler: Any = pickle._Unpickler


def load_records(file: unpickle.Readable, name: str, consume: Callable[[int, Any], None]) -> Any:
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
    stream = _Stream(unpickle.unpack(file, name))
    content = unpickle.guarded(lambda limit: _RecordUnpickler(stream, consume, limit).load(), name)
    records = content.get("arch2infos") if isinstance(content, dict) else None
    if isinstance(records, dict):
        for index, record in records.items():
            if record is not None:  # a record without any schedule: nothing was filled in
                consume(index, record)
        content["arch2infos"] = {}
    return content


class _Stream:
    """Unpacked bytes as a file for an unpickler; at most `SIZE_LIMIT` of them between calls of `allow_more`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self.allow_more()

    def allow_more(self) -> None:
        self._left = unpickle.SIZE_LIMIT

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
            raise ValueError(unpickle.TOO_LARGE)
        if self._at + size > len(self._data):
            self._fetch(size)
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def readline(self) -> bytes:
        length = 1
        while (end := self._data.find(b"\n", self._at)) < 0 and length <= unpickle.SIZE_LIMIT:
            length += 1 << 16
            self._fetch(length)
        return self.read(end + 1 - self._at if end >= 0 else unpickle.SIZE_LIMIT)


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
            if type(value) in (str, unpickle.Named, unpickle.Dtype):
                number = self._number_of.setdefault(value, len(self._kept))
                if number == len(self._kept):
                    self._kept.append(value)
            self._frozen.append(number)
        self._recent.clear()


class _RecordUnpickler(unpickle.Restricted, _PythonUnpickler):  # type: ignore[misc]
    """Hands over each item of "arch2infos" as soon as it is complete, and keeps nothing of it but memoized text.

    Only the pure-Python twin of `pickle.Unpickler` has its stack within reach. It takes about three times as long.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, stream: _Stream, consume: Callable[[int, Any], None], limit: unpickle.MemoryLimit) -> None:
        super().__init__(stream, encoding="bytes")
        self.memo = _Memo()
        self._stream = stream
        self._consume = consume
        self._limit = limit

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
            self._limit.renew()  # the consumer may keep the record

    def _load_setitem(self) -> None:
        self.load_setitem()
        self._hand_over()

    def _load_setitems(self) -> None:
        self.load_setitems()
        self._hand_over()

    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
