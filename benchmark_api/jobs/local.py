"""Engines on this machine: jobs in this process, or in several local processes."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from benchmark_api.jobs.job import Event, Failed, Job, Progress, events_of
from benchmark_api.plugins import load_plugins


def in_this_process(jobs: Sequence[Job], processes: int) -> Generator[Event, None, None]:
    """Run jobs one after the other."""
    for job in jobs:
        yield from events_of(job)


def in_processes(jobs: Sequence[Job], processes: int) -> Generator[Event, None, None]:
    """Run jobs in local processes.

    Closing the generator kills the processes. A process that dies fails only the job it runs. If this process dies, the
    others end when they report their next event.
    """
    pool = _Pool(jobs)
    try:
        for job in islice(pool.queue, processes):
            pool.start_worker(job)
        while pool.running:
            yield from pool.collect()
    finally:
        pool.stop()


class _Pool:
    """Worker processes that take jobs from one queue.

    `ProcessPoolExecutor` would lose all jobs with one dead worker, and cannot report progress.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        # A forked process starts in milliseconds with everything imported; only Linux's C libraries are known to stand it.
        forked = sys.platform == "linux" and all(job.forked for job in jobs)
        self._context: Any = multiprocessing.get_context("fork" if forked else "spawn")
        self._main = _serve if forked else _serve_in_new_process
        if not forked:
            resource_tracker.ensure_running()  # before Python 3.12 its start unblocks what `start_worker` blocks
        self.queue = iter(jobs)
        self.running: dict[Any, tuple[Any, Job]] = {}  # worker and its job, by the connection to the worker
        self._workers: list[Any] = []

    def start_worker(self, job: Job) -> None:
        """Start a process with a job."""
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=self._main, args=(theirs,), daemon=True)
        # Ctrl-C reaches the whole group, as does the end of a terminal, and the parent decides: a worker inherits that these are
        # blocked, from its first moment.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            worker.start()
            self._workers.append(worker)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        theirs.close()  # the worker's death must end the pipe
        self._give(ours, worker, job)

    def _give(self, connection: Any, worker: Any, job: Job) -> None:
        with suppress(OSError):  # the worker is dead already: `collect` will meet the end of the pipe
            connection.send(job)
        self.running[connection] = worker, job

    def collect(self) -> Iterator[Event]:
        """Wait until workers report; yield one event of each, and give the next jobs to those that are done."""
        connection: Any
        for connection in wait(list(self.running)):
            worker, job = self.running[connection]
            event: Event | None = None
            with suppress(EOFError, OSError):
                event = replace(connection.recv(), job=job)
            if event is None:
                worker.join()
                job.discard_parts()
            yield event or _death(job, worker.exitcode)
            if isinstance(event, Progress):
                continue
            del self.running[connection]
            if following := next(self.queue, None):
                if event:
                    self._give(connection, worker, following)
                else:
                    self.start_worker(following)

    def stop(self) -> None:
        """Kill all workers and remove their unfinished files."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()
        for _, job in self.running.values():
            job.discard_parts()


def _death(job: Job, status: int) -> Failed:
    if status == -getattr(signal, "SIGBUS", 0):
        source = "" if job.source is None else f", {job.source.path},"
        return Failed(job, f"a mapped file{source} was truncated or rewritten in place; make it again\n", shared=True)
    return Failed(job, f"the process died with exit code {status}\n", died=True)


def _serve_in_new_process(connection: Connection) -> None:
    load_plugins()
    _serve(connection)


def _serve(connection: Connection) -> None:
    """Run the jobs that arrive, until the connection or the parent process ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if hasattr(signal, "SIGBUS"):
        signal.signal(signal.SIGBUS, signal.SIG_DFL)  # the process ends by it, and the parent tells why
    try:
        while parent.sentinel not in wait([connection, parent.sentinel]):
            for event in events_of(connection.recv()):
                connection.send(event)
    except (EOFError, OSError):
        return
