"""What both search spaces of the facade share, with the names of `nats_bench.api_utils`."""

from __future__ import annotations

import copy
import os
import random
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any, ClassVar

from benchmark_api.importers.official.read import read_meta, read_record, record_path
from benchmark_api.nats.errors import InvalidArgument
from benchmark_api.nats.results import PICKLE_EXT, ArchResults, ResultsCount, mean, pickle_load, pickle_save
from benchmark_api.nats.sources import (
    Record,
    Records,
    RecordSource,
    Results,
    Source,
    TableSource,
    results_of,
    table_records,
)
from benchmark_api.tables.table import Table

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

Shown = Mapping[str, tuple[tuple[str, str], ...]]
"""For dataset keys, what is shown beside the training set: pairs of a label and a split."""

DATASET_KEYS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")

nats_is_dir = os.path.isdir
nats_is_file = os.path.isfile

# Of each dataset key, the groups of `get_more_info` and the splits they come from. Except for the validation of cifar10-valid
# they may be missing: cifar10 has no validation images of its own, and some splits were measured at the last epoch only.
_GROUPS = {
    "cifar10-valid": (("valid", "x-valid"), ("test", "ori-test")),
    "cifar10": (("valid", "x-valid"), ("test", "ori-test")),
}
_OTHER_GROUPS = (("valid", "x-valid"), ("test", "x-test"), ("valtest", "ori-test"))
_COMMENTS = {
    "cifar10-valid": "train-*: the training half of the CIFAR-10 training images; valid-*: the other half; "
    "test-*: the CIFAR-10 test images; all after training on the training half for {} epochs. "
    "per-time and all-time: seconds of the mean epoch and of all epochs.",
    "cifar10": "train-*: all CIFAR-10 training images; test-*: the CIFAR-10 test images; all after training on all training "
    "images for {} epochs. per-time and all-time: seconds of the mean epoch and of all epochs.",
}


def time_string() -> str:
    """The current time (UTC) in brackets."""
    return time.strftime("[%Y-%m-%d %X]", time.gmtime())


def get_torch_home() -> str:
    """The folder of the default paths: $TORCH_HOME, or .torch in the home folder.

    Raises:
        ValueError: neither TORCH_HOME nor HOME is set.
    """
    if "TORCH_HOME" in os.environ:
        return os.environ["TORCH_HOME"]
    if "HOME" in os.environ:
        return os.path.join(os.environ["HOME"], ".torch")
    raise ValueError("set TORCH_HOME to the folder of the NATS-Bench files (HOME is not set either)")


def remap_dataset_set_names(dataset: str, metric_on_set: str, verbose: bool = False) -> tuple[str, str]:
    """Dataset key and split for a dataset and "train", "valid" or "test"; other names stay as they are."""
    if dataset == "cifar10":
        names = {"valid": ("cifar10-valid", "x-valid"), "test": ("cifar10", "ori-test")}
    elif dataset in ("cifar100", "ImageNet16-120"):
        names = {"valid": (dataset, "x-valid"), "test": (dataset, "x-test")}
    else:
        names = {}
    remapped = names.get(metric_on_set, (dataset, metric_on_set))
    if verbose:
        print(f"{dataset}, {metric_on_set} means {remapped[0]}, {remapped[1]}")
    return remapped


def describe(information: ArchResults, extra_info: object = None, show: bool = False, *, shown: Shown) -> list[str]:
    """The lines that tell about one architecture under one schedule.

    Args:
        information: the architecture.
        extra_info: what else the second line says.
        show: also print them.
        shown: what is shown of a dataset key, if not validation and test.
    """

    def metric(setname: str) -> str:
        info = information.get_metrics(dataset, setname)
        return f"loss = {info['loss']:.3f} & top1 = {info['accuracy']:.2f}%"

    lines = [information.arch_str, f"datasets : {information.get_dataset_names()}, extra-info : {extra_info}"]
    for dataset in information.get_dataset_names():
        costs = information.get_compute_costs(dataset)
        latency = costs["latency"]
        milliseconds = None if latency is None else f"{latency * 1000:.2f}"
        lines.append(f"{dataset:14s} FLOP={costs['flops']:6.2f} M, Params={costs['params']:.3f} MB, latency={milliseconds} ms.")
        sets = (("train", "train"), *shown.get(dataset, (("valid", "x-valid"), ("test", "x-test"))))
        lines.append(f"{dataset:14s} " + ", ".join(f"{label} : [{metric(setname)}]" for label, setname in sets))
    if show:
        print("\n".join(lines))
    return lines


