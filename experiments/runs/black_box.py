"""Black-box experiments: runs in jobs of consecutive seeds; stored runs are skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch
from benchmark_api.tables.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.runs.job import ResultsJob
from experiments.runs.run import run
from experiments.settings import RunSettings
from experiments.store import Condition


@dataclass(frozen=True)
class BlackBoxJob(ResultsJob):
    """Runs of a black-box search.

    Attributes:
        data: folder of the dataset's files, for a search that needs images; digits need none.
    """

    unit = "run"
    forked = True

    condition: Condition
    data: Path | None = None

    @property
    def units(self) -> int:
        return len(self.seeds)

    def make(self) -> Iterator[int]:
        table = self.open_table()
        view = table.search_view(self.condition.dataset, self.condition.schedule)
        search_class = BLACK_BOX[self.condition.algorithm]
        task = task_of(search_class, table, self.condition.dataset, self.data)
        runs = [run(search_class, self.config, view, self.condition, seed, task) for seed in self.seeds]
        store.write_piece(self.results, self.condition, runs, self.code_version, str(self.table_path))
        yield len(self.seeds)


def task_of(search_class: type[BlackBoxSearch], table: Table, dataset: str, data: Path | None) -> Any:
    """Return the task on which a table's candidates were trained; None for a search that needs no images.

    Raises:
        FileNotFoundError: a file of the dataset is missing.
        ValueError: the dataset has other files than expected, or no folder is given where one is needed.
    """
    return _load_task(table, dataset, data) if "task" in search_class.needs else None


@lru_cache(maxsize=1)
def _load_task(table: Table, dataset: str, data: Path | None) -> Any:
    from experiments.runs.one_shot import Setting  # it needs PyTorch

    return Setting.of(table, dataset).task(table.space, data, "cpu")


def condition_of(
    search_class: type[BlackBoxSearch], config: Any, table: Table, settings: RunSettings, data: Path | None = None
) -> Condition:
    """Return the condition of runs on a table, checked by making a search and a view of it once.

    Args:
        search_class: a registered search.
        config: its hyperparameters.
        table: the table to search on.
        settings: dataset, schedule, budget and accounting.
        data: folder of the dataset's files, for a search that needs images; digits need none.

    Raises:
        FileNotFoundError: a file of the dataset is missing.
        ValueError: the table has no such dataset, schedule or trial, or the search refuses.
    """
    view = table.search_view(settings.dataset, settings.schedule)
    if isinstance(settings.noise, int) and not (view.seeds == settings.noise).any():
        raise ValueError(f"noise is {settings.noise}, but no trial of {view.key}/{view.schedule} has that seed")
    search_class(view.space, config, max_epochs=view.schedule_epochs, task=task_of(search_class, table, settings.dataset, data))
    return Condition(
        **{**asdict(settings), "budget": float(settings.budget)},  # 20000 and 20000.0 are one experiment
        algorithm=search_class.name,
        hyperparameters=json.dumps(asdict(config), sort_keys=True),
        incumbent_rule=search_class.incumbent_rule,
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def piece_of(condition: Condition, seeds: range, table: Table, results: Path, data: Path | None = None) -> BlackBoxJob:
    """Return the job that makes the runs of some consecutive seeds.

    Args:
        condition: everything the runs depend on besides their seeds.
        seeds: consecutive seeds.
        table: the table to search on.
        results: the results folder.
        data: folder of the dataset's files, for a search that needs images; digits need none.
    """
    version = code_version(run, BLACK_BOX.find(condition.algorithm), type(table.space))
    path, data = table.path.resolve(), data and data.absolute()
    return BlackBoxJob(condition, condition.config(), seeds, path, version, data, results=results)


def plan(condition: Condition, table: Table, results: Path, seeds: range, data: Path | None = None) -> list[BlackBoxJob]:
    """Return the jobs of an experiment whose runs are not stored yet; the arguments are those of `piece_of`.

    Raises:
        StoreError: a stored file of the experiment is damaged or out of place.
    """
    missing = store.missing_pieces(store.stored_seeds(results, condition), seeds)
    return [piece_of(condition, piece, table, results, data) for piece in missing]
