"""One-shot runs: train a supernet on images, epoch by epoch, and derive an architecture after each.

The trajectory of a run is stored after its last epoch, whose entry is the result. Until then, a checkpoint next to the later
results file holds all epochs so far, from which the same command resumes. The last checkpoint is kept: other jobs use the trained
supernet, e.g. rankings of architectures (`experiments.runs.ranking`).

Supernet and table belong to the same setting. No accuracy of the table is read here: the reporter looks up the architectures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.metrics import EPOCH_METRICS, EpochMetrics
from algorithms.one_shot.search import OneShotSearch
from algorithms.one_shot.selection import SELECTIONS, Selection
from algorithms.one_shot.stack import SearchStack, chosen_stack
from algorithms.one_shot.supernets import build_supernet
from algorithms.one_shot.supernets.stacked import stacked
from algorithms.one_shot.task import VALIDATION, Execution, Task
from benchmark_api.bounds import stored_values
from benchmark_api.jobs.files import regular, whole_file
from benchmark_api.jobs.job import JobError, Source
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import enough_memory, find_device, one_thread
from benchmark_api.training.setting import Setting
from experiments import store
from experiments.provenance import code_version, environment
from experiments.runs.job import ResultsJob, RunsJob
from experiments.store import OneShotCondition

LESS_MEMORY = "take smaller batches (--batch, --eval-batch), mixed precision (--precision bfloat16), or --jobs 1"
"""Advice for a search that runs out of memory."""


def load_task(setting: Setting, space: SearchSpace, data: Path | None, device: str = "cpu") -> Task:
    """Return the task of a setting, with its images on a device.

    Raises:
        FileNotFoundError: a file of the data set is missing.
        ValueError: as for `Setting.load`; no folder is given where one is needed.
    """
    if data is None and setting.needs_files:
        raise ValueError(f"{setting.dataset} is read from local files: name the folder that has them (--data)")
    splits = ("train", VALIDATION)  # a search has access to no others
    images = setting.load(data, splits=splits, device=device)
    return Task(space, images, setting.skeleton(images))


class OneShotRun(SimpleNamespace):
    """Trajectory of one run: an array [epoch] or [epoch, choice] for each of `EPOCH_METRICS`, and the derived `architecture`.

    Attributes:
        seed: seed of the search.
        wall_seconds: wall time of all epochs, in whichever process they ran.
    """

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
    setting: Setting | None = None,
) -> OneShotCondition:
    """Return the condition of runs on a dataset of a table, in which their architectures are looked up.

    The name of a selection is a hyperparameter of the condition if it is another one than the search's. Without a setting, the
    images and the skeleton are those of the table's candidates. The size of the stack is chosen here if the execution has none.

    Raises:
        ValueError: the table is of another space or has no such dataset, or there is no such selection.
    """
    if not search_class.searches(table.space):
        raise ValueError(
            f"{search_class.name} searches the {search_class.space} space; {table.path} is of the {table.space.name} space"
        )
    setting = setting or Setting.of(table, dataset)
    execution = replace(execution, stack=chosen_stack(execution, table.space, setting))
    other = select is not None and SELECTIONS.find(select) is not search_class.default_selection
    return OneShotCondition(
        space=table.space.name,
        dataset=dataset,
        algorithm=search_class.name,
        hyperparameters=json.dumps(stored_values(config) | ({"select": select} if other else {}), sort_keys=True),
        execution=json.dumps(stored_values(execution), sort_keys=True),
        setting=json.dumps(setting.describe(), sort_keys=True),
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def selection_of(condition: OneShotCondition) -> type[Selection] | None:
    """Return the selection of a condition; None for the method's."""
    name = condition.config_values().get("select")
    return None if name is None else SELECTIONS.find(name)


@dataclass(frozen=True)
class SupernetJob(ResultsJob):
    """A job that trains or uses the supernet of one run."""

    forked = False  # a forked process can use neither the parent's CUDA nor the threads it may have started
    block = 1

    condition: OneShotCondition

    @classmethod
    def version(cls, condition: OneShotCondition, space: SearchSpace) -> str:
        parts = ONE_SHOT.find(condition.algorithm), selection_of(condition), type(space), build_supernet.dispatch(type(space))
        return code_version(cls, *filter(None, parts))

    @property
    def run_path(self) -> Path:
        """Path of the run that trains the supernet."""
        one_shot = OneShotCondition(**{name: getattr(self.condition, name) for name in store.ONE_SHOT_RUNS.fields})
        return store.piece_path(self.results, one_shot, self.seeds)

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint, the latest one unless a subclass says otherwise."""
        return store.supernet_path(self.run_path)

    def search(self, device: str | None = None, task: Task | None = None) -> OneShotSearch:
        """Return the search before its first epoch.

        Args:
            device: PyTorch's name of the device; None for the condition's.
            task: the task on the device; None to load it.

        Raises:
            FileNotFoundError: a file of the data set is missing.
            ValueError: the search, the data set or the device refuses.
        """
        execution = Execution(**self.condition.execution_values())
        execution = replace(execution, device=device or execution.device)
        find_device(execution.device)
        setting = Setting.from_json(self.condition.setting)
        task = task or load_task(setting, self.open_table().space, self.data, execution.device)
        method, selection = ONE_SHOT.find(self.condition.algorithm), selection_of(self.condition)
        return method(task, self.config, seed=self.seeds[0], execution=execution, selection=selection)

    def write(self, run: Any, versions: str, device: torch.device) -> None:
        """Store the run with the versions of the code that made it, and the machine and libraries that computed it."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        machine = {**environment("torch"), "device": name}
        store.write_piece(self.results, self.condition, [run], versions, str(self.table_path), machine)


