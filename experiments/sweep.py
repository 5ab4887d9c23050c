"""Many runs: experiments cut into pieces of consecutive seeds, spread over local processes, resumable.

A piece of work is one picklable value with a method (`Work.run`); whatever can call the method on the value, anywhere that
sees the table and the results folder, can take the place of `in_processes`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, ClassVar

from tqdm import tqdm

from algorithms.base import REGISTRY, BlackBoxSearch
from benchmark_api.evaluator import Charge, Noise, Repeats
from benchmark_api.files import WriteError, discard_parts, whole_file
from benchmark_api.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.run import DEFAULT_BUDGETS, run
from experiments.store import Condition


@dataclass(frozen=True)
class Work(ABC):
    """The unit of work: runs of one condition with consecutive seeds, stored as one file.

    Attributes:
        condition: what the runs depend on besides their seeds.
        config: the hyperparameters, as the algorithm's `Config`.
        seeds: consecutive seeds.
        table_path: the table file.
        results: the results folder.
        code_version: of the code that planned the piece.
    """

    unit: ClassVar[str]
    """What the progress bar counts."""
    forked: ClassVar[bool]
    """Whether a forked process can do it (on Linux, where it starts in milliseconds); else a new one."""

    condition: store.AnyCondition
    config: Any
    seeds: range
    table_path: Path
    results: Path
    code_version: str

    @property
    def path(self) -> Path:
        """The file that the piece will be."""
        return store.piece_path(self.results, self.condition, self.seeds)

    @property
    @abstractmethod
    def units(self) -> int:
        """How much work it is."""

    def run(self) -> Iterator[int]:
        """Make the runs that nobody has stored yet; yields on the way how many units have been done since it last did.

        Raises:
            WriteError: the results folder cannot be written.
        """
        with store.claim(self.results, self.condition, self.seeds) as missing:
            for seeds in missing:
                yield from replace(self, seeds=seeds).make()

    @abstractmethod
    def make(self) -> Iterator[int]:
        """Make all runs and store them, as `run` says; their seeds must be claimed."""

    def open_table(self) -> Table:
        """The table, opened once per process as long as the file stays the same.

        Raises:
            ValueError: it is not the one that the piece was planned for.
        """
        path = TABLE_COPIES.get(self.table_path, self.table_path)
        table = _open_table(path, path.stat().st_mtime_ns)
        if table.fingerprint != (planned := self.condition.table_fingerprint):
            raise ValueError(f"{self.table_path} has changed: fingerprint {table.fingerprint}, was {planned}")
        return table

    def discard_parts(self) -> None:
        """Remove what killed writers left where the piece will be."""
        discard_parts(self.path.parent)


@dataclass(frozen=True)
class Piece(Work):
    """Runs of a black-box search."""

    unit = "run"
    forked = True

    condition: Condition

    @property
    def units(self) -> int:
        return len(self.seeds)

    def make(self) -> Iterator[int]:
        view = self.open_table().search_view(self.condition.dataset, self.condition.schedule)
        search_class = REGISTRY[self.condition.algorithm]
        runs = [run(search_class, self.config, view, self.condition, seed) for seed in self.seeds]
        store.write_piece(self.results, self.condition, runs, self.code_version, str(self.table_path))
        yield len(self.seeds)


TABLE_COPIES: dict[Path, Path] = {}
"""Where a process finds tables that it does not see where they were when their pieces were planned."""


@lru_cache(maxsize=1)
def _open_table(path: Path, modified: int) -> Table:
    return Table(path)


@dataclass(frozen=True)
class Failure:
    """A piece that was not finished, and the traceback of what stopped it."""

    piece: Work
    reason: str


Event = tuple[Work, int | str | WriteError | None]
"""A piece, and an int: so many units of it are done since it last said so; None: it is stored; a text: why it failed; an error:
why neither it nor any other piece can be stored."""
Engine = Callable[[Sequence[Work], int], Generator[Event, None, None]]


def default_jobs() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def condition_of(
    search_class: type[BlackBoxSearch],
    config: Any,
    table: Table,
    dataset: str,
    *,
    schedule: str | None = None,
    budget: float | None = None,
    charge: Charge = "scratch",
    repeats: Repeats = "charged",
    noise: Noise | int = "random",
    max_queries: int | None = None,
) -> Condition:
    """The condition of runs on a table, checked by making a search and a view of it once.

    Args:
        search_class: a registered algorithm.
        config: its hyperparameters.
        table: the table to search on.
        dataset: the dataset to search on.
        schedule: None for the table's search schedule.
        budget: simulated seconds; None for the paper's (`DEFAULT_BUDGETS`).
        charge: see `SimulatedEvaluator`, as for the next three.
        repeats: what a repeated query costs.
        noise: which trial answers a query.
        max_queries: at most this many charged queries.

    Raises:
        ValueError: the table has no such dataset or schedule, there is no default budget, or the algorithm refuses.
    """
    view = table.search_view(dataset, schedule)
    space = view.space.name
    if budget is None:
        budget = DEFAULT_BUDGETS.get((space, dataset))
        if budget is None:
            raise ValueError(f"no default budget for {dataset} in the {space} space: give one in simulated seconds (--budget)")
    if isinstance(noise, int) and not (view.seeds == noise).any():
        raise ValueError(f"noise is {noise}, but no trial of {view.key}/{view.schedule} has that seed")
    search_class(view.space, config, max_epochs=view.schedule_epochs)
    return Condition(
        space=space,
        dataset=dataset,
        schedule=view.schedule,
        budget=budget,
        charge=charge,
        repeats=repeats,
        noise=noise,
        max_queries=max_queries,
        algorithm=search_class.name,
        hyperparameters=json.dumps(asdict(config), sort_keys=True),
        incumbent_rule=search_class.incumbent_rule,
        table_fingerprint=table.fingerprint,
        table_title=table.title,
        table_notice=table.notice,
    )


def plan(condition: Condition, config: Any, table: Table, results: Path, seeds: range) -> list[Piece]:
    """The pieces of an experiment that are not stored yet.

    Raises:
        StoreError: a stored file of the experiment is damaged or out of place.
    """
    missing = store.missing_pieces(store.stored_seeds(results, condition), seeds)
    path = table.path.resolve()
    return [Piece(condition, config, piece, path, results, code_version()) for piece in missing]


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no monitor thread: processes are forked while the bar is shown


def sweep(pieces: Sequence[Work], jobs: int, engine: Engine | None = None) -> list[Failure]:
    """Run all pieces, with a progress bar; a piece that fails does not stop the others.

    Args:
        pieces: what to do, all of one kind, in the order to start.
        jobs: number of processes.
        engine: how pieces are spread; None: in this process for one job, else `in_processes`.

    Returns:
        The pieces that failed. Their tracebacks also lie beside the results until the piece succeeds.

    Raises:
        ValueError: `jobs` is not positive.
        WriteError: the results folder cannot be written, or the disk is full.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if engine is None:
        engine = in_this_process if jobs == 1 else in_processes
    failures = []
    left = {piece.path: piece.units for piece in pieces}
    unit = pieces[0].unit if pieces else "run"
    with closing(engine(pieces, jobs)) as events, _Bar(total=sum(left.values()), unit=unit, disable=None) as bar:
        for piece, event in events:
            if isinstance(event, WriteError):
                raise event
            done = event if isinstance(event, int) else left[piece.path]
            left[piece.path] -= done
            bar.update(done)
            if isinstance(event, str):
                failures.append(Failure(piece, event))
                _note_failure(piece, event)
    return failures


