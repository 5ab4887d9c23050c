"""Records of a benchmark by architecture: read from an archive when asked for, or answered from the arrays of a table."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmark_api.importers.official import exporter
from benchmark_api.nats.results import ArchResults, Results, mean
from benchmark_api.tables.table import Table
from benchmark_api.types import BoolArray, FloatArray, IntArray

Record = Mapping[str, ArchResults]
"""The trainings of one architecture by schedule."""

CACHED_RECORDS = 256
"""Records kept in memory, about a megabyte each. The package keeps all: 15,625 need more than most machines have."""


def results_of(state: Mapping[str, Any]) -> Record:
    """Return the objects of one architecture's record as it is in a file: {schedule: state of an `ArchResults`}."""
    return OrderedDict((hp, ArchResults.create_from_state_dict(results)) for hp, results in state.items())


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
        record = read(index)
        self._readers[index] = read
        self._keep(index, record)

    def __getitem__(self, index: int) -> Record:
        record = self._recent.get(index)
        if record is None:
            record = self._readers[index](index)
        self._keep(index, record)
        return record

    def _keep(self, index: int, record: Record) -> None:
        self._recent[index] = record
        self._recent.move_to_end(index)
        if len(self._recent) > CACHED_RECORDS:
            self._recent.popitem(last=False)

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
        self, indices: Iterable[int], dataset: str, setname: str, flop_max: float | None, param_max: float | None, hp: str
    ) -> tuple[int, float | None]:
        """Return the index among `indices` (ascending) with the highest mean last-epoch accuracy within limits, and that.

        The lowest index wins ties; (-1, None) if none is within the limits. Raises as `Results.get_metrics`.
        """
        best_index, best_accuracy = -1, None
        for index in indices:
            results = self.results(index, hp)
            costs = results.get_compute_costs(dataset)
            if any(limit is not None and costs[of] > limit for of, limit in (("flops", flop_max), ("params", param_max))):
                continue
            accuracy = results.get_metrics(dataset, setname)["accuracy"]
            if best_accuracy is None or accuracy > best_accuracy:
                best_index, best_accuracy = index, accuracy
        return best_index, best_accuracy

    def trials(self, indices: Iterable[int], dataset: str, hp: str) -> dict[int, int]:
        """Return {number of trials: number of architectures}. KeyError if one was not trained under this schedule."""
        counts: Counter[int] = Counter()
        for index in indices:
            results = self.results(index, hp)
            try:
                counts[len(results.get_dataset_seeds(dataset))] += 1
            except KeyError:
                counts[0] += 1
        return dict(counts)


class _Split(NamedTuple):
    """One split of one dataset key and schedule."""

    accuracy: FloatArray  # [architecture, trial, epoch], percent
    loss: FloatArray  # [architecture, trial, epoch]
    seconds: FloatArray  # [architecture, trial]
    column_of: dict[int, int]  # epoch -> position on the epoch axis


class _Trainings(NamedTuple):
    """All trainings of one dataset key and schedule."""

    epochs: int
    seeds: IntArray  # [architecture, trial], -1 where there is none
    trials: IntArray  # [architecture], number of trials
    flops: FloatArray  # [architecture], millions
    params: FloatArray  # [architecture], millions
    latency: FloatArray  # [architecture], seconds
    splits: dict[str, _Split]

    @staticmethod
    def of(table: Table, key: str, hp: str) -> _Trainings:
        """Return the arrays of a table."""
        splits = {}
        for split in table.splits(key, hp):
            accuracy, loss, seconds, epochs = (
                table.tensor(f"{key}/{hp}/{split}/{name}") for name in ("accuracy", "loss", "seconds", "epochs")
            )
            splits[split] = _Split(accuracy, loss, seconds, {epoch: at for at, epoch in enumerate(epochs.tolist())})
        seeds = table.seeds(key, hp)
        costs = (table.flops(key, hp), table.params(key, hp), table.latency(key, hp))
        return _Trainings(int(hp), seeds, (seeds >= 0).sum(1), *costs, splits)

    def split_name(self, setname: str) -> str:
        """Return the split of a set's name. ValueError if there is none."""
        name = "x-valid" if setname == "valid" else setname
        if name not in self.splits:
            raise ValueError(f"no set {setname!r}; there are {', '.join(self.splits)}")
        return name


