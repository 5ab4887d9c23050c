"""The command `reproduce`: every search on every dataset of some tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from algorithms.black_box import BLACK_BOX
from algorithms.black_box.objectives import MissingMetric
from benchmark_api.bounds import positive
from benchmark_api.commands.options import Option, Several
from benchmark_api.commands.printing import print_line
from benchmark_api.tables.table import EMBEDDED, Table
from experiments import store
from experiments.commands.options import AgainOptions, JobOptions, SeedCount, one_warning
from experiments.commands.ranking import RankingCommand
from experiments.commands.results import FrontsCommand, TableCommand
from experiments.commands.run import ACCOUNTING, RunBlackBox, Search
from experiments.runs.black_box import BlackBoxJob, MissingEpochs
from experiments.runs.job import RunsJob

STACKED_SEEDS = 20
"""Seeds of each one-shot search where stacks make them cheap."""

ALONE_SEEDS = 3
"""Seeds of each one-shot search elsewhere, as in NATS-Bench."""

QUICK: Mapping[str, Any] = {
    "searches": ("random", "rea", "local-search", "bohb"),
    "seeds": 20,
    "one_shot_searches": ("darts-v1", "tunas"),  # one for each space
    "one_shot_seeds": ALONE_SEEDS,
}
"""Options of the quick version where they are not given."""

QUICKLY_RANKED = 200
"""Architectures that supernets rank in the quick version."""


@dataclass(frozen=True, kw_only=True)
class ReproduceCommand(AgainOptions):
    """Run every search on every dataset of some tables and print the results; `nas-zoo plots` draws their figures."""

    examples: ClassVar[tuple[str, ...]] = (
        "reproduce",
        "reproduce --table tss.safetensors --dataset cifar10 --seeds 100 --one-shot-seeds 0",
    )

    table: tuple[Path, ...] = tuple(map(Path, EMBEDDED))
    """Table files; by default the embedded tables."""
    dataset: tuple[str, ...] = ()
    """Only these datasets; by default all of each table."""
    searches: tuple[str, ...] = ()
    """Only these black-box searches; by default all."""
    objectives: Several = ()
    """Metrics that are the objectives of searches with several, besides accuracy; given several times, all of them are searched
    for. By default those of the searches."""
    seeds: Option[SeedCount] = None
    """Number of runs of each black-box search on each dataset; by default 500, or fewer of a search that fits models."""
    one_shot_searches: tuple[str, ...] = ()
    """Only these one-shot searches; by default all."""
    one_shot_seeds: Option[SeedCount] = None
    """Number of runs of each one-shot search on each dataset; 0 for none. By default 20 of networks that are small enough to be
    trained together, as those of digits, and 3 of others, as in NATS-Bench. Their seeds are 777, 888, 999, ..."""
    quick: bool = False
    """A version of a few minutes: few seeds of few searches, unless they are given, and supernets rank fewer architectures. Every
    title says so, and the results folder must not hold other runs."""
    budget: Option[Annotated[float, positive]] = None
    """Simulated seconds of a black-box run; by default those of the NATS-Bench paper; on other tables 200 average trainings."""
    data: Option[Path] = None
    """Folder with the datasets' files, for one-shot searches; digits need none, other datasets are left out without it."""
    unofficial_images: bool = False
    """Accept files in the official formats with other images, as `run` does."""
    device: str = "cpu"
    """Device of one-shot searches, as named by PyTorch."""
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        return (self._cut() if self.quick else self)._reproduce()

    def _reproduce(self) -> int:
        pairs = self._pairs()
        self._check_folder()
        with one_warning():
            trained, one_shot = self._plan_one_shot(pairs)  # refuses now, not after the black-box runs, what cannot be trained
            black_box = self._plan_black_box(pairs)
        if self.quick:
            store.write_caution(self.results, caution := self._caution())
            print(caution)
        status = self.parallel.run(black_box, self.results)
        if trained:
            status = max(status, self.parallel.run(one_shot, self.results, self.device))
        shared: dict[str, Any] = {
            name: getattr(self, name) for name in ("results", "again", "data", "device", "parallel")
        }  # with the ranking
        for table in dict.fromkeys(table for table, _ in pairs):
            searched = [found.finds_fronts for found in store.load(self.results, table_fingerprint=table.fingerprint)]
            if not searched or not all(searched):
                TableCommand(results=self.results, table=table.path)()
            if any(searched):
                FrontsCommand(results=self.results, table=table.path)()
            if table in trained and store.load(self.results, store.ONE_SHOT_RUNS, table_fingerprint=table.fingerprint):
                size = min(QUICKLY_RANKED if self.quick else int(RankingCommand.architectures), len(table))
                status = max(status, RankingCommand(table=table.path, architectures=size, **shared)())
        return status

    def _cut(self) -> ReproduceCommand:
        """Return the command with the options of the quick version where they are not given."""
        return replace(self, **{name: value for name, value in QUICK.items() if getattr(self, name) in (None, ())})

    def _check_folder(self) -> None:
        """Refuse a results folder that would mix runs of a quick version with others."""
        caution = store.read_caution(self.results)
        if caution and not self.quick:
            raise ValueError(f"{self.results} holds runs with a caution ({caution}): name another folder (--results)")
        if self.quick and not caution and store.files_below(self.results, ".parquet"):
            raise ValueError(f"{self.results} holds other runs, whose titles would say that they are cut: name another folder")

    def _caution(self) -> str:
        """Return what a quick version leaves out."""
        parts = [f"{len(self.searches)} of {len(BLACK_BOX)} black-box searches with {self.seeds} seeds"]
        if self.one_shot_seeds:
            from algorithms.one_shot import ONE_SHOT

            parts.append(f"{len(self.one_shot_searches)} of {len(ONE_SHOT)} one-shot searches with {self.one_shot_seeds} seeds")
        return f"quick version: {', '.join(parts)}, too few for conclusions"

    def _pairs(self) -> list[tuple[Table, str]]:
        """Return the tables with their datasets; refuse options out of range."""
        if not self.table:
            remedy = "name one with --table (make reproduce TABLE=file); `python -m benchmark_api import` makes one of an archive"
            raise ValueError(f"no table: {remedy}")
        if (self.seeds is not None and self.seeds < 1) or (self.one_shot_seeds is not None and self.one_shot_seeds < 0):
            counts = f"{self.seeds} and {self.one_shot_seeds}"
            raise ValueError(f"seeds must be at least 1 and one-shot-seeds at least 0, got {counts}")
        tables = list(map(Table, dict.fromkeys(self.table)))
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
            print_line(f"left out: {reason}")
        return jobs

    def _searches(self) -> Iterator[Search]:
        """Yield the black-box searches with their hyperparameters; one with several objectives for each choice of them."""
        for name in dict.fromkeys(self.searches or BLACK_BOX):
            search = Search.of(BLACK_BOX.find(name))
            if BLACK_BOX[name].incumbent_rule != "front" or not self.objectives:
                yield search
                continue
            for objectives in self.objectives:
                yield replace(search, hyperparameters=replace(search.hyperparameters, given={"objectives": objectives}))

    def _plan_one_shot(self, pairs: Sequence[tuple[Table, str]]) -> tuple[list[Table], list[RunsJob]]:
        """Return the tables whose datasets can be trained on, and the jobs of the one-shot runs that are not stored."""
        if self.one_shot_seeds == 0:
            return [], []
        from algorithms.one_shot import ONE_SHOT
        from algorithms.one_shot.stack import chosen_stack
        from algorithms.one_shot.task import Execution
        from benchmark_api.training.image_files import OFFICIAL_SPLITS
        from benchmark_api.training.setting import Setting
        from experiments.commands.one_shot import RunOneShot

        settings = {(table, dataset): Setting.of(table, dataset) for table, dataset in pairs}
        keys = {pair: setting.dataset for pair, setting in settings.items()}  # of their images
        if self.unofficial_images and not OFFICIAL_SPLITS.keys() & set(keys.values()):
            known = ", ".join(OFFICIAL_SPLITS)
            raise ValueError(f"unofficial images are of {known}; the tables have {', '.join(sorted(set(keys.values())))}")
        execution = Execution(device=self.device, stack=None)
        options: dict[str, Any] = {"execution": execution, "data": self.data, "results": self.results, "again": self.again}
        trained: list[Table] = []
        left_out: dict[str, None] = {}  # datasets, an ordered set
        jobs: list[RunsJob] = []
        for table, dataset in pairs:
            images = keys[table, dataset]
            if self.data is None and settings[table, dataset].needs_files:
                left_out[dataset] = None
                continue
            trained.append(table)
            options["unofficial_images"] = self.unofficial_images and images in OFFICIAL_SPLITS
            small = chosen_stack(execution, table.space, settings[table, dataset]) > 1
            options["seeds"] = self.one_shot_seeds or (STACKED_SEEDS if small else ALONE_SEEDS)
            for search in [ONE_SHOT.find(name) for name in self.one_shot_searches] or ONE_SHOT.values():
                if search.searches(table.space):
                    jobs += RunOneShot(search=Search.of(search), table=table.path, dataset=dataset, **options).plan()
        if left_out:
            remedy = "they need its images; name their folder: --data, or make DATA="
            print_line(f"left out: one-shot searches on {', '.join(left_out)}: {remedy}")
        return trained, jobs


def _plan_where_possible(command: RunBlackBox, left_out: dict[str, None]) -> list[BlackBoxJob]:
    """Return the jobs of a command; none, and the reason in `left_out`, where its table lacks what the search needs."""
    try:
        return command.plan()
    except MissingEpochs as reason:
        left_out[reason.fact] = None
    except MissingMetric as reason:
        left_out[str(reason)] = None
    return []
