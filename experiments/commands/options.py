"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from benchmark_api.bounds import at_most
from benchmark_api.commands.options import Option
from benchmark_api.commands.printing import print_line
from benchmark_api.ending import tell
from benchmark_api.jobs.job import Failed
from benchmark_api.jobs.options import MAX_JOBS, ParallelOptions, available_processors
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.plugins import module_options
from experiments.runs.job import OtherCodeWarning, RunsJob
from experiments.settings import MAX_SEEDS

SeedCount = Annotated[int, at_most(MAX_SEEDS)]


@dataclass(frozen=True, kw_only=True)
class ResultsOptions:
    """Where results are stored."""

    results: Path = Path("results")
    """Results folder."""


@dataclass(frozen=True, kw_only=True)
class AgainOptions(ResultsOptions):
    """Where results are stored, and which of them are made anew."""

    again: bool = False
    """Make stored runs of other code anew; they are removed first. Without it they stay, and a warning says so."""


@dataclass(frozen=True, kw_only=True)
class StoredTableOptions(ResultsOptions):
    """Stored runs and their table."""

    table: Option[Path] = None
    """Table of the runs; by default the path that is stored with them."""


@dataclass(frozen=True, kw_only=True)
class JobOptions(ParallelOptions):
    """Where jobs run."""

    jobs: Option[Annotated[int, at_most(MAX_JOBS)]] = None
    """Number of processes; by default one per processor, or one for one-shot searches on another device than the CPU."""

    def run(self, jobs: Sequence[RunsJob], results: Path, device: str = "cpu", *, hint: bool = False) -> int:
        """Run jobs that write to a results folder, print a summary and, with `hint`, what comes next; return the exit status."""
        started = time.perf_counter()
        # Several processes on one graphics card would share its memory.
        processes = self.jobs if self.jobs is not None else available_processors() if device == "cpu" else 1
        runs = sum(job.runs for job in jobs)
        failures = run_jobs(jobs, processes, self.make_engine(), progress=not self.quiet)
        unfinished = {failure.job.path for failure in failures}
        failed = sum(job.runs for job in jobs if job.path in unfinished)
        for alike in _by_cause(failures):
            others = f"({len(alike) - 1} more jobs failed from this cause)\n" if len(alike) > 1 else ""
            print(f"\n{alike[0]}{others}", file=sys.stderr, end="")
        if failures:
            tell(f"error: {failed} of {runs} runs failed; the same command tries them again")
        if not self.quiet:
            print_line(f"{runs - failed} new runs in {results} ({time.perf_counter() - started:.1f} s)")
            if hint and not failures:
                where = f"--results {shlex.quote(str(results))}{module_options()}"
                print_line(f"next: nas-zoo table {where}, nas-zoo plots {where}")
        return 1 if failures else 0


@contextmanager
def one_warning() -> Iterator[None]:
    """Give the warnings of many plans about runs of other code as one, and equal ones once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    others = [given.message for given in caught if isinstance(given.message, OtherCodeWarning)]
    for given in {str(given.message): given for given in caught}.values():
        if given.message not in others:
            warnings.warn_explicit(given.message, given.category, given.filename, given.lineno)
    if others:
        text = f"{sum(warning.runs for warning in others)} stored runs of {len(others)} experiments are of other code"
        warnings.warn(f"{text} (`table` names them); --again makes them anew", stacklevel=3)


def _by_cause(failures: Sequence[Failed]) -> list[list[Failed]]:
    """Return failures grouped by their cause, in the order of the first of each."""
    groups: dict[str, list[Failed]] = {}
    for failure in failures:
        groups.setdefault(failure.cause, []).append(failure)
    return [*groups.values()]


def given(**filters: str | None) -> dict[str, str]:
    """Return the filters that are set."""
    return {name: value for name, value in filters.items() if value is not None}