class TableRecords(Records):
    """Records of a table's measured architectures, made when asked for; most questions are answered from its arrays."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._replaced: set[int] = set()  # architectures read from elsewhere since
        self._schedules: dict[str, dict[str, _Trainings]] = {}  # schedule -> dataset key -> trainings
        for key in table.keys:
            for hp in table.schedules(key):
                self._schedules.setdefault(hp, {})[key] = _Trainings.of(table, key, hp)
        # Schedule -> whether each architecture has any training under it.
        self.trained: dict[str, BoolArray] = {
            hp: np.any([trainings.trials > 0 for trainings in keys.values()], axis=0) for hp, keys in self._schedules.items()
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
        return _Row(self._schedules[hp], index)

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, flop_max: float | None, param_max: float | None, hp: str
    ) -> tuple[int, float | None]:
        if self._replaced:
            return super().best(indices, dataset, setname, flop_max, param_max, hp)
        asked = np.fromiter(indices, dtype=np.intp)
        if not asked.size:
            return -1, None
        trainings = self._schedules[hp][dataset]
        if not (trainings.trials[asked] > 0).all():
            raise KeyError(dataset)
        if flop_max is not None:
            asked = asked[trainings.flops[asked] <= flop_max]
        if param_max is not None:
            asked = asked[trainings.params[asked] <= param_max]
        if not asked.size:
            return -1, None
        accuracy = self._table.mean_accuracy(dataset, hp, trainings.split_name(setname))[asked]
        if np.isnan(accuracy).any():
            raise KeyError(setname)
        at = int(accuracy.argmax())
        return int(asked[at]), float(accuracy[at])


class _Row(Results):
    """One architecture under one schedule, from the arrays of a table."""

    __slots__ = ("_index", "_keys", "_trials")

    def __init__(self, keys: Mapping[str, _Trainings], index: int) -> None:
        self._keys = keys
        self._index = index
        self._trials: dict[str, dict[int, _Trial]] = {}

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        return list(self.query(dataset))

    def query(self, dataset: str, seed: int | None = None) -> Any:
        trials = self._trials.get(dataset)
        if trials is None:
            trainings, index = self._keys[dataset], self._index
            count = trainings.trials.item(index)
            if not count:
                raise KeyError(dataset)
            seeds = trainings.seeds[index, :count].tolist()  # existing trials come first
            trials = {seed: _Trial(trainings, index, trial) for trial, seed in enumerate(seeds)}
            self._trials[dataset] = trials
        return trials if seed is None else trials[seed]

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        trainings, index = self._keys[dataset], self._index
        costs = {
            "flops": trainings.flops.item(index),
            "params": trainings.params.item(index),
            "latency": self.known_latency(dataset),
        }
        for name, split in trainings.splits.items():
            seconds = mean(split.seconds[index, : trainings.trials.item(index)].tolist())
            costs[f"T-{name}@epoch"] = _known(seconds)
            costs[f"T-{name}@total"] = _known(seconds * trainings.epochs)
        return costs

    def known_latency(self, dataset: str) -> float | None:
        trainings = self._keys[dataset]
        if not trainings.trials.item(self._index):
            raise KeyError(dataset)
        latency: float = trainings.latency.item(self._index)
        return latency if latency > 0 else None


class _Trial:
    """One training, from the arrays of a table; methods as of `ResultsCount`."""

    __slots__ = ("_index", "_trainings", "_trial")

    def __init__(self, trainings: _Trainings, index: int, trial: int) -> None:
        self._trainings = trainings
        self._index = index
        self._trial = trial

    def get_train(self, iepoch: int | None = None) -> dict[str, Any]:
        return self.get_eval("train", iepoch)

    def get_eval(self, name: str, iepoch: int | None = None) -> dict[str, Any]:
        trainings, index, trial = self._trainings, self._index, self._trial
        if iepoch is None:
            iepoch = trainings.epochs - 1
        elif not 0 <= iepoch < trainings.epochs:
            raise ValueError(f"iepoch must be 0 to {trainings.epochs - 1}, got {iepoch}")
        split = trainings.splits.get(name) or trainings.splits[trainings.split_name(name)]
        column = split.column_of[iepoch]
        accuracy = split.accuracy.item(index, trial, column)
        if accuracy != accuracy:
            raise KeyError(f"{name}@{iepoch}")
        seconds = split.seconds.item(index, trial)
        return {
            "iepoch": iepoch,
            "loss": split.loss.item(index, trial, column),
            "accuracy": accuracy,
            "cur_time": _known(seconds),
            "all_time": _known(seconds * (iepoch + 1)),
        }


def _known(seconds: float) -> float | None:
    """Return seconds; None, as in an archive, where a table has NaN."""
    return seconds if seconds == seconds else None
