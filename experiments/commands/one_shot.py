"""`run NAME` for one-shot searches; the import loads PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from algorithms.one_shot.task import Execution
from benchmark_api.bounds import at_least, at_most
from benchmark_api.commands.options import Option
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import trial_seeds
from benchmark_api.training.setting import Setting
from experiments.commands.options import AgainOptions, JobOptions, SeedCount
from experiments.commands.run import Search
from experiments.runs import one_shot
from experiments.runs.job import RunsJob
from experiments.settings import LAST_SEED, default_dataset


@dataclass(frozen=True, kw_only=True)
class RunOneShot(AgainOptions):
    """Runs of a one-shot search."""

    table: Path
    """Table used to look up derived architectures; the supernet is trained on the table's dataset and skeleton."""
    dataset: Option[str] = None
    """Dataset to search on; by default the table's only one, or cifar10."""
    data: Option[Path] = None
    """Folder with the dataset's files; digits need none."""
    unofficial_images: bool = False
    """Accept files in the official format with other images; the runs are an experiment of their own, and every title says so."""
    seeds: SeedCount = 3
    """Number of runs; their seeds are 777, 888, 999, 1110, ..."""
    seed_list: tuple[Annotated[int, at_most(LAST_SEED)], ...] = ()
    """Seeds to run instead."""
    select: Option[str] = None
    """Selection that derives the architecture (argmax, best-of-n, perturbation, or a plugin's); by default the search's."""
    preset: Option[str] = None
    """Set of hyperparameters in place of the defaults, e.g. gaea's paper; those given as options replace its values."""
    keep_epochs: Annotated[int, at_least(1)] = 1
    """Number of last epochs whose supernets are kept, for `ranking --epochs`."""
    search: Annotated[Search, tyro.conf.arg(name="")]
    execution: Execution = field(default_factory=lambda: Execution(stack=None))
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        return self.parallel.run(self.plan(), self.results, self.execution.device, hint=True)

    def plan(self) -> list[RunsJob]:
        """Return the jobs of the runs that are not stored."""
        table = Table(self.table)
        dataset = default_dataset(table) if self.dataset is None else self.dataset
        search_class, config = self.search.search_class, self.search.config(dataset, self.preset)
        setting = Setting.of(table, dataset)
        if self.unofficial_images:
            setting = setting.on_images_in(self.data)
        condition = one_shot.condition_of(search_class, config, table, dataset, self.execution, self.select, setting)
        if self.seeds < 1 or min(self.seed_list, default=0) < 0:
            raise ValueError(f"seeds must be at least 1, each of seed-list at least 0, got {self.seeds} and {self.seed_list}")
        seeds = dict.fromkeys(self.seed_list or trial_seeds(self.seeds))
        jobs = one_shot.OneShotJob.plan(condition, table, self.results, seeds, self.data, again=self.again, kept=self.keep_epochs)
        return one_shot.in_stacks(jobs)
