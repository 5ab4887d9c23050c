"""Base class of both search spaces' interfaces, with the names of `nats_bench.api_utils`."""

from __future__ import annotations

import copy
import os
import random
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np

from benchmark_api.nats.base import Benchmark, time_string
from benchmark_api.nats.files import PICKLE_EXT, get_torch_home, pickle_load, pickle_save
from benchmark_api.nats.genotype_utils import InvalidArgument
from benchmark_api.nats.records import Record, best, stored
from benchmark_api.nats.results import ArchResults, Metrics, Results, ResultsCount, describe, mean

__all__ = [
    "PICKLE_EXT",
    "ArchResults",
    "NASBenchMetaAPI",
    "ResultsCount",
    "get_torch_home",
    "mean",
    "nats_is_dir",
    "nats_is_file",
    "pickle_load",
    "pickle_save",
    "remap_dataset_set_names",
    "time_string",
]

DATASET_KEYS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")

nats_is_dir = os.path.isdir
nats_is_file = os.path.isfile

# Groups of `get_more_info` and the splits they come from.
_CIFAR10_GROUPS = (("valid", "x-valid"), ("test", "ori-test"))
_OTHER_GROUPS = (("valid", "x-valid"), ("test", "x-test"), ("valtest", "ori-test"))
_TIMES = "after training on {} for %s epochs. per-time and all-time: seconds of the mean epoch and of all epochs."
_COMMENTS = {
    "cifar10-valid": "valid-*: the other half of the training images; test-*: the test images; " + _TIMES.format("one half"),
    "cifar10": "test-*: the test images; " + _TIMES.format("all training images"),
}


def remap_dataset_set_names(dataset: str, metric_on_set: str, verbose: bool = False) -> tuple[str, str]:
    """Return dataset key and split for a dataset and "train", "valid" or "test"; other names stay as they are."""
    key = "cifar10-valid" if (dataset, metric_on_set) == ("cifar10", "valid") else dataset
    splits = {"valid": "x-valid", "test": "ori-test" if dataset == "cifar10" else "x-test"}
    remapped = key, splits.get(metric_on_set, metric_on_set) if dataset in DATASET_KEYS[1:] else metric_on_set
    if verbose:
        print(f"{dataset}, {metric_on_set} means {remapped[0]}, {remapped[1]}")
    return remapped


