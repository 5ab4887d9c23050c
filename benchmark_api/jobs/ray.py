"""Engine on Ray: jobs on the processors and GPUs of a cluster.

A worker reads a job's source and writes its results at the driver's paths, if it sees them. A node that does not see the source
gets it once, through Ray's object store. A worker that does not see the results folder sends its files to the driver, which
writes them. The project must be installed on every node, and data sets have the same path everywhere.
"""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_api.jobs.files import whole_file, writing_in
from benchmark_api.jobs.job import Event, Failed, Finished, Job, Progress, Source, events_of
from benchmark_api.plugins import load_plugins

try:
    import ray
    from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError
except ImportError as error:
    raise ImportError("the ray engine needs Ray: .venv/bin/python -m pip install -e '.[ray]'") from error


_PATIENCE = 5.0
"""Seconds without an event after which the driver checks that its own node is alive."""


@dataclass(frozen=True)
class _SourceWanted:
    """Message of a worker that does not see a job's source."""


@dataclass(frozen=True)
class _Files:
    """Files that a worker has written where the driver does not see them: contents by path relative to the results folder."""

    contents: dict[Path, bytes]


_Message = Event | _SourceWanted | _Files
"""Message of a worker."""


@dataclass(frozen=True)
class RayEngine:
    """Runs jobs on Ray workers, an `Engine`.

    A job whose worker or node dies is retried on another one; a one-shot search then continues from its checkpoint if its
    results folder is shared. A job that fails by an error of its code is not retried.

    Attributes:
        address: address of the cluster; "auto" for the one that this machine belongs to; None to start Ray here for one call.
        gpus: GPUs for each job, also a fraction of one.
        retries: maximum number of retries of a job.
    """

    address: str | None = None
    gpus: float = 0.0
    retries: int = 3

    def __call__(self, jobs: Sequence[Job], processes: int) -> Generator[Event, None, None]:
        """Run jobs; yield events as they happen. A Ray that is started here has `processes` processors.

        Raises:
            ConnectionError: there is no such cluster, or the Ray node of this machine has died.
            ValueError: the number of GPUs is out of range, or more than there are.
        """
        task = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, num_returns="streaming")(_work)
        self._connect(processes)
        with _marker(jobs) as marker:
            driver = _Driver(jobs, task, marker, self.retries)
            try:
                resources = ray.cluster_resources()
                if self.gpus > resources.get("GPU", 0):
                    raise ValueError(f"gpus is {self.gpus} for each job, but all of Ray has {resources.get('GPU', 0):g}")
                yield from driver.run(window=max(processes, 2 * int(resources.get("CPU", 1))))
            finally:
                driver.cancel()
                ray.shutdown()
                driver.discard_parts()

    def _connect(self, processes: int, attempts: int = 3) -> None:
        """Connect to the cluster, or start Ray here, which on a busy machine may take several attempts."""
        own: dict[str, Any] = {}
        if self.address is None:
            own = {"num_cpus": processes, "include_dashboard": False}
        try:
            with _on_loopback() if own else nullcontext():
                ray.init(self.address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except Exception as error:  # Ray's are of many types, the type Exception among them
            ray.shutdown()
            if own and attempts > 1:
                return self._connect(processes, attempts - 1)
            reason = str(error).strip().partition("\n")[0]
            raise ConnectionError(f"no connection to Ray at {self.address or 'this machine'}: {reason}") from error


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let a Ray that starts here listen on the loopback interface alone, as it does by itself on macOS and Windows."""
    name, constants = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", ray._private.ray_constants
    before, enabled = os.environ.get(name), constants.ENABLE_RAY_CLUSTER
    os.environ[name], constants.ENABLE_RAY_CLUSTER = "0", False  # of its processes, of this one
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = enabled
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class _Driver:
    """Jobs of one call: which are running with `task`, the remote function, and what has been reported of each."""

    def __init__(self, jobs: Sequence[Job], task: Any, marker: str, retries: int) -> None:
        self._queue = iter(jobs)
        self._task, self._marker, self._retries = task, marker, retries
        self._running: dict[Any, Job] = {}  # by the stream of messages of its worker
        self._sources: dict[Path, Any] = {}  # reference in the object store, once a node has asked for the source
        self._deaths: Counter[Path] = Counter()  # workers that died, by the job's path
        self._done: Counter[Any] = Counter()  # units of the attempt, by the stream
        self._reported: Counter[Path] = Counter()  # units of all attempts, by the job's path

    def run(self, window: int) -> Iterator[Event]:
        """Run all jobs, at most `window` at a time; yield events as they happen."""
        while True:
            for job in islice(self._queue, window - len(self._running)):
                self._start(job)
            if not self._running:
                return
            ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_PATIENCE)
            if ready:
                yield from self._collect(ready[0])
            else:
                _check_node()

    def _start(self, job: Job) -> None:
        copies = [self._sources[job.source.path]] if job.source is not None and job.source.path in self._sources else []
        self._running[self._task.remote(replace(job, results=job.results.absolute()), self._marker, copies)] = job

    def _collect(self, stream: Any) -> Iterator[Event]:
        """Receive one message of a worker; yield the event that follows from it, if any."""
        job = self._running[stream]
        try:
            message: _Message = ray.get(next(stream))
        except StopIteration:  # its last message was received before
            del self._running[stream]
        except LocalRayletDiedError as error:
            raise ConnectionError(_NODE_DIED) from error
        except RayTaskError as error:  # not raised by the job, whose errors are events
            yield Failed(job, str(error))
        except RayError as error:  # the worker or its node is dead
            del self._running[stream]
            yield from self._retry(job, error)
        else:
            yield from self._receive(stream, job, message)

    def _retry(self, job: Job, error: RayError) -> Iterator[Event]:
        job.discard_parts()
        self._deaths[job.path] += 1
        if (deaths := self._deaths[job.path]) <= self._retries:
            self._start(job)
        else:
            yield Failed(job, f"its worker died {deaths} times, the last time so: {error}\n", died=True)

    def _receive(self, stream: Any, job: Job, message: _Message) -> Iterator[Event]:
        match message:
            case _SourceWanted():
                del self._running[stream]
                assert job.source is not None
                if job.source.path not in self._sources:
                    self._sources[job.source.path] = ray.put(np.fromfile(job.source.path, dtype=np.uint8))
                self._start(job)
            case _Files():
                for path, content in message.contents.items():
                    with whole_file(job.results / path) as file:
                        file.write(content)
            case Progress():  # units that an earlier attempt has reported are not reported again
                self._done[stream] += message.units
                if (new := self._done[stream] - self._reported[job.path]) > 0:
                    self._reported[job.path] += new
                    yield Progress(job, new)
            case Finished() | Failed():
                yield replace(message, job=job)

    def cancel(self) -> None:
        """Stop all workers."""
        for stream in self._running:
            ray.cancel(stream, force=True)

    def discard_parts(self) -> None:
        """Remove the unfinished files of jobs that were cancelled."""
        for job in self._running.values():
            job.discard_parts()


_NODE_DIED = "the Ray node of this machine has died; finished jobs are stored: the same command goes on"


def _check_node() -> None:
    """Raise if the node through which this process speaks to Ray is dead; `ray.wait` would wait forever."""
    here = ray.get_runtime_context().get_node_id()
    if not any(node["Alive"] for node in ray.nodes() if node["NodeID"] == here):
        raise ConnectionError(_NODE_DIED)


@contextmanager
def _marker(jobs: Sequence[Job]) -> Iterator[str]:
    """Put a file in the results folders by which a worker finds out whether it sees the driver's folder; yield its name."""
    name = f".driver-{uuid.uuid4().hex}"
    paths = [folder / name for folder in {job.results for job in jobs}]
    try:
        for path in paths:
            with writing_in(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
                for left in path.parent.glob(".driver-*"):  # by a driver that was killed; one at work can do without
                    left.unlink(missing_ok=True)
                path.touch()
        yield name
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


# -- on a worker -----------------------------------------------------------------------------------------------------------


def _work(job: Job, marker: str, copies: Sequence[Any]) -> Iterator[_Message]:
    """Run a job and yield messages.

    Args:
        job: the job.
        marker: name of the file in the driver's results folders.
        copies: reference to the job's source in the object store, if it is there.
    """
    load_plugins()
    if job.source is not None and not job.source.path.exists():
        if not copies:
            yield _SourceWanted()
            return
        job = replace(job, source_copy=place_of_copy(job.source))
        if not job.source_path.exists():  # the first worker of the node that needs it
            with whole_file(job.source_path) as file:
                file.write(ray.get(copies[0]).data)
    if (job.results / marker).exists():  # this process sees the driver's folder
        yield from events_of(job)
        return
    with tempfile.TemporaryDirectory(prefix="nas-zoo-") as folder:
        results = Path(folder)
        for event in events_of(replace(job, results=results)):
            if isinstance(event, Finished):
                files = [path for path in results.rglob("[!.]*") if path.is_file()]
                yield _Files({path.relative_to(results): path.read_bytes() for path in files})
            yield event


def place_of_copy(source: Source) -> Path:
    """Return the path of this node's copy of a source."""
    return Path(tempfile.gettempdir(), f"nas-zoo-{os.getuid()}", source.fingerprint)
