"""The driver of jobs: progress bar, notes of failures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from tqdm import tqdm

from benchmark_api.jobs.files import WriteError, whole_file
from benchmark_api.jobs.job import Engine, Failed, Finished, Job, Progress, SharedFailure, failure_path
from benchmark_api.jobs.local import in_processes, in_this_process


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no monitor thread: processes are forked while the bar is shown


def run_jobs(
    jobs: Sequence[Job], processes: int, engine: Engine | None = None, *, done: int = 0, progress: bool | None = None
) -> list[Failed]:
    """Run all jobs and show a progress bar. A job that fails does not stop the others.

    Args:
        jobs: jobs with the same unit, in the order to start them.
        processes: number of processes.
        engine: where the jobs run; None: in this process if `processes` is 1, otherwise in local processes.
        done: units done by earlier calls, where the bar starts.
        progress: whether to show the bar; None: only if standard error is a terminal.

    Returns:
        The failures. Each reason is also written to the job's `failure_path`, and removed when the job succeeds.

    Raises:
        ValueError: `processes` is not positive.
        WriteError: the results folder cannot be written, or the disk is full.
        SharedFailure: no job would succeed: one says so, or the first two failed alike.
    """
    if processes < 1:
        raise ValueError(f"jobs must be at least 1, got {processes}")
    if engine is None:
        engine = in_this_process if processes == 1 else in_processes
    failures: list[Failed] = []
    finished = False  # whether any job is
    left = {job.path: job.units for job in jobs}
    bar = _Bar(
        total=done + sum(left.values()),
        initial=done,
        unit=jobs[0].unit if jobs else "job",
        smoothing=0,
        disable=None if progress is None else not progress,
    )
    with closing(engine(jobs, processes)) as events, bar:
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
                case Failed() if not path.exists():
                    failures.append(event)
                    with whole_file(failure_path(path)) as file:
                        file.write(event.reason.encode())
                    if not finished and len(jobs) > len(failures) > 1 and len({_essence(one) for one in failures}) == 1:
                        raise SharedFailure(_stopped(failures))
                case Failed() | Finished():  # a process may die between writing its file, which is whole, and reporting it
                    failure_path(path).unlink(missing_ok=True)
                    finished = True
    return failures


def _essence(failure: Failed) -> str:
    """Return the last line of a reason, which is the error."""
    return (failure.reason.strip().splitlines() or [""])[-1]


def _stopped(failures: Sequence[Failed]) -> str:
    notes = ", ".join(str(failure_path(failure.job.path)) for failure in failures)
    return f"stopped, as the first jobs all failed alike: {_essence(failures[0])}; see {notes}"
