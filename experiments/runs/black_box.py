"""Many runs: experiments cut into pieces of consecutive seeds that an engine carries out; what is stored is not run again."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch
from benchmark_api.jobs.engines import Source, Work
from benchmark_api.tables.evaluator import Charge, Noise, Repeats
from benchmark_api.tables.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.runs.run import DEFAULT_BUDGETS, run
from experiments.store import Condition


@dataclass(frozen=True)
class ResultsPiece(Work):
    """Work whose file is one of a results folder: runs of one condition with consecutive seeds.

    Attributes:
        condition: what the runs depend on besides their seeds.
        config: the hyperparameters, as the algorithm's `Config`.
        seeds: consecutive seeds.
        table_path: the table file.
        code_version: of the code that planned the piece.
    """

    condition: store.AnyCondition
    config: Any
    seeds: range
    table_path: Path
    code_version: str

    @property
    def path(self) -> Path:
        return store.piece_path(self.results, self.condition, self.seeds)

    @property
    def source(self) -> Source:
        return Source(self.table_path, self.condition.table_fingerprint)

    def run(self) -> Iterator[int]:
        """Make the runs that nobody has stored yet; yields on the way how many units have been done since it last did.

        Raises:
            WriteError: the results folder cannot be written.
        """
        with store.claim(self.results, self.condition, self.seeds) as missing:
            for seeds in missing:
                yield from replace(self, seeds=seeds).make()

    @abstractmethod
    def make(self) -> Iterator[int]:
        """Make all runs and store them, as `run` says; their seeds must be claimed."""

    def open_table(self) -> Table:
        """The table, opened once per process as long as the file stays the same.

        Raises:
            ValueError: it is not the one that the piece was planned for.
        """
        path = self.source_path
        table = _open_table(path, path.stat().st_mtime_ns)
        if table.fingerprint != (planned := self.condition.table_fingerprint):
            raise ValueError(f"{self.table_path} has changed: fingerprint {table.fingerprint}, was {planned}")
        return table


@dataclass(frozen=True)
class Piece(ResultsPiece):
    """Runs of a black-box search."""

    unit = "run"
    forked = True

    condition: Condition

    @property
    def units(self) -> int:
        return len(self.seeds)

    def make(self) -> Iterator[int]:
        view = self.open_table().search_view(self.condition.dataset, self.condition.schedule)
        search_class = BLACK_BOX[self.condition.algorithm]
        runs = [run(search_class, self.config, view, self.condition, seed) for seed in self.seeds]
        store.write_piece(self.results, self.condition, runs, self.code_version, str(self.table_path))
        yield len(self.seeds)


@lru_cache(maxsize=1)
def _open_table(path: Path, modified: int) -> Table:
    return Table(path)


def condition_of(
    search_class: type[BlackBoxSearch],
    config: Any,
    table: Table,
    dataset: str,
    *,
    schedule: str | None = None,
    budget: float | None = None,
    charge: Charge = "scratch",
    repeats: Repeats = "charged",
    noise: Noise | int = "random",
    max_queries: int | None = None,
) -> Condition:
    """The condition of runs on a table, checked by making a search and a view of it once.

    Args:
        search_class: a registered algorithm.
        config: its hyperparameters.
        table: the table to search on.
        dataset: the dataset to search on.
        schedule: None for the table's search schedule.
        budget: simulated seconds; None for the paper's (`DEFAULT_BUDGETS`).
        charge: see `SimulatedEvaluator`, as for the next three.
        repeats: what a repeated query costs.
        noise: which trial answers a query.
        max_queries: at most this many charged queries.

    Raises:
        ValueError: the table has no such dataset or schedule, there is no default budget, or the algorithm refuses.
    """
    view = table.search_view(dataset, schedule)
    space = view.space.name
    if budget is None:
        budget = DEFAULT_BUDGETS.get((space, dataset))
        if budget is None:
            raise ValueError(f"no default budget for {dataset} in the {space} space: give one in simulated seconds (--budget)")
    if isinstance(noise, int) and not (view.seeds == noise).any():
        raise ValueError(f"noise is {noise}, but no trial of {view.key}/{view.schedule} has that seed")
    search_class(view.space, config, max_epochs=view.schedule_epochs)
    return Condition(
        space=space,
        dataset=dataset,
        schedule=view.schedule,
        budget=budget,
        charge=charge,
        repeats=repeats,
        noise=noise,
        max_queries=max_queries,
        algorithm=search_class.name,
        hyperparameters=json.dumps(asdict(config), sort_keys=True),
        incumbent_rule=search_class.incumbent_rule,
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def plan(condition: Condition, config: Any, table: Table, results: Path, seeds: range) -> list[Piece]:
    """The pieces of an experiment that are not stored yet.

    Raises:
        StoreError: a stored file of the experiment is damaged or out of place.
    """
    missing = store.missing_pieces(store.stored_seeds(results, condition), seeds)
    path = table.path.resolve()
    return [Piece(condition, config, piece, path, code_version(), results=results) for piece in missing]
