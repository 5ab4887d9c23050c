"""One-shot runs: train a supernet on images, epoch by epoch, and derive an architecture after each.

The trajectory of a run is stored after its last epoch. Until then, a checkpoint next to the later results file holds all epochs
so far, from which the same command resumes. The last checkpoint is kept: other jobs use the trained supernet, e.g. rankings of
architectures (`experiments.runs.ranking`).

The last entry of a trajectory is its result. With a selection that runs once at the end, earlier entries are the choices with
the highest scores.

The images and the skeleton are those that the candidates of the table were trained with, so that supernet and table belong to
the same task. No accuracy of the table is read here: the reporter looks up the derived architectures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.metrics import EPOCH_METRICS, EpochMetrics
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import SELECTIONS, Selection
from algorithms.one_shot.supernets import build_supernet
from algorithms.one_shot.task import VALIDATION, Execution, Task
from benchmark_api.jobs.files import whole_file
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Distortion, load_dataset
from benchmark_api.training.devices import enough_memory, find_device, one_thread
from benchmark_api.training.networks import Skeleton
from experiments import store
from experiments.provenance import code_version, environment
from experiments.runs.job import ResultsJob
from experiments.store import OneShotCondition

SPLITS = ("train", VALIDATION)
"""The splits of a data set that a search has access to."""

LESS_MEMORY = "take smaller batches (--batch, --eval-batch), mixed precision (--precision bfloat16), or --jobs 1"
"""Advice for a search that runs out of memory."""


# -- the training setup ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """Images and skeleton of a search.

    Attributes:
        dataset: key of the images (`benchmark_api.training.datasets.KEYS`).
        distortion: distortion of the digits; None for none, and for other data sets.
        channels: topology space: width of the first stage; None for the size space, as for cells.
        cells: topology space: cells of each stage.
    """

    dataset: str
    distortion: Distortion | None
    channels: int | None
    cells: int | None

    @classmethod
    def of(cls, table: Table, dataset: str) -> Setting:
        """Return the setting that the candidates of a table were trained in.

        Tables built here record their training setup; others are assumed to be NATS-Bench with C = 16 and N = 5 (section 3.2 of
        arXiv 2009.00437). There cifar10 is searched on one half of its training images and validated on the other; for cifar100
        and ImageNet16-120 x-valid is one half of the official test images, as in the reference.

        Raises:
            ValueError: the table has no such dataset to search on.
        """
        if dataset not in table.datasets:
            raise ValueError(f"{table.path} has no dataset {dataset!r} to search on; it has {', '.join(table.datasets)}")
        if "settings" in table.metadata["source"]:
            return cls.from_json(table.metadata["source"]["settings"])
        usual = table.space.skeleton_defaults
        return cls(table.search_key(dataset), None, usual.get("channels"), usual.get("cells"))

    @classmethod
    def from_json(cls, text: str) -> Setting:
        """Return the setting written by `to_json`, or contained in the record of a table's builder (`Plan.describe`)."""
        facts = json.loads(text)
        distortion = facts["distortion"]
        return cls(
            facts["dataset"],
            None if distortion is None else Distortion(**distortion),
            facts["channels"],
            facts["cells"],
        )

    def to_json(self) -> str:
        """Return all fields as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    def task(self, space: SearchSpace, root: Path | None, device: str) -> Task:
        """Return the task on a device.

        Args:
            space: the search space.
            root: folder of the data set's files; digits need none.
            device: device of the images.

        Raises:
            FileNotFoundError: a file of the data set is missing.
            ValueError: as for `load_dataset`; no folder is given where one is needed.
        """
        if root is None and self.dataset != "digits":
            raise ValueError(f"{self.dataset} is read from local files: name the folder that has them (--data)")
        data = load_dataset(self.dataset, root, splits=SPLITS, device=device, distortion=self.distortion)
        return Task(space, data, Skeleton(data.classes, data.image_shape[0], self.channels, self.cells))


# -- runs --------------------------------------------------------------------------------------------------------------------


class OneShotRun(SimpleNamespace):
    """Trajectory of one run: an array [epoch] or [epoch, choice] for each of `EPOCH_METRICS`, and the derived `architecture`.

    Attributes:
        seed: seed of the search.
        wall_seconds: wall time of all epochs, in whichever process they ran.
    """

    seed: int
    wall_seconds: float

    @classmethod
    def of(cls, seed: int, metrics: Sequence[EpochMetrics], space: SearchSpace) -> OneShotRun:
        """Return the trajectory of a finished search."""
        columns = {}
        for metric in EPOCH_METRICS:
            column = np.array([getattr(epoch, metric.name) for epoch in metrics], dtype=metric.dtype)
            columns[metric.name] = column.reshape(len(metrics), -1) if metric.axis else column
        return cls(
            seed=seed,
            wall_seconds=float(columns["train_seconds"].sum() + columns["derive_seconds"].sum()),
            architecture=np.array([space.index(epoch.architecture) for epoch in metrics], dtype=np.int32),
            **columns,
        )


def condition_of(
    search_class: type[OneShotSearch],
    config: Any,
    table: Table,
    dataset: str,
    execution: Execution,
    select: str | None = None,
) -> OneShotCondition:
    """Return the condition of runs whose architectures are looked up in a table.

    Args:
        search_class: a registered search.
        config: its hyperparameters.
        table: the table.
        dataset: the dataset to search on.
        execution: how it is computed.
        select: name of the selection; None for the method's. It is a hyperparameter of the condition only if it is another one.

    Raises:
        ValueError: the table is of another space or has no such dataset, or there is no such selection.
    """
    if not search_class.searches(table.space):
        raise ValueError(
            f"{search_class.name} searches the {search_class.space} space; {table.path} is of the {table.space.name} space"
        )
    other = select is not None and SELECTIONS.find(select) is not search_class.default_selection
    return OneShotCondition(
        space=table.space.name,
        dataset=dataset,
        algorithm=search_class.name,
        hyperparameters=json.dumps(asdict(config) | ({"select": select} if other else {}), sort_keys=True),
        execution=json.dumps(asdict(execution), sort_keys=True),
        setting=Setting.of(table, dataset).to_json(),
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def plan(
    condition: OneShotCondition, table: Table, results: Path, seeds: Sequence[int], root: Path | None = None
) -> list[OneShotJob]:
    """Return the runs of an experiment that are not stored yet, one job each, checked by making the first one's search.

    Args:
        condition: condition of the runs.
        table: the table.
        results: the results folder.
        seeds: seeds of the runs.
        root: folder of the data set's files; digits need none.

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