@dataclass(frozen=True)
class OneShotJob(SupernetJob):
    """One run of a one-shot search.

    Attributes:
        kept: number of last epochs whose checkpoints are kept, the latest one included.
    """

    unit = "epoch"

    kept: int = field(default=1, kw_only=True)

    def check(self) -> None:
        """Make the search; it raises what `search` does."""
        self.search()

    def discard_unfinished(self) -> None:
        if self.former_versions() not in ((), (self.code_version,)):
            self.checkpoint.unlink()

    @classmethod
    def discard(cls, pieces: Iterable[store.StoredPiece]) -> None:
        for piece in pieces:
            store.supernet_path(piece.path).unlink(missing_ok=True)
            piece.path.unlink()

    @property
    def units(self) -> int:
        epochs: int = self.config.epochs
        return epochs

    def make(self) -> Iterator[int]:
        return _train_together([self])

    def save(self, search: OneShotSearch) -> None:
        """Write the latest checkpoint; where it is to be kept, once more under the number of its epoch."""
        search.save(self.checkpoint)
        if self.units - self.kept < search.epoch < self.units:
            search.save(store.kept_supernet_path(self.run_path, search.epoch))

    def note_version(self) -> str:
        """Return the versions of the code that contributed to the checkpoint, this one's included, and store them next to it."""
        versions = ", ".join(sorted({*self.former_versions(), self.code_version}))
        with whole_file(self.checkpoint.with_suffix(".versions")) as file:
            file.write(versions.encode())
        return versions

    def former_versions(self) -> tuple[str, ...]:
        """Return the versions of the code that contributed to the checkpoint; none where there is no checkpoint."""
        note = self.checkpoint.with_suffix(".versions")
        return tuple(regular(note).read_text().split(", ")) if self.checkpoint.exists() and note.exists() else ()


@dataclass(frozen=True)
class StackJob(RunsJob):
    """Runs of one condition whose searches are trained together, each stored as the run of its own job.

    A run does not depend on the others of the stack. It is continued, and stored, alone or in any other stack.
    """

    forked = False
    unit = "epoch"

    jobs: tuple[OneShotJob, ...]

    @classmethod
    def of(cls, jobs: Sequence[OneShotJob]) -> StackJob:
        """Return the job of several runs."""
        return cls(tuple(jobs), results=jobs[0].results)

    @property
    def runs(self) -> int:
        return len(self.jobs)

    @property
    def path(self) -> Path:
        return self.jobs[0].path

    @property
    def units(self) -> int:
        return sum(job.units for job in self.jobs)

    @property
    def source(self) -> Source:
        return self.jobs[0].source

    def run(self) -> Iterator[int]:
        jobs = [replace(job, source_copy=self.source_copy) for job in self.jobs]
        with ExitStack() as claims:
            missing = [job for job in jobs if claims.enter_context(store.claim(job.results, job.condition, job.seeds))]
            if missing:
                yield from _train_together(missing)


def _train_together(jobs: Sequence[OneShotJob]) -> Iterator[int]:
    """Make the runs of jobs of one condition and store them; yield the number of epochs done since the last yield."""
    # Sums depend on the number of threads; with one thread, results do not depend on the number of processes.
    with one_thread(), enough_memory(LESS_MEMORY):
        searches = [first := jobs[0].search(), *(job.search(task=first.task) for job in jobs[1:])]
        versions = [job.note_version() for job in jobs]
        for job, search in zip(jobs, searches, strict=True):
            if job.checkpoint.exists():
                _resume(search, job.checkpoint)
                yield search.epoch
        while training := [(job, search) for job, search in zip(jobs, searches, strict=True) if search.epoch < job.units]:
            _train_epoch([search for _, search in training])
            for job, search in training:
                job.save(search)
                yield 1
        for job, search, of_run in zip(jobs, searches, versions, strict=True):
            job.write(OneShotRun.of(search.seed, search.metrics, search.task.space), of_run, search.device)


@contextmanager
def _divergence_told() -> Iterator[None]:
    """Turn the error of a draw from probabilities that are no numbers any more into one line."""
    try:
        yield
    except RuntimeError as error:
        if "probability tensor" not in str(error):
            raise
        raise JobError("the search has diverged: its probabilities are no numbers any more; take lower rates") from error


def _resume(search: OneShotSearch, checkpoint: Path) -> None:
    try:
        search.load(checkpoint)
    except ValueError as error:
        raise JobError(f"{error}; move it elsewhere to start again") from error


@_divergence_told()
def _train_epoch(searches: Sequence[OneShotSearch]) -> None:
    """Train an epoch of searches, as their execution says: alone or as a stack."""
    if searches[0].execution.stack == 1:
        for search in searches:
            search.train_epoch()
    else:
        SearchStack(searches).train_epoch()


def in_stacks(jobs: Sequence[OneShotJob]) -> list[RunsJob]:
    """Return the jobs of one condition in stacks, if the condition says so and the supernet can be stacked; else as they are."""
    execution = jobs[0].condition.execution_values() if jobs else {}
    size = execution.get("stack", 1)
    if size == 1 or not (execution.get("graphs") or stacked(jobs[0].search().supernet)):
        return [*jobs]
    return [StackJob.of(jobs[first : first + size]) for first in range(0, len(jobs), size)]