class NASBenchMetaAPI:
    """The query interface of the `nats_bench` package, version 1.8.

    Args:
        file_path_or_dict: a `Table` or the path of one (`.safetensors`); an archive folder (`fast_mode`) or a single-file
            archive (not `fast_mode`) in the official format; a dict with the content of one; None for the official archive
            in `get_torch_home()`.
        fast_mode: read an archive's records when they are asked for. A table is always open as a whole.
        verbose: print every call.

    Attributes:
        meta_archs: the architectures' strings in official order.
        evaluated_indexes: the architectures that are loaded: all that a table, a single file or a dict has; of a folder those
            asked for so far.
        arch2infos_dict: their records, {index: {schedule: ArchResults}}.
        archstr2index: the official index by string.
        filename: the base name of the path.

    Raises:
        ValueError: the path does not exist or does not fit `fast_mode`; a dict lacks a key; an architecture is listed twice;
            the table is of another search space.
    """

    _search_space_name: ClassVar[str]
    _all_base_names: ClassVar[list[str]]
    _full_train_epochs: ClassVar[int]
    _shown: ClassVar[Shown]

    def __init__(self, file_path_or_dict: Any = None, fast_mode: bool = False, verbose: bool = True) -> None:
        self.verbose = verbose
        self.filename: str | None = None
        self.meta_archs: list[str]
        self.evaluated_indexes: set[int]
        self.arch2infos_dict: Records
        self._fast_mode = fast_mode
        self._archive_dir: str | None = None
        self._used_time = 0.0
        self._source: Source
        given = file_path_or_dict
        if given is None:
            base = os.path.join(get_torch_home(), self._all_base_names[-1])
            given = f"{base}-simple" if fast_mode else f"{base}.{PICKLE_EXT}"
        if isinstance(given, dict):
            self._use_dict(copy.deepcopy(given))
        elif isinstance(given, Table):
            self._use_table(given)
        elif isinstance(given, (str, os.PathLike)):
            self._use_path(os.fspath(given))
        else:
            raise ValueError(f"expected a path, a dict, a Table or None, got {type(given).__name__}")
        self.archstr2index = {text: index for index, text in enumerate(self.meta_archs)}
        if len(self.archstr2index) < len(self.meta_archs):
            twice = next(text for index, text in enumerate(self.meta_archs) if self.archstr2index[text] != index)
            raise ValueError(f"architecture {twice} is listed twice")
        self._log(f"{self!r} is ready")

    def _use_path(self, path: str) -> None:
        self.filename = os.path.basename(path)
        if not os.path.exists(path):
            raise ValueError(f"{path} is neither a file nor a folder")
        if path.endswith(".safetensors"):
            self._use_table(Table(path))
        elif self._fast_mode:
            if not os.path.isdir(path):
                raise ValueError(f"fast_mode=True reads an archive folder, got the file {path}")
            self._use_folder(path)
        else:
            if os.path.isdir(path):
                raise ValueError(f"fast_mode=False reads a single-file archive, got the folder {path}")
            self._use_dict(pickle_load(path))

    def _use_table(self, table: Table) -> None:
        if table.space.name != self._search_space_name:
            raise ValueError(f"{table} is of the {table.space.name} space, expected {self._search_space_name}")
        self.filename = table.path.name
        self.meta_archs = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
        source = TableSource(table)
        self._source = source
        self.arch2infos_dict = table_records(table, source)
        self.evaluated_indexes = set(self.arch2infos_dict)
        self._avaliable_hps = {hp for hp, trained in source.trained.items() if trained.any()}

    def _use_dict(self, content: dict[str, Any]) -> None:
        missing = {"meta_archs", "arch2infos", "evaluated_indexes"} - set(content)
        if missing:
            raise ValueError(f"the dict has no {', '.join(sorted(missing))}")
        self.meta_archs = content["meta_archs"]
        records = {index: results_of(state) for index, state in sorted(content["arch2infos"].items())}
        self.arch2infos_dict = Records(dict.fromkeys(records, records.__getitem__))
        self.evaluated_indexes = set(content["evaluated_indexes"])
        self._source = RecordSource(self.arch2infos_dict)
        self._avaliable_hps = {hp for record in records.values() for hp in record}

    def _use_folder(self, folder: str) -> None:
        self.meta_archs = read_meta(os.path.join(folder, f"meta.{PICKLE_EXT}"))["meta_archs"]
        self.arch2infos_dict = Records({})
        self.evaluated_indexes = set()
        self._source = RecordSource(self.arch2infos_dict)
        self._archive_dir = folder
        self._avaliable_hps = set()

    def _log(self, message: str) -> None:
        if self.verbose:
            print(f"{time_string()} {message}")

    def __len__(self) -> int:
        return len(self.meta_archs)

    def __getitem__(self, index: int) -> str:
        return self.meta_archs[index]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.evaluated_indexes)}/{len(self)} architectures, fast_mode={self._fast_mode}, "
            f"file={self.filename})"
        )

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def avaliable_hps(self) -> list[str]:
        """The schedules of the architectures that are loaded, shortest first (sic)."""
        return sorted(self._avaliable_hps, key=int)

    @property
    def used_time(self) -> float:
        """Simulated seconds since the last `reset_time`."""
        return self._used_time

    @property
    def search_space_name(self) -> str:
        """ "topology" or "size"."""
        return self._search_space_name

    @property
    def is_topology(self) -> bool:
        """Whether this is the topology space."""
        return self._search_space_name == "topology"

    @property
    def is_size(self) -> bool:
        """Whether this is the size space."""
        return self._search_space_name == "size"

    @property
    def fast_mode(self) -> bool:
        """Whether records are read when they are asked for."""
        return self._fast_mode

    @property
    def archive_dir(self) -> str | None:
        """The folder that records are read from."""
        return self._archive_dir

    @property
    def full_train_epochs(self) -> int:
        """Length of the longest schedule in epochs."""
        return self._full_train_epochs

    @property
    def full_epochs_in_paper(self) -> int:
        """Length of the schedule that the paper reports, in epochs."""
        return self._full_train_epochs

    def reset_time(self) -> None:
        """Set the simulated clock to 0."""
        self._used_time = 0.0

    def reset_archive_dir(self, archive_dir: str | None) -> None:
        """Read records from another folder from now on."""
        self._archive_dir = archive_dir

    def reset_fast_mode(self, fast_mode: bool) -> None:
        """Read records when they are asked for, or only answer for those that are loaded."""
        self._fast_mode = fast_mode

    # -- architectures -----------------------------------------------------------------------------------------------

    def arch(self, index: int) -> str:
        """The string of an architecture.

        Raises:
            ValueError: the index is out of range.
        """
        self._log(f"arch: index={index}")
        if not 0 <= index < len(self):
            raise ValueError(f"architecture index must be 0 to {len(self) - 1}, got {index}")
        return self.meta_archs[index]

    def random(self) -> int:
        """A uniformly random index, from Python's global generator as in the package."""
        return random.randint(0, len(self) - 1)

    def query_index_by_arch(self, arch: Any) -> int:
        """The official index of an architecture.

        Args:
            arch: an index, a string, or an object whose `tostr()` gives the string.

        Returns:
            The index; -1 if `arch` is none of these or not in the search space.

        Raises:
            ValueError: an index that is out of range.
        """
        self._log(f"query_index_by_arch: arch={arch}")
        if isinstance(arch, int):
            if not 0 <= arch < len(self):
                raise ValueError(f"architecture index must be 0 to {len(self) - 1}, got {arch}")
            return arch
        text = arch.tostr() if hasattr(arch, "tostr") else arch
        return self.archstr2index.get(text, -1) if isinstance(text, str) else -1

    # -- records -----------------------------------------------------------------------------------------------------

    def _prepare_info(self, index: int) -> None:
        """Load an architecture in fast mode, unless it is loaded.

        Raises:
            InvalidArgument: the archive folder has no record of it.
            ValueError: no such index; there is no archive folder; a dict has a record that it does not list as evaluated.
        """
        if index in self.arch2infos_dict:
            if index not in self.evaluated_indexes:
                raise ValueError(f"there is a record of architecture {index}, but evaluated_indexes does not list it")
        elif self._fast_mode:
            if self._archive_dir is None:
                raise ValueError(f"architecture {index} is not there, and there is no archive folder to read it from")
            self.reload(self._archive_dir, index)

    def _record(self, index: int) -> Record:
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"architecture {index} is not among the {len(self.arch2infos_dict)} that are loaded")
        return self.arch2infos_dict[index]

    def _results(self, index: int, hp: object) -> Results:
        """One architecture under one schedule. KeyError if it was not trained so; ValueError if it is not there."""
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            raise ValueError(f"architecture {index} is not among the {len(self.arch2infos_dict)} that are loaded")
        return self._source.results(index, str(hp))

    def reload(self, archive_root: str | None = None, index: int | None = None) -> None:
        """Read records again, over what is loaded.

        Args:
            archive_root: the folder; None for the official full archive in `get_torch_home()` or, if it is not there,
                `archive_dir`. ([Q] The package needs TORCH_HOME to be set here.)
            index: the architecture; None for all.

        Raises:
            InvalidArgument: the folder has no record of an architecture.
            ValueError: no such folder, or no such index.
        """
        self._log(f"reload: archive_root={archive_root}, index={index}")
        if archive_root is None:
            archive_root = os.path.join(get_torch_home(), f"{self._all_base_names[-1]}-full")
            if not os.path.isdir(archive_root):
                warnings.warn(f"there is no {archive_root}; reading {self._archive_dir}", stacklevel=2)
                archive_root = self._archive_dir
        if archive_root is None or not os.path.isdir(archive_root):
            raise ValueError(f"no archive folder {archive_root}")
        folder = archive_root

        def read(index: int) -> Record:
            return results_of(read_record(folder, index))

        for each in range(len(self)) if index is None else (index,):
            if not 0 <= each < len(self):
                raise ValueError(f"architecture index must be 0 to {len(self) - 1}, got {each}")
            if not (path := record_path(folder, each)).is_file():
                raise InvalidArgument(f"architecture {each} has no record {path}")
            self.arch2infos_dict.load(each, read)
            self.evaluated_indexes.add(each)
            self._avaliable_hps.update(self.arch2infos_dict[each])
        self._source = RecordSource(self.arch2infos_dict)  # a table's arrays no longer have it all

    def clear_params(self, index: int, hp: str | int | None = None) -> None:
        """Drop the weights of an architecture.

        Args:
            index: the architecture; if it is not loaded, a warning is all that happens.
            hp: the schedule; None for all.

        Raises:
            ValueError: it was not trained under this schedule.
        """
        self._log(f"clear_params: index={index}, hp={hp}")
        if index not in self.arch2infos_dict:
            warnings.warn(f"architecture {index} is not loaded", stacklevel=2)
            return
        record = self.arch2infos_dict[index]
        for results in record.values() if hp is None else (_under(record, hp),):
            results.clear_params()

    def query_meta_info_by_index(self, arch_index: int, hp: str | int = "12") -> ArchResults:
        """A copy of the trainings of an architecture under a schedule.

        Raises:
            ValueError: the architecture is not there, or was not trained under this schedule.
        """
        self._log(f"query_meta_info_by_index: arch_index={arch_index}, hp={hp}")
        return copy.deepcopy(_under(self._record(arch_index), hp))

    def query_by_index(self, arch_index: int, dataname: str | None = None, hp: str | int = "12") -> Any:
        """A copy of the trainings of an architecture under a schedule: ArchResults, or {seed: ResultsCount} of a dataset key.

        Raises:
            ValueError: the architecture is not there, or was not trained under this schedule or on this dataset key.
        """
        self._log(f"query_by_index: arch_index={arch_index}, dataname={dataname}, hp={hp}")
        results = self.query_meta_info_by_index(arch_index, hp)
        if dataname is None:
            return results
        if dataname not in results.get_dataset_names():
            raise ValueError(f"architecture {arch_index} has no {dataname!r}; it has {results.get_dataset_names()}")
        return results.query(dataname)

    def get_net_param(self, index: int, dataset: str, seed: int | None, hp: str | int = "12") -> Any:
        """The trained weights of one trial, or {seed: weights} of all (seed None). None where an archive has no weights.

        Raises:
            ValueError: there is no such architecture, schedule or trial.
        """
        self._log(f"get_net_param: index={index}, dataset={dataset}, seed={seed}, hp={hp}")
        return self.query_meta_info_by_index(index, hp).get_net_param(dataset, seed)

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """What the network of an architecture on a dataset key is built from.

        Raises:
            ValueError: the architecture is not there.
            KeyError: there is no such dataset key.
        """
        self._log(f"get_net_config: index={index}, dataset={dataset}")
        results = next(iter(self._record(index).values()))
        result: ResultsCount = next(iter(results.query(dataset).values()))
        return result.get_config(None)

    # -- text --------------------------------------------------------------------------------------------------------

    def query_info_str_by_arch(self, arch: Any, hp: str | int = "12") -> str | None:
        """Lines about an architecture under a schedule; None, and a warning, if it is not loaded.

        [Q] In the package, an int `hp` is always unknown here.

        Raises:
            ValueError: it was not trained under this schedule.
        """
        self._log(f"query_info_str_by_arch: arch={arch}, hp={hp}")
        index = self.query_index_by_arch(arch)
        self._prepare_info(index)
        if index not in self.arch2infos_dict:
            warnings.warn(f"architecture {index} ({arch}) is not loaded", stacklevel=2)
            return None
        return "\n".join(describe(_under(self.arch2infos_dict[index], hp), f"arch-index={index}", shown=self._shown))

    def query_by_arch(self, arch: Any, hp: str | int) -> str | None:
        """The same, under its name in NAS-Bench-201."""
        return self.query_info_str_by_arch(arch, hp)

    def show(self, index: int = -1) -> None:
        """Print lines about an architecture under all schedules; about all that are loaded if `index` is negative.

        [Q] In the package, a negative index is a KeyError as soon as anything is loaded.
        """
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
            for results in self.arch2infos_dict[shown].values():
                print(f"{'>' * 40} {results.get_total_epoch():03d} epochs {'>' * 40}")
                print("\n".join(describe(results, shown=self._shown)))
            print(f"{'<' * 40}------------{'<' * 40}")

    # -- figures -----------------------------------------------------------------------------------------------------

    def get_more_info(
        self, index: Any, dataset: str, iepoch: int | None = None, hp: str | int = "12", is_random: Any = True
    ) -> dict[str, Any]:
        """All figures of an architecture at an epoch.

        Args:
            index: an architecture, as `query_index_by_arch` takes it.
            dataset: dataset key: "cifar10-valid" (trained on half of the training images), "cifar10" (on all), "cifar100",
                "ImageNet16-120".
            iepoch: 0-based epoch; None for the last.
            hp: the schedule.
            is_random: True for a random trial, False for the mean over trials, an int for the trial with that seed.

        Returns:
            For the groups "train", "valid", "test" and "valtest" (validation and test images together), as far as they were
            measured: GROUP-loss, GROUP-accuracy (percent), GROUP-per-time (seconds of the mean epoch) and GROUP-all-time
            (seconds of all epochs so far); for CIFAR-10 also "comment".

        Raises:
            KeyError: unknown schedule or dataset key.
            ValueError: the architecture is not there; no such epoch or trial.
        """
        self._log(f"get_more_info: index={index}, dataset={dataset}, iepoch={iepoch}, hp={hp}, is_random={is_random}")
        results = self._results(self.query_index_by_arch(index), hp)
        if is_random is True:
            # Python's global generator is part of this interface: scripts seed it and expect the package's draws.
            is_random = random.choice(results.get_dataset_seeds(dataset))
        info = _flat("train", results.get_metrics(dataset, "train", iepoch, is_random))
        if dataset in _COMMENTS:
            info["comment"] = _COMMENTS[dataset].format(hp)
        for group, setname in _GROUPS.get(dataset, _OTHER_GROUPS):
            optional = (dataset, group) != ("cifar10-valid", "valid")
            with suppress(KeyError, ValueError) if optional else nullcontext():
                info |= _flat(group, results.get_metrics(dataset, setname, iepoch, is_random))
        return info

    def simulate_train_eval(
        self, arch: Any, dataset: str, iepoch: int | None = None, hp: str | int = "12", account_time: bool = True
    ) -> tuple[float, float | None, float, float]:
        """Train an architecture up to an epoch and validate it once, in simulation, on a random trial.

        [Q] As in the package, where an epoch was not validated the accuracy on validation and test images together is
        returned in its place (`SimulatedEvaluator` refuses).

        Args:
            arch: an architecture, as `query_index_by_arch` takes it.
            dataset: "cifar10" (trained on half of the training images), "cifar100" or "ImageNet16-120".
            iepoch: 0-based epoch; None for the last.
            hp: the schedule.
            account_time: add the cost to `used_time`.

        Returns:
            Accuracy (percent), latency (seconds, of the architecture trained on the dataset), cost (seconds: all training
            epochs so far and one validation pass), `used_time`.

        Raises:
            ValueError: another dataset; else as `get_more_info`.
        """
        index = self.query_index_by_arch(arch)
        if dataset not in DATASET_KEYS[1:]:
            raise ValueError(f"dataset must be one of {', '.join(DATASET_KEYS[1:])}, got {dataset!r}")
        info = self.get_more_info(index, "cifar10-valid" if dataset == "cifar10" else dataset, iepoch, hp)
        if "valid-accuracy" in info:
            accuracy, validation_seconds = info["valid-accuracy"], info["valid-per-time"]
        else:
            accuracy = info["valtest-accuracy"]
            validation_seconds = self.get_more_info(index, dataset, None, hp)["valid-per-time"]
        seconds = info["train-all-time"] + validation_seconds
        if account_time:
            self._used_time += seconds
        return accuracy, self.get_latency(index, dataset, hp), seconds, self._used_time

    def get_cost_info(self, index: int, dataset: str, hp: str | int = "12") -> dict[str, Any]:
        """FLOPs and parameters (millions), latency (seconds, one batch of 256), T-SET@epoch and T-SET@total (seconds of one
        and of all epochs or passes), means over trials.

        Raises:
            KeyError: unknown dataset key.
            ValueError: the architecture is not there, or was not trained under this schedule.
        """
        self._log(f"get_cost_info: index={index}, dataset={dataset}, hp={hp}")
        try:
            results = self._results(index, hp)
        except KeyError:
            raise ValueError(f"architecture {index} was not trained under schedule {hp!r}") from None
        return results.get_compute_costs(dataset)

    def get_latency(self, index: int, dataset: str, hp: str | int = "12") -> float | None:
        """Seconds for one batch of 256 images; None if unknown. Errors as `get_cost_info`."""
        latency: float | None = self.get_cost_info(index, dataset, hp)["latency"]
        return latency

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        flop_max: float | None = None,
        param_max: float | None = None,
        hp: str | int = "12",
        enforce_all: bool | None = None,
    ) -> tuple[int, float | None]:
        """The architecture with the highest accuracy, the mean over trials at the last epoch; the lowest index on ties.

        [Q] In the package, an int `hp` is always unknown here.

        Args:
            dataset: a dataset or dataset key.
            metric_on_set: "train", "valid", "test", or the name of a split.
            flop_max: highest FLOPs, millions.
            param_max: highest number of parameters, millions.
            hp: the schedule.
            enforce_all: first load all architectures of an archive folder; None for whether in fast mode.

        Returns:
            Index and accuracy (percent), or (-1, None) if no architecture is loaded or within the limits.

        Raises:
            KeyError: unknown schedule or dataset key.
            ValueError: unknown split.
            InvalidArgument: `enforce_all` without fast mode; the archive folder is not complete.
        """
        self._log(
            f"find_best: dataset={dataset}, metric_on_set={metric_on_set}, hp={hp}, flop_max={flop_max}, param_max={param_max}"
        )
        key, setname = remap_dataset_set_names(dataset, metric_on_set, self.verbose)
        if enforce_all and not self._fast_mode:
            raise InvalidArgument("enforce_all=True needs fast_mode=True: all that there is is loaded already")
        load_all = self._archive_dir is not None and (self._fast_mode if enforce_all is None else enforce_all)
        indices = range(len(self)) if load_all else sorted(self.evaluated_indexes)
        return self._source.best(self._prepared(indices), key, setname, flop_max, param_max, str(hp))

    def _prepared(self, indices: Iterable[int]) -> Iterator[int]:
        """The indices, each loaded when its turn comes: memory holds only the latest records."""
        for index in indices:
            self._prepare_info(index)
            yield index

    def statistics(self, dataset: str, hp: str | int) -> dict[int, int]:
        """How many of the architectures that are loaded have how many trials on a dataset key under a schedule.

        Raises:
            ValueError: not one of the four dataset keys.
            KeyError: an architecture was not trained under this schedule.
        """
        self._log(f"statistics: dataset={dataset}, hp={hp}")
        if dataset not in DATASET_KEYS:
            raise ValueError(f"dataset must be one of {', '.join(DATASET_KEYS)}, got {dataset!r}")
        return self._source.trials(self.evaluated_indexes, dataset, str(hp))


def _under(record: Record, hp: object) -> ArchResults:
    if str(hp) not in record:
        raise ValueError(f"unknown schedule {hp!r}; there are {', '.join(record)}")
    return record[str(hp)]


def _flat(group: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    total = metrics["all_time"]
    return {
        f"{group}-loss": metrics["loss"],
        f"{group}-accuracy": metrics["accuracy"],
        f"{group}-per-time": None if total is None else total / (metrics["iepoch"] + 1),
        f"{group}-all-time": total,
    }