def piece_of(condition: OneShotCondition, seeds: range, table: Table, results: Path, root: Path | None = None) -> OneShotJob:
    """Return the job that makes the run with a seed; arguments as for `plan`."""
    version, root = version_of(condition, table), root and root.absolute()
    return OneShotJob(condition, condition.config(), seeds, table.path.resolve(), version, root, results=results)


def version_of(condition: OneShotCondition, table: Table) -> str:
    """Return the version of the code that determines the runs of a condition."""
    search_class, space = ONE_SHOT.find(condition.algorithm), type(table.space)
    selections = filter(None, [selection_of(condition)])
    return code_version(OneShotJob, search_class, space, build_supernet.dispatch(space), *selections)


def selection_of(condition: OneShotCondition) -> type[Selection] | None:
    """Return the selection of a condition; None for the method's."""
    name = condition.config_values().get("select")
    return None if name is None else SELECTIONS.find(name)


def device_name(device: torch.device) -> str:
    """Return the product name of a device, for the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@dataclass(frozen=True)
class SupernetJob(ResultsJob):
    """A job that trains or uses the supernet of one run.

    Attributes:
        root: folder of the data set's files.
    """

    forked = False  # a forked process can use neither the parent's CUDA nor the threads it may have started

    condition: OneShotCondition
    root: Path | None

    @property
    def checkpoint(self) -> Path:
        """Path of the latest checkpoint."""
        one_shot = OneShotCondition(**{name: getattr(self.condition, name) for name in store.ONE_SHOT_RUNS.fields})
        return store.supernet_path(store.piece_path(self.results, one_shot, self.seeds))

    def search(self, device: str | None = None) -> OneShotSearch:
        """Return the search before its first epoch.

        Args:
            device: PyTorch's name of the device; None for the condition's.

        Raises:
            ValueError: as for `plan`.
        """
        table, execution = self.open_table(), Execution(**self.condition.execution_values())
        execution = replace(execution, device=device or execution.device)
        find_device(execution.device)
        task = Setting.from_json(self.condition.setting).task(table.space, self.root, execution.device)
        method, selection = ONE_SHOT.find(self.condition.algorithm), selection_of(self.condition)
        return method(task, self.config, seed=self.seeds[0], execution=execution, selection=selection)

    def machine(self, search: OneShotSearch) -> dict[str, str]:
        """Return the machine and libraries that computed a search, for the record."""
        return {**environment("torch"), "device": device_name(find_device(search.execution.device))}


@dataclass(frozen=True)
class OneShotJob(SupernetJob):
    """One run of a one-shot search."""

    unit = "epoch"

    @property
    def units(self) -> int:
        epochs: int = self.config.epochs
        return epochs

    def make(self) -> Iterator[int]:
        # Sums depend on the number of threads; with one thread, results do not depend on the number of processes.
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
            run = OneShotRun.of(self.seeds[0], search.metrics, search.task.space)
            store.write_piece(self.results, self.condition, [run], versions, str(self.table_path), self.machine(search))

    def _note_version(self) -> str:
        """Return the versions of the code that contributed to the checkpoint, this one's included, and store them next to it."""
        note = self.checkpoint.with_suffix(".versions")
        former = note.read_text().split(", ") if self.checkpoint.exists() and note.exists() else []
        versions = ", ".join(sorted({*former, self.code_version}))
        with whole_file(note) as file:
            file.write(versions.encode())
        return versions
