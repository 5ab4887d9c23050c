"""Options that several commands share."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark_api.bounds import at_most
from benchmark_api.jobs.options import MAX_JOBS, ParallelOptions, available_processors
from benchmark_api.jobs.run_jobs import run_jobs
from experiments.runs.job import RunsJob

MAX_SEEDS = 1_000_000
"""Largest number of runs of a command."""
LAST_SEED = 2**62
"""Largest seed: seeds are stored, and claimed, as 64-bit integers."""

SeedCount = Annotated[int, at_most(MAX_SEEDS)]


@dataclass(frozen=True, kw_only=True)
class ResultsOptions:
    """Where results are stored."""

    results: Path = Path("results")
    """Results folder."""


@dataclass(frozen=True, kw_only=True)
class StoredTableOptions(ResultsOptions):
    """Stored runs and their table."""

    table: Path | None = None
    """Table of the runs; by default the path that is stored with them."""


@dataclass(frozen=True, kw_only=True)
class JobOptions(ParallelOptions):
    """Where jobs run."""

    jobs: Annotated[int, at_most(MAX_JOBS)] | None = None
    """Number of processes; by default one per processor, or one for one-shot searches on another device than the CPU."""

    def run(self, jobs: Sequence[RunsJob], results: Path, device: str = "cpu") -> int:
        """Run jobs that write to a results folder and print a summary; return the exit status."""
        started = time.perf_counter()
        # Several processes on one graphics card would share its memory.
        processes = self.jobs if self.jobs is not None else available_processors() if device == "cpu" else 1
        failures = run_jobs(jobs, processes, self.make_engine())
        runs = sum(job.runs for job in jobs)
        unfinished = {failure.job.path for failure in failures}
        failed = sum(job.runs for job in jobs if job.path in unfinished)
        for failure in failures:
            print(f"\n{failure}", file=sys.stderr, end="")
        if failures:
            print(f"error: {failed} of {runs} runs failed; the same command tries them again", file=sys.stderr)
        print(f"{runs - failed} new runs in {results} ({time.perf_counter() - started:.1f} s)")
        return 1 if failures else 0


def given(**filters: str | None) -> dict[str, str]:
    """Return the filters that are set."""
    return {name: value for name, value in filters.items() if value is not None}
