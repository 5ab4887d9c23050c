"""Ray as the engine of a sweep: the same pieces of work, on the processors and GPUs of a cluster.

A worker reads the table and writes results where the driver does, if it sees these paths. A node that does not see the table
gets it once, through Ray's object store; a worker that does not see the results folder sends what it has stored to the driver,
which puts it where it belongs. The project must be installed on every node.
"""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_api.files import WriteError, whole_file
from experiments.sweep import TABLE_COPIES, Event, Work, events_of

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise ImportError("the ray engine needs Ray: .venv/bin/python -m pip install -e '.[ray]'") from error


@dataclass(frozen=True)
class _Table:
    """What a worker says that does not see a piece's table."""


@dataclass(frozen=True)
class _Files:
    """What a worker has stored out of the driver's sight: contents by path, relative to the results folder."""

    contents: dict[Path, bytes]


@dataclass(frozen=True)
class RayEngine:
    """Spreads pieces over Ray workers, see `experiments.sweep.Engine`.

    A piece whose worker or node dies is tried again, on another one; a one-shot search then goes on from its checkpoint if its
    results folder is shared. A piece that fails by its own error is not.

    Attributes:
        address: of the cluster; "auto" for the one that this machine belongs to; None to start Ray here, for this sweep only.
        gpus: GPUs for each piece, also a fraction of one.
        retries: how often a piece is tried again.
    """

    address: str | None = None
    gpus: float = 0.0
    retries: int = 3

    def __call__(self, pieces: Sequence[Work], jobs: int) -> Generator[Event, None, None]:
        """Run pieces; yields events as they happen. `jobs` is the number of processors of a Ray that is started here."""
        own = self.address is None
        resources = {"num_cpus": jobs} if own else {"address": self.address}
        ray.init(include_dashboard=False if own else None, log_to_driver=False, logging_level=logging.ERROR, **resources)
        marker = _Marker(pieces)
        task = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, num_returns="streaming")(_work)
        tables: dict[Path, Any] = {}  # in the object store, where a node has asked for it
        running: dict[Any, Work] = {}
        attempts: dict[Path, int] = {}
        done: dict[Path, int] = {}  # units of each piece that have been told
        queue = iter(pieces)
        window = max(jobs, 2 * int(ray.cluster_resources().get("CPU", 1)))

        def start(piece: Work) -> None:
            table = tables.get(piece.table_path)
            running[task.remote(piece, marker.name, [] if table is None else [table])] = piece

        try:
            while True:
                while len(running) < window and (piece := next(queue, None)) is not None:
                    start(piece)
                if not running:
                    return
                (ready,), _ = ray.wait(list(running), num_returns=1)
                piece = running[ready]
                try:
                    event = ray.get(next(ready))
                except StopIteration:  # what it said last was said before
                    del running[ready]
                    continue
                except RayTaskError as error:  # not the piece's own error, which is an event
                    event = str(error)
                except RayError as error:  # the worker or its node is gone
                    del running[ready]
                    piece.discard_parts()
                    attempts[piece.path] = attempts.get(piece.path, 0) + 1
                    if attempts[piece.path] <= self.retries:
                        start(piece)
                    else:
                        yield piece, f"its worker died {attempts[piece.path]} times, the last time so: {error}\n"
                    continue
                match event:
                    case _Table():
                        del running[ready]
                        if piece.table_path not in tables:
                            tables[piece.table_path] = ray.put(np.fromfile(piece.table_path, dtype=np.uint8))
                        start(piece)
                    case _Files():
                        for path, content in event.contents.items():
                            with whole_file(piece.results / path) as file:
                                file.write(content)
                    case int():  # so many since the attempt began; what an earlier attempt has told is not told again
                        told = done.get(piece.path, 0)
                        done[piece.path] = max(told, event)
                        if event > told:
                            yield piece, event - told
                    case _:
                        yield piece, event
        finally:
            for generator in running:
                ray.cancel(generator, force=True)
            marker.remove()
            ray.shutdown()


class _Marker:
    """A file in the results folder, by which workers know that they see the driver's."""

    def __init__(self, pieces: Sequence[Work]) -> None:
        self.name = f".driver-{uuid.uuid4().hex}"
        self._paths = [folder / self.name for folder in {piece.results for piece in pieces}]
        for path in self._paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def remove(self) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)


# -- on a worker -----------------------------------------------------------------------------------------------------------


def _work(piece: Work, marker: str, table: Sequence[Any]) -> Iterator[Any]:
    """Run a piece; yields units done since its start, and what the second part of an `Event` says, or one of the above."""
    if not piece.table_path.exists():
        if not table:
            yield _Table()
            return
        TABLE_COPIES[piece.table_path] = _copy_of_table(piece, table[0])
    if (piece.results / marker).exists():
        yield from _cumulated(piece)
        return
    with tempfile.TemporaryDirectory(prefix="nas-zoo-") as folder:
        results = Path(folder)
        for event in _cumulated(replace(piece, results=results)):
            if event is None:
                files = list(results.rglob("seeds-*"))
                yield _Files({path.relative_to(results): path.read_bytes() for path in files})
            yield event


def _cumulated(piece: Work) -> Iterator[int | str | WriteError | None]:
    total = 0
    for event in events_of(piece):
        if isinstance(event, int):
            total += event
            yield total
        else:
            yield event


def _copy_of_table(piece: Work, table: Any) -> Path:
    """This node's copy of a piece's table; the first worker that needs it makes it."""
    path = Path(tempfile.gettempdir(), f"nas-zoo-{os.getuid()}", f"{piece.condition.table_fingerprint}.safetensors")
    if not path.exists():
        with whole_file(path) as file:
            file.write(ray.get(table).data)
    return path
