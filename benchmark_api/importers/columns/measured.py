"""Measurements in rows: blocks of cells become arrays of numbers, one entry for each measured row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from benchmark_api.importers.columns.architectures import reader_of
from benchmark_api.importers.columns.kinds import NUMBERS, converted, dataset_key, refusal, split_name, split_of
from benchmark_api.importers.columns.mapping import VALUES, ColumnMapping, Measurement, MetricColumn, Value
from benchmark_api.importers.columns.reading import Block
from benchmark_api.types import AnyArray, FloatArray, IntArray

Columns = dict[str, AnyArray]
"""Arrays [row] by name: "row" (number in the file), those of `WHERE`, and measured values, NaN where there is none."""

WHERE = ("index", "group", "trial", "split", "epoch")
"""What is measured, as numbers: architecture, (dataset, schedule), seed, split (-1 for none), epoch."""


class Measured(NamedTuple):
    """All measurements of a file."""

    columns: Columns  # of measured rows
    groups: list[tuple[str, int]]  # dataset and schedule of a group
    splits: list[str]
    metrics: dict[str, Columns]  # "row", "index" and "value" of named metrics, by tensor


class _Part(NamedTuple):
    """Some rows of a block: their numbers, and the cells of any column."""

    block: Block
    chosen: IntArray  # positions in the block

    @property
    def rows(self) -> list[int]:
        rows: list[int] = (self.chosen + self.block.first).tolist()
        return rows

    def cells(self, column: str) -> Iterator[object]:
        cells = self.block.columns.get(column)
        return iter([None] * len(self.chosen)) if cells is None else map(cells.__getitem__, self.chosen.tolist())


@dataclass
class Collector:
    """Collects the measurements of a file block by block.

    Attributes:
        source: name of the file, for messages.
        mapping: what its columns hold.
    """

    source: str
    mapping: ColumnMapping
    _groups: dict[tuple[str, int], int] = field(default_factory=dict)
    _splits: dict[str, int] = field(default_factory=dict)
    _parts: list[Columns] = field(default_factory=list)
    _metrics: dict[str, list[Columns]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._readers = {form: reader_of(form, self.mapping.space) for form in self.mapping.architecture}

    def add(self, block: Block) -> None:
        """Add the measurements of a block.

        Raises:
            ValueError: a cell does not hold what the mapping says; the message has the numbers of the rows.
        """
        whole = _Part(block, np.arange(block.length))
        index = self._architectures(whole)
        for measurement in self.mapping.measurements:
            self._add_measurement(whole, index, measurement)
        for metric in self.mapping.metrics:
            self._add_metric(whole, index, metric)

    def measured(self) -> Measured:
        """Return all that was added."""
        used = [name for name in VALUES if any(name in part for part in self._parts)]
        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in ("row", *WHERE) if self._parts}
        for name in used:
            missing = (part.get(name, np.full(len(part["row"]), np.nan)) for part in self._parts)
            columns[name] = np.concatenate(list(missing))
        metrics = {
            tensor: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            for tensor, parts in self._metrics.items()
        }
        return Measured(columns, list(self._groups), list(self._splits), metrics)

    def _architectures(self, part: _Part) -> IntArray:
        """Return official indices [row]; several columns must agree."""
        found = {
            column: np.array(converted(self.source, part.rows, part.cells(column), self._readers[form], column))
            for form, column in self.mapping.architecture.items()
        }
        (first, index), *others = found.items()
        for column, other in others:
            if len(rows := np.flatnonzero(index != other)):
                what = f"{first} is architecture {index[rows[0]]}, {column} architecture {other[rows[0]]}"
                raise self._refusal(_Part(part.block, rows), what)
        return index

    def _add_measurement(self, whole: _Part, index: IntArray, measurement: Measurement) -> None:
        values = {name: self._numbers(whole, name, value) for name, value in measurement.values.items()}
        from_columns = [values[name] for name, value in measurement.values.items() if value.column is not None]
        chosen = np.flatnonzero(~np.isnan(from_columns).all(axis=0)) if from_columns else whole.chosen
        part = _Part(whole.block, chosen)
        if not len(chosen):
            return
        if "loss" in values:
            lost = chosen[np.isnan(values["accuracy"][chosen]) & ~np.isnan(values["loss"][chosen])]
            if len(lost):
                raise self._refusal(_Part(whole.block, lost), "a loss without an accuracy")
        place = self._places(part, measurement.place)
        kept = {name: numbers[chosen] for name, numbers in values.items()}
        self._parts.append({"row": chosen + whole.block.first, "index": index[chosen], **place, **kept})

    def _places(self, part: _Part, place: Mapping[str, Value]) -> dict[str, IntArray]:
        """Return the numbers of `WHERE` [row] without that of the architecture."""
        datasets = self._texts(part, "dataset", place["dataset"])
        schedules = self._whole(part, "schedule", place["schedule"])
        groups = zip(datasets, schedules.tolist(), strict=True)
        splits = np.full(len(datasets), -1)
        if "split" in place:
            named = map(split_of, datasets, self._texts(part, "split", place["split"]))
            splits = np.array([self._splits.setdefault(split, len(self._splits)) for split in named])
        return {
            "group": np.array([self._groups.setdefault(group, len(self._groups)) for group in groups]),
            "trial": self._whole(part, "trial", place["trial"]),
            "split": splits,
            "epoch": self._epochs(part, place["epoch"], schedules) if "epoch" in place else schedules - 1,
        }

    def _epochs(self, part: _Part, value: Value, schedules: IntArray) -> IntArray:
        """Return 0-based epochs [row]."""
        epochs = self._whole(part, "epoch", value) - value.first
        if len(outside := np.flatnonzero((epochs < 0) | (epochs >= schedules))):
            epoch, schedule = epochs[outside[0]] + value.first, schedules[outside[0]]
            expected = f"expected {value.first} to {schedule - 1 + value.first}"
            raise self._refusal(_Part(part.block, part.chosen[outside]), f"epoch {epoch} of a schedule of {schedule}: {expected}")
        return epochs

    def _add_metric(self, whole: _Part, index: IntArray, metric: MetricColumn) -> None:
        values = self._numbers(whole, "metric", metric.value)
        part = _Part(whole.block, np.flatnonzero(~np.isnan(values)))
        folders = np.full(len(part.chosen), "metrics", dtype=object)
        if metric.dataset is not None:
            folders[:] = [f"{dataset}/metrics" for dataset in self._texts(part, "dataset", metric.dataset)]
        for folder in dict.fromkeys(folders):
            chosen = part.chosen[folders == folder]
            found = {"row": chosen + whole.block.first, "index": index[chosen], "value": values[chosen]}
            self._metrics.setdefault(f"{folder}/{metric.name}", []).append(found)

    def _numbers(self, part: _Part, name: str, value: Value) -> FloatArray:
        """Return the numbers of a field [row], NaN where there is none."""
        if value.column is None:
            return np.full(len(part.chosen), value.constant, dtype=np.float64)
        kind, scale = NUMBERS[name], value.scale
        cells = part.cells(value.column)
        return np.array(converted(self.source, part.rows, cells, lambda cell: kind.convert(cell, scale), value.column))

    def _whole(self, part: _Part, name: str, value: Value) -> IntArray:
        """Return the integers of a field [row]; none may be missing."""
        numbers = self._numbers(part, name, value)
        if len(missing := np.flatnonzero(np.isnan(numbers))):
            raise self._refusal(_Part(part.block, part.chosen[missing]), f"{name} missing in {value.column}")
        return numbers.astype(np.int64)

    def _texts(self, part: _Part, name: str, value: Value) -> list[str]:
        """Return the texts of a field, one for each row."""
        if value.column is None:
            return [str(value.constant)] * len(part.chosen)
        convert = {"dataset": dataset_key, "split": split_name}[name]
        named = (value.names.get(cell, cell) if isinstance(cell, str) else cell for cell in part.cells(value.column))
        return converted(self.source, part.rows, named, convert, value.column)

    def _refusal(self, part: _Part, what: str) -> ValueError:
        return refusal(self.source, part.rows, what)