def _note_failure(piece: Work, reason: str) -> None:
    with whole_file(store.failure_path(piece.path)) as file:
        file.write(reason.encode())


def in_this_process(pieces: Sequence[Work], jobs: int) -> Generator[Event, None, None]:
    """One piece after the other."""
    for piece in pieces:
        for event in events_of(piece):
            yield piece, event


def events_of(piece: Work) -> Iterator[int | str | WriteError | None]:
    """Run a piece; yields what the second part of an `Event` says."""
    try:
        yield from piece.run()
    except WriteError as error:
        yield error
    except Exception:
        yield traceback.format_exc()
    else:
        yield None


def in_processes(pieces: Sequence[Work], jobs: int) -> Generator[Event, None, None]:
    """Spread pieces over local processes; events come as they happen.

    Closing the iterator kills the processes. A process that dies takes only its piece with it. When this process dies, the
    others end when they next have an event to tell.
    """
    # A forked process starts in milliseconds with everything imported; only Linux's C libraries are known to stand it.
    forked = sys.platform == "linux" and all(piece.forked for piece in pieces)
    context: Any = multiprocessing.get_context("fork" if forked else "spawn")
    if not forked:
        resource_tracker.ensure_running()  # before Python 3.12 its start unblocks what `start` blocks
    queue = iter(pieces)
    processes: list[Any] = []
    working: dict[Any, tuple[Any, Work]] = {}  # our end of a worker's pipe -> the worker, what it is doing

    def start(piece: Work) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        # Ctrl-C reaches the whole group, and the parent decides: a worker inherits that it is blocked, from its first moment.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        theirs.close()  # the worker's death must end the pipe
        processes.append(process)
        give(ours, process, piece)

    def give(connection: Any, process: Any, piece: Work) -> None:
        with suppress(OSError):  # it has died already: the end of the pipe will tell
            connection.send(piece)
        working[connection] = process, piece

    try:
        for piece in islice(queue, jobs):
            start(piece)
        while working:
            ready: list[Any] = wait(list(working))
            for connection in ready:
                process, piece = working[connection]
                try:
                    event = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    piece.discard_parts()
                    yield piece, f"the process died with exit code {process.exitcode}\n"
                    del working[connection]
                    if (following := next(queue, None)) is not None:
                        start(following)
                    continue
                yield piece, event
                if not isinstance(event, int):  # it has ended
                    del working[connection]
                    if (following := next(queue, None)) is not None:
                        give(connection, process, following)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        for _, piece in working.values():
            piece.discard_parts()


def _work(connection: Connection) -> None:
    """A worker: run the pieces that come, until the other side or the parent process is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    try:
        while parent.sentinel not in wait([connection, parent.sentinel]):
            for event in events_of(connection.recv()):
                connection.send(event)
    except (EOFError, OSError):
        return
