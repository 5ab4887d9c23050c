"""Where the facade's answers come from: the records of an archive, or the arrays of a Table.

Both know the same three questions (`Source`), so that the facade is written once. A table answers them from its arrays; its
records, for who asks for the objects of an archive, are made when asked for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from benchmark_api.importers.official import exporter
from benchmark_api.nats.results import ArchResults, chosen_trials, mean
from benchmark_api.tables.table import Table
from benchmark_api.types import FloatArray

Record = Mapping[str, ArchResults]
"""The trainings of one architecture by schedule."""

CACHED_RECORDS = 256
"""Records kept in memory, about a megabyte each. The package keeps all: 15,625 need more than most machines have."""


def results_of(state: Mapping[str, Any]) -> Record:
    """The objects of one architecture's record as it is in a file: {schedule: state of an `ArchResults`}."""
    return OrderedDict((hp, ArchResults.create_from_state_dict(results)) for hp, results in state.items())


class Records(Mapping[int, Record]):
    """Records by index: the latest in memory, the others read again when they are asked for.

    Args:
        readers: for every index that is there from the start, what reads its record.
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


class Results(Protocol):
    """What the facade asks of one architecture under one schedule; `ArchResults` documents the methods."""

    def get_dataset_seeds(self, dataset: str) -> list[int]: ...

    def get_metrics(self, dataset: str, setname: str, iepoch: int | None, is_random: Any) -> dict[str, Any]: ...

    def get_compute_costs(self, dataset: str) -> dict[str, Any]: ...


class Source(Protocol):
    """What the facade asks of all architectures."""

    def results(self, index: int, hp: str) -> Results:
        """One architecture under one schedule. KeyError if it was not trained so."""

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, flop_max: float | None, param_max: float | None, hp: str
    ) -> tuple[int, float | None]:
        """The index with the highest mean accuracy at the last epoch among `indices` (ascending) within limits; the lowest
        on ties; (-1, None) if there is none. KeyError and ValueError as `ArchResults.get_metrics`."""

    def trials(self, indices: Iterable[int], dataset: str, hp: str) -> dict[int, int]:
        """How many of the architectures have how many trials. KeyError if one was not trained under this schedule."""


class RecordSource:
    """Answers from records, one after another."""

    def __init__(self, records: Mapping[int, Record]) -> None:
        self._records = records

    def results(self, index: int, hp: str) -> ArchResults:
        return self._records[index][hp]

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, flop_max: float | None, param_max: float | None, hp: str
    ) -> tuple[int, float | None]:
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
        return dict(Counter(len(self.results(index, hp).dataset_seed.get(dataset, ())) for index in indices))


class _Figures(NamedTuple):
    """One split of one dataset key and schedule."""

    accuracy: FloatArray  # [architecture, trial, epoch], percent
    loss: FloatArray  # [architecture, trial, epoch]
    seconds: FloatArray  # [architecture, trial]
    column_of: dict[int, int]  # epoch -> position on the epoch axis


class _Trainings(NamedTuple):
    """All trainings of one dataset key and schedule."""

    epochs: int
    seeds: npt.NDArray[np.integer[Any]]  # [architecture, trial], -1 where there is none
    trials: npt.NDArray[np.integer[Any]]  # [architecture], how many there are
    flops: FloatArray  # [architecture], millions
    params: FloatArray  # [architecture], millions
    latency: FloatArray  # [architecture], seconds
    splits: dict[str, _Figures]


class TableSource:
    """Answers from the arrays of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._schedules: dict[str, dict[str, _Trainings]] = {}  # schedule -> dataset key -> trainings
        for key in table.keys:
            for hp in table.schedules(key):
                seeds = table.seeds(key, hp)
                self._schedules.setdefault(hp, {})[key] = _Trainings(
                    epochs=int(hp),
                    seeds=seeds,
                    trials=(seeds >= 0).sum(1),
                    flops=table.flops(key, hp),
                    params=table.params(key, hp),
                    latency=table.latency(key, hp),
                    splits={
                        split: _Figures(
                            table.tensor(f"{key}/{hp}/{split}/accuracy"),
                            table.tensor(f"{key}/{hp}/{split}/loss"),
                            table.seconds(key, hp, split),
                            {epoch: at for at, epoch in enumerate(table.tensor(f"{key}/{hp}/{split}/epochs").tolist())},
                        )
                        for split in table.splits(key, hp)
                    },
                )
        # Schedule -> whether each architecture has any training under it.
        self.trained: dict[str, npt.NDArray[np.bool_]] = {
            hp: np.any([trainings.trials > 0 for trainings in keys.values()], axis=0) for hp, keys in self._schedules.items()
        }

    def results(self, index: int, hp: str) -> TableResults:
        if not self.trained[hp].item(index):
            raise KeyError(hp)
        return TableResults(self._schedules[hp], index)

    def best(
        self, indices: Iterable[int], dataset: str, setname: str, flop_max: float | None, param_max: float | None, hp: str
    ) -> tuple[int, float | None]:
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
        accuracy = self._table.mean_accuracy(dataset, hp, _split_name(trainings, setname))[asked]
        if np.isnan(accuracy).any():
            raise KeyError(setname)
        at = int(accuracy.argmax())
        return int(asked[at]), float(accuracy[at])

    def trials(self, indices: Iterable[int], dataset: str, hp: str) -> dict[int, int]:
        asked = np.fromiter(indices, dtype=np.intp)
        if asked.size and not self.trained[hp][asked].all():
            raise KeyError(hp)
        trainings = self._schedules.get(hp, {}).get(dataset)
        counts = np.zeros(asked.shape, dtype=int) if trainings is None else trainings.trials[asked]
        return {number: count for number, count in enumerate(np.bincount(counts).tolist()) if count}


