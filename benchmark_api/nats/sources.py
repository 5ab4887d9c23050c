"""Records of a benchmark by architecture: read from an archive when asked for, or answered from the arrays of a table."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark_api.importers.official import exporter
from benchmark_api.importers.official.read import read_record
from benchmark_api.nats.results import ArchResults, Metrics, Results, mean
from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray

Record = Mapping[str, ArchResults]
"""The trainings of one architecture by schedule."""

CACHED_RECORDS = 256
"""Records kept in memory, about a megabyte each. The package keeps all: 15,625 need more than most machines have."""


def results_of(state: Mapping[str, Any]) -> Record:
    """Return the objects of one architecture's record as it is in a file: {schedule: state of an `ArchResults`}."""
    return OrderedDict((hp, ArchResults.create_from_state_dict(results)) for hp, results in state.items())


def folder_record(folder: str, index: int) -> Record:
    """Return the record of an architecture in an archive folder. Raises as `read_record`."""
    return results_of(read_record(folder, index))


class Records(Mapping[int, Record]):
    """Records by index: the latest in memory, the others read again when they are asked for.

    Args:
        readers: for every index that exists from the start, the function that reads its record.
    """

    def __init__(self, readers: Mapping[int, Callable[[int], Record]]) -> None:
        self._readers = dict(readers)
        self._recent: OrderedDict[int, Record] = OrderedDict()

    def load(self, index: int, read: Callable[[int], Record]) -> None:
        """Read a record, now and whenever it is needed again, with `read`."""
        self._recent[index] = read(index)
        self._readers[index] = read

    def __getitem__(self, index: int) -> Record:
        if index not in self._recent:
            self._recent[index] = self._readers[index](index)
        self._recent.move_to_end(index)
        if len(self._recent) > CACHED_RECORDS:
            self._recent.popitem(last=False)
        return self._recent[index]

    def __contains__(self, index: object) -> bool:
        return index in self._readers

    def __iter__(self) -> Iterator[int]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def results(self, index: int, hp: str) -> Results:
        """Return one architecture under one schedule. KeyError if it was not trained under it."""
        return self[index][hp]

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, limits: Mapping[str, float], hp: str
    ) -> tuple[int, float | None]:
        """Return the index among `indices` (ascending) with the highest mean last-epoch accuracy, and that.

        `limits` are the highest "flops" and "params", millions. The lowest index wins ties; (-1, None) if none is within the
        limits. Raises as `Results.get_metrics`.
        """
        best_index, best_accuracy = -1, None
        for index in indices:
            results = self.results(index, hp)
            costs = results.get_compute_costs(dataset)
            if any(costs[name] > limit for name, limit in limits.items()):
                continue
            accuracy = results.get_metrics(dataset, setname)["accuracy"]
            if best_accuracy is None or accuracy > best_accuracy:
                best_index, best_accuracy = index, accuracy
        return best_index, best_accuracy


class _Split(NamedTuple):
    """One split of one dataset key and schedule."""

    accuracy: FloatArray  # [architecture, trial, epoch], percent
    loss: FloatArray  # [architecture, trial, epoch]
    seconds: FloatArray  # [architecture, trial]
    column_of: dict[int, int]  # epoch -> position on the epoch axis


class _Trainings:
    """All trainings of one dataset key and schedule of a table."""

    def __init__(self, table: Table, key: str, hp: str) -> None:
        self.epochs = int(hp)
        self.seeds = table.seeds(key, hp)  # [architecture, trial], -1 where there is none
        self.count = (self.seeds >= 0).sum(1)  # [architecture]; existing trials come first
        self.costs = {name: table.tensor(f"{key}/{hp}/{name}") for name in ("flops", "params", "latency")}  # [architecture]
        self.splits: dict[str, _Split] = {}
        for name in table.splits(key, hp):
            accuracy, loss, seconds, epochs = (
                table.tensor(f"{key}/{hp}/{name}/{tensor}") for tensor in ("accuracy", "loss", "seconds", "epochs")
            )
            self.splits[name] = _Split(accuracy, loss, seconds, {epoch: at for at, epoch in enumerate(epochs.tolist())})

    def split_name(self, setname: str) -> str:
        """Return the split of a set's name. ValueError if there is none."""
        name = "x-valid" if setname == "valid" else setname
        if name not in self.splits:
            raise ValueError(f"no set {setname!r}; there are {', '.join(self.splits)}")
        return name


