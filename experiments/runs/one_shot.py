"""One-shot runs: a search trains its supernet on images, epoch by epoch, and derives an architecture after each.

The trajectory of a run is stored when its last epoch is done. Until then, a checkpoint beside where it will lie holds all
epochs so far; whoever runs the same again goes on from there. The last checkpoint stays: it is the supernet that
`RankingPiece` asks for the accuracy of other architectures.

The images and the skeleton are those that the candidates of the table were trained with, so that supernet and table speak of
the same task. Accuracies of the table are not seen here: the reporter looks up what was derived.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.search import EpochFigures, Execution, OneShotSearch, Task
from benchmark_api.jobs.files import whole_file
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Distortion, load_dataset
from benchmark_api.training.devices import enough_memory, one_thread
from benchmark_api.training.networks import Skeleton
from experiments import store
from experiments.provenance import code_version, environment
from experiments.runs.job import ResultsPiece
from experiments.store import OneShotCondition, OneShotExperiment, RankingCondition

SPLITS = ("train", "x-valid")
"""What a search gets of a data set."""

LESS_MEMORY = "take smaller batches (--batch, --eval-batch), mixed precision (--precision bfloat16), or --jobs 1"
"""What to do where a search does not fit."""


# -- what is trained on ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What is trained on, and in which skeleton.

    Attributes:
        dataset: key of the images (`benchmark_api.training.datasets.KEYS`).
        distortion: of the digits; None for none, and for other data sets.
        channels: topology space: width of the first stage; None for the size space, as for cells.
        cells: topology space: cells of each stage.
    """

    dataset: str
    distortion: Distortion | None
    channels: int | None
    cells: int | None

    @classmethod
    def of(cls, table: Table, dataset: str) -> Setting:
        """The setting that the candidates of a table were trained in.

        A table that this project built tells; any other is taken for NATS-Bench's, with C = 16 and N = 5 (section 3.2 of
        arXiv 2009.00437), where cifar10 is searched on one half of its training images and validated on the other. For
        cifar100 and ImageNet16-120 x-valid is one half of the official test images, as in the reference.

        Raises:
            ValueError: the table has no such dataset to search on.
        """
        if dataset not in table.datasets:
            raise ValueError(f"{table.path} has no dataset {dataset!r} to search on; it has {', '.join(table.datasets)}")
        if "settings" in table.metadata["source"]:
            return cls.from_json(table.metadata["source"]["settings"])
        topology = table.space.name == "topology"
        return cls(table.search_key(dataset), None, 16 if topology else None, 5 if topology else None)

    @classmethod
    def from_json(cls, text: str) -> Setting:
        """The setting among the facts that `to_json` or the builder of a table (`Plan.describe`) wrote."""
        facts = json.loads(text)
        distortion = facts["distortion"]
        return cls(
            facts["dataset"],
            None if distortion is None else Distortion(**distortion),
            facts["channels"],
            facts["cells"],
        )

    def to_json(self) -> str:
        """All of it, with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    def task(self, space: SearchSpace, root: Path | None, device: str) -> Task:
        """The task on a device.

        Args:
            space: the search space.
            root: where the data set's files are; digits need none.
            device: where the images shall be.

        Raises:
            FileNotFoundError: a file of the data set is missing.
            ValueError: as for `load_dataset`; no folder is given where one is needed.
        """
        if root is None and self.dataset != "digits":
            raise ValueError(f"{self.dataset} is read from local files: name the folder that has them (--data)")
        data = load_dataset(self.dataset, root, splits=SPLITS, device=device, distortion=self.distortion)
        return Task(space, data, Skeleton(data.classes, data.image_shape[0], self.channels, self.cells))


_AS_CANDIDATES = {"batch": 32, "rate": 0.1}
_FEW_STEPS = {"arch_rate": 0.01}
DIGITS_DEFAULTS: dict[str, Mapping[str, Any]] = {
    "rsps": {"epochs": 18, **_AS_CANDIDATES},
    "darts-v1": {"epochs": 12, **_AS_CANDIDATES, **_FEW_STEPS},
    "darts-v2": {"epochs": 5, **_FEW_STEPS},
    "gdas": {"epochs": 18, **_AS_CANDIDATES, **_FEW_STEPS},
    "setn": {"epochs": 10, **_AS_CANDIDATES, **_FEW_STEPS},
    "enas": {"epochs": 10, "updates": 5, **_AS_CANDIDATES},
    **{name: {"epochs": 18, **_AS_CANDIDATES, **_FEW_STEPS} for name in ("tas", "fbnetv2", "tunas")},
}
"""What is not the reference's in a search on digits, by its name: three seeds take minutes on two processors.

