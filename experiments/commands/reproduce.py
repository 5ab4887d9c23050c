"""Commands that work through many experiments: `ranking` and `reproduce`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from algorithms.black_box import BLACK_BOX
from algorithms.black_box.objectives import MissingMetric
from benchmark_api.commands.options import Several
from benchmark_api.tables.table import EMBEDDED, Table
from experiments import store
from experiments.commands.options import AgainOptions, JobOptions, StoredTableOptions, given, one_warning
from experiments.commands.results import FrontsCommand, TableCommand
from experiments.commands.run import ACCOUNTING, RunBlackBox, Search
from experiments.runs.black_box import BlackBoxJob, MissingEpochs
from experiments.runs.job import RunsJob


@dataclass(frozen=True, kw_only=True)
class RankingCommand(StoredTableOptions, AgainOptions):
    """Print how supernets rank architectures: rank correlations (Kendall's tau, Spearman's rho) of inherited-weight accuracy
    with accuracy after full training."""

    examples: ClassVar = ("ranking --table digits-topology",)

    dataset: str | None = None
    """Only this dataset."""
    algorithm: str | None = None
    """Only this search."""
    architectures: int = 200
    """Number of architectures to rank, drawn from the table."""
    sample_seed: int = 0
    """Seed of the sample."""
    images: int | None = None
    """Number of validation images to evaluate on; by default all."""
    data: Path | None = None
    """Folder with the dataset's files; digits need none."""
    device: str = "cpu"
    """Device, as named by PyTorch."""
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        from experiments.report import ranking_table, tables_of
        from experiments.runs.ranking import plan_ranking

        filters = given(dataset=self.dataset, algorithm=self.algorithm)
        tables = tables_of(store.load(self.results, store.ONE_SHOT_RUNS, **filters), self.table)
        if not tables:
            raise ValueError(f"{self.results} holds no such one-shot run")
        sample: dict[str, Any] = {"architectures": self.architectures, "sample_seed": self.sample_seed, "images": self.images}
        jobs: list[RunsJob] = []
        options: dict[str, Any] = {**sample, "device": self.device, "again": self.again}
        with one_warning():
            for table, experiments in tables:
                for experiment in experiments:
                    jobs += plan_ranking(experiment, table, self.results, self.data, **options)
        status = self.parallel.run(jobs, self.results, self.device)
        rankings = store.load(self.results, store.RANKINGS, **filters, **sample)
        for table, found in tables_of(rankings, self.table) if rankings else ():
            print(ranking_table(table, found))
        return status


