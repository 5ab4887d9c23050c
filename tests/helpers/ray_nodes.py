"""Ray nodes on this machine, out of the network's sight."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
RAY = (sys.executable, "-m", "ray.scripts.scripts")
LOOPBACK = ("--node-ip-address=127.0.0.1", "--disable-usage-stats")
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled"}  # a token would lie in the home folder

T = TypeVar("T")


def wait_for(read: Callable[[], T], *errors: type[Exception]) -> T:
    """What a function returns when it returns something true, and raises these errors no longer."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            if value := read():
                return value
        except errors:
            pass
        time.sleep(0.05)
    raise TimeoutError


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of the tests has Ray nodes: two must not start them at the same time."""
    with Path(tempfile.gettempdir(), f"ray-of-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class RayNodes:
    """Starts nodes with `ray start --block`, and stops them at the end of its context.

    Attributes:
        address: of the head.
    """

    def __enter__(self) -> RayNodes:
        self._folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # names of sockets must be short
        self._processes: list[subprocess.Popen[bytes]] = []
        return self

    def start(self, *options: str, before: Sequence[str] = ()) -> None:
        """Start a node; returns when it is there.

        Args:
            *options: of `ray start`.
            before: a command that runs the command that follows it.
        """
        more = ("--include-dashboard=false", f"--temp-dir={self._folder}") if "--head" in options else ()
        command = [*before, *RAY, "start", "--block", *LOOPBACK, *options, *more]
        for _ in range(5):  # on a busy machine a node may take longer than Ray waits
            said = self._folder / f"said-{len(self._processes)}"
            with said.open("wb") as output:
                process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdout=output, stderr=output)
            self._processes.append(process)
            wait_for(lambda: "Ray runtime started" in said.read_text() or process.poll() is not None)  # noqa: B023
            if process.poll() is None:
                break
        else:
            raise RuntimeError(said.read_text())
        if "--head" in options:
            self.address = wait_for((self._folder / "ray_current_cluster").read_text, FileNotFoundError)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._folder)
