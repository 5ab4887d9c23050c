"""Names of the call sites that the renaming has not reached yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark_api.jobs.job import Engine, Event, Failed, Job, JobError, Source, events_of, failure_path
from benchmark_api.jobs.local import in_processes, in_this_process
from benchmark_api.jobs.options import ParallelOptions, available_processors
from benchmark_api.jobs.run_jobs import run_jobs

Work = Job
Spread = ParallelOptions
PieceError = JobError
Failure = Failed
default_jobs = available_processors


def carry_out(pieces: Sequence[Job], jobs: int, engine: Engine | None = None, **more: Any) -> list[Failed]:
    return run_jobs(pieces, jobs, engine, **more)


__all__ = ["Engine", "Event", "Source", "events_of", "failure_path", "in_processes", "in_this_process"]
