"""The command `ranking`: how supernets rank architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from benchmark_api.bounds import at_least, between
from benchmark_api.commands.options import Option
from benchmark_api.tables.table import Table
from experiments import store
from experiments.commands.options import AgainOptions, JobOptions, StoredTableOptions, given, one_warning
from experiments.runs.job import RunsJob
from experiments.settings import LAST_SEED
from experiments.store import OneShotExperiment, RankingCondition

MAX_RANKED = 10_000_000
"""Most architectures of a ranking: a table of more would not fit into memory either."""


@dataclass(frozen=True, kw_only=True)
class RankingCommand(StoredTableOptions, AgainOptions):
    """Print how supernets rank architectures: rank correlations of inherited-weight accuracy with accuracy after full training,
    what is found of the best and of the worst architectures, and how much supernets of several seeds or epochs agree."""

    examples: ClassVar[tuple[str, ...]] = ("ranking --table digits-topology",)

    dataset: Option[str] = None
    """Only this dataset."""
    algorithm: Option[str] = None
    """Only this search."""
    architectures: int | Literal["all"] = 200
    """Number of architectures to rank, drawn from the table."""
    classes: bool = False
    """Draw isomorphism classes, one architecture of each, instead of architectures."""
    sample_seed: Annotated[int, between(0, LAST_SEED)] = 0
    """Seed of the sample."""
    images: Option[Annotated[int, at_least(1)]] = None
    """Number of validation images to evaluate on; by default all."""
    batch_norm: Literal["search", "batch", "re-estimated"] = "search"
    """Statistics of the batch normalisations: those that the search evaluates with, of the evaluated batch in all of them, or
    estimated anew for each architecture from training images."""
    epochs: Annotated[int, at_least(1)] = 1
    """Number of last epochs to rank with; all but the last need runs with --keep-epochs."""
    data: Option[Path] = None
    """Folder with the dataset's files; digits need none."""
    device: str = "cpu"
    """Device, as named by PyTorch."""
    parallel: JobOptions = field(default_factory=JobOptions)

    def __call__(self) -> int:
        from experiments.report import ranking_tables, tables_of

        if self.architectures != "all" and not 2 <= self.architectures <= MAX_RANKED:
            raise ValueError(f"architectures must be all, or 2 to {MAX_RANKED:,} of them, got {self.architectures!r:.100}")
        filters = given(dataset=self.dataset, algorithm=self.algorithm)
        tables = tables_of(store.load(self.results, store.ONE_SHOT_RUNS, **filters), self.table)
        if not tables:
            raise ValueError(f"{self.results} holds no such one-shot run")
        jobs: list[RunsJob] = []
        wanted: list[RankingCondition] = []
        with one_warning():
            for table, experiments in tables:
                for experiment in experiments:
                    conditions = self._conditions(experiment, table)
                    wanted += conditions
                    jobs += self._plan(conditions, experiment.seeds.tolist(), table)
        status = self.parallel.run(jobs, self.results, self.device)
        rankings = [found for found in store.load(self.results, store.RANKINGS, **filters) if found.condition in wanted]
        for table, found in tables_of(rankings, self.table) if rankings else ():
            print(ranking_tables(table, found))
        return status

    def _conditions(self, experiment: OneShotExperiment, table: Table) -> list[RankingCondition]:
        """Return the conditions of the rankings by the supernets of an experiment."""
        from experiments.runs.ranking import ranking_conditions

        return ranking_conditions(
            experiment,
            table,
            None if self.architectures == "all" else self.architectures,
            self.epochs,
            sample_seed=self.sample_seed,
            images=self.images,
            device=self.device,
            drawn_from="classes" if self.classes else "architectures",
            batch_norm=self.batch_norm,
        )

    def _plan(self, conditions: Sequence[RankingCondition], seeds: Sequence[int], table: Table) -> list[RunsJob]:
        """Return the jobs of the rankings that are not stored and whose supernets are."""
        from experiments.runs.ranking import RankingJob

        planned = (
            RankingJob.plan(condition, table, self.results, seeds, self.data, again=self.again) for condition in conditions
        )
        return [job for jobs in planned for job in jobs if job.checkpoint.exists()]
