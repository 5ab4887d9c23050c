"""Engines: what carries out pieces of work, in this process, in processes of this machine, or on a cluster.

A piece of work is one picklable value with a method (`Work.run`). Whatever can call the method on the value can be an engine
(`Engine`): engines differ only in where a piece runs. `benchmark_api.jobs.ray` is the one for Ray.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from tqdm import tqdm

from benchmark_api.jobs.files import WriteError, discard_parts, whole_file


class PieceError(RuntimeError):
    """Why a piece cannot be done, and what to do, in one line: it is told without a traceback."""


class Source(NamedTuple):
    """A large file that many pieces read.

    Attributes:
        path: where it is.
        fingerprint: of its content.
    """

    path: Path
    fingerprint: str

    def find(self) -> Path:
        """Where this process finds it."""
        return COPIES.get(self.path, self.path)


COPIES: dict[Path, Path] = {}
"""Where a process finds files that it does not see where they were when the pieces that read them were planned."""


@dataclass(frozen=True, kw_only=True)
class Work(ABC):
    """A piece of work. It makes one file, whole or not at all; whoever makes it again makes the same.

    Attributes:
        results: the folder of all that it writes.
    """

    unit: ClassVar[str]
    """What the progress bar counts."""
    forked: ClassVar[bool]
    """Whether a forked process can do it (on Linux, where it starts in milliseconds); else a new one."""

    results: Path

    @property
    @abstractmethod
    def path(self) -> Path:
        """The file that it makes."""

    @property
    @abstractmethod
    def units(self) -> int:
        """How much work it is."""

    @property
    def source(self) -> Source | None:
        """The large file that it reads."""
        return None

    @abstractmethod
    def run(self) -> Iterator[int]:
        """Do it; yields on the way how many units have been done since it last did."""

    def discard_parts(self) -> None:
        """Remove what killed writers left where its file will be."""
        discard_parts(self.path.parent)


@dataclass(frozen=True)
class Failure:
    """A piece that was not finished, and the traceback of what stopped it."""

    piece: Work
    reason: str

    def __str__(self) -> str:
        return f"{self.piece.path} failed:\n{self.reason}"


Event = tuple[Work, int | str | WriteError | None]
"""A piece, and an int: so many units of it are done since it last said so; None: it is finished; a text: why it failed; an
error: why neither its file nor any other can be written."""
Engine = Callable[[Sequence[Work], int], Generator[Event, None, None]]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How work is spread."""

    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or Ray (an extra: pip install -e '.[ray]')."""
    address: str | None = None
    """With ray: the cluster, "auto" for the one that this machine belongs to; by default Ray is started here."""
    gpus: float = 0.0
    """With ray: graphics cards for each run or stack, also a fraction of one."""

    def make_engine(self) -> Engine | None:
        """The engine for `carry_out`; None for its default.

        Raises:
            ImportError: Ray is not installed.
            ValueError: a setting is of another engine, or out of range.
        """
        if self.engine == "local":
            if self.address is not None or self.gpus:
                raise ValueError("address and gpus are settings of the ray engine: add --engine ray")
            return None
        from benchmark_api.jobs.ray import RayEngine

        return RayEngine(self.address, self.gpus)


def default_jobs() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failure_path(path: Path) -> Path:
    """Where the traceback of a failed piece lies until the piece succeeds."""
    return path.with_suffix(".failed")


class _Bar(tqdm):  # type: ignore[misc]
    monitor_interval = 0  # no monitor thread: processes are forked while the bar is shown


def carry_out(
    pieces: Sequence[Work], jobs: int, engine: Engine | None = None, *, done: int = 0, progress: bool | None = None
) -> list[Failure]:
    """Carry out all pieces, with a progress bar; a piece that fails does not stop the others.

    Args:
        pieces: what to do, all of one unit, in the order to start.
        jobs: number of processes.
        engine: what carries them out; None: this process for one job, else `in_processes`.
        done: units that were done before, for the bar.
        progress: show the bar; None for where standard error is a terminal.

    Returns:
        The pieces that failed. Their tracebacks also lie beside the results (`failure_path`) until the piece succeeds.

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
    bar = _Bar(
        total=done + sum(left.values()),
        initial=done,
        unit=pieces[0].unit if pieces else "piece",
        smoothing=0,
        disable=None if progress is None else not progress,
    )
    with closing(engine(pieces, jobs)) as events, bar:
        for piece, event in events:
            if isinstance(event, WriteError):
                raise event
            advance = event if isinstance(event, int) else left[piece.path]
            left[piece.path] -= advance
            bar.update(advance)
            note = failure_path(piece.path)
            if isinstance(event, str):
                failures.append(Failure(piece, event))
                with whole_file(note) as file:
                    file.write(event.encode())
            elif event is None:
                note.unlink(missing_ok=True)
    return failures


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
    except PieceError as error:
        yield f"{error}\n"
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