All but second-order DARTS make their few steps as the embedded table's candidates were trained: with the reference's batch and
rate a supernet hardly learns in so short a time. Adam moves an architecture parameter by
about its rate a step: 39,000 steps of the reference's 0.0003 move it as far as 1,200 of 0.01.
"""


def default_config(search_class: type[OneShotSearch], dataset: str) -> Any:
    """The hyperparameters of a search on a dataset unless told otherwise."""
    return replace(search_class.Config(), **(DIGITS_DEFAULTS.get(search_class.name, {}) if dataset == "digits" else {}))


# -- runs --------------------------------------------------------------------------------------------------------------------


def seeds_of(count: int) -> list[int]:
    """The first seeds: 777, 888 and 999 as in NATS-Bench, then 1110, ..."""
    return [777 + 111 * number for number in range(count)]


@dataclass(frozen=True, eq=False)
class OneShotRun:
    """The trajectory of one run, an entry for every epoch; the fields are those of `OneShotExperiment`."""

    seed: int
    wall_seconds: float
    architecture: npt.NDArray[np.int32]
    train_loss: npt.NDArray[np.float64]
    train_accuracy: npt.NDArray[np.float64]
    valid_loss: npt.NDArray[np.float64]
    valid_accuracy: npt.NDArray[np.float64]
    arch_weights: npt.NDArray[np.float64]
    entropy: npt.NDArray[np.float64]
    train_seconds: npt.NDArray[np.float64]
    derive_seconds: npt.NDArray[np.float64]
    peak_memory: npt.NDArray[np.int64]

    @classmethod
    def of(cls, seed: int, figures: Sequence[EpochFigures], space: SearchSpace) -> OneShotRun:
        """The trajectory of a finished search; its wall time is that of all its epochs, whenever and wherever they ran."""

        def column(name: str) -> npt.NDArray[np.float64]:
            return np.array([getattr(epoch, name) for epoch in figures], dtype=np.float64)

        train_seconds, derive_seconds = column("seconds"), column("derive_seconds")
        return cls(
            seed=seed,
            wall_seconds=float(train_seconds.sum() + derive_seconds.sum()),
            architecture=np.array([space.index(epoch.architecture) for epoch in figures], dtype=np.int32),
            **{name: column(name) for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "entropy")},
            arch_weights=column("arch_weights").reshape(len(figures), -1),
            train_seconds=train_seconds,
            derive_seconds=derive_seconds,
            peak_memory=np.array([epoch.peak_memory for epoch in figures], dtype=np.int64),
        )


def condition_of(
    search_class: type[OneShotSearch], config: Any, table: Table, dataset: str, execution: Execution
) -> OneShotCondition:
    """The condition of runs whose architectures are looked up in a table.

    Args:
        search_class: a registered search.
        config: its hyperparameters.
        table: the table.
        dataset: the dataset to search on.
        execution: how it is computed.

    Raises:
        ValueError: the table is of another space, or has no such dataset.
    """
    if search_class.space != table.space.name:
        raise ValueError(
            f"{search_class.name} searches the {search_class.space} space; {table.path} is of the {table.space.name} space"
        )
    return OneShotCondition(
        space=table.space.name,
        dataset=dataset,
        algorithm=search_class.name,
        hyperparameters=json.dumps(asdict(config), sort_keys=True),
        execution=json.dumps(asdict(execution), sort_keys=True),
        setting=Setting.of(table, dataset).to_json(),
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def plan(
    condition: OneShotCondition, table: Table, results: Path, seeds: Sequence[int], root: Path | None = None
) -> list[OneShotPiece]:
    """The runs of an experiment that are not stored yet, one piece each, checked by making the first one's search.

    Args:
        condition: what the runs depend on.
        table: the table.
        results: the results folder.
        seeds: of the runs.
        root: where the data set's files are; digits need none.

    Raises:
        FileNotFoundError: a file of the data set is missing.
        StoreError: a stored file of the experiment is damaged or out of place.
        ValueError: the search, the data set or the device refuses.
    """
    missing = store.missing_pieces(store.stored_seeds(results, condition), seeds, block=1)
    pieces = [piece_of(condition, piece, table, results, root) for piece in missing]
    if pieces:
        pieces[0].search()
    return pieces


def piece_of(condition: OneShotCondition, seeds: range, table: Table, results: Path, data: Path | None = None) -> OneShotPiece:
    """Return the job that makes the run of a seed."""
    version, root = _version(condition, table), data and data.absolute()
    return OneShotPiece(condition, condition.config(), seeds, table.path.resolve(), version, root, results=results)


def _version(condition: OneShotCondition, table: Table) -> str:
    search_class = ONE_SHOT.find(condition.algorithm)
    return code_version(OneShotPiece, search_class, type(table.space))


def find_device(name: str) -> torch.device:
    """A device by its name.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    try:
        return torch.empty(0, device=name).device
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error


