"""Base class of jobs that make runs and store them in a results folder."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark_api.jobs.job import Job, SharedFailure, Source
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.table import Table, TableError
from benchmark_api.text import is_utf_8
from experiments import store

if TYPE_CHECKING:
    from typing_extensions import Self


class OtherCodeWarning(UserWarning):
    """Stored runs were made by other code than this.

    Attributes:
        runs: number of these runs.
    """

    def __init__(self, what: str, runs: int, versions: Iterable[str]) -> None:
        self.runs = runs
        super().__init__(f"{runs} stored runs of {what} are of other code ({', '.join(versions)}); --again makes them anew")

    @classmethod
    def of(cls, condition: Any, pieces: Sequence[store.StoredPiece], version: str) -> OtherCodeWarning:
        """Return the warning about some pieces of a condition, which this version of the code did not make."""
        versions = sorted({version for piece in pieces for version in piece.code_versions} - {version})
        what = f"{condition.label(None)} on {condition.dataset}"
        return cls(what, sum(len(piece.seeds) for piece in pieces), [*versions, f"now {version}"])


@dataclass(frozen=True, kw_only=True)
class RunsJob(Job):
    """A job that makes runs and stores them in a results folder."""

    @property
    @abstractmethod
    def runs(self) -> int:
        """Number of runs."""


@dataclass(frozen=True)
class ResultsJob(RunsJob):
    """A job whose file is one of a results folder: runs of one condition with consecutive seeds.

    Attributes:
        condition: everything the runs depend on besides their seeds.
        seeds: consecutive seeds.
        table_path: path of the table.
        data: folder of the data set's files, for runs that need images; digits need none.
        code_version: version of the code that planned the job.
    """

    block: ClassVar[int] = store.PIECE_SEEDS
    """Largest number of seeds of a job."""

    condition: Any
    seeds: range
    table_path: Path
    data: Path | None
    code_version: str

    @classmethod
    def of(cls, condition: Any, seeds: range, table: Table, results: Path, data: Path | None = None, **fields: Any) -> Self:
        """Return the job that makes the runs of some consecutive seeds on a table; `fields` are those that a subclass adds."""
        version = cls.version(condition, table.space)
        return cls(condition, seeds, table.path.resolve(), data and data.absolute(), version, results=results, **fields)

    @classmethod
    def plan(
        cls,
        condition: Any,
        table: Table,
        results: Path,
        seeds: Iterable[int],
        data: Path | None = None,
        *,
        again: bool = False,
        **fields: Any,
    ) -> list[Self]:
        """Return the jobs of the runs that are not stored yet.

        Args:
            condition: everything the runs depend on besides their seeds.
            table: the table to search on.
            results: the results folder.
            seeds: seeds of the runs.
            data: folder of the data set's files, for runs that need images; digits need none.
            again: remove the stored runs that other code made, and make them anew with the others.
            **fields: fields of the jobs that a subclass adds.

        Raises:
            FileNotFoundError, ValueError: as for `check`, before anything is removed; or the condition, or the path of the table,
                cannot be stored.
            StoreError: a stored file of the experiment is damaged or out of place.

        Warns:
            OtherCodeWarning: stored runs were made by other code than this, and stay.
        """
        condition.check_stored()
        if not is_utf_8(str(table.path.resolve())):
            raise ValueError(f"{table.path.resolve()}: runs keep the path of their table, which must be UTF-8: rename it")
        pieces, version = store.stored_pieces(results, condition), cls.version(condition, table.space)
        others = [piece for piece in pieces if piece.code_versions != {version}]
        wanted = {*seeds}
        if again:
            cls.of(condition, range(1), table, results, data, **fields).check()  # before anything is removed
            cls.discard(others)
            wanted.update(seed for piece in others for seed in piece.seeds)
            pieces = [piece for piece in pieces if piece not in others]
        elif others:
            warnings.warn(OtherCodeWarning.of(condition, others, version), stacklevel=3)
        missing = store.missing_pieces((seed for piece in pieces for seed in piece.seeds), wanted, cls.block)
        jobs = [cls.of(condition, piece, table, results, data, **fields) for piece in missing]
        if again:
            for job in jobs:
                job.discard_unfinished()
        elif jobs:
            jobs[0].check()
        return jobs

    def check(self) -> None:
        """Check that runs of the condition can be made; the seeds do not matter.

        Raises:
            FileNotFoundError: a file that the runs need is missing.
            ValueError: the search, the images or the device refuses.
        """

    def discard_unfinished(self) -> None:
        """Remove what other code has left of an unfinished run."""

    @classmethod
    def discard(cls, pieces: Iterable[store.StoredPiece]) -> None:
        """Remove results files, and what the runs need to be continued."""
        for piece in pieces:
            piece.path.unlink()

    @classmethod
    @abstractmethod
    def version(cls, condition: Any, space: SearchSpace) -> str:
        """Return the version of the code that determines the runs of a condition in a space."""

    @cached_property
    def config(self) -> Any:
        """Hyperparameters, an instance of the search's `Config`."""
        return self.condition.config()

    @property
    def runs(self) -> int:
        return len(self.seeds)

    @property
    def path(self) -> Path:
        return store.piece_path(self.results, self.condition, self.seeds)

    @property
    def source(self) -> Source:
        return Source(self.table_path, self.condition.table_fingerprint)

    def run(self) -> Iterator[int]:
        """Make the runs that are not stored yet; yield the number of units done since the last yield.

        Raises:
            WriteError: the results folder cannot be written.
        """
        with store.claim(self.results, self.condition, self.seeds) as missing:
            for seeds in missing:
                yield from replace(self, seeds=seeds).make()

    @abstractmethod
    def make(self) -> Iterator[int]:
        """Make all runs and store them, as in `run`; their seeds must be claimed."""

    def open_table(self) -> Table:
        """Return the table, opened once per process as long as its file is unchanged.

        Raises:
            SharedFailure: there is no table any more, or its fingerprint is not that of the plan.
        """
        path = self.source_path
        try:
            table = _open_table(path, path.stat().st_mtime_ns)
        except (FileNotFoundError, TableError) as error:
            raise SharedFailure(str(error)) from error
        if table.fingerprint != (planned := self.condition.table_fingerprint):
            raise SharedFailure(f"{self.table_path} has changed: fingerprint {table.fingerprint}, was {planned}")
        return table


@lru_cache(maxsize=1)
def _open_table(path: Path, modified: int) -> Table:
    return Table(path)
