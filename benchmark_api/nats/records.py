"""Records of a benchmark: the trainings of one architecture by schedule, read when they are looked at."""

from __future__ import annotations

import hashlib
import pickle
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, TypeAlias
from weakref import ReferenceType, WeakValueDictionary, ref

from benchmark_api.importers.official.read import read_record
from benchmark_api.nats.results import ArchResults, Results, ResultsCount

Record: TypeAlias = Mapping[str, ArchResults]
"""The trainings of one architecture by schedule."""

Content: TypeAlias = "OrderedDict[str, ArchResults]"

CACHED_RECORDS = 256
"""Records kept in memory, about a megabyte each. The package keeps all: 15,625 need more than most machines have."""


def results_of(state: Mapping[str, Any]) -> Content:
    """Return the objects of one architecture's record as it is in a file: {schedule: state of an `ArchResults`}."""
    return OrderedDict((hp, ArchResults.create_from_state_dict(results)) for hp, results in state.items())


class Latest:
    """The records that were used last. One that has not been among the latest `CACHED_RECORDS` is told to drop its content."""

    def __init__(self) -> None:
        self._records: OrderedDict[int, ReferenceType[StoredRecord]] = OrderedDict()  # by id, the least recently used first

    def use(self, record: StoredRecord) -> None:
        """Note that a record is in use."""
        self._records[id(record)] = ref(record)
        self._records.move_to_end(id(record))
        if len(self._records) > CACHED_RECORDS:
            oldest = self._records.popitem(last=False)[1]()
            if oldest is not None:
                oldest.release()


_Place: TypeAlias = tuple[str, tuple[str, int] | None]
"""Where an object is in a record: the schedule, and for a `ResultsCount` the (dataset key, seed)."""

_NOTHING: Mapping[_Place, ArchResults | ResultsCount] = MappingProxyType({})


class StoredRecord(MutableMapping[str, ArchResults]):
    """A record that can be read again: memory holds it while it is among the latest, or if a client has changed it.

    Clients change records in place, at any depth, and expect answers from what they have changed. Once a client has got a part
    of the content, all of it is compared with what was read before it is dropped, and parts that the client still holds then
    stay parts of the record. It is pickled and copied as an OrderedDict of the content.

    Args:
        source: what it is read from.
        index: the architecture.
        latest: the records with which this one shares memory; None to keep the content.
    """

    __slots__ = ("__weakref__", "_content", "_held", "_index", "_latest", "_original", "_source")

    def __init__(self, source: Any, index: int, latest: Latest | None) -> None:
        self._source = source
        self._index = index
        self._latest = latest
        self._content: Content | None = None
        self._original: bytes | None = None  # digest of the content as it was read; None if no client has any part of it
        self._held: Mapping[_Place, ArchResults | ResultsCount] = _NOTHING  # parts of a dropped content that clients still hold

    @abstractmethod
    def _read(self) -> Content:
        """Return the content as it is stored."""

    def load(self) -> Content:
        """Return the content, to be read only: changes of it may be lost."""
        if self._content is None:
            content = self._read()
            if self._held:
                self._original = _digest(content)
                _put_back(self._held, content)
                self._held = _NOTHING
            self._content = content
        if self._latest is not None:
            self._latest.use(self)
        return self._content

    def results(self, hp: str) -> Results:
        """Return the trainings under one schedule, to be read only. KeyError if there are none."""
        return self.load()[hp]

    @property
    def untouched(self) -> bool:
        """Whether no client has got any part that it could have changed."""
        return self._original is None and not self._held

    def changed(self) -> bool:
        """Whether a client has changed any part."""
        if self.untouched:
            return False
        content = self.load() if self._content is None else self._content
        return _digest(content) != self._original

    def is_of(self, source: object, index: int) -> bool:
        """Whether it is the record of an architecture as a source has it."""
        return self._index == index and self._source == source and not self.changed()

    def release(self) -> None:
        """Drop the content, unless a client has changed it."""
        if self._content is None or self.changed():
            return
        parts = WeakValueDictionary(() if self.untouched else _parts(self._content))
        self._content = self._original = None
        self._held = dict(parts)

    def _shared(self) -> Content:
        """Return the content to a client, which may change it."""
        content = self.load()
        if self._original is None:
            self._original = _digest(content)
        return content

    def __getitem__(self, hp: str) -> ArchResults:
        return self._shared()[hp]

    def __setitem__(self, hp: str, results: ArchResults) -> None:
        self._shared()[hp] = results

    def __delitem__(self, hp: str) -> None:
        del self._shared()[hp]

    def __iter__(self) -> Iterator[str]:
        return iter(self.load())

    def __len__(self) -> int:
        return len(self.load())

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (list(self.items()),)


class FolderRecord(StoredRecord):
    """The record of an architecture in an archive folder, its source. Methods raise as `read_record`."""

    __slots__ = ()

    def _read(self) -> Content:
        return results_of(read_record(self._source, self._index))


class StateRecord(StoredRecord):
    """A record of a single file, its source, or of a dict (None), made from its state: {schedule: state of an `ArchResults`}."""

    __slots__ = ("_state",)

    def __init__(self, source: str | None, index: int, state: Mapping[str, Any]) -> None:
        super().__init__(source, index, latest=None)
        self._state = state

    def _read(self) -> Content:
        return results_of(self._state)


def _parts(content: Content) -> Iterator[tuple[_Place, ArchResults | ResultsCount]]:
    for hp, results in content.items():
        yield (hp, None), results
        for trial, result in results.all_results.items():
            yield (hp, trial), result


def _put_back(parts: Mapping[_Place, ArchResults | ResultsCount], content: Content) -> None:
    """Replace objects of a content by those of the same place."""
    for (hp, trial), part in parts.items():
        if trial is not None and isinstance(part, ResultsCount):
            content[hp].all_results[trial] = part
    for (hp, _), part in parts.items():
        if isinstance(part, ArchResults):
            content[hp] = part


def _digest(content: Content) -> bytes | None:
    """Return a digest of everything in a content; None if a client has put in what cannot be pickled."""
    try:
        return hashlib.sha256(pickle.dumps(content, protocol=5)).digest()
    except Exception:  # pickling runs methods of the client's objects, which may raise anything
        return None


def stored(record: Record) -> Record:
    """Return the same record for reading only: a `StoredRecord` need not watch what happens to it."""
    return record.load() if isinstance(record, StoredRecord) else record


def results_under(record: Record, hp: str) -> Results:
    """Return the trainings of a record, or of any mapping that a client has put in its place. KeyError if there are none."""
    return record.results(hp) if isinstance(record, StoredRecord) else record[hp]


def best(
    records: Iterable[tuple[int, Record]], dataset: str, setname: str, limits: Mapping[str, float], hp: str
) -> tuple[int, float | None]:
    """Return the index of the record with the highest mean last-epoch accuracy, and that, percent.

    `records` are pairs of an index, ascending, and its record; `limits` are the highest "flops" and "params", millions. The
    lowest index wins ties; (-1, None) if none is within the limits. Raises as `Results.get_metrics`.
    """
    best_index, best_accuracy = -1, None
    for index, record in records:
        results = results_under(record, hp)
        costs = results.get_compute_costs(dataset)
        if any(costs[name] > limit for name, limit in limits.items()):
            continue
        accuracy = results.get_metrics(dataset, setname)["accuracy"]
        if best_accuracy is None or accuracy > best_accuracy:
            best_index, best_accuracy = index, accuracy
    return best_index, best_accuracy
