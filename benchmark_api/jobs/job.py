"""Jobs and the events they report.

A job is a picklable value with a method that does the work (`Job.run`). An engine (`Engine`) decides where it runs.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from benchmark_api.jobs.files import WriteError, discard_parts
from benchmark_api.text import shown


class JobError(RuntimeError):
    """Expected failure of a job, or of all. The message says what to do; it is reported without a traceback of its own."""


class SharedFailure(JobError):
    """Failure that all jobs meet, or would meet; the others are not tried."""


class Source(NamedTuple):
    """Large input file of a job: its path where the job was planned, and a hash of its content."""

    path: Path
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Job(ABC):
    """Work that writes one file, atomically and deterministically.

    Attributes:
        results: folder of all files that the job writes.
        source_copy: path of a copy of the source, for a process that cannot see the source itself.
    """

    unit: ClassVar[str]
    """Unit of progress, a noun in the singular."""
    forked: ClassVar[bool]
    """Whether a forked process can run the job; otherwise it gets a new process, which takes longer to start."""

    results: Path
    source_copy: Path | None = None

    @property
    @abstractmethod
    def path(self) -> Path:
        """Path of the file that the job writes."""

    @property
    @abstractmethod
    def units(self) -> int:
        """Amount of work, in units of progress."""

    @property
    def source(self) -> Source | None:
        """Large input file, sent to machines that cannot see it."""
        return None

    @property
    def source_path(self) -> Path:
        """Path of the large input file in this process."""
        assert self.source is not None
        return self.source_copy or self.source.path

    @abstractmethod
    def run(self) -> Iterator[int]:
        """Do the work; yield the units done since the previous yield."""

    def discard_parts(self) -> None:
        """Remove unfinished files that killed writers left in the folder of the job's file."""
        discard_parts(self.path.parent)


@dataclass(frozen=True)
class Progress:
    """Some units of a job are done since its previous event."""

    job: Job
    units: int


@dataclass(frozen=True)
class Finished:
    """A job is done and its file is written."""

    job: Job


@dataclass(frozen=True)
class Failed:
    """A job has ended without its file.

    Attributes:
        reason: traceback, or message of a `JobError`.
        unwritable: whether the results folder cannot be written, so that other jobs would fail for the same reason.
        died: whether its process ended without an error of its own.
        shared: whether other jobs would fail for the same reason.
    """

    job: Job
    reason: str
    unwritable: bool = False
    died: bool = False
    shared: bool = False

    @property
    def cause(self) -> str:
        """What failures of one cause have in common: type of the error and lines that raised it, or a message of one line."""
        trace, _, last = self.reason.rstrip().rpartition("\n")
        return f"{trace}\n{last.partition(':')[0]}" if trace else last

    def __str__(self) -> str:
        return f"{shown(str(self.job.path))} failed:\n{self.reason}"


Event = Progress | Finished | Failed
Engine = Callable[[Sequence[Job], int], Generator[Event, None, None]]
"""Runs jobs on a number of processors; yields events as they happen. Closing the generator stops all work."""


def events_of(job: Job) -> Iterator[Event]:
    """Run a job in this process; yield its events. The last one is `Finished` or `Failed`."""
    try:
        for units in job.run():
            yield Progress(job, units)
    except WriteError as error:
        yield Failed(job, shown(str(error)), unwritable=True)
    except JobError as error:
        yield Failed(job, f"{shown(str(error))}\n", shared=isinstance(error, SharedFailure))
    except Exception:
        yield Failed(job, traceback.format_exc())
    else:
        yield Finished(job)


def failure_path(path: Path) -> Path:
    """Return the path of the note with the reason why the job of a file failed."""
    return path.with_suffix(".failed")
