"""Records of a table's architectures: metrics are answered from its arrays, and objects are made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmark_api.importers.official import exporter
from benchmark_api.nats.records import Content, Record, StoredRecord, best, results_of
from benchmark_api.nats.results import Metrics, Results, mean, missing_dataset, missing_epoch
from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray, IntArray


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


class TableSource:
    """A table as the source of records.

    Attributes:
        table: the table.
        trained: for every schedule, whether each architecture has any training under it.
        measured: indices of the architectures that have any training, ascending.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._schedules: dict[str, dict[str, _Trainings]] = {}  # schedule -> dataset key -> trainings
        for key in table.keys:
            for hp in table.schedules(key):
                self._schedules.setdefault(hp, {})[key] = _Trainings(table, key, hp)
        self.trained: dict[str, BoolArray] = {
            hp: np.any([trainings.count > 0 for trainings in keys.values()], axis=0) for hp, keys in self._schedules.items()
        }
        self.measured: list[int] = np.flatnonzero(np.any(list(self.trained.values()), axis=0)).tolist()

    def results(self, index: int, hp: str) -> Results:
        """Return one architecture under one schedule. KeyError if it was not trained under it."""
        if hp not in self.trained or not self.trained[hp].item(index):
            raise KeyError(hp)
        return _TableResults(self._schedules[hp], index)

    def best(
        self, records: Iterable[tuple[int, Record]], dataset: str, setname: str, limits: Mapping[str, float], hp: str
    ) -> tuple[int, float | None]:
        """Return what `records.best` returns, at once for all records of this table that no client has looked into."""
        own: list[int] = []
        others: list[tuple[int, Record]] = []
        for index, record in records:
            if isinstance(record, TableRecord) and record.untouched and record.is_of(self, index):
                own.append(index)
            else:
                others.append((index, record))
        found = self._best(np.array(own, dtype=np.intp), dataset, setname, limits, hp), best(others, dataset, setname, limits, hp)
        return max(found, key=lambda pair: (-np.inf if pair[1] is None else pair[1], -pair[0]))

    def _best(
        self, indices: IntArray, dataset: str, setname: str, limits: Mapping[str, float], hp: str
    ) -> tuple[int, float | None]:
        if hp not in self._schedules:
            raise KeyError(f"no schedule {hp!r}; there are {', '.join(self._schedules)}")
        if dataset not in self._schedules[hp]:
            raise missing_dataset(dataset, self._schedules[hp])
        trainings = self._schedules[hp][dataset]
        for name, limit in limits.items():
            indices = indices[trainings.costs[name][indices] <= limit]
        if not indices.size:
            return -1, None
        accuracy = self.table.mean_accuracy(dataset, hp, trainings.split_name(setname))[indices]
        if np.isnan(accuracy).any():
            raise KeyError(setname)
        at = int(accuracy.argmax())
        return int(indices[at]), float(accuracy[at])


class TableRecord(StoredRecord):
    """The record of one architecture of a `TableSource`: answered from its arrays until a client has got a part of it."""

    __slots__ = ()
    _source: TableSource

    def _read(self) -> Content:
        return results_of(exporter.record(self._source.table, self._index))

    def results(self, hp: str) -> Results:
        return self._source.results(self._index, hp) if self.untouched else super().results(hp)


class _TableResults(Results):
    """One architecture under one schedule, from the arrays of a table."""

    __slots__ = ("_index", "_keys")

    def __init__(self, keys: Mapping[str, _Trainings], index: int) -> None:
        self._keys = keys
        self._index = index

    def _count(self, dataset: str) -> int:
        count: int = self._keys[dataset].count.item(self._index) if dataset in self._keys else 0
        if not count:
            raise missing_dataset(dataset, self.get_dataset_names())
        return count

    def get_dataset_names(self) -> list[str]:
        return [key for key, trainings in self._keys.items() if trainings.count.item(self._index)]

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        count = self._count(dataset)
        seeds: list[int] = self._keys[dataset].seeds[self._index, :count].tolist()
        return seeds

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        index, count = self._index, self._count(dataset)
        trainings = self._keys[dataset]
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
        iepoch = int(iepoch)
        split = trainings.splits[trainings.split_name(setname)]
        if iepoch not in split.column_of:
            raise missing_epoch(setname, iepoch, split.column_of)
        column = split.column_of[iepoch]
        accuracy = mean([split.accuracy.item(index, trial, column) for trial in trials])
        if accuracy != accuracy:
            raise missing_epoch(setname, iepoch, ())
        loss = mean([split.loss.item(index, trial, column) for trial in trials])
        seconds = mean([split.seconds.item(index, trial) for trial in trials])
        return iepoch, loss, accuracy, _known(seconds), _known(seconds * (iepoch + 1))


def _known(seconds: float) -> float | None:
    """Return seconds; None, as in an archive, where a table has NaN."""
    return seconds if seconds == seconds else None