class NASBenchMetaAPI(Benchmark):
    """Query interface of the `nats_bench` package, version 1.8: its methods, arguments, return keys and exceptions.

    Args:
        file_path_or_dict: a `Table`, the path of one or the name of an embedded one; an archive folder (`fast_mode`) or a
            single-file archive (not `fast_mode`) in the official format; a dict with the content of one; None for the
            official archive in `get_torch_home()`. Where an archive is not there, the table of its name (that with
            ".safetensors" appended) is opened in its place.
        fast_mode: read an archive's records when they are asked for. A table is always open as a whole.
        verbose: print every call.

    Attributes:
        meta_archs: the architectures' strings in official order.
        evaluated_indexes: indices of the loaded architectures: all of a table, a single file or a dict; of a folder those
            asked for so far.
        arch2infos_dict: their records, {index: {schedule: ArchResults}}, an OrderedDict that clients may empty, edit and
            replace by any other dict. A record that is not in it is read again when it is asked for (of a single file or a
            dict, it is gone), and a changed or added one is what queries answer from. The records in it, unless changed,
            share the memory of `records.CACHED_RECORDS` of them.
        archstr2index: official index by string.
        filename: base name of the path.
        archive_dir: folder that records are read from; None for none.
        fast_mode: as given.
        used_time: simulated seconds since the last `reset_time`.
        search_space_name: "topology" or "size"; also `is_topology` and `is_size`.
        full_train_epochs: length of the longest schedule in epochs; also `full_epochs_in_paper`.
    """

    def clear_params(self, index: int, hp: str | int | None = None) -> None:
        """Drop the weights of an architecture under a schedule (None: all); warn if it is not loaded."""
        self._log(f"clear_params: index={index}, hp={hp}")
        if index not in self.arch2infos_dict:
            warnings.warn(f"architecture {index} is not loaded", stacklevel=2)
            return
        record = self.arch2infos_dict[index]
        for results in record.values() if hp is None else (_under(record, hp),):
            results.clear_params()

    def query_meta_info_by_index(self, arch_index: int, hp: str | int = "12") -> ArchResults:
        """Return a copy of the trainings of an architecture under a schedule; ValueError if there are none."""
        self._log(f"query_meta_info_by_index: arch_index={arch_index}, hp={hp}")
        return copy.deepcopy(_under(stored(self._record(arch_index)), hp))

    def query_by_index(self, arch_index: int, dataname: str | None = None, hp: str | int = "12") -> Any:
        """Return a copy of the trainings under a schedule: ArchResults, or {seed: ResultsCount} of a dataset key."""
        self._log(f"query_by_index: arch_index={arch_index}, dataname={dataname}, hp={hp}")
        results = self.query_meta_info_by_index(arch_index, hp)
        if dataname is None:
            return results
        if dataname not in results.get_dataset_names():
            raise ValueError(f"architecture {arch_index} has no {dataname!r}; it has {results.get_dataset_names()}")
        return results.query(dataname)

    def get_net_param(self, index: int, dataset: str, seed: int | None, hp: str | int = "12") -> Any:
        """Return the trained weights of one trial, or {seed: weights} of all (seed None); None where an archive has none."""
        self._log(f"get_net_param: index={index}, dataset={dataset}, seed={seed}, hp={hp}")
        return self.query_meta_info_by_index(index, hp).get_net_param(dataset, seed)

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """Return the arguments of an architecture's network on a dataset key."""
        self._log(f"get_net_config: index={index}, dataset={dataset}")
        results = next(iter(stored(self._record(index)).values()))
        result: ResultsCount = next(iter(results.query(dataset).values()))
        return result.get_config(None)

    def query_info_str_by_arch(self, arch: Any, hp: str | int = "12") -> str | None:
        """Return lines about an architecture under a schedule; None, and a warning, if it is not loaded."""
        self._log(f"query_info_str_by_arch: arch={arch}, hp={hp}")
        index = self.query_index_by_arch(arch)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            warnings.warn(f"architecture {index} ({arch}) is not loaded", stacklevel=2)
            return None
        return "\n".join(describe(_under(stored(self.arch2infos_dict[index]), hp), f"arch-index={index}", shown=self._shown))

    def query_by_arch(self, arch: Any, hp: str | int) -> str | None:
        """Return `query_info_str_by_arch`, whose name in NAS-Bench-201 this is."""
        return self.query_info_str_by_arch(arch, hp)

    def show(self, index: int = -1) -> None:
        """Print lines about an architecture under all schedules; about all that are loaded if `index` is negative."""
        if index >= len(self):
            print(f"There is no architecture {index}; the last one is {len(self) - 1}.")
            return
        if index < 0:
            print(self)
        for shown in (index,) if index >= 0 else sorted(self.evaluated_indexes):
            self._prepare_info(shown)
            if shown not in self.evaluated_indexes:
                print(f"Architecture {shown} is not loaded.")
                continue
            if index < 0:
                print(f"\n{'-' * 10} Architecture {shown:06d} {'-' * 10}")
            for results in stored(self.arch2infos_dict[shown]).values():
                print(f"{'>' * 40} {results.get_total_epoch():03d} epochs {'>' * 40}")
                print("\n".join(describe(results, shown=self._shown)))
            print(f"{'<' * 40}------------{'<' * 40}")

    # -- metrics -----------------------------------------------------------------------------------------------------

    def get_more_info(
        self, index: Any, dataset: str, iepoch: int | None = None, hp: str | int = "12", is_random: Any = True
    ) -> dict[str, Any]:
        """Return all metrics of an architecture at an epoch.

        Args:
            index: an architecture, as `query_index_by_arch` takes it.
            dataset: dataset key: "cifar10-valid" (trained on half of the training images), "cifar10" (on all), "cifar100",
                "ImageNet16-120".
            iepoch: 0-based epoch; None for the last.
            hp: the schedule.
            is_random: True for a random trial, False for the mean over trials, an int for the trial with that seed.

        Returns:
            For the measured ones of the groups "train", "valid", "test" and "valtest" (validation and test images together):
            GROUP-loss, GROUP-accuracy (percent), GROUP-per-time (seconds of the mean epoch) and GROUP-all-time (seconds of all
            epochs so far); for CIFAR-10 also "comment".
        """
        self._log(f"get_more_info: index={index}, dataset={dataset}, iepoch={iepoch}, hp={hp}, is_random={is_random}")
        results = self._results(self._index_of(index), hp)
        if isinstance(is_random, (bool, np.bool_)) and is_random:
            # Python's global generator is part of this interface: scripts seed it and expect the package's draws.
            is_random = random.choice(results.get_dataset_seeds(dataset))
        info = _flat("train", results.metrics(dataset, "train", iepoch, is_random))
        if dataset in _COMMENTS:
            info["comment"] = _COMMENTS[dataset] % hp
        for group, setname in _CIFAR10_GROUPS if dataset in _COMMENTS else _OTHER_GROUPS:
            # cifar10 has no validation images, and some splits were measured at the last epoch only.
            optional = (dataset, group) != ("cifar10-valid", "valid")
            with suppress(KeyError, ValueError) if optional else nullcontext():
                info |= _flat(group, results.metrics(dataset, setname, iepoch, is_random))
        return info

    def simulate_train_eval(
        self, arch: Any, dataset: str, iepoch: int | None = None, hp: str | int = "12", account_time: bool = True
    ) -> tuple[float, float | None, float, float]:
        """Simulate the training of an architecture up to an epoch and one validation, with a random trial.

        As in the package, where an epoch was not validated the accuracy on validation and test images together is returned
        in its place (`simulated_evaluator` refuses).

        Returns:
            Accuracy (percent), latency (seconds), cost (seconds: all training epochs so far and one validation pass), and
            `used_time`, to which the cost is added if `account_time`.
        """
        index = self._index_of(arch)
        if dataset not in DATASET_KEYS[1:]:
            known = [key for key in self._trained_results(index, hp).get_dataset_names() if key != "cifar10-valid"]
            if dataset not in known:
                raise ValueError(f"dataset must be one of {', '.join(known)}, got {dataset!r}")
        info = self.get_more_info(index, "cifar10-valid" if dataset == "cifar10" else dataset, iepoch, hp)
        if "valid-accuracy" in info:
            accuracy, validation_seconds = info["valid-accuracy"], info["valid-per-time"]
        else:
            accuracy = info["valtest-accuracy"]
            validation_seconds = self.get_more_info(index, dataset, None, hp)["valid-per-time"]
        seconds = info["train-all-time"] + validation_seconds
        if account_time:
            self.used_time += seconds
        return accuracy, self.get_latency(index, dataset, hp), seconds, self.used_time

    def get_cost_info(self, index: int, dataset: str, hp: str | int = "12") -> dict[str, Any]:
        """Return FLOPs and parameters (millions), latency (seconds, one batch of 256), T-SET@epoch and T-SET@total (seconds of
        one and of all epochs or passes), means over trials.
        """
        self._log(f"get_cost_info: index={index}, dataset={dataset}, hp={hp}")
        return self._trained_results(index, hp).get_compute_costs(dataset)

    def get_latency(self, index: int, dataset: str, hp: str | int = "12") -> float | None:
        """Return seconds for one batch of 256 images; None if unknown. Raises as `get_cost_info`."""
        self._log(f"get_latency: index={index}, dataset={dataset}, hp={hp}")
        return self._trained_results(index, hp).known_latency(dataset)

    def _trained_results(self, index: int, hp: str | int) -> Results:
        try:
            return self._results(index, hp)
        except KeyError as error:
            raise ValueError(error.args[0]) from None

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str | int = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float | None]:
        """Return index and mean last-epoch accuracy (percent) of the best architecture, the lowest index on ties.

        Args:
            dataset: a dataset or dataset key.
            metric_on_set: "train", "valid", "test", or the name of a split.
            flop_max: highest FLOPs, millions.
            param_max: highest number of parameters, millions.
            hp: the schedule. In the package, an int is always unknown here and in `query_info_str_by_arch`.
            enforce_all: first load all architectures of an archive folder; None for whether in fast mode.

        Returns:
            (-1, None) if no loaded architecture is within the limits.
        """
        self._log(
            f"find_best: dataset={dataset}, metric_on_set={metric_on_set}, hp={hp}, flop_max={flop_max}, param_max={param_max}"
        )
        key, setname = remap_dataset_set_names(dataset, metric_on_set, self.verbose)
        if key not in DATASET_KEYS:  # a data set of one's own; the package knows its splits by their own names only
            setname = {"valid": "x-valid", "test": "x-test"}.get(setname, setname)
        if enforce_all and not self.fast_mode:
            raise InvalidArgument("enforce_all=True needs fast_mode=True: all that there is is loaded already")
        can_load = self.archive_dir is not None or self._table is not None
        load_all = can_load and (self.fast_mode if enforce_all is None else enforce_all)
        indices = self._loadable() if load_all else sorted(self.evaluated_indexes)
        limits = {name: limit for name, limit in (("flops", flop_max), ("params", param_max)) if limit is not None}
        # Each record is loaded when its turn comes: memory holds only the latest.
        records = ((index, self._record(index)) for index in indices)
        find = best if self._table is None else self._table.best
        return find(records, key, setname, limits, str(hp))

    def _loadable(self) -> Sequence[int]:
        """Return the indices of all that can be loaded, ascending."""
        if self.archive_dir is not None:
            return range(len(self))
        return sorted(self._evaluated_when_opened | self.evaluated_indexes)

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """Return {number of trials: number of loaded architectures} on a dataset key under a schedule."""
        self._log(f"statistics: dataset={dataset}, hp={hp}")
        counts = Counter(self._number_of_trials(index, dataset, hp) for index in sorted(self.evaluated_indexes))
        if dataset not in DATASET_KEYS and not any(counts):
            raise ValueError(f"dataset must be one of {', '.join(DATASET_KEYS)} or have a training, got {dataset!r}")
        return dict(counts)

    def _number_of_trials(self, index: int, dataset: str, hp: str | int) -> int:
        results = self._results(index, hp)
        try:
            return len(results.get_dataset_seeds(dataset))
        except KeyError:
            return 0


def _under(record: Record, hp: object) -> ArchResults:
    if str(hp) not in record:
        raise ValueError(f"unknown schedule {hp!r}; there are {', '.join(record)}")
    return record[str(hp)]


def _flat(group: str, metrics: Metrics) -> dict[str, Any]:
    iepoch, loss, accuracy, _, total = metrics
    return {
        f"{group}-loss": loss,
        f"{group}-accuracy": accuracy,
        f"{group}-per-time": None if total is None else total / (iepoch + 1),
        f"{group}-all-time": total,
    }
