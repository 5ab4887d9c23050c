"""Ray as an engine: the same pieces of work, on the processors and GPUs of a cluster.

A worker reads a piece's source and writes its results where the driver does, if it sees these paths. A node that does not see
the source gets it once, through Ray's object store; a worker that does not see the results folder sends what it has written to
the driver, which puts it where it belongs. The project must be installed on every node, and data sets lie in the same place.
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

from benchmark_api.jobs.engines import COPIES, Event, Source, Work, events_of
from benchmark_api.jobs.files import WriteError, whole_file, writing_in

try:
    import ray
    from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError
except ImportError as error:
    raise ImportError("the ray engine needs Ray: .venv/bin/python -m pip install -e '.[ray]'") from error


_PATIENCE = 5.0
"""After so many seconds without an event the driver looks whether its own node is alive."""


@dataclass(frozen=True)
class _SourceWanted:
    """What a worker says that does not see a piece's source."""


@dataclass(frozen=True)
class _Files:
    """What a worker has written out of the driver's sight: contents by path, relative to the results folder."""

    contents: dict[Path, bytes]


@dataclass(frozen=True)
class RayEngine:
    """Spreads pieces over Ray workers, see `benchmark_api.jobs.engines.Engine`.

    A piece whose worker or node dies is tried again, on another one; a one-shot search then goes on from its checkpoint if its
    results folder is shared. A piece that fails by its own error is not.

    Attributes:
        address: of the cluster; "auto" for the one that this machine belongs to; None to start Ray here, for these pieces only.
        gpus: GPUs for each piece, also a fraction of one.
        retries: how often a piece is tried again.
    """

    address: str | None = None
    gpus: float = 0.0
    retries: int = 3

    def __call__(self, pieces: Sequence[Work], jobs: int) -> Generator[Event, None, None]:
        """Run pieces; yields events as they happen. `jobs` is the number of processors of a Ray that is started here.

        Raises:
            ConnectionError: there is no such cluster, or the Ray node of this machine has died.
            ValueError: the number of GPUs is out of range, or more than there are.
        """
        task = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, num_returns="streaming")(_work)
        self._connect(jobs)
        marker = _Marker(pieces)
        sources: dict[Path, Any] = {}  # in the object store, where a node has asked for it
        running: dict[Any, Work] = {}
        attempts: dict[Path, int] = {}
        done: dict[Path, int] = {}  # units of each piece that have been told
        queue = iter(pieces)
        resources = ray.cluster_resources()
        window = max(jobs, 2 * int(resources.get("CPU", 1)))

        def start(piece: Work) -> None:
            copies = [sources[piece.source.path]] if piece.source is not None and piece.source.path in sources else []
            running[task.remote(replace(piece, results=piece.results.absolute()), marker.name, copies)] = piece

        try:
            if self.gpus > resources.get("GPU", 0):
                raise ValueError(f"gpus is {self.gpus} for each piece of work, but all of Ray has {resources.get('GPU', 0):g}")
            while True:
                while len(running) < window and (piece := next(queue, None)) is not None:
                    start(piece)
                if not running:
                    return
                some, _ = ray.wait(list(running), num_returns=1, timeout=_PATIENCE)
                if not some:
                    _check_node()
                    continue
                (ready,) = some
                piece = running[ready]
                try:
                    event = ray.get(next(ready))
                except StopIteration:  # what it said last was said before
                    del running[ready]
                    continue
                except LocalRayletDiedError as error:
                    raise ConnectionError(_NODE_DIED) from error
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
                    case _SourceWanted():
                        del running[ready]
                        assert piece.source is not None
                        if piece.source.path not in sources:
                            sources[piece.source.path] = ray.put(np.fromfile(piece.source.path, dtype=np.uint8))
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
            marker.remove()
            for generator in running:
                ray.cancel(generator, force=True)
            ray.shutdown()
            for piece in running.values():
                piece.discard_parts()

    def _connect(self, jobs: int, attempts: int = 3) -> None:
        """Connect to the cluster, or start Ray here; on a busy machine that may take longer than Ray waits: try again."""
        own = {"num_cpus": jobs, "include_dashboard": False} if self.address is None else {}
        try:
            ray.init(self.address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except Exception as error:  # Ray's are of many types, the type Exception among them
            ray.shutdown()
            if own and attempts > 1:
                return self._connect(jobs, attempts - 1)
            reason = str(error).strip().partition("\n")[0]
            raise ConnectionError(f"no connection to Ray at {self.address or 'this machine'}: {reason}") from error


_NODE_DIED = "the Ray node of this machine has died; what is finished is stored: the same command goes on"


def _check_node() -> None:
    """Raise where the node has died through which this process speaks to Ray: it would wait forever."""
    here = ray.get_runtime_context().get_node_id()
    if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == here):
        raise ConnectionError(_NODE_DIED)


class _Marker:
    """A file in the results folder, by which workers know that they see the driver's."""

    def __init__(self, pieces: Sequence[Work]) -> None:
        self.name = f".driver-{uuid.uuid4().hex}"
        self._paths = [folder / self.name for folder in {piece.results for piece in pieces}]
        for path in self._paths:
            with writing_in(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                for left in path.parent.glob(".driver-*"):  # by a driver that was killed; one at work can do without
                    left.unlink(missing_ok=True)
                path.touch()

    def remove(self) -> None:
        for path in self._paths:
            path.unlink(missing_ok=True)


# -- on a worker -----------------------------------------------------------------------------------------------------------


def _work(piece: Work, marker: str, copies: Sequence[Any]) -> Iterator[Any]:
    """Run a piece; yields units done since its start, and what the second part of an `Event` says, or one of the above.

    Args:
        piece: the piece.
        marker: the file that its results folder has if this process sees the driver's.
        copies: of its source in the object store, if there is one.
    """
    if piece.source is not None and not piece.source.path.exists():
        if not copies:
            yield _SourceWanted()
            return
        COPIES[piece.source.path] = _copy(piece.source, copies[0])
    if (piece.results / marker).exists():
        yield from _cumulated(piece)
        return
    with tempfile.TemporaryDirectory(prefix="nas-zoo-") as folder:
        results = Path(folder)
        for event in _cumulated(replace(piece, results=results)):
            if event is None:
                files = [path for path in results.rglob("[!.]*") if path.is_file()]
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


def _copy(source: Source, content: Any) -> Path:
    """This node's copy of a source; the first worker that needs it makes it."""
    path = place_of_copy(source)
    if not path.exists():
        with whole_file(path) as file:
            file.write(ray.get(content).data)
    return path


def place_of_copy(source: Source) -> Path:
    """Where a node keeps its copy of a source."""
    return Path(tempfile.gettempdir(), f"nas-zoo-{os.getuid()}", source.fingerprint)
