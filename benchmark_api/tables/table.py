"""Table: one memory-mapped, pickle-free file of measured architectures.

The file is a safetensors file, so any tool that reads safetensors reads it. Tensor names and shapes, for every dataset key
("cifar10-valid"), schedule ("12": named by its epochs) and split ("train", "x-valid", "x-test", "ori-test"):

    KEY/SCHEDULE/SPLIT/accuracy   [architecture, trial, epoch]   percent, NaN where there is none
    KEY/SCHEDULE/SPLIT/loss       [architecture, trial, epoch]   nats, NaN where there is none
    KEY/SCHEDULE/SPLIT/epochs     [epoch]                        the 0-based epochs that are stored, ascending
    KEY/SCHEDULE/SPLIT/seconds    [architecture, trial]          one training epoch ("train"), one evaluation pass (others)
    KEY/SCHEDULE/seeds            [architecture, trial]          the trials' seeds, ascending, then -1 where there is no trial
    KEY/SCHEDULE/params           [architecture]                 millions
    KEY/SCHEDULE/flops            [architecture]                 millions of multiply-accumulates, one image
    KEY/SCHEDULE/latency          [architecture]                 seconds, one batch of 256
    KEY/metrics/NAME, metrics/NAME  [architecture]               any other metric, see `benchmark_api.tables.metrics`

What a source did not measure has no tensor. A table always has seeds, and accuracies and epochs of its splits; the seconds of
training may be there without training accuracies.

The string "table" of the file's metadata is JSON: format version, space, title, notice, source with its fingerprint, the
schedules, the metrics, and the fingerprint (SHA-256) of all tensors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from benchmark_api.spaces import SearchSpace, space_from_spec
from benchmark_api.tables.layout import check_dtypes, check_shapes, splits_of
from benchmark_api.tables.metrics import Limits, Metric, metrics_of, within
from benchmark_api.tables.safetensors import FormatError, fingerprint, map_safetensors
from benchmark_api.tables.schema import check_numbers, read_metadata
from benchmark_api.tables.trials import mean_of_others, nanmean
from benchmark_api.tables.view import ValidationView
from benchmark_api.types import AnyArray, FloatArray, IntArray

EMBEDDED = {
    name: Path(__file__).parents[1] / "data" / f"{name}.safetensors"
    for name in ("nats-topology", "digits-topology", "digits-size")
}
"""Tables that come with this project, by name, in the order in which they are listed and run; docs/embedded.md describes them."""


class TableError(ValueError):
    """A file that is not a table, or a damaged one; the message names the file and the error."""


class Table:
    """An open table. Opening maps the file and copies nothing; all arrays are read-only views shared by all processes.

    Args:
        path: the file, or the name of one of the tables in `EMBEDDED`.

    Raises:
        FileNotFoundError: there is no such file.
        TableError: the file is not a table, is truncated, or is of a newer format.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = EMBEDDED.get(os.fspath(path), Path(path))
        if not self.path.is_file():
            raise FileNotFoundError(
                f"no table file {path}; `python -m benchmark_api import` makes one from an official archive; "
                f"these come with the project: {', '.join(EMBEDDED)}"
            )
        try:
            self._tensors, metadata = map_safetensors(self.path)
            if "table" not in metadata:
                raise FormatError("a safetensors file, but not a table of this project")
            self.metadata: dict[str, Any] = read_metadata(metadata["table"])
            self.space: SearchSpace = space_from_spec(self.metadata["space"])
            self.title: str = self.metadata["title"]
            self.notice: str = self.metadata["notice"]
            self.fingerprint: str = self.metadata["fingerprint"]
            self.search_schedule: str = self.metadata["search_schedule"]
            self.report_schedule: str = self.metadata["report_schedule"]
            check_dtypes(self._tensors)
            self._splits = splits_of(self._tensors)
            check_shapes(self._tensors, self._splits, len(self))
        except FormatError as error:
            raise TableError(f"{self.path}: not a table: {error}") from error
        except ValueError as error:
            raise TableError(f"{self.path}: {error}") from error
        self._means: dict[str, FloatArray] = {}

    def __repr__(self) -> str:
        return f"Table({str(self.path)!r}, {self.title!r}, {len(self.space):,} architectures)"

    def __len__(self) -> int:
        return len(self.space)

    def __reduce__(self) -> tuple[type[Table], tuple[str]]:
        """Pickle and copy as the path, or the name of an embedded table: where it arrives, the file is opened again."""
        embedded = EMBEDDED.get(self.path.stem) == self.path
        return type(self), (self.path.stem if embedded else str(self.path.absolute()),)

    def verify(self) -> None:
        """Recompute the fingerprint of all tensors, and check the range of all numbers.

        Raises:
            TableError: a measurement has changed since the table was written, or cannot be one.
        """
        for name, values in self._tensors.items():
            if values.dtype.kind == "f":
                self._check_range(name, values)
        if fingerprint(self._tensors) != self.fingerprint:
            raise TableError(f"{self.path}: the content does not match its fingerprint; the file is damaged, make it again")

    def _check_range(self, name: str, values: FloatArray) -> None:
        """Check the range of a tensor's numbers, or of some. Opening a table does not: that would read the whole file."""
        try:
            check_numbers(name, values)
        except ValueError as error:
            raise TableError(f"{self.path}: {error}") from error

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Dataset keys, e.g. ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")."""
        return tuple(dict.fromkeys(key for key, _ in self._splits))

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Datasets a search can run on; "cifar10-valid" is not one: it is the key under which "cifar10" is searched."""
        validated = {key for (key, _), splits in self._splits.items() if "x-valid" in splits}
        named = dict.fromkeys(key.removesuffix("-valid") for key in self.keys)
        return tuple(dataset for dataset in named if self.search_key(dataset) in validated)

    def search_key(self, dataset: str) -> str:
        """Return the dataset key trained without the validation images: cifar10 is searched on cifar10-valid."""
        separate = f"{dataset}-valid"
        return separate if separate in self.keys else dataset

    def report_key(self, dataset: str) -> str:
        """Return the dataset key whose accuracies are reported: the dataset, or its search key where the table has no other."""
        return dataset if dataset in self.keys else self.search_key(dataset)

    def schedules(self, key: str) -> tuple[str, ...]:
        """Return the schedules of a dataset key, shortest first.

        Raises:
            ValueError: unknown key.
        """
        found = sorted((schedule for k, schedule in self._splits if k == key), key=int)
        if not found:
            raise ValueError(f"unknown dataset key {key!r}; {self.path.name} has {', '.join(self.keys)}")
        return tuple(found)

    def splits(self, key: str, schedule: str) -> tuple[str, ...]:
        """Return the splits measured for a dataset key and schedule.

        Raises:
            ValueError: unknown key or schedule.
        """
        splits = self._splits.get((key, schedule))
        if splits is None:
            raise ValueError(f"no schedule {schedule!r} for {key!r}; {self.path.name} has {', '.join(self.schedules(key))}")
        return splits

    def test_split(self, dataset: str, schedule: str) -> str:
        """Return the split of a dataset's reported test accuracy: x-test, or ori-test where there is no other.

        Raises:
            ValueError: unknown dataset or schedule, or one without test accuracies (see `has_test`).
        """
        splits = self.splits(dataset, schedule)
        for split in ("x-test", "ori-test"):
            if split in splits:
                return split
        raise ValueError(f"{self.path.name} has no test accuracies of {dataset}/{schedule}; its splits are {', '.join(splits)}")

    def has_test(self, dataset: str) -> bool:
        """Whether the table has test accuracies of a dataset after its report schedule."""
        return bool({"x-test", "ori-test"} & {*self._splits.get((dataset, self.report_schedule), ())})

    @property
    def tensors(self) -> Mapping[str, AnyArray]:
        """All tensors by their names in the file, as read-only views."""
        return MappingProxyType(self._tensors)

    def tensor(self, name: str) -> AnyArray:
        """Return a read-only view of a tensor by its name in the file.

        Raises:
            ValueError: no such tensor.
        """
        try:
            return self._tensors[name]
        except KeyError:
            key, schedule, *rest = name.split("/")
            splits = self.splits(key, schedule)  # names an unknown key or schedule
            wanted = f"{'/'.join(rest)} for {key}/{schedule}"
            if not rest or rest[0] in splits or len(rest) == 1:
                raise ValueError(f"no {wanted}: the source of {self.path.name} did not have it") from None
            raise ValueError(f"no {wanted}; its splits are {', '.join(splits)}") from None

    def seeds(self, key: str, schedule: str) -> IntArray:
        """Return the trials' seeds [architecture, trial], -1 where there is no trial."""
        return self.tensor(f"{key}/{schedule}/seeds")

    # -- measurements ------------------------------------------------------------------------------------------------

    @overload
    def accuracy(
        self, index: int, key: str, schedule: str, split: str, *, epoch: int | None = ..., seed: int | None = ...
    ) -> float: ...
    @overload
    def accuracy(
        self, index: npt.ArrayLike, key: str, schedule: str, split: str, *, epoch: int | None = ..., seed: int | None = ...
    ) -> FloatArray: ...
    def accuracy(
        self, index: npt.ArrayLike, key: str, schedule: str, split: str, *, epoch: int | None = None, seed: int | None = None
    ) -> float | FloatArray:
        """Return accuracy in percent: a float for one architecture, an array of the same shape for an array of them.

        Args:
            index: official index, or an array of indices.
            key: dataset key.
            schedule: the schedule's name, e.g. "200".
            split: "train", "x-valid", "x-test" or "ori-test".
            epoch: 0-based epoch of the schedule; None for the last.
            seed: the trial with that seed; None for the mean over all trials that have a value.

        Raises:
            ValueError: unknown index, key, schedule, split, epoch or seed. For an array of indices, where only some of the
                architectures have the trial or the value, the others are NaN; for one architecture that is an error.
        """
        return self._measured("accuracy", index, key, schedule, split, epoch, seed)

    @overload
    def loss(
        self, index: int, key: str, schedule: str, split: str, *, epoch: int | None = ..., seed: int | None = ...
    ) -> float: ...
    @overload
    def loss(
        self, index: npt.ArrayLike, key: str, schedule: str, split: str, *, epoch: int | None = ..., seed: int | None = ...
    ) -> FloatArray: ...
    def loss(
        self, index: npt.ArrayLike, key: str, schedule: str, split: str, *, epoch: int | None = None, seed: int | None = None
    ) -> float | FloatArray:
        """Return cross-entropy loss in nats; arguments and errors as for `accuracy`."""
        return self._measured("loss", index, key, schedule, split, epoch, seed)

    def _measured(
        self, quantity: str, index: npt.ArrayLike, key: str, schedule: str, split: str, epoch: int | None, seed: int | None
    ) -> float | FloatArray:
        """Return one value, in microseconds with plain numbers only, or those of an array; a NumPy integer is no array."""
        values = self.tensor(f"{key}/{schedule}/{split}/{quantity}")  # [architecture, trial, epoch]
        column = -1 if epoch is None else self.epoch_column(key, schedule, split, epoch)
        if type(index) is not int and not isinstance(index, np.integer):
            return self._of_many(values[:, :, column], index, f"{key}/{schedule}", seed)
        if not 0 <= index < len(self.space):
            raise ValueError(f"architecture index {index} is out of range 0 to {len(self.space) - 1}")
        if seed is None:
            total, count = 0.0, 0
            for trial in range(values.shape[1]):
                value = values.item(index, trial, column)
                if value == value:  # not NaN
                    total, count = total + value, count + 1
        else:
            seeds = self._tensors[f"{key}/{schedule}/seeds"][index].tolist()
            if seed < 0 or seed not in seeds:
                present = [s for s in seeds if s >= 0]
                raise ValueError(f"architecture {index} has no trial with seed {seed} for {key}/{schedule}; it has {present}")
            total, count = values.item(index, seeds.index(seed), column), 1
        if not count or total != total:
            where = "the last epoch" if epoch is None else f"epoch {epoch}"
            raise ValueError(f"architecture {index} has no {quantity} on {split} at {where} for {key}/{schedule}")
        return total / count

    def _of_many(self, values: FloatArray, index: npt.ArrayLike, stem: str, seed: int | None) -> FloatArray:
        """Return the means over trials, or those of one seed, of values [architecture, trial] at an array of indices."""
        indices = self._checked(index)
        chosen = values[indices]  # [..., trial]
        if seed is None:
            return nanmean(chosen)
        is_trial = self._tensors[f"{stem}/seeds"][indices] == seed  # [..., trial]
        if seed < 0 or (indices.size and not is_trial.any()):
            raise ValueError(f"no architecture asked for has a trial with seed {seed} for {stem}")
        return np.where(is_trial.any(-1), np.where(is_trial, chosen, 0.0).sum(-1), np.nan)

    def _checked(self, index: npt.ArrayLike) -> IntArray:
        """Return architecture indices as an array, all within the table."""
        indices = np.asarray(index)
        if indices.size and not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"architecture indices must be integers, got {indices.dtype}")
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self.space)):
            found = f"{indices.min()} to {indices.max()}"
            raise ValueError(f"architecture indices {found} are out of range 0 to {len(self.space) - 1}")
        return indices.astype(np.int64, copy=False)

    def epoch_column(self, key: str, schedule: str, split: str, epoch: int) -> int:
        """Return the column of the epoch axis that holds a 0-based epoch.

        Raises:
            ValueError: the epoch is outside the schedule, or not stored.
        """
        if not 0 <= epoch < int(schedule):
            raise ValueError(f"epoch {epoch} is outside schedule {schedule!r}: expected 0 to {int(schedule) - 1}")
        epochs = self.tensor(f"{key}/{schedule}/{split}/epochs")
        column = int(np.searchsorted(epochs, epoch))
        if column == len(epochs) or epochs[column] != epoch:
            kept = f"epoch {epochs[0]} only" if len(epochs) == 1 else f"{len(epochs)} epochs from {epochs[0]} to {epochs[-1]}"
            raise ValueError(f"epoch {epoch} of {split} is not stored for {key}/{schedule}; the table holds {kept}")
        return column

    def seconds(self, key: str, schedule: str, split: str) -> FloatArray:
        """Return seconds [architecture, trial] of one training epoch ("train") or one evaluation pass (other splits)."""
        return self.tensor(f"{key}/{schedule}/{split}/seconds")

    def metrics(self, key: str, schedule: str | None = None) -> dict[str, Metric]:
        """Return the metrics of a dataset key by name, by default of the report schedule; `metric` has the values."""
        return metrics_of(self._tensors, self.metadata, key, schedule or self.report_schedule)

    def metric(self, name: str, key: str, schedule: str | None = None) -> FloatArray:
        """Return a metric's values [architecture], in its unit.

        Raises:
            ValueError: no such metric.
        """
        metrics = self.metrics(key, schedule)
        if name not in metrics:
            raise ValueError(f"no metric {name!r} for {key}; {self.path.name} has {', '.join(metrics) or 'none'}")
        return self.tensor(metrics[name].tensor)

    def params(self, key: str, schedule: str | None = None) -> FloatArray:
        """Return trainable parameters [architecture], in millions; by default of the report schedule."""
        return self.tensor(f"{key}/{schedule or self.report_schedule}/params")

    def flops(self, key: str, schedule: str | None = None) -> FloatArray:
        """Return multiply-accumulates [architecture] for one image, in millions."""
        return self.tensor(f"{key}/{schedule or self.report_schedule}/flops")

    def latency(self, key: str, schedule: str | None = None) -> FloatArray:
        """Return seconds [architecture] for one batch of 256 images."""
        return self.tensor(f"{key}/{schedule or self.report_schedule}/latency")

    def mean_accuracy(self, key: str, schedule: str, split: str) -> FloatArray:
        """Return last-epoch accuracy [architecture], mean over trials, percent; NaN without a trial. Computed once.

        Raises:
            ValueError: unknown key, schedule or split.
            TableError: an accuracy is none.
        """
        if (name := f"{key}/{schedule}/{split}/accuracy") not in self._means:
            last = self.tensor(name)[:, :, -1]  # [architecture, trial]
            self._check_range(name, last)
            self._means[name] = nanmean(last)
            self._means[name].flags.writeable = False
        return self._means[name]

    def held_out_accuracy(self, key: str, schedule: str, split: str) -> FloatArray:
        """Return last-epoch accuracy, mean over all trials but one, percent.

        For a run that saw one trial of an architecture, it is an unbiased estimate of what the architecture is worth.

        Returns:
            [architecture, trial that is left out]; NaN where there is no such trial, or no other.
        """
        return mean_of_others(self.tensor(f"{key}/{schedule}/{split}/accuracy")[:, :, -1])

    def best(
        self,
        key: str,
        schedule: str,
        split: str,
        *,
        max_flops: float | None = None,
        max_params: float | None = None,
        limits: Limits | None = None,
    ) -> tuple[int, float]:
        """Return index and accuracy (percent) of the architecture with the highest mean last-epoch accuracy on a split.

        The limits of FLOPs and params are in millions. An architecture without a value is not within a limit. On ties it is the
        one with the lowest index.

        Raises:
            ValueError: no measured architecture is within the limits, or there is no such metric.
        """
        accuracy = self.mean_accuracy(key, schedule, split)
        allowed = ~np.isnan(accuracy)
        most = {"flops": max_flops, "params": max_params}
        ranges = [*((name, (-np.inf, limit)) for name, limit in most.items() if limit is not None), *(limits or {}).items()]
        for name, limit in ranges:
            allowed &= within(self.metric(name, key, schedule), limit)
        if not allowed.any():
            limited = " and ".join(self.metrics(key, schedule)[name].limits_text(*limit) for name, limit in ranges)
            raise ValueError(f"no measured architecture of {key}/{schedule} has {limited or 'a value'}")
        index = int(np.argmax(np.where(allowed, accuracy, -np.inf)))
        return index, float(accuracy[index])

    def rank_percentile(self, index: npt.ArrayLike, key: str, schedule: str, split: str) -> FloatArray:
        """Return the share of measured architectures that are not better, percent: 100 for the optimum, NaN if unmeasured.

        Raises:
            ValueError: unknown index, key, schedule or split.
        """
        accuracy = self.mean_accuracy(key, schedule, split)
        ordered = np.sort(accuracy[~np.isnan(accuracy)])
        asked = accuracy[self._checked(index)]
        shares = np.searchsorted(ordered, asked, side="right") * 100.0 / max(len(ordered), 1)
        return np.where(np.isnan(asked), np.nan, shares)

    def search_view(self, dataset: str, schedule: str | None = None) -> ValidationView:
        """Return the search's view: validation accuracies and costs of a dataset and schedule, nothing of the test set.

        Raises:
            ValueError: unknown dataset or schedule, or one without validation accuracies.
        """
        key, schedule = self.search_key(dataset), self.search_schedule if schedule is None else schedule
        stem, splits = f"{key}/{schedule}", self.splits(key, schedule)
        if "x-valid" not in splits:
            raise ValueError(f"{stem} has no validation split to search on; its splits are {splits}")
        metrics = self._costs(key, dataset, schedule)
        return ValidationView(
            space=self.space,
            dataset=dataset,
            key=key,
            schedule=schedule,
            schedule_epochs=int(schedule),
            epochs=tuple(self.tensor(f"{stem}/x-valid/epochs").tolist()),
            accuracy=self.tensor(f"{stem}/x-valid/accuracy"),
            seeds=self.seeds(key, schedule),
            train_seconds=self._seconds(f"{stem}/train", np.nan),
            validation_seconds=self._seconds(f"{stem}/x-valid", 0.0),
            costs={name: self._tensors[metric.tensor] for name, metric in metrics.items()},
            directions={name: metric.direction for name, metric in metrics.items()},
        )

    def _seconds(self, split: str, missing: float) -> FloatArray:
        """Return the seconds [architecture, trial] of a split; the same number everywhere if they were not measured."""
        if (seconds := self._tensors.get(f"{split}/seconds")) is not None:
            return seconds
        return np.broadcast_to(missing, self._tensors[f"{split.rpartition('/')[0]}/seeds"].shape)

    def _costs(self, key: str, dataset: str, schedule: str) -> dict[str, Metric]:
        """Return the metrics of a search; those of the dataset where the search key has none. None is NaN only."""
        metrics = self.metrics(dataset, schedule) | self.metrics(key, schedule)
        return {name: metric for name, metric in sorted(metrics.items()) if not np.isnan(self._tensors[metric.tensor]).all()}
