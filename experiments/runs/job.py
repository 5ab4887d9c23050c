"""Base class of jobs that make runs and store them in a results folder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmark_api.jobs.job import Job, Source
from benchmark_api.tables.table import Table
from experiments import store


@dataclass(frozen=True)
class ResultsJob(Job):
    """A job whose file is one of a results folder: runs of one condition with consecutive seeds.

    Attributes:
        condition: everything the runs depend on besides their seeds.
        config: hyperparameters, an instance of the search's `Config`.
        seeds: consecutive seeds.
        table_path: path of the table.
        code_version: version of the code that planned the job.
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
        """Make the runs that are not stored yet; yield the number of units done since the last yield.

        Raises:
            WriteError: the results folder cannot be written.
        """
        with store.claim(self.results, self.condition, self.seeds) as missing:
            for seeds in missing:
                yield from replace(self, seeds=seeds).make()

    @abstractmethod
    def make(self) -> Iterator[int]:
        """Make all runs and store them, as in `run`; their seeds must be claimed."""

    def open_table(self) -> Table:
        """Return the table, opened once per process as long as its file is unchanged.

        Raises:
            ValueError: its fingerprint is not that of the plan.
        """
        path = self.source_path
        table = _open_table(path, path.stat().st_mtime_ns)
        if table.fingerprint != (planned := self.condition.table_fingerprint):
            raise ValueError(f"{self.table_path} has changed: fingerprint {table.fingerprint}, was {planned}")
        return table


@lru_cache(maxsize=1)
def _open_table(path: Path, modified: int) -> Table:
    return Table(path)