def device_name(device: torch.device) -> str:
    """What a device is called by its maker, for the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@dataclass(frozen=True)
class SupernetPiece(ResultsPiece):
    """Work with the supernet of one run.

    Attributes:
        root: where the data set's files are.
    """

    forked = False  # a forked process can use neither the parent's CUDA nor the threads it may have started

    condition: OneShotCondition
    root: Path | None

    @property
    def checkpoint(self) -> Path:
        """Where the search lies as it was after its last finished epoch."""
        one_shot = OneShotCondition(**{name: getattr(self.condition, name) for name in store.ONE_SHOT_RUNS.fields})
        return store.supernet_path(store.piece_path(self.results, one_shot, self.seeds))

    def search(self, device: str | None = None) -> OneShotSearch:
        """The search at its beginning, on another device than the condition's if one is given.

        Raises:
            ValueError: as for `plan`.
        """
        table, execution = self.open_table(), Execution(**self.condition.execution_values())
        execution = replace(execution, device=device or execution.device)
        find_device(execution.device)
        task = Setting.from_json(self.condition.setting).task(table.space, self.root, execution.device)
        return ONE_SHOT[self.condition.algorithm](task, self.config, seed=self.seeds[0], execution=execution)

    def machine(self, search: OneShotSearch) -> dict[str, str]:
        """What the search was computed on, for the record."""
        return {**environment("torch"), "device": device_name(find_device(search.execution.device))}


@dataclass(frozen=True)
class OneShotPiece(SupernetPiece):
    """One run of a one-shot search."""

    unit = "epoch"

    @property
    def units(self) -> int:
        epochs: int = self.config.epochs
        return epochs

    def make(self) -> Iterator[int]:
        # A sum depends on how many threads make it; results must not depend on the number of processes.
        with one_thread(), enough_memory(LESS_MEMORY):
            search = self.search()
            versions = self._note_version()
            if self.checkpoint.exists():
                search.load(self.checkpoint)
                yield search.epoch
            while search.epoch < self.units:
                search.train_epoch()
                search.save(self.checkpoint)
                yield 1
            run = OneShotRun.of(self.seeds[0], search.figures, search.task.space)
            store.write_piece(self.results, self.condition, [run], versions, str(self.table_path), self.machine(search))

    def _note_version(self) -> str:
        """The versions of the code that have worked at the checkpoint, this one's included; noted beside it."""
        note = self.checkpoint.with_suffix(".versions")
        former = note.read_text().split(", ") if self.checkpoint.exists() and note.exists() else []
        versions = ", ".join(sorted({*former, self.code_version}))
        with whole_file(note) as file:
            file.write(versions.encode())
        return versions


# -- ranking by a supernet -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RankingRun:
    """What the supernet of one run thinks of a sample of architectures; the fields are those of `SupernetRanking`."""

    seed: int
    wall_seconds: float
    architecture: npt.NDArray[np.int32]
    accuracy: npt.NDArray[np.float64]


def sample_architectures(table: Table, dataset: str, count: int, seed: int) -> npt.NDArray[np.int32]:
    """Different architectures [entry], drawn uniformly from those with a full training in the table; the same for all methods.

    Raises:
        ValueError: there are not so many.
    """
    measured = np.flatnonzero((table.seeds(dataset, table.report_schedule) >= 0).any(axis=1))
    if not 2 <= count <= len(measured):
        raise ValueError(f"architectures must be 2 to the {len(measured):,} that the table has on {dataset}, got {count}")
    return np.random.default_rng(seed).choice(measured, count, replace=False).astype(np.int32)


def plan_ranking(
    experiment: OneShotExperiment,
    table: Table,
    results: Path,
    *,
    architectures: int,
    sample_seed: int,
    images: int | None,
    device: str,
    root: Path | None,
) -> list[RankingPiece]:
    """The rankings by an experiment's supernets that are not stored yet, one piece for each that still has its checkpoint.

    Args:
        experiment: the finished runs.
        table: the table that architectures are drawn from.
        results: the results folder.
        architectures: size of the sample.
        sample_seed: of the sample.
        images: evaluate on so many images of x-valid; None for all.
        device: where to compute.
        root: where the data set's files are; digits need none.

    Raises:
        StoreError: a stored ranking is damaged or out of place.
        ValueError: the table has not so many architectures, or the device cannot be used.
    """
    sample_architectures(table, experiment.dataset, architectures, sample_seed)
    find_device(device)
    condition = RankingCondition(
        **{name: getattr(experiment, name) for name in store.ONE_SHOT_RUNS.fields},
        architectures=architectures,
        sample_seed=sample_seed,
        images=images,
        device=device,
    )
    missing = store.missing_pieces(store.stored_seeds(results, condition), experiment.seeds.tolist(), block=1)
    config, path, version = condition.config(), table.path.resolve(), _version(condition, table)
    root = root and root.absolute()
    pieces = [RankingPiece(condition, config, seeds, path, version, root, results=results) for seeds in missing]
    return [piece for piece in pieces if piece.checkpoint.exists()]


@dataclass(frozen=True)
class RankingPiece(SupernetPiece):
    """A ranking of architectures by the supernet of one run."""

    unit = "supernet"

    condition: RankingCondition

    @property
    def units(self) -> int:
        return 1

    def make(self) -> Iterator[int]:
        condition = self.condition
        with one_thread(), enough_memory(LESS_MEMORY):
            search = self.search(condition.device)
            search.load(self.checkpoint)
            indices = sample_architectures(self.open_table(), condition.dataset, condition.architectures, condition.sample_seed)
            started = time.perf_counter()
            space = search.task.space
            accuracy = search.inherited_accuracy([space.architecture(index) for index in indices], images=condition.images)
            run = RankingRun(self.seeds[0], time.perf_counter() - started, indices, np.asarray(accuracy, dtype=np.float64))
            table_path = str(self.table_path)
            store.write_piece(self.results, condition, [run], self.code_version, table_path, self.machine(search))
            yield 1
