"""Many runs: experiments cut into pieces of consecutive seeds, spread over local processes, resumable.

A piece of work is one picklable value (`Piece`) and one function (`run_piece`); whatever can call the function on the value,
anywhere that sees the table and the results folder, can take the place of `in_processes`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from algorithms.base import REGISTRY, BlackBoxSearch
from benchmark_api.evaluator import Charge, Noise, Repeats
from benchmark_api.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.run import DEFAULT_BUDGETS, run
from experiments.store import Condition


@dataclass(frozen=True)
class Piece:
    """The unit of work: runs of one condition with consecutive seeds, stored as one file.

    Attributes:
        condition: what the runs depend on besides their seeds.
        config: the hyperparameters, as the algorithm's `Config`.
        seeds: consecutive seeds.
        table_path: the table file.
        results: the results folder.
        code_version: of the code that planned the piece.
    """

    condition: Condition
    config: Any
    seeds: range
    table_path: Path
    results: Path
    code_version: str

    @property
    def path(self) -> Path:
        """The file that the piece will be."""
        return store.piece_path(self.results, self.condition, self.seeds)


@dataclass(frozen=True)
class Failure:
    """A piece that was not finished, and the traceback of what stopped it."""

    piece: Piece
    reason: str


Outcome = tuple[Piece, str | None]
"""A piece that has ended, and why it failed (None: it is stored)."""
Engine = Callable[[Sequence[Piece], int], Generator[Outcome, None, None]]


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


def run_piece(piece: Piece) -> None:
    """Make the runs of a piece and store them.

    Raises:
        ValueError: the table is not the one that the piece was planned for.
    """
    table = _open_table(piece.table_path, piece.table_path.stat().st_mtime_ns)
    condition = piece.condition
    if table.fingerprint != condition.table_fingerprint:
        raise ValueError(f"{piece.table_path} has changed: fingerprint {table.fingerprint}, was {condition.table_fingerprint}")
    view = table.search_view(condition.dataset, condition.schedule)
    search_class = REGISTRY[condition.algorithm]
    runs = [run(search_class, piece.config, view, condition, seed) for seed in piece.seeds]
    store.write_piece(piece.results, condition, runs, piece.code_version, str(piece.table_path))


@lru_cache(maxsize=1)
def _open_table(path: Path, modified: int) -> Table:
    """The table, opened once per process as long as the file stays the same."""
    return Table(path)


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no monitor thread: processes are forked while the bar is shown


def sweep(pieces: Sequence[Piece], jobs: int, engine: Engine | None = None) -> list[Failure]:
    """Run all pieces, with a progress bar over runs; a piece that fails does not stop the others.

    Args:
        pieces: what to do, in the order to start.
        jobs: number of processes.
        engine: how pieces are spread; None: in this process for one job, else `in_processes`.

    Returns:
        The pieces that failed. Their tracebacks also lie beside the results until the piece succeeds.

    Raises:
        ValueError: `jobs` is not positive.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if engine is None:
        engine = in_this_process if jobs == 1 else in_processes
    failures = []
    total = sum(len(piece.seeds) for piece in pieces)
    with closing(engine(pieces, jobs)) as outcomes, _Bar(total=total, unit="run", disable=None) as bar:
        for piece, reason in outcomes:
            if reason is not None:
                failures.append(Failure(piece, reason))
                _note_failure(piece, reason)
            bar.update(len(piece.seeds))
    return failures


def _note_failure(piece: Piece, reason: str) -> None:
    path = store.failure_path(piece.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reason)


def in_this_process(pieces: Sequence[Piece], jobs: int) -> Generator[Outcome, None, None]:
    """One piece after the other."""
    for piece in pieces:
        yield piece, _attempt(piece)


def _attempt(piece: Piece) -> str | None:
    try:
        run_piece(piece)
    except Exception:
        return traceback.format_exc()
    return None


def in_processes(pieces: Sequence[Piece], jobs: int) -> Generator[Outcome, None, None]:
    """Spread pieces over local processes; outcomes come as they end.

    Closing the iterator kills the processes. A process that dies takes only its piece with it. When this process dies, the
    others finish their piece and end.
    """
    # A forked process starts in milliseconds with everything imported; only Linux's C libraries are known to stand it.
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    queue = iter(pieces)
    processes: list[Any] = []
    working: dict[Any, tuple[Any, Piece]] = {}  # our end of a worker's pipe -> the worker, what it is doing

    def start(piece: Piece) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()  # the worker's death must end the pipe
        ours.send(piece)
        processes.append(process)
        working[ours] = process, piece

    try:
        for piece in islice(queue, jobs):
            start(piece)
        while working:
            ready: list[Any] = wait(list(working))
            for connection in ready:
                process, piece = working.pop(connection)
                following = next(queue, None)
                try:
                    reason = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    store.discard_parts(piece.path)
                    reason = f"the process died with exit code {process.exitcode}\n"
                    if following is not None:
                        start(following)
                else:
                    if following is not None:
                        connection.send(following)
                        working[connection] = process, following
                yield piece, reason
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        for _, piece in working.values():
            store.discard_parts(piece.path)


def _work(connection: Connection) -> None:
    """A worker: run the pieces that come, until the other side or the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parent = multiprocessing.parent_process()
    assert parent is not None
    try:
        while parent.sentinel not in wait([connection, parent.sentinel]):
            connection.send(_attempt(connection.recv()))
    except (EOFError, OSError):
        return
