"""Black-box experiments: runs in jobs of consecutive seeds; stored runs are skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch
from benchmark_api.bounds import stored_values
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.runs.job import ResultsJob
from experiments.runs.run import run
from experiments.settings import RunSettings
from experiments.store import Condition


@dataclass(frozen=True)
class BlackBoxJob(ResultsJob):
    """Runs of a black-box search."""

    unit = "run"
    forked = True

    condition: Condition

    @classmethod
    def version(cls, condition: Condition, space: SearchSpace) -> str:
        return code_version(run, BLACK_BOX.find(condition.algorithm), type(space))

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


job_of, plan = BlackBoxJob.of, BlackBoxJob.plan


def task_of(search_class: type[BlackBoxSearch], table: Table, dataset: str, data: Path | None) -> Any:
    """Return the task on which a table's candidates were trained; None for a search that needs no images.

    Raises:
        FileNotFoundError: a file of the dataset is missing.
        ValueError: the dataset has other files than expected, or no folder is given where one is needed.
    """
    return _load_task(table, dataset, data) if "task" in search_class.needs else None


@lru_cache(maxsize=1)
def _load_task(table: Table, dataset: str, data: Path | None) -> Any:
    from benchmark_api.training.setting import Setting  # they need PyTorch
    from experiments.runs.one_shot import load_task

    return load_task(Setting.of(table, dataset), table.space, data)


def condition_of(
    search_class: type[BlackBoxSearch], config: Any, table: Table, settings: RunSettings, data: Path | None = None
) -> Condition:
    """Return the condition of runs on a table, checked by making a search and a view of it once.

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
        hyperparameters=json.dumps(stored_values(config), sort_keys=True),
        incumbent_rule=search_class.incumbent_rule,
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )
