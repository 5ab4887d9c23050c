"""Calls of functions in worker processes, for imports, exports and figures; jobs are another thing (`run_jobs`)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from benchmark_api.jobs.options import available_processors
from benchmark_api.plugins import load_plugins

ResultT = TypeVar("ResultT")


class WorkerDied(RuntimeError):
    """A worker process ended before its call returned."""


def in_parallel(function: Callable[..., ResultT], calls: Sequence[tuple[Any, ...]], jobs: int | None) -> Iterator[ResultT]:
    """Yield the results of calls in worker processes, in the order of the calls; `jobs` None is one process per core.

    Raises:
        ValueError: fewer than one job.
        WorkerDied: a worker process died.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    workers = min(jobs or available_processors(), max(len(calls), 1))
    with ProcessPoolExecutor(workers, initializer=_prepare_worker) as pool:
        try:
            for future in [pool.submit(function, *arguments) for arguments in calls]:
                yield future.result()
        except BrokenProcessPool as error:
            raise WorkerDied("a worker process died, perhaps for lack of memory; try fewer jobs") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    follow_parent()
    gc.disable()  # thousands of live dicts per record and no cycles among them: collecting takes a sixth of the time
    load_plugins()


def follow_parent() -> None:
    """Leave Ctrl-C and the end of a terminal to the parent process, and end when the parent does, even if that is killed.

    A worker of `ProcessPoolExecutor` would wait for ever: it holds both ends of the pipe that its work comes through.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which a broken pool ends its workers
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