class TableResults:
    """One architecture under one schedule, as `ArchResults` answers, from the arrays of a table."""

    __slots__ = ("_index", "_keys")

    def __init__(self, keys: Mapping[str, _Trainings], index: int) -> None:
        self._keys = keys
        self._index = index

    def get_dataset_seeds(self, dataset: str) -> list[int]:
        return self._trainings(dataset)[1]

    def _trainings(self, dataset: str) -> tuple[_Trainings, list[int]]:
        trainings = self._keys[dataset]
        trials = trainings.trials.item(self._index)
        if not trials:
            raise KeyError(dataset)
        seeds: list[int] = trainings.seeds[self._index, :trials].tolist()  # existing trials come first
        return trainings, seeds

    def get_metrics(self, dataset: str, setname: str, iepoch: int | None, is_random: Any) -> dict[str, Any]:
        trainings, seeds = self._trainings(dataset)
        if iepoch is None:
            iepoch = trainings.epochs - 1
        elif not 0 <= iepoch < trainings.epochs:
            raise ValueError(f"iepoch must be 0 to {trainings.epochs - 1}, got {iepoch}")
        figures = trainings.splits[_split_name(trainings, setname)]
        chosen = chosen_trials(seeds, is_random)
        column = figures.column_of[iepoch]
        index = self._index
        accuracy = mean([figures.accuracy.item(index, trial, column) for trial in chosen])
        loss = mean([figures.loss.item(index, trial, column) for trial in chosen])
        seconds = mean([figures.seconds.item(index, trial) for trial in chosen])
        if accuracy != accuracy:
            raise KeyError(f"{setname}@{iepoch}")
        return {
            "iepoch": iepoch,
            "loss": loss,
            "accuracy": accuracy,
            "cur_time": _known(seconds),
            "all_time": _known(seconds * (iepoch + 1)),
        }

    def get_compute_costs(self, dataset: str) -> dict[str, Any]:
        trainings, seeds = self._trainings(dataset)
        index = self._index
        latency = trainings.latency.item(index)
        costs = {
            "flops": trainings.flops.item(index),
            "params": trainings.params.item(index),
            "latency": latency if latency > 0 else None,
        }
        for name, figures in trainings.splits.items():
            seconds = mean(figures.seconds[index, : len(seeds)].tolist())
            costs[f"T-{name}@epoch"] = _known(seconds)
            costs[f"T-{name}@total"] = _known(seconds * trainings.epochs)
        return costs


def _split_name(trainings: _Trainings, setname: str) -> str:
    name = "x-valid" if setname == "valid" else setname
    if name not in trainings.splits:
        raise ValueError(f"no set {setname!r}; there are {', '.join(trainings.splits)}")
    return name


def _known(seconds: float) -> float | None:
    """A table has NaN where an archive has None."""
    return seconds if seconds == seconds else None


def table_records(table: Table, source: TableSource) -> Records:
    """The records of a table's measured architectures, made when asked for."""

    def read(index: int) -> Record:
        return results_of(exporter.record(table, index))

    measured = np.flatnonzero(np.any(list(source.trained.values()), axis=0))
    return Records(dict.fromkeys(measured.tolist(), read))