class TableRecords(Records):
    """Records of a table's measured architectures, made when asked for; metrics are answered from its arrays."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._replaced: set[int] = set()  # architectures read from elsewhere since
        self._schedules: dict[str, dict[str, _Trainings]] = {}  # schedule -> dataset key -> trainings
        for key in table.keys:
            for hp in table.schedules(key):
                self._schedules.setdefault(hp, {})[key] = _Trainings(table, key, hp)
        # Schedule -> whether each architecture has any training under it.
        self.trained: dict[str, BoolArray] = {
            hp: np.any([trainings.count > 0 for trainings in keys.values()], axis=0) for hp, keys in self._schedules.items()
        }
        measured = np.flatnonzero(np.any(list(self.trained.values()), axis=0)).tolist()
        super().__init__(dict.fromkeys(measured, lambda index: results_of(exporter.record(table, index))))

    def load(self, index: int, read: Callable[[int], Record]) -> None:
        super().load(index, read)
        self._replaced.add(index)

    def results(self, index: int, hp: str) -> Results:
        if index in self._replaced:
            return super().results(index, hp)
        if not self.trained[hp].item(index):
            raise KeyError(hp)
        return _TableResults(self._schedules[hp], index)

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, limits: Mapping[str, float], hp: str
    ) -> tuple[int, float | None]:
        if self._replaced:
            return super().best(indices, dataset, setname, limits, hp)
        asked = np.fromiter(indices, dtype=np.intp)
        trainings = self._schedules[hp][dataset]
        for name, limit in limits.items():
            asked = asked[trainings.costs[name][asked] <= limit]
        if not asked.size:
            return -1, None
        accuracy = self._table.mean_accuracy(dataset, hp, trainings.split_name(setname))[asked]
        if np.isnan(accuracy).any():
            raise KeyError(setname)
        at = int(accuracy.argmax())
        return int(asked[at]), float(accuracy[at])


class _TableResults(Results):
    """One architecture under one schedule, from the arrays of a table."""

    __slots__ = ("_index", "_keys")

    def __init__(self, keys: Mapping[str, _Trainings], index: int) -> None:
        self._keys = keys
        self._index = index

    def _count(self, dataset: str) -> int:
        count: int = self._keys[dataset].count.item(self._index)
        if not count:
            raise KeyError(dataset)
        return count

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        seeds: list[int] = self._keys[dataset].seeds[self._index, : self._count(dataset)].tolist()
        return seeds

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        trainings, index, count = self._keys[dataset], self._index, self._count(dataset)
        costs = {name: values.item(index) for name, values in trainings.costs.items()}
        costs["latency"] = costs["latency"] if costs["latency"] > 0 else None
        for name, split in trainings.splits.items():
            seconds = mean(split.seconds[index, :count].tolist())
            costs[f"T-{name}@epoch"] = _known(seconds)
            costs[f"T-{name}@total"] = _known(seconds * trainings.epochs)
        return costs

    def known_latency(self, dataset: str) -> float | None:
        self._count(dataset)
        latency: float = self._keys[dataset].costs["latency"].item(self._index)
        return latency if latency > 0 else None

    def mean_metrics(self, dataset: str, setname: str, iepoch: int | None, trials: Sequence[int]) -> Metrics:
        trainings, index = self._keys[dataset], self._index
        if iepoch is None:
            iepoch = trainings.epochs - 1
        elif not 0 <= iepoch < trainings.epochs:
            raise ValueError(f"iepoch must be 0 to {trainings.epochs - 1}, got {iepoch}")
        split = trainings.splits[trainings.split_name(setname)]
        column = split.column_of[iepoch]
        accuracy = mean([split.accuracy.item(index, trial, column) for trial in trials])
        if accuracy != accuracy:
            raise KeyError(f"{setname}@{iepoch}")
        loss = mean([split.loss.item(index, trial, column) for trial in trials])
        seconds = mean([split.seconds.item(index, trial) for trial in trials])
        return iepoch, loss, accuracy, _known(seconds), _known(seconds * (iepoch + 1))


def _known(seconds: float) -> float | None:
    """Return seconds; None, as in an archive, where a table has NaN."""
    return seconds if seconds == seconds else None
