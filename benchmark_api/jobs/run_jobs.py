"""The driver of jobs: progress, notes of failures, and an early end where all jobs fail alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing

from tqdm import tqdm

from benchmark_api.jobs.files import WriteError, whole_file
from benchmark_api.jobs.job import Engine, Failed, Finished, Job, Progress, SharedFailure, failure_path
from benchmark_api.jobs.local import in_processes, in_this_process

LOG_SECONDS = 60.0
"""Shortest time between two lines of progress where standard error is no terminal, seconds."""


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no monitor thread: processes are forked while the bar is shown


class _Log:
    """Lines of progress for a log, with the interface of the bar."""

    def __init__(self, total: int, initial: int, unit: str) -> None:
        self._total, self._initial, self._done, self._unit = total, initial, initial, unit
        self._started = self._told = time.monotonic()

    def update(self, units: int) -> None:
        self._done += units
        now = time.monotonic()
        if now - self._told < LOG_SECONDS or self._done == self._initial:
            return
        self._told, spent = now, now - self._started
        left = spent * (self._total - self._done) / (self._done - self._initial)
        times = f"{tqdm.format_interval(spent)} so far, about {tqdm.format_interval(left)} to go"
        print(f"{self._done:,} of {self._total:,} {self._unit}s, {times}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: each line is complete."""


def run_jobs(
    jobs: Sequence[Job], processes: int, engine: Engine | None = None, *, done: int = 0, progress: bool = True
) -> list[Failed]:
    """Run all jobs. A job that fails does not stop the others, unless all of them fail alike.

    Args:
        jobs: jobs with the same unit, in the order to start them.
        processes: number of processes.
        engine: where the jobs run; None: in this process if `processes` is 1, otherwise in local processes.
        done: units done by earlier calls, where the progress starts.
        progress: whether to show the progress on standard error: a bar on a terminal, elsewhere a line each `LOG_SECONDS`.

    Returns:
        The failures. Each reason is also written to the job's `failure_path`, and removed when the job succeeds.

    Raises:
        ValueError: `processes` is not positive.
        WriteError: the results folder cannot be written, or the disk is full.
        SharedFailure: a job has failed for a reason that all others would meet; or none has succeeded, and the first ones failed
            from one cause (see `_alike`).
    """
    if processes < 1:
        raise ValueError(f"jobs must be at least 1, got {processes}")
    if engine is None:
        engine = in_this_process if processes == 1 else in_processes
    failures: list[Failed] = []
    succeeded = False
    left = {job.path: job.units for job in jobs}
    with closing(_progress(progress, done + sum(left.values()), done, jobs)) as bar, closing(engine(jobs, processes)) as events:
        for event in events:
            path = event.job.path
            advance = event.units if isinstance(event, Progress) else left[path]
            left[path] -= advance
            bar.update(advance)
            match event:
                case Failed(unwritable=True):
                    raise WriteError(event.reason)
                case Failed(shared=True):
                    raise SharedFailure(event.reason.strip())
                case Failed() if not path.is_file():
                    failures.append(event)
                    with whole_file(failure_path(path)) as file:
                        file.write(event.reason.encode())
                    if not succeeded and _alike(failures, jobs):
                        break
                case Failed() | Finished():  # a process may die between writing its file, which is whole, and reporting it
                    succeeded = True
                    failure_path(path).unlink(missing_ok=True)
    if not succeeded and len(failures) < len(jobs) and _alike(failures, jobs):
        first, tried = failures[0], f"the first {len(failures)} of {len(jobs)} jobs failed from one cause"
        raise SharedFailure(f"{first}{tried}, so the others were not tried; the same command tries all of them again")
    return failures


def _progress(shown: bool, total: int, initial: int, jobs: Sequence[Job]) -> _Bar | _Log:
    unit = jobs[0].unit if jobs else "job"
    if shown and not sys.stderr.isatty():
        return _Log(total, initial, unit)
    return _Bar(total=total, initial=initial, unit=unit, smoothing=0, disable=not shown)


def _alike(failures: Sequence[Failed], jobs: Sequence[Job]) -> bool:
    """Whether failures have one cause which can be expected of all jobs.

    There are at least two, no process just died, and where the files of the jobs are in several folders, so are theirs: an error
    of one search alone stops no other.
    """
    if len(failures) < 2 or any(failure.died for failure in failures) or len({failure.cause for failure in failures}) > 1:
        return False
    return len({failure.job.path.parent for failure in failures}) > 1 or len({job.path.parent for job in jobs}) == 1