@dataclass(frozen=True, kw_only=True)
class ReproduceCommand(AgainOptions):
    """Run every search on every dataset of some tables and print the results; `python -m plots` draws their figures."""

    examples: ClassVar = ("reproduce", "reproduce --table tss.safetensors --dataset cifar10 --seeds 100 --one-shot-seeds 0")

    table: tuple[Path, ...] = tuple(map(Path, EMBEDDED))
    """Table files; by default the embedded tables."""
    dataset: tuple[str, ...] = ()
    """Only these datasets; by default all of each table."""
    searches: tuple[str, ...] = ()
    """Only these black-box searches; by default all."""
    objectives: Several = ()
    """Metrics that are the objectives of searches with several, besides accuracy; given several times, all of them are searched
    for. By default those of the searches."""
    seeds: int | None = None
    """Number of runs of each black-box search on each dataset; by default 500, or 100 of a search that fits models."""
    one_shot_seeds: int = 3
    """Number of runs of each one-shot search on each dataset; 0 for none."""
    budget: float | None = None
    """Simulated seconds of a black-box run; by default those of the NATS-Bench paper, and those of docs/embedded.md."""
    data: Path | None = None
    """Folder with the datasets' files, for one-shot searches; digits need none, other datasets are left out without it."""
    unofficial_images: bool = False
    """Accept files in the official formats with other images, as `run` does."""
    device: str = "cpu"
    """Device of one-shot searches, as named by PyTorch."""
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        pairs = self._pairs()
        with one_warning():
            trained, one_shot = self._plan_one_shot(pairs)  # refuses now, not after the black-box runs, what cannot be trained
            black_box = self._plan_black_box(pairs)
        status = self.parallel.run(black_box, self.results)
        if trained:
            status = max(status, self.parallel.run(one_shot, self.results, self.device))
        shared: dict[str, Any] = {"results": self.results, "data": self.data, "device": self.device, "parallel": self.parallel}
        for table in dict.fromkeys(table for table, _ in pairs):
            searched = [found.finds_fronts for found in store.load(self.results, table_fingerprint=table.fingerprint)]
            if not searched or not all(searched):
                TableCommand(results=self.results, table=table.path)()
            if any(searched):
                FrontsCommand(results=self.results, table=table.path)()
            if table in trained and store.load(self.results, store.ONE_SHOT_RUNS, table_fingerprint=table.fingerprint):
                size = min(RankingCommand.architectures, len(table))
                status = max(status, RankingCommand(table=table.path, architectures=size, **shared)())
        return status

    def _pairs(self) -> list[tuple[Table, str]]:
        """Return the tables with their datasets; refuse options out of range."""
        if not self.table:
            remedy = "name one with --table (make reproduce TABLE=file); `python -m benchmark_api import` makes one of an archive"
            raise ValueError(f"no table: {remedy}")
        if (self.seeds is not None and self.seeds < 1) or self.one_shot_seeds < 0:
            counts = f"{self.seeds} and {self.one_shot_seeds}"
            raise ValueError(f"seeds must be at least 1 and one-shot-seeds at least 0, got {counts}")
        tables = list(map(Table, self.table))
        known = sorted({dataset for table in tables for dataset in table.datasets})
        if unknown := sorted(set(self.dataset) - set(known)):
            raise ValueError(f"no table has a dataset {unknown[0]!r}; there is {', '.join(known)}")
        return [(table, name) for table in tables for name in table.datasets if name in (self.dataset or known)]

    def _plan_black_box(self, pairs: Sequence[tuple[Table, str]]) -> list[RunsJob]:
        """Return the jobs of the black-box runs that are not stored."""
        accounting = replace(ACCOUNTING, given={} if self.budget is None else {"budget": self.budget})
        options: dict[str, Any] = {"accounting": accounting, "results": self.results, "again": self.again}
        jobs: list[RunsJob] = []
        left_out: dict[str, None] = {}  # an ordered set: mostly the same for all datasets of a table
        for table, dataset in pairs:
            for search in self._searches():
                seeds = search.search_class.reproduce_seeds if self.seeds is None else self.seeds
                command = RunBlackBox(search=search, table=table.path, dataset=dataset, seeds=seeds, **options)
                jobs += _plan_where_possible(command, left_out)
        for reason in left_out:
            print(f"left out: {reason}")
        return jobs

    def _searches(self) -> Iterator[Search]:
        """Yield the black-box searches with their hyperparameters; one with several objectives for each choice of them."""
        for name in self.searches or BLACK_BOX:
            search = Search.of(BLACK_BOX.find(name))
            if BLACK_BOX[name].incumbent_rule != "front" or not self.objectives:
                yield search
                continue
            for objectives in self.objectives:
                yield replace(search, hyperparameters=replace(search.hyperparameters, given={"objectives": objectives}))

    def _plan_one_shot(self, pairs: Sequence[tuple[Table, str]]) -> tuple[list[Table], list[RunsJob]]:
        """Return the tables whose datasets can be trained on, and the jobs of the one-shot runs that are not stored."""
        if not self.one_shot_seeds:
            return [], []
        from algorithms.one_shot import ONE_SHOT
        from algorithms.one_shot.task import Execution
        from benchmark_api.training.image_files import OFFICIAL_SPLITS
        from benchmark_api.training.setting import Setting
        from experiments.commands.one_shot import RunOneShot

        keys = {(table, dataset): Setting.of(table, dataset).dataset for table, dataset in pairs}  # of their images
        if self.unofficial_images and not OFFICIAL_SPLITS.keys() & set(keys.values()):
            known = ", ".join(OFFICIAL_SPLITS)
            raise ValueError(f"unofficial images are of {known}; the tables have {', '.join(sorted(set(keys.values())))}")
        options: dict[str, Any] = {"seeds": self.one_shot_seeds, "data": self.data, "results": self.results, "again": self.again}
        options["execution"] = Execution(device=self.device)
        trained: list[Table] = []
        left_out: dict[str, None] = {}  # datasets, an ordered set
        jobs: list[RunsJob] = []
        for table, dataset in pairs:
            images = keys[table, dataset]
            if self.data is None and images != "digits":
                left_out[dataset] = None
                continue
            trained.append(table)
            options["unofficial_images"] = self.unofficial_images and images in OFFICIAL_SPLITS
            for search in ONE_SHOT.values():
                if search.searches(table.space):
                    jobs += RunOneShot(search=Search.of(search), table=table.path, dataset=dataset, **options).plan()
        if left_out:
            remedy = "they need its images; name their folder: --data, or make DATA="
            print(f"left out: one-shot searches on {', '.join(left_out)}: {remedy}")
        return trained, jobs


def _plan_where_possible(command: RunBlackBox, left_out: dict[str, None]) -> list[BlackBoxJob]:
    """Return the jobs of a command; none, and the reason in `left_out`, where its table lacks what the search needs."""
    try:
        return command.plan()
    except (MissingEpochs, MissingMetric) as reason:
        left_out[str(reason)] = None
        return []
